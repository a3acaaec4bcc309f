#include "report/perf_map.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/unique_fd.h"

namespace zxctl::report {
namespace {

constexpr size_t kMaxName = 1024;

std::string ReadBounded(int fd, size_t max_bytes) {
  std::string text;
  std::string chunk(1 << 20, '\0');
  while (text.size() < max_bytes) {
    const ssize_t got = read(fd, chunk.data(), std::min(chunk.size(), max_bytes - text.size()));
    if (got <= 0) break;
    text.append(chunk, 0, static_cast<size_t>(got));
  }
  return text;
}

bool TakeHex(std::string_view& text, uint64_t& value) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.empty() || text.front() != ' ') return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

void PerfMap::TakeLine(std::string_view line) {
  Entry entry;
  if (!TakeHex(line, entry.start) || !TakeHex(line, entry.bytes)) return;
  entry.name = line.substr(0, kMaxName);
  entries_.push_back(std::move(entry));
}

void PerfMap::Load() {
  loaded_ = true;
  if (path_.empty()) return;
  UniqueFd fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != uid_) return;
  const std::string text = ReadBounded(fd.get(), kMaxBytes);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    TakeLine(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
}

std::optional<Symbol> PerfMap::Find(uint64_t pc) {
  if (!loaded_) Load();
  const auto found = std::find_if(entries_.rbegin(), entries_.rend(),
                                  [&](const Entry& e) { return pc >= e.start && pc - e.start < e.bytes; });
  if (found == entries_.rend()) return std::nullopt;
  return Symbol{.function = found->name, .start = found->start, .file = {}};
}

}  // namespace zxctl::report
