// A function at an address, as the sources of names describe it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace zxctl::report {

struct Symbol {
  std::string function{};           // linker name or source name, not demangled; empty if unknown
  std::optional<uint64_t> start{};  // of the function's code around the address, in memory
  std::string file{};               // source file; empty if unknown
  uint32_t line = 0;
  uint32_t column = 0;
  bool inlined = false;
  bool unqualified = false;  // a C++ function's bare name; a symbol table may have the whole
};

}  // namespace zxctl::report
