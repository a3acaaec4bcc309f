// Addresses for names: where a program has a function or a variable that somebody names. Runs in a sandboxed process only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "report/memory_reader.h"
#include "report/module_files.h"
#include "report/modules.h"

namespace zxctl::report {

struct FoundSymbol {
  std::string name;    // the linker's
  std::string module;  // its path
  uint64_t address = 0;
  bool is_function = false;  // false: data, or a label
  bool is_resolver = false;  // of a function that is chosen as the program starts: the code here only chooses
};

// True when a module's path goes by `name`: the whole path, the name of the file, or what it is without its version
// ("libc" for libc.so.6). Every module goes by the empty one.
[[nodiscard]] bool GoesBy(std::string_view path, std::string_view name);
// True when the linker's name is `name`, or is in source form ("ns::f(int)"), or in source form without its parameters.
[[nodiscard]] bool IsNamed(const std::string& linker_name, std::string_view name);

// Everything of this name in the modules that go by `module`, once an address, in the order of addresses. Symbols come from
// the files, separate ones included, and where a file is gone from what its image in memory exports.
[[nodiscard]] std::vector<FoundSymbol> FindSymbols(ModuleTable& modules, ModuleFiles& files, MemorySource& memory,
                                                   std::string_view module, std::string_view name);

}  // namespace zxctl::report
