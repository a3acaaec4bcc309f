// What the kernel executes in a file's stead.
#pragma once

#include <string>

namespace zxctl::client {

// The interpreter that a "#!" line or an ELF file names, bytes that cannot be printed as \xNN; empty if it names none.
[[nodiscard]] std::string InterpreterOf(const std::string& file);

}  // namespace zxctl::client
