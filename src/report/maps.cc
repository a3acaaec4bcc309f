#include "report/maps.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace zxctl::report {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

// Takes a number from the front of `text` up to `separator`, which is taken too.
std::optional<uint64_t> TakeNumber(std::string_view& text, char separator, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (!text.empty() && text.front() == separator) text.remove_prefix(1);
  return value;
}

// The kernel writes a newline in a path as \012.
std::string UnescapePath(std::string_view text) {
  std::string path;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("\\012")) {
      path += '\n';
      i += 3;
    } else {
      path += text[i];
    }
  }
  return path;
}

void SetPath(std::string_view text, Mapping& mapping) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (text.starts_with('/') && text.ends_with(kDeleted)) {
    mapping.deleted = true;
    text.remove_suffix(kDeleted.size());
  }
  mapping.path = UnescapePath(text);
}

bool TakeRights(std::string_view& line, Mapping& mapping) {
  if (line.size() < 5) return false;
  mapping.read = line[0] == 'r';
  mapping.write = line[1] == 'w';
  mapping.execute = line[2] == 'x';
  mapping.shared = line[3] == 's';
  line.remove_prefix(5);
  return true;
}

std::optional<Mapping> ParseLine(std::string_view line) {
  Mapping mapping;
  const auto start = TakeNumber(line, '-', 16);
  const auto end = TakeNumber(line, ' ', 16);
  if (!start || !end || *start >= *end || !TakeRights(line, mapping)) return std::nullopt;
  const auto offset = TakeNumber(line, ' ', 16);
  const auto major = TakeNumber(line, ':', 16);
  const auto minor = TakeNumber(line, ' ', 16);
  const auto inode = TakeNumber(line, ' ', 10);
  if (!offset || !major || !minor || !inode) return std::nullopt;
  mapping.start = *start;
  mapping.end = *end;
  mapping.offset = *offset;
  mapping.device_major = static_cast<uint32_t>(*major);
  mapping.device_minor = static_cast<uint32_t>(*minor);
  mapping.inode = *inode;
  SetPath(line, mapping);
  return mapping;
}

}  // namespace

std::string Mapping::Rights() const {
  return {read ? 'r' : '-', write ? 'w' : '-', execute ? 'x' : '-', shared ? 's' : 'p'};
}

std::vector<Mapping> ParseMaps(std::string_view text) {
  std::vector<Mapping> maps;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (auto mapping = ParseLine(text.substr(0, end))) maps.push_back(std::move(*mapping));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::sort(maps.begin(), maps.end(), [](const Mapping& a, const Mapping& b) { return a.start < b.start; });
  return maps;
}

const Mapping* MappingAbove(std::span<const Mapping> maps, uint64_t address) {
  const auto above = std::upper_bound(maps.begin(), maps.end(), address,
                                      [](uint64_t value, const Mapping& m) { return value < m.start; });
  return above == maps.end() ? nullptr : &*above;
}

const Mapping* FindMapping(std::span<const Mapping> maps, uint64_t address) {
  const auto above = std::upper_bound(maps.begin(), maps.end(), address,
                                      [](uint64_t value, const Mapping& m) { return value < m.start; });
  if (above == maps.begin()) return nullptr;
  const Mapping& candidate = *std::prev(above);
  return candidate.Contains(address) ? &candidate : nullptr;
}

const Mapping* MappingBelow(std::span<const Mapping> maps, uint64_t address) {
  const auto after = std::upper_bound(maps.begin(), maps.end(), address,
                                      [](uint64_t value, const Mapping& m) { return value < m.end; });
  return after == maps.begin() ? nullptr : &*std::prev(after);
}

}  // namespace zxctl::report
