// Linker names as people write them.
#pragma once

#include <string>

namespace zxctl::report {

// C++ and Rust names in source form; any other name as it is. Names that are absurdly long stay mangled.
[[nodiscard]] std::string Demangle(const std::string& name);

}  // namespace zxctl::report
