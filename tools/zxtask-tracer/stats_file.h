// The tracer's counters as a JSON file, for measurements: ZXCTL_STATS names it.
#pragma once

#include <string>

#include "supervisor/tracer.h"

namespace zxctl {

// One JSON object; an unwritable path is ignored, since nobody is there to be told.
void WriteStats(const std::string& path, const TracerStats& stats);

}  // namespace zxctl
