#include "report/core_layout.h"

#include <elf.h>

#include <algorithm>
#include <bit>
namespace zxctl::report {
namespace {

uint64_t AlignUp(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

template <typename T>
void Append(std::vector<std::byte>& out, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

struct Class64 {
  using Ehdr = Elf64_Ehdr;
  using Phdr = Elf64_Phdr;
  using Shdr = Elf64_Shdr;
  static constexpr unsigned char kIdent = ELFCLASS64;
  static constexpr uint16_t kMachine = arch::kElfMachine;
};

struct Class32 {
  using Ehdr = Elf32_Ehdr;
  using Phdr = Elf32_Phdr;
  using Shdr = Elf32_Shdr;
  static constexpr unsigned char kIdent = ELFCLASS32;
  static constexpr uint16_t kMachine = arch::kElfMachine32;
};

// Into a field of the header, whose width depends on the class.
template <typename T>
void Set(T& field, uint64_t value) {
  field = static_cast<T>(value);
}

template <typename Class>
typename Class::Ehdr MakeHeader(size_t segments) {
  typename Class::Ehdr header{};
  std::copy_n(ELFMAG, SELFMAG, header.e_ident);
  header.e_ident[EI_CLASS] = Class::kIdent;
  header.e_ident[EI_DATA] = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_CORE;
  header.e_machine = Class::kMachine;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof(header);
  header.e_ehsize = sizeof(header);
  header.e_phentsize = sizeof(typename Class::Phdr);
  Set(header.e_phnum, std::min<size_t>(segments, PN_XNUM));
  if (segments < PN_XNUM) return header;
  // The true count is in the first section header.
  Set(header.e_shoff, sizeof(header) + segments * sizeof(typename Class::Phdr));
  header.e_shentsize = sizeof(typename Class::Shdr);
  header.e_shnum = 1;
  return header;
}

template <typename Class>
typename Class::Phdr MakeNoteSegment(uint64_t offset, size_t size) {
  typename Class::Phdr segment{};
  segment.p_type = PT_NOTE;
  Set(segment.p_offset, offset);
  Set(segment.p_filesz, size);
  segment.p_align = 4;
  return segment;
}

template <typename Class>
typename Class::Phdr MakeSegment(const CoreRegion& region, uint64_t offset, uint64_t page_bytes) {
  typename Class::Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = (region.map.read ? PF_R : 0u) | (region.map.write ? PF_W : 0u) | (region.map.execute ? PF_X : 0u);
  Set(segment.p_offset, offset);
  Set(segment.p_vaddr, region.map.start);
  Set(segment.p_filesz, region.file_bytes);
  Set(segment.p_memsz, region.map.end - region.map.start);
  Set(segment.p_align, page_bytes);
  return segment;
}

template <typename Class>
CoreLayout Make(std::span<const CoreRegion> regions, std::span<const std::byte> notes, uint64_t page_bytes) {
  const size_t segments = regions.size() + 1;
  const bool extended = segments >= PN_XNUM;
  const uint64_t notes_at = sizeof(typename Class::Ehdr) + segments * sizeof(typename Class::Phdr) +
                            (extended ? sizeof(typename Class::Shdr) : 0);
  CoreLayout layout;
  Append(layout.head, MakeHeader<Class>(segments));
  Append(layout.head, MakeNoteSegment<Class>(notes_at, notes.size()));
  uint64_t offset = AlignUp(notes_at + notes.size(), page_bytes);
  for (const CoreRegion& region : regions) {
    Append(layout.head, MakeSegment<Class>(region, offset, page_bytes));
    layout.offsets.push_back(offset);
    offset += region.file_bytes;
  }
  if (extended) {
    typename Class::Shdr section{};
    section.sh_info = static_cast<uint32_t>(segments);
    Append(layout.head, section);
  }
  layout.head.insert(layout.head.end(), notes.begin(), notes.end());
  layout.total_bytes = offset;
  return layout;
}

}  // namespace

CoreLayout MakeCoreLayout(std::span<const CoreRegion> regions, std::span<const std::byte> notes, uint64_t page_bytes,
                          arch::Bits bits) {
  return bits == arch::Bits::k64 ? Make<Class64>(regions, notes, page_bytes)
                                 : Make<Class32>(regions, notes, page_bytes);
}

}  // namespace zxctl::report
