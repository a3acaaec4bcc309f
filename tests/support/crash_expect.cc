#include "support/crash_expect.h"

#include <algorithm>
#include <fstream>

namespace zxctl::test {

std::vector<std::string> Functions(const report::ThreadInfo& thread) {
  std::vector<std::string> names;
  for (const report::Frame& frame : thread.frames) names.push_back(frame.function.empty() ? "?" : frame.function);
  return names;
}

const report::Frame* FindFrame(const report::ThreadInfo& thread, std::string_view function) {
  const auto found = std::find_if(thread.frames.begin(), thread.frames.end(),
                                  [&](const report::Frame& frame) { return frame.function == function; });
  return found == thread.frames.end() ? nullptr : &*found;
}

bool InOrder(const report::ThreadInfo& thread, const std::vector<std::string>& functions) {
  auto wanted = functions.begin();
  for (const report::Frame& frame : thread.frames) {
    if (wanted != functions.end() && frame.function == *wanted) ++wanted;
  }
  return wanted == functions.end();
}

uint32_t MarkedLine(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  uint32_t number = 1;
  for (std::string line; std::getline(file, line); ++number) {
    if (line.ends_with("// mark: " + name)) return number;
  }
  return 0;
}

}  // namespace zxctl::test
