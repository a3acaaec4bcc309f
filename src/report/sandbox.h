// The cage of the process that parses what a program controls.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace zxctl::report {

struct SandboxLimits {
  uint64_t address_space_bytes = uint64_t{8} << 30;
  uint64_t cpu_seconds = 10;
};

// From here on the calling process can open files for reading, read, map memory and write to descriptors that it has.
// It can neither run a program nor reach another process nor a network; it leaves no core and no child. Cannot be undone.
Result<void> EnterSandbox(const SandboxLimits& limits);

}  // namespace zxctl::report
