#include "supervisor/disposition.h"

#include <charconv>

namespace zxctl {
namespace {

// Fields of the stat line, counted as proc(5) does, from 1. The state follows the name's last parenthesis.
constexpr int kStateField = 3;
constexpr int kBlockedField = 32;
// A pid, a blank and a name in parentheses, which may contain parentheses itself, are shorter than this.
constexpr size_t kNameEndsWithin = 100;

// Drops `count` blank-separated fields from the front. The fields are a few characters each: a plain loop beats memchr.
std::string_view SkipFields(std::string_view text, int count) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == ' ' && --count == 0) return text.substr(at + 1);
  }
  return {};
}

bool TakeNumber(std::string_view& text, uint64_t& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  if (!text.empty()) text.remove_prefix(1);
  return true;
}

}  // namespace

Disposition DispositionOf(const SignalSets& sets, int signo) {
  const uint64_t bit = uint64_t{1} << (signo - 1);
  if ((sets.caught & bit) != 0) return Disposition::kCaught;
  return (sets.ignored & bit) != 0 ? Disposition::kIgnored : Disposition::kDefault;
}

std::optional<SignalSets> ParseStatSignals(std::string_view stat) {
  const size_t name_end = stat.substr(0, kNameEndsWithin).rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 > stat.size()) return std::nullopt;
  std::string_view rest = SkipFields(stat.substr(name_end + 2), kBlockedField - kStateField);
  SignalSets sets;
  if (!TakeNumber(rest, sets.blocked) || !TakeNumber(rest, sets.ignored) || !TakeNumber(rest, sets.caught)) {
    return std::nullopt;
  }
  return sets;
}

}  // namespace zxctl
