// Where a process has what somebody names, for zxctl, which does not read the files of programs itself.
#pragma once

#include "base/status.h"
#include "options.h"

namespace zxctl {

// Prints a JSON array on standard output: an object for each address that has the name, with `name`, `module`, `address` as a
// number, `function` and `resolver` (report/find_symbol.h). It is empty when there is none. Fails when the process is gone or
// may not be looked at. From here on this process is in its sandbox.
[[nodiscard]] Result<void> TellSymbols(const ReportOptions& options);

}  // namespace zxctl
