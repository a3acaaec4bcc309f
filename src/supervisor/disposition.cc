#include "supervisor/disposition.h"

#include <charconv>

#include "base/proc_file.h"

namespace zxctl {
namespace {

constexpr int kBlockedField = 32;

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
  std::string_view rest = StatFieldsFrom(stat, kBlockedField);
  SignalSets sets;
  if (!TakeNumber(rest, sets.blocked) || !TakeNumber(rest, sets.ignored) || !TakeNumber(rest, sets.caught)) {
    return std::nullopt;
  }
  return sets;
}

}  // namespace zxctl
