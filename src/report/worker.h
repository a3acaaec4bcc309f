// Runs the analysis in a child process of its own, in a sandbox and against the clock. A child that crashes, hangs or
// grows costs what it had not yet found out, nothing else.
#pragma once

#include <cstdint>
#include <functional>

#include "report/gather.h"
#include "report/model.h"

namespace zxctl::report {

// What the worker does: hands reports to `emit`, each better than the one before, and returns before the deadline.
using Emit = std::function<void(const Report&)>;
using Work = std::function<void(const CrashInput& input, int64_t deadline_ns, const Emit& emit)>;

// The best report that the worker could make until `deadline_ns` (CLOCK_MONOTONIC). Facts that the caller had before
// (process, signals, time) stay as they were in `input`. When the worker did not end well, a note says how.
[[nodiscard]] Report AnalyseInWorker(const CrashInput& input, int64_t deadline_ns);
// The same with other work than the analysis.
[[nodiscard]] Report RunInWorker(const CrashInput& input, int64_t deadline_ns, const Work& work);

}  // namespace zxctl::report
