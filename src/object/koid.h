// Numbers of objects.
#pragma once

#include <zircon/types.h>

namespace zxctl {

// The tracer numbers its tasks from ZX_KOID_FIRST. Objects that exist in this process only start here, so that the two
// never meet.
inline constexpr zx_koid_t kFirstLocalKoid = zx_koid_t{1} << 40;

// A number that no object of this process has had. Any thread.
[[nodiscard]] zx_koid_t NewLocalKoid();

}  // namespace zxctl
