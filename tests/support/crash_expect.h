// Ways to look at a report in tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "report/model.h"

namespace zxctl::test {

// The functions of the frames, innermost first; "?" where there is no name.
[[nodiscard]] std::vector<std::string> Functions(const report::ThreadInfo& thread);
// The first frame of this function; null if there is none.
[[nodiscard]] const report::Frame* FindFrame(const report::ThreadInfo& thread, std::string_view function);
// True when the functions stand in the backtrace in this order, others between them allowed.
[[nodiscard]] bool InOrder(const report::ThreadInfo& thread, const std::vector<std::string>& functions);
// The line of a source file that holds "mark: NAME"; 0 if none does.
[[nodiscard]] uint32_t MarkedLine(const std::string& path, const std::string& name);

}  // namespace zxctl::test
