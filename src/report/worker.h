// Runs the analysis in a child process of its own, in a sandbox and against the clock. A child that crashes, hangs or
// grows costs what it had not yet found out, nothing else.
#pragma once

#include <cstdint>

#include "report/gather.h"
#include "report/model.h"

namespace zxctl::report {

// The best report that the worker could make until `deadline_ns` (CLOCK_MONOTONIC). Facts that the caller had before
// (process, signals, time) stay as they were in `input`. When the worker did not end well, a note says how.
[[nodiscard]] Report AnalyseInWorker(const CrashInput& input, int64_t deadline_ns);

}  // namespace zxctl::report
