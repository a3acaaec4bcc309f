#include "base/duration.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "base/clock.h"

namespace zxctl {
namespace {

constexpr double kMaxSeconds = 100.0 * 366 * 24 * 3600;

std::optional<double> UnitSeconds(std::string_view unit) {
  if (unit.empty() || unit == "s") return 1;
  if (unit == "ms") return 1e-3;
  if (unit == "us") return 1e-6;
  if (unit == "m") return 60;
  if (unit == "h") return 3600;
  return std::nullopt;
}

}  // namespace

Result<int64_t> ParseDuration(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const auto unit = UnitSeconds(text.substr(static_cast<size_t>(parsed.ptr - text.data())));
  const bool good =
      parsed.ec == std::errc() && unit && std::isfinite(value) && value >= 0 && value * *unit <= kMaxSeconds;
  if (!good) {
    return Fail(
        Status{.zx = ZX_ERR_INVALID_ARGS,
               .what = fmt::format("'{}' is not a duration: write 500ms, 30s, 2m, or a number of seconds", text)});
  }
  return static_cast<int64_t>(value * *unit * static_cast<double>(kNsPerSec));
}

}  // namespace zxctl
