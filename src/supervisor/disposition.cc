#include "supervisor/disposition.h"

#include <charconv>

namespace zxctl {
namespace {

// Fields of the stat line, counted as proc(5) does, from 1. The state follows the name's last parenthesis.
constexpr int kStateField = 3;
constexpr int kBlockedField = 32;

// Drops `count` blank-separated fields from the front.
std::string_view SkipFields(std::string_view text, int count) {
  for (; count > 0; --count) {
    const size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return {};
    text.remove_prefix(blank + 1);
  }
  return text;
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
  const size_t name_end = stat.rfind(") ");
  if (name_end == std::string_view::npos) return std::nullopt;
  std::string_view rest = SkipFields(stat.substr(name_end + 2), kBlockedField - kStateField);
  SignalSets sets;
  if (!TakeNumber(rest, sets.blocked) || !TakeNumber(rest, sets.ignored) || !TakeNumber(rest, sets.caught)) {
    return std::nullopt;
  }
  return sets;
}

}  // namespace zxctl
