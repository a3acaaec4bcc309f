// From unwound addresses to the frames of the report.
#pragma once

#include <vector>

#include "report/model.h"
#include "report/modules.h"
#include "report/symbolizer.h"
#include "report/unwinder.h"

namespace zxctl::report {

// A frame with its module and without a name.
[[nodiscard]] Frame BareFrame(const UnwoundFrame& unwound, ModuleTable& modules);

// The frame and the functions inlined in it, innermost first, in the order of the report.
void AppendNamedFrames(const UnwoundFrame& unwound, ModuleTable& modules, Symbolizer& symbolizer,
                       std::vector<Frame>& out);

}  // namespace zxctl::report
