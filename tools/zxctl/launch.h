// Getting a tracer attached to this process.
#pragma once

#include "base/status.h"
#include "run.h"

namespace zxctl {

// Starts a tracer that traces this process from now on, as `options` say. Once it returns OK everything this process does,
// its exec above all, happens under supervision. An error says what would mend it.
[[nodiscard]] Result<void> LaunchTracer(const RunOptions& options);

}  // namespace zxctl
