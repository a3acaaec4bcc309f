// Options whose value is a duration.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace zxctl {

// What is given for `name` is stored in nanoseconds.
void AddDuration(CLI::App& app, const std::string& name, int64_t& out, const std::string& help);

}  // namespace zxctl
