#include "image.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <array>
#include <charconv>
#include <cstring>
#include <span>

#include "base/unique_fd.h"

namespace zxctl {
namespace {

constexpr uint64_t kPage = 4096;

Status Bad(std::string what) { return {.zx = ZX_ERR_INVALID_ARGS, .what = std::move(what)}; }

// A file's bytes, mapped.
class FileBytes {
 public:
  static Result<FileBytes> Map(const std::string& path) {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info = {};
    if (!fd.valid() || fstat(fd.get(), &info) != 0) return FailErrno("cannot open " + path);
    if (!S_ISREG(info.st_mode) || info.st_size == 0) return Fail(Bad(path + " is no file with something in it"));
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

Result<void> Write(const GuestImage& image, uint64_t at, std::span<const uint8_t> bytes, const char* what) {
  if (at < kAfterTables) {
    return Fail(Bad(fmt::format("{} begins at {:#x}, and below {:#x} the page tables stand: link it higher", what, at,
                                kAfterTables)));
  }
  if (at > image.bytes || bytes.size() > image.bytes - at) {
    return Fail(Bad(fmt::format("{} needs memory up to {:#x}, and the guest has {:#x}: give it more with --memory",
                                what, at + bytes.size(), image.bytes)));
  }
  if (zx_vmo_write(image.vmo, bytes.data(), at, bytes.size()) != ZX_OK) return Fail(Bad(zxl_last_error()));
  return {};
}

Result<void> LoadElf(std::span<const uint8_t> file, GuestImage& image) {
  Elf64_Ehdr header;
  if (file.size() < sizeof(header)) return Fail(Bad("the ELF header is cut off"));
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return Fail(Bad("it is no ELF file of 64 bits for x86-64: the first VCPU begins in 64-bit mode"));
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > file.size() ||
      header.e_phnum > (file.size() - header.e_phoff) / sizeof(Elf64_Phdr)) {
    return Fail(Bad("its program headers are not all inside the file: it is cut off, or damaged"));
  }
  image.entry = header.e_entry;
  bool any = false;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, file.data() + header.e_phoff + i * sizeof(part), sizeof(part));
    if (part.p_type != PT_LOAD || part.p_memsz == 0) continue;
    if (part.p_offset > file.size() || part.p_filesz > file.size() - part.p_offset || part.p_filesz > part.p_memsz) {
      return Fail(Bad(fmt::format("segment {} is not all inside the file: it is cut off, or damaged", i)));
    }
    const std::string name = fmt::format("segment {}", i);
    if (part.p_paddr > image.bytes || part.p_memsz > image.bytes - part.p_paddr) {
      return Fail(Bad(fmt::format("{} needs memory up to {:#x}, and the guest has {:#x}: give it more with --memory",
                                  name, part.p_paddr + part.p_memsz, image.bytes)));
    }
    if (auto done = Write(image, part.p_paddr, file.subspan(part.p_offset, part.p_filesz), name.c_str()); !done)
      return done;
    // The guest begins with the addresses of its memory.
    const bool has_entry = header.e_entry >= part.p_vaddr && header.e_entry - part.p_vaddr < part.p_memsz;
    if (has_entry) image.entry = part.p_paddr + (header.e_entry - part.p_vaddr);
    any = true;
  }
  if (!any) return Fail(Bad("it has no segment to be loaded"));
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
  if (memory_bytes < 2 * kAfterTables) return Fail(Bad(fmt::format("{} bytes of memory are not enough", memory_bytes)));
  if (zx_vmo_create(memory_bytes, 0, &image.vmo) != ZX_OK) return Fail(Bad(zxl_last_error()));
  auto done = WriteTables(image);
  const bool is_elf = file->get().size() >= SELFMAG && std::memcmp(file->get().data(), ELFMAG, SELFMAG) == 0;
  if (done) done = is_elf ? LoadElf(file->get(), image) : Write(image, load, file->get(), "the image");
  if (done) return image;
  zx_handle_close(image.vmo);
  Status status = done.error();
  status.what = path + ": " + status.what;
  return Fail(std::move(status));
}

}  // namespace zxctl
