// `zxctl doctor [PID] [--json]`: would supervision work here, what does this kernel do, and who traces PID.
#pragma once

#include <sys/types.h>

#include <optional>

namespace zxctl {

struct DoctorOptions {
  std::optional<pid_t> pid;  // look at this process instead of at launching and the kernel
  bool json = false;
};

// Prints the diagnosis on standard output. Without a PID: 0 when supervision works here, 1 when something that
// `zxctl run` needs is missing. With one: 0 when it could be attached to, 1 when that would be refused.
[[nodiscard]] int Doctor(const DoctorOptions& options);

}  // namespace zxctl
