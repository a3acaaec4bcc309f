#include "image.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>
#include <vector>

#include "base/unique_fd.h"

namespace zxctl {
namespace {

constexpr uint64_t kPage = 4096;

Status Bad(std::string what) { return {.zx = ZX_ERR_INVALID_ARGS, .what = std::move(what)}; }

// Why this is no file that can be loaded; empty if it is one.
std::string WhyNoImage(const struct stat& info) {
  if (S_ISDIR(info.st_mode)) return "is a directory: name an image in it";
  if (S_ISFIFO(info.st_mode)) return "is a FIFO: write what comes out of it to a file, and give that";
  if (S_ISSOCK(info.st_mode)) return "is a socket: write what comes out of it to a file, and give that";
  if (!S_ISREG(info.st_mode)) return "is a device: copy the image from it to a file, and give that";
  if (info.st_size == 0) return "is empty: an image is an ELF file of 64 bits, or 64-bit code";
  return {};
}

// A file's bytes, mapped.
class FileBytes {
 public:
  static Result<FileBytes> Map(const std::string& path) {
    // Opening a device may do something to it, and opening a FIFO waits.
    struct stat info = {};
    if (stat(path.c_str(), &info) != 0) return FailErrno("cannot open " + path);
    if (std::string why = WhyNoImage(info); !why.empty()) return Fail(Bad(path + " " + why));
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd.valid() || fstat(fd.get(), &info) != 0) return FailErrno("cannot open " + path);
    if (std::string why = WhyNoImage(info); !why.empty()) return Fail(Bad(path + " " + why));
    const auto size = static_cast<size_t>(info.st_size);
    void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (at == MAP_FAILED) return FailErrno("cannot map " + path);
    return FileBytes({static_cast<const uint8_t*>(at), size});
  }
  FileBytes(FileBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes() {
    if (!bytes_.empty()) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
  }
  [[nodiscard]] std::span<const uint8_t> get() const { return bytes_; }

 private:
  explicit FileBytes(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  std::span<const uint8_t> bytes_;
};

// Whether so much memory is there, above the page tables.
Result<void> CheckRange(const GuestImage& image, uint64_t at, uint64_t bytes, const std::string& what) {
  if (at < kAfterTables) {
    return Fail(
        Bad(fmt::format("{} begins at {:#x}, and below {:#x} the page tables stand: link it higher, or give a "
                        "flat binary a higher --load",
                        what, at, kAfterTables)));
  }
  if (at > image.bytes || bytes > image.bytes - at) {
    return Fail(
        Bad(fmt::format("{} needs {:#x} bytes of memory at {:#x}, and the guest has {:#x} in all: give it more "
                        "with --memory, or put the image lower",
                        what, bytes, at, image.bytes)));
  }
  return {};
}

Result<void> Write(const GuestImage& image, uint64_t at, std::span<const uint8_t> bytes) {
  if (!bytes.empty() && zx_vmo_write(image.vmo, bytes.data(), at, bytes.size()) != ZX_OK) {
    return Fail(Bad(zxl_last_error()));
  }
  return {};
}

Result<void> CheckEntry(uint64_t entry) {
  if (entry < kMappedBytes) return {};
  return Fail(
      Bad(fmt::format("the first instruction is at {:#x}, and a guest begins with the first {:#x} bytes mapped: "
                      "link it lower, or give a flat binary a lower --load",
                      entry, kMappedBytes)));
}

Result<void> LoadFlat(std::span<const uint8_t> file, const GuestImage& image) {
  if (auto checked = CheckEntry(image.entry); !checked) return checked;
  if (auto checked = CheckRange(image, image.entry, file.size(), "the image"); !checked) return checked;
  return Write(image, image.entry, file);
}

// ---- ELF -------------------------------------------------------------------------------------------------------------

struct Segment {
  size_t number = 0;
  Elf64_Phdr header = {};
};

Result<Elf64_Ehdr> ReadHeader(std::span<const uint8_t> file) {
  Elf64_Ehdr header;
  if (file.size() < sizeof(header)) return Fail(Bad("the ELF header is cut off"));
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return Fail(Bad("it is no ELF file of 64 bits for x86-64: the first VCPU begins in 64-bit mode"));
  }
  switch (header.e_type) {
    case ET_EXEC:
      break;
    case ET_DYN:
      return Fail(
          Bad("it is a shared object, or a position-independent program, which nobody relocates here: link it -static "
              "-no-pie"));
    case ET_REL:
      return Fail(Bad("it is an object file: link it -nostdlib -static -no-pie"));
    default:
      return Fail(Bad(fmt::format("it is no program: its e_type is {}, and ET_EXEC is {}", header.e_type, ET_EXEC)));
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > file.size() ||
      header.e_phnum > (file.size() - header.e_phoff) / sizeof(Elf64_Phdr)) {
    return Fail(Bad("its program headers are not all inside the file: it is cut off, or damaged"));
  }
  return header;
}

Result<void> CheckSegment(std::span<const uint8_t> file, const GuestImage& image, const Segment& segment) {
  const auto& [number, part] = segment;
  if (part.p_offset > file.size() || part.p_filesz > file.size() - part.p_offset || part.p_filesz > part.p_memsz) {
    return Fail(Bad(fmt::format("segment {} is not all inside the file: it is cut off, or damaged", number)));
  }
  return CheckRange(image, part.p_paddr, part.p_memsz, fmt::format("segment {}", number));
}

// Those that are loaded, each of which has its place.
Result<std::vector<Segment>> ReadSegments(std::span<const uint8_t> file, const Elf64_Ehdr& header,
                                          const GuestImage& image) {
  std::vector<Segment> segments;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Segment segment{.number = i};
    std::memcpy(&segment.header, file.data() + header.e_phoff + i * sizeof(Elf64_Phdr), sizeof(Elf64_Phdr));
    if (segment.header.p_type == PT_INTERP) {
      return Fail(Bad("it asks for a dynamic loader, and a guest has none: link it -static -no-pie"));
    }
    if (segment.header.p_type != PT_LOAD || segment.header.p_memsz == 0) continue;
    if (auto checked = CheckSegment(file, image, segment); !checked) return Fail(checked.error());
    segments.push_back(segment);
  }
  if (segments.empty()) return Fail(Bad("it has no segment to be loaded"));
  auto by_address = segments;
  std::sort(by_address.begin(), by_address.end(),
            [](const Segment& a, const Segment& b) { return a.header.p_paddr < b.header.p_paddr; });
  for (size_t i = 1; i < by_address.size(); ++i) {
    const auto& [number, part] = by_address[i - 1];
    if (by_address[i].header.p_paddr - part.p_paddr >= part.p_memsz) continue;
    return Fail(Bad(fmt::format("segments {} and {} overlap in memory, at {:#x}: link them to addresses of their own",
                                number, by_address[i].number, by_address[i].header.p_paddr)));
  }
  return segments;
}

// Where the first instruction is in memory: the guest begins with the addresses of its memory, and e_entry may be one of those or
// one of what the program is linked to.
Result<uint64_t> FindEntry(uint64_t entry, const std::vector<Segment>& segments) {
  for (const auto& [number, part] : segments) {
    if (entry >= part.p_vaddr && entry - part.p_vaddr < part.p_memsz) return part.p_paddr + (entry - part.p_vaddr);
  }
  for (const auto& [number, part] : segments) {
    if (entry >= part.p_paddr && entry - part.p_paddr < part.p_memsz) return entry;
  }
  return Fail(Bad(fmt::format("its entry, {:#x}, is in no segment that is loaded: has it a symbol _start?", entry)));
}

Result<void> LoadElf(std::span<const uint8_t> file, GuestImage& image) {
  const auto header = ReadHeader(file);
  if (!header) return Fail(header.error());
  const auto segments = ReadSegments(file, *header, image);
  if (!segments) return Fail(segments.error());
  const auto entry = FindEntry(header->e_entry, *segments);
  if (!entry) return Fail(entry.error());
  image.entry = *entry;
  if (auto checked = CheckEntry(image.entry); !checked) return checked;
  for (const auto& [number, part] : *segments) {
    if (auto done = Write(image, part.p_paddr, file.subspan(part.p_offset, part.p_filesz)); !done) return done;
  }
  return {};
}

// The first 4 GiB at their own addresses, in pages of 2 MiB that programs may use.
Result<void> WriteTables(const GuestImage& image) {
  constexpr uint64_t kEntry = 7;
  constexpr uint64_t kLarge = 0x80;
  constexpr size_t kEntries = kPage / sizeof(uint64_t);
  constexpr size_t kDirectories = 4;
  std::array<uint64_t, (2 + kDirectories)* kEntries> tables = {};
  tables[0] = kPage | kEntry;
  for (size_t i = 0; i < kDirectories; ++i) tables[kEntries + i] = (2 + i) * kPage | kEntry;
  for (size_t i = 0; i < kDirectories * kEntries; ++i) tables[2 * kEntries + i] = i << 21 | kEntry | kLarge;
  if (zx_vmo_write(image.vmo, tables.data(), 0, sizeof(tables)) != ZX_OK) return Fail(Bad(zxl_last_error()));
  return {};
}

}  // namespace

