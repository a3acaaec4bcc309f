#include "report/elf_image.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace zxctl::report {
namespace {

constexpr size_t kMaxSegments = 64;
constexpr size_t kMaxNoteBytes = 4096;
constexpr size_t kMaxBuildIdBytes = 64;
constexpr size_t kMaxDynamicEntries = 512;
constexpr size_t kMaxSymbolName = 4096;
constexpr uint64_t kPageMask = ~uint64_t{4095};

struct Elf32Types {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  using Dynamic = Elf32_Dyn;
  using Symbol = Elf32_Sym;
};

struct Elf64Types {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  using Dynamic = Elf64_Dyn;
  using Symbol = Elf64_Sym;
};

template <typename Types>
std::vector<typename Types::Segment> ReadSegments(MemorySource& memory, uint64_t start,
                                                  const typename Types::Header& header) {
  std::vector<typename Types::Segment> segments;
  if (header.e_phentsize != sizeof(typename Types::Segment)) return segments;
  segments.resize(std::min<size_t>(header.e_phnum, kMaxSegments));
  const auto bytes = std::as_writable_bytes(std::span(segments));
  const size_t got = memory.Read(start + header.e_phoff, bytes);
  segments.resize(got / sizeof(typename Types::Segment));
  return segments;
}

std::string HexOf(std::span<const std::byte> bytes) {
  std::string hex;
  for (const std::byte b : bytes) hex += fmt::format("{:02x}", static_cast<unsigned>(b));
  return hex;
}

// The build-id in a run of notes; empty if there is none.
std::string FindBuildId(std::span<const std::byte> notes) {
  Elf64_Nhdr note;
  while (notes.size() >= sizeof(note)) {
    std::memcpy(&note, notes.data(), sizeof(note));
    const size_t name_bytes = (size_t{note.n_namesz} + 3) & ~size_t{3};
    const size_t data_bytes = (size_t{note.n_descsz} + 3) & ~size_t{3};
    notes = notes.subspan(sizeof(note));
    if (name_bytes > notes.size() || data_bytes > notes.size() - name_bytes) return {};
    const bool is_gnu = note.n_namesz == 4 && std::memcmp(notes.data(), "GNU", 4) == 0;
    if (is_gnu && note.n_type == NT_GNU_BUILD_ID && note.n_descsz <= kMaxBuildIdBytes) {
      return HexOf(notes.subspan(name_bytes, note.n_descsz));
    }
    notes = notes.subspan(name_bytes + data_bytes);
  }
  return {};
}

std::string ReadBuildId(MemorySource& memory, uint64_t address, uint64_t bytes) {
  std::vector<std::byte> notes(std::min<uint64_t>(bytes, kMaxNoteBytes));
  notes.resize(memory.Read(address, notes));
  return FindBuildId(notes);
}

template <typename Segment>
void TakeSegment(MemorySource& memory, const Segment& segment, ElfImage& image) {
  const AddressRange range{image.bias + segment.p_vaddr, segment.p_memsz};
  if (segment.p_type == PT_GNU_EH_FRAME) image.eh_frame_hdr = range;
  if (segment.p_type == PT_DYNAMIC) image.dynamic = range;
  if (segment.p_type == PT_NOTE && image.build_id.empty()) {
    image.build_id = ReadBuildId(memory, range.address, range.bytes);
  }
}

template <typename Types>
std::optional<ElfImage> ReadImageOf(MemorySource& memory, uint64_t start) {
  const auto header = memory.ReadValue<typename Types::Header>(start);
  if (!header) return std::nullopt;
  const auto segments = ReadSegments<Types>(memory, start, *header);
  const auto first = std::find_if(segments.begin(), segments.end(), [](const auto& segment) {
    return segment.p_type == PT_LOAD && segment.p_offset == 0;
  });
  if (first == segments.end()) return std::nullopt;
  ElfImage image{.is_64 = sizeof(header->e_entry) == 8, .machine = header->e_machine};
  image.bias = start - (first->p_vaddr & kPageMask);
  for (const auto& segment : segments) TakeSegment(memory, segment, image);
  return image;
}

// ---- exported symbols ---------------------------------------------------------------------------------------------

struct DynamicTables {
  uint64_t symbols = 0;
  uint64_t strings = 0;
  uint64_t strings_bytes = 0;
  uint64_t hash = 0;
  uint64_t gnu_hash = 0;
};

// The dynamic linker of glibc writes addresses into the table; the vdso's and others' stay as they are in the file.
uint64_t Relocated(uint64_t value, const ElfImage& image) { return value < image.bias ? value + image.bias : value; }

void TakeDynamic(int64_t tag, uint64_t value, const ElfImage& image, DynamicTables& tables) {
  if (tag == DT_SYMTAB) tables.symbols = Relocated(value, image);
  if (tag == DT_STRTAB) tables.strings = Relocated(value, image);
  if (tag == DT_STRSZ) tables.strings_bytes = value;
  if (tag == DT_HASH) tables.hash = Relocated(value, image);
  if (tag == DT_GNU_HASH) tables.gnu_hash = Relocated(value, image);
}

template <typename Types>
DynamicTables ReadDynamicTables(MemorySource& memory, const ElfImage& image) {
  using Entry = typename Types::Dynamic;
  DynamicTables tables;
  const size_t count = std::min<uint64_t>(image.dynamic->bytes / sizeof(Entry), kMaxDynamicEntries);
  for (size_t i = 0; i < count; ++i) {
    const auto entry = memory.ReadValue<Entry>(image.dynamic->address + i * sizeof(Entry));
    if (!entry || entry->d_tag == DT_NULL) break;
    TakeDynamic(entry->d_tag, entry->d_un.d_val, image, tables);
  }
  return tables;
}

// A GNU hash table does not say how many symbols there are: the last chain of the highest bucket ends the table.
uint64_t CountByGnuHash(MemorySource& memory, uint64_t table, size_t word_bytes) {
  struct Header {
    uint32_t buckets, first_symbol, bloom_words, shift;
  };
  const auto header = memory.ReadValue<Header>(table);
  if (!header || header->buckets > kMaxMemorySymbols || header->bloom_words > kMaxMemorySymbols) return 0;
  std::vector<uint32_t> buckets(header->buckets);
  const uint64_t buckets_at = table + sizeof(Header) + uint64_t{header->bloom_words} * word_bytes;
  if (memory.Read(buckets_at, std::as_writable_bytes(std::span(buckets))) != buckets.size() * 4) return 0;
  uint64_t last = buckets.empty() ? 0 : *std::max_element(buckets.begin(), buckets.end());
  if (last < header->first_symbol) return header->first_symbol;
  const uint64_t chains_at = buckets_at + buckets.size() * 4;
  for (; last < kMaxMemorySymbols; ++last) {
    const auto chain = memory.ReadValue<uint32_t>(chains_at + (last - header->first_symbol) * 4);
    if (!chain || (*chain & 1) != 0) break;
  }
  return last + 1;
}

uint64_t CountSymbols(MemorySource& memory, const DynamicTables& tables, size_t word_bytes) {
  if (tables.gnu_hash != 0) return CountByGnuHash(memory, tables.gnu_hash, word_bytes);
  if (tables.hash == 0) return 0;
  return memory.ReadValue<uint32_t>(tables.hash + 4).value_or(0);  // nchain
}

template <typename Types>
std::vector<MemorySymbol> ReadSymbolsOf(MemorySource& memory, const ElfImage& image) {
  const DynamicTables tables = ReadDynamicTables<Types>(memory, image);
  const uint64_t count = std::min<uint64_t>(CountSymbols(memory, tables, image.is_64 ? 8 : 4), kMaxMemorySymbols);
  std::vector<typename Types::Symbol> raw(tables.symbols == 0 ? 0 : count);
  raw.resize(memory.Read(tables.symbols, std::as_writable_bytes(std::span(raw))) / sizeof(typename Types::Symbol));
  std::vector<MemorySymbol> symbols;
  for (const auto& symbol : raw) {
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= tables.strings_bytes) continue;
    const int type = symbol.st_info & 0xf;
    if (type != STT_FUNC && type != STT_OBJECT && type != STT_GNU_IFUNC && type != STT_NOTYPE) continue;
    symbols.push_back({.address = image.bias + symbol.st_value,
                       .bytes = symbol.st_size,
                       .is_function = type == STT_FUNC || type == STT_GNU_IFUNC,
                       .name = memory.ReadString(tables.strings + symbol.st_name, kMaxSymbolName)});
  }
  return symbols;
}

}  // namespace

std::optional<ElfImage> ReadElfImage(MemorySource& memory, uint64_t start) {
  const auto ident = memory.ReadValue<std::array<unsigned char, EI_NIDENT>>(start);
  if (!ident || std::memcmp(ident->data(), ELFMAG, SELFMAG) != 0) return std::nullopt;
  if ((*ident)[EI_DATA] != ELFDATA2LSB) return std::nullopt;
  if ((*ident)[EI_CLASS] == ELFCLASS64) return ReadImageOf<Elf64Types>(memory, start);
  if ((*ident)[EI_CLASS] == ELFCLASS32) return ReadImageOf<Elf32Types>(memory, start);
  return std::nullopt;
}

std::vector<MemorySymbol> ReadDynamicSymbols(MemorySource& memory, const ElfImage& image) {
  if (!image.dynamic) return {};
  return image.is_64 ? ReadSymbolsOf<Elf64Types>(memory, image) : ReadSymbolsOf<Elf32Types>(memory, image);
}

}  // namespace zxctl::report
