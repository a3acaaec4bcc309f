#include "report/source_excerpt.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/unique_fd.h"

namespace zxctl::report {
namespace {

constexpr off_t kMaxSourceBytes = 16 << 20;
constexpr uint32_t kLinesAround = 3;
constexpr size_t kMaxLineBytes = 400;

bool MayRead(int fd, uid_t uid) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > kMaxSourceBytes) return false;
  return (info.st_mode & S_IROTH) != 0 || (info.st_uid == uid && (info.st_mode & S_IRUSR) != 0);
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 65536> chunk;
  for (ssize_t got = read(fd, chunk.data(), chunk.size()); got > 0; got = read(fd, chunk.data(), chunk.size())) {
    text.append(chunk.data(), static_cast<size_t>(got));
    if (text.size() > static_cast<size_t>(kMaxSourceBytes)) break;
  }
  return text;
}

std::optional<SourceExcerpt> TakeLines(const std::string& text, const std::string& file, uint32_t line) {
  SourceExcerpt excerpt{.file = file, .line = line, .lines = {}};
  uint32_t number = 1;
  bool has_line = false;
  for (size_t at = 0; at < text.size() && number <= line + kLinesAround; ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (number + kLinesAround >= line)
      excerpt.lines.emplace_back(number, text.substr(at, std::min(end - at, kMaxLineBytes)));
    has_line = has_line || number == line;
    at = end + 1;
  }
  if (!has_line) return std::nullopt;
  return excerpt;
}

}  // namespace

std::optional<SourceExcerpt> ReadSource(const std::string& file, uint32_t line, pid_t pid, uid_t uid) {
  if (line == 0 || !file.starts_with('/')) return std::nullopt;
  for (const std::string& path : {fmt::format("/proc/{}/root{}", pid, file), file}) {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid() || !MayRead(fd.get(), uid)) continue;
    if (auto excerpt = TakeLines(ReadAll(fd.get()), file, line)) return excerpt;
  }
  return std::nullopt;
}

}  // namespace zxctl::report