Result<uint64_t> ParseNumber(const std::string& text) {
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  uint64_t value = 0;
  const char* begin = text.data() + (is_hex ? 2 : 0);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, value, is_hex ? 16 : 10);
  if (error != std::errc() || stop != end || begin == end) {
    return Fail(Bad(fmt::format("'{}' is no number: write 4096 or 0x1000", text)));
  }
  return value;
}

Result<uint64_t> ParseBytes(const std::string& text) {
  constexpr std::string_view kUnits = "KMGT";
  const size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  const auto number = ParseNumber(unit == std::string_view::npos ? text : text.substr(0, text.size() - 1));
  const unsigned shift = unit == std::string_view::npos ? 0 : 10 * (static_cast<unsigned>(unit) + 1);
  if (!number || *number > UINT64_MAX >> shift) {
    return Fail(Bad(fmt::format("'{}' is no size: write 65536, 64K, 512M or 2G", text)));
  }
  return *number << shift;
}

Result<GuestImage> LoadGuestImage(const std::string& path, uint64_t memory_bytes, uint64_t load) {
  const auto file = FileBytes::Map(path);
  if (!file) return Fail(file.error());
  GuestImage image = {.bytes = memory_bytes, .entry = load};
  if (memory_bytes < kLeastMemory || memory_bytes % kPage != 0) {
    return Fail(
        Bad(fmt::format("--memory: {} bytes are {}: the least is {}K, and it has to be a multiple of {}", memory_bytes,
                        memory_bytes < kLeastMemory ? "too little" : "not whole pages", kLeastMemory >> 10, kPage)));
  }
  if (zx_vmo_create(memory_bytes, 0, &image.vmo) != ZX_OK)
    return Fail(Bad(std::string("--memory: ") + zxl_last_error()));
  auto done = WriteTables(image);
  const bool is_elf = file->get().size() >= SELFMAG && std::memcmp(file->get().data(), ELFMAG, SELFMAG) == 0;
  if (done) done = is_elf ? LoadElf(file->get(), image) : LoadFlat(file->get(), image);
  if (done) return image;
  zx_handle_close(image.vmo);
  Status status = done.error();
  status.what = path + ": " + status.what;
  return Fail(std::move(status));
}

}  // namespace zxctl
