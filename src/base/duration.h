// Durations as people type them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace zxctl {

// "500ms", "30s", "2m", "1h", "1.5s"; a bare number is seconds. In nanoseconds; INVALID_ARGS with a sentence that says what
// is accepted for anything else, also for negative ones and for more than a hundred years.
[[nodiscard]] Result<int64_t> ParseDuration(std::string_view text);

}  // namespace zxctl
