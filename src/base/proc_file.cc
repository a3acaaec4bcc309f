#include "base/proc_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

#include "base/unique_fd.h"

namespace zxctl {
namespace {

// The state follows the name's last parenthesis.
constexpr int kStateField = 3;
// A pid, a blank and a name in parentheses, which may contain parentheses itself, are shorter than this.
constexpr size_t kNameEndsWithin = 100;

}  // namespace

Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return FailErrno("cannot open " + path);
  std::string text;
  while (text.size() < max_bytes) {
    const size_t old_size = text.size();
    const size_t chunk = std::min<size_t>(max_bytes - old_size, 16384);
    text.resize(old_size + chunk);
    const ssize_t got = read(fd.get(), text.data() + old_size, chunk);
    if (got < 0) return FailErrno("cannot read " + path);
    text.resize(old_size + static_cast<size_t>(got));
    if (got == 0) break;
  }
  return text;
}

std::optional<std::string_view> StatusField(std::string_view status, std::string_view name) {
  while (!status.empty()) {
    const size_t end = std::min(status.find('\n'), status.size());
    std::string_view line = status.substr(0, end);
    status.remove_prefix(std::min(end + 1, status.size()));
    if (line.size() <= name.size() || !line.starts_with(name) || line[name.size()] != ':') continue;
    line.remove_prefix(name.size() + 1);
    const size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos) return std::string_view{};
    return line.substr(first, line.find_last_not_of(" \t") - first + 1);
  }
  return std::nullopt;
}

// The fields are a few characters each: a plain loop beats memchr.
std::string_view StatFieldsFrom(std::string_view stat, int field) {
  const size_t name_end = stat.substr(0, kNameEndsWithin).rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 > stat.size()) return {};
  const std::string_view text = stat.substr(name_end + 2);
  if (field == kStateField) return text;
  int count = field - kStateField;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == ' ' && --count == 0) return text.substr(at + 1);
  }
  return {};
}

std::optional<int64_t> ReadStatusNumber(pid_t tid, std::string_view field) {
  const auto status = ReadFile(fmt::format("/proc/{}/status", tid), 16384);
  if (!status) return std::nullopt;
  const auto text = StatusField(*status, field);
  if (!text) return std::nullopt;
  int64_t value = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

}  // namespace zxctl
