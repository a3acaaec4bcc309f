// `zxctl guest run IMAGE`: a test kernel on KVM, with a serial port and a way out.
#pragma once

#include "options.h"

namespace zxctl {

// Exit statuses of `guest run` besides what the guest gives at the debug-exit port.
inline constexpr int kExitGuestDied = 2;
inline constexpr int kExitGuestTimeout = 124;

// Until the guest writes V to the debug-exit port: V * 2 + 1, as QEMU's isa-debug-exit; kExitGuestDied with a report on standard
// error; kExitGuestTimeout; kExitFailure when it could not begin.
[[nodiscard]] int GuestRun(const GuestRunOptions& options);

}  // namespace zxctl
