// Names and lines for addresses, from the best source there is: DWARF with inlined functions, the symbol tables of the
// file or of a separate one (MiniDebugInfo too), the exported symbols in the program's memory, a JIT's perf map. Runs in
// the sandboxed worker only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "report/dwarf_functions.h"
#include "report/memory_reader.h"
#include "report/module_files.h"
#include "report/modules.h"
#include "report/perf_map.h"
#include "report/symbol.h"

namespace zxctl::report {

// What is known of a module's file after names were looked up in it.
struct ModuleFacts {
  bool has_symbols = false;
  bool has_debug_info = false;
};

class Symbolizer {
 public:
  Symbolizer(MemorySource& memory, ModuleTable& modules, ModuleFiles& files, PerfMap perf_map);
  ~Symbolizer();

  // The functions at `pc`, innermost first: inlined ones, then the physical one, which is always there (perhaps without
  // a name). Answers are kept: the same pc costs nothing again.
  [[nodiscard]] const std::vector<Symbol>& Symbolize(uint64_t pc);

  [[nodiscard]] ModuleFacts FactsOf(const LoadedModule& module);

 private:
  struct ModuleNames;

  std::vector<Symbol> Look(uint64_t pc);
  std::vector<Symbol> LookInModule(LoadedModule& module, uint64_t pc);
  ModuleNames& NamesOf(const LoadedModule& module);

  MemorySource& memory_;
  ModuleTable& modules_;
  ModuleFiles& files_;
  PerfMap perf_map_;
  std::unordered_map<uint64_t, std::vector<Symbol>> known_;
  std::unordered_map<const LoadedModule*, std::unique_ptr<ModuleNames>> names_;
};

}  // namespace zxctl::report
