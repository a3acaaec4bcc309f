// A report with something in every member, for tests of the renderers.
#pragma once

#include <string>
#include <vector>

#include "report/model.h"

namespace zxctl::report::test {

[[nodiscard]] Report SampleReport();

[[nodiscard]] Frame MakeFrame(uint64_t pc, const std::string& function, Trust trust = Trust::kCfi);
[[nodiscard]] ThreadInfo MakeThread(int32_t tid, const std::string& name, std::vector<Frame> frames);

}  // namespace zxctl::report::test
