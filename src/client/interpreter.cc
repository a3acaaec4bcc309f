#include "client/interpreter.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <string_view>

#include "base/unique_fd.h"

namespace zxctl::client {
namespace {

// The most that the kernel reads of a "#!" line.
constexpr size_t kLineBytes = 256;

std::string ReadAt(int fd, uint64_t at, size_t size) {
  std::string bytes(size, '\0');
  const ssize_t got = pread(fd, bytes.data(), size, static_cast<off_t>(at));
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return bytes;
}

// False at the file's end.
template <typename T>
bool ReadRecord(int fd, uint64_t at, T& out) {
  const std::string bytes = ReadAt(fd, at, sizeof(out));
  if (bytes.size() == sizeof(out)) std::memcpy(&out, bytes.data(), sizeof(out));
  return bytes.size() == sizeof(out);
}

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return out;
}

std::string InterpreterOfScript(std::string_view line) {
  line = line.substr(0, line.find('\n'));
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return Printable(line.substr(0, line.find_first_of(" \t")));
}

template <typename Header, typename Segment>
std::string InterpreterOfElf(int fd) {
  Header header{};
  if (!ReadRecord(fd, 0, header)) return {};
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Segment segment{};
    if (!ReadRecord(fd, header.e_phoff + i * sizeof(segment), segment)) return {};
    if (segment.p_type != PT_INTERP || segment.p_filesz == 0 || segment.p_filesz > PATH_MAX) continue;
    const std::string name = ReadAt(fd, segment.p_offset, segment.p_filesz);
    return Printable(name.substr(0, name.find('\0')));
  }
  return {};
}

}  // namespace

std::string InterpreterOf(const std::string& file) {
  const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return {};
  const std::string begin = ReadAt(fd.get(), 0, kLineBytes);
  if (begin.starts_with("#!")) return InterpreterOfScript(std::string_view(begin).substr(2));
  if (!begin.starts_with(ELFMAG) || begin.size() <= EI_CLASS) return {};
  const bool is32 = begin[EI_CLASS] == ELFCLASS32;
  return is32 ? InterpreterOfElf<Elf32_Ehdr, Elf32_Phdr>(fd.get()) : InterpreterOfElf<Elf64_Ehdr, Elf64_Phdr>(fd.get());
}

}  // namespace zxctl::client
