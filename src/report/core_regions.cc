#include "report/core_regions.h"

#include <algorithm>
#include <charconv>

namespace zxctl::report {
namespace {

// Memory that was reserved and never touched is left out from this size on: its zeros help nobody, and an address
// sanitizer reserves terabytes.
constexpr uint64_t kLargeReserve = 1u << 30;

// "Rss:   12 kB" in bytes.
uint64_t Kilobytes(std::string_view line) {
  const size_t start = line.find_first_of("0123456789");
  uint64_t value = 0;
  if (start != std::string_view::npos) std::from_chars(line.data() + start, line.data() + line.size(), value);
  return value * 1024;
}

bool HasFlag(std::string_view line, std::string_view flag) {
  for (size_t at = line.find(' '); at != std::string_view::npos; at = line.find(' ', at + 1)) {
    if (line.substr(at + 1, 3) == flag || line.substr(at + 1) == flag.substr(0, 2)) return true;
  }
  return false;
}

void AddDetail(std::string_view line, CoreRegion& region) {
  if (line.starts_with("Rss:")) region.present_bytes += Kilobytes(line);
  if (line.starts_with("Anonymous:")) region.own_bytes += Kilobytes(line);
  if (line.starts_with("Swap:")) {
    region.present_bytes += Kilobytes(line);
    region.own_bytes += Kilobytes(line);
  }
  if (!line.starts_with("VmFlags:")) return;
  region.detailed = true;
  region.excluded = HasFlag(line, "dd ") || HasFlag(line, "io ");
  region.huge = HasFlag(line, "ht ");
}

bool IsAnonymous(const CoreRegion& region) { return region.map.inode == 0; }

Dump If(bool all) { return all ? Dump::kAll : Dump::kNothing; }

Dump ChooseShared(const CoreRegion& region, uint32_t filter) {
  const bool anonymous = IsAnonymous(region) || region.map.deleted;
  return If((filter & (anonymous ? kFilterAnonymousShared : kFilterFileShared)) != 0);
}

bool HoldsOwnPages(const CoreRegion& region) {
  if (!region.detailed) return region.map.write;
  const bool small = region.map.end - region.map.start < kLargeReserve;
  return region.own_bytes > 0 || (IsAnonymous(region) && region.map.write && small);
}

}  // namespace

std::vector<CoreRegion> ParseRegions(std::string_view text) {
  std::vector<CoreRegion> regions;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // Mapping lines start with a lower-case digit, the others with a capital letter.
    const bool detail = !line.empty() && line.front() >= 'A' && line.front() <= 'Z';
    if (detail && !regions.empty()) AddDetail(line, regions.back());
    if (detail) continue;
    for (Mapping& map : ParseMaps(line)) regions.push_back({.map = std::move(map)});
  }
  return regions;
}

Dump ChooseDump(const CoreRegion& region, uint32_t filter) {
  if (region.map.path == "[vsyscall]") return Dump::kNothing;
  if (region.map.path == "[vdso]") return Dump::kAll;
  if (region.excluded || region.map.path.starts_with("[vvar")) return Dump::kNothing;
  if (region.huge) return If((filter & (region.map.shared ? kFilterHugeShared : kFilterHugePrivate)) != 0);
  if (region.map.shared) return ChooseShared(region, filter);
  if ((filter & kFilterAnonymousPrivate) != 0 && HoldsOwnPages(region)) return Dump::kAll;
  if (IsAnonymous(region)) return Dump::kNothing;
  if ((filter & kFilterFilePrivate) != 0) return Dump::kAll;
  const bool header = (filter & kFilterElfHeaders) != 0 && region.map.offset == 0 && region.map.read;
  return header ? Dump::kElfHeader : Dump::kNothing;
}

}  // namespace zxctl::report
