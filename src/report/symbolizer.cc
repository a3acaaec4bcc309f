#include "report/symbolizer.h"

#include <algorithm>

#include "report/elf_symbols.h"

namespace zxctl::report {
namespace {

std::optional<Symbol> FindInMemory(const std::vector<MemorySymbol>& symbols, uint64_t pc) {
  const MemorySymbol* best = nullptr;
  for (const MemorySymbol& symbol : symbols) {
    if (!symbol.is_function || pc < symbol.address || pc - symbol.address >= symbol.bytes) continue;
    const bool alias = best != nullptr && symbol.address == best->address;
    if (best == nullptr || symbol.address > best->address || (alias && IsPlainerName(symbol.name, best->name))) {
      best = &symbol;
    }
  }
  if (best == nullptr) return std::nullopt;
  return Symbol{.function = best->name, .start = best->address, .file = {}};
}

// What libdwfl finds in a separate debug file and in MiniDebugInfo.
std::optional<Symbol> FindByDwfl(Dwfl_Module* file, uint64_t pc) {
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(file, pc, &offset, &symbol, nullptr, nullptr, nullptr);
  if (name == nullptr || *name == '\0') return std::nullopt;
  return Symbol{.function = name, .start = pc - offset, .file = {}};
}

// The linker name of a function that DWARF has a bare name of. Others ("main.cold") say nothing better.
bool IsWholeNameOf(const Symbol& found, const Symbol& bare) {
  return bare.unqualified && found.start == bare.start && found.function.starts_with("_Z");
}

}  // namespace

// The sources of one module, each opened when the better ones have no answer.
struct Symbolizer::ModuleNames {
  ModuleNames(Dwfl_Module* dwfl_module, const LoadedModule& loaded) : file(dwfl_module), module(loaded) {
    if (file == nullptr) return;
    Dwarf_Addr bias = 0;
    if (Dwarf* dwarf = dwfl_module_getdwarf(file, &bias)) functions.emplace(dwarf, bias);
    GElf_Addr elf_bias = 0;
    Elf* elf = dwfl_module_getelf(file, &elf_bias);
    symbols.emplace(elf, elf_bias);
  }

  std::optional<Symbol> FindByTables(MemorySource& memory, uint64_t pc) {
    std::optional<Symbol> found;
    if (symbols) found = symbols->Find(pc);
    if (found && symbols->has_symtab()) return found;
    if (file != nullptr && !symbols->has_symtab()) {
      auto better = FindByDwfl(file, pc);
      // Where libdwfl knows no more than we do, it does not choose among aliases.
      const bool alias = found && better && found->start == better->start;
      if (better && !(alias && IsPlainerName(found->function, better->function))) return better;
    }
    if (found) return found;
    if (!exported && module.image) exported = ReadDynamicSymbols(memory, *module.image);
    return exported ? FindInMemory(*exported, pc) : std::nullopt;
  }

  Dwfl_Module* file;
  const LoadedModule& module;
  std::optional<DwarfFunctions> functions;
  std::optional<ElfSymbols> symbols;
  std::optional<std::vector<MemorySymbol>> exported;
};

Symbolizer::Symbolizer(MemorySource& memory, ModuleTable& modules, ModuleFiles& files, PerfMap perf_map)
    : memory_(memory), modules_(modules), files_(files), perf_map_(std::move(perf_map)) {}

Symbolizer::~Symbolizer() = default;

Symbolizer::ModuleNames& Symbolizer::NamesOf(const LoadedModule& module) {
  auto& names = names_[&module];
  if (!names) names = std::make_unique<ModuleNames>(files_.Open(module), module);
  return *names;
}

ModuleFacts Symbolizer::FactsOf(const LoadedModule& module) {
  const ModuleNames& names = NamesOf(module);
  return {.has_symbols = names.symbols && names.symbols->has_any(), .has_debug_info = names.functions.has_value()};
}

std::vector<Symbol> Symbolizer::LookInModule(LoadedModule& module, uint64_t pc) {
  ModuleNames& names = NamesOf(module);
  std::vector<Symbol> symbols;
  if (names.functions) symbols = names.functions->Find(pc);
  const bool named = !symbols.empty() && !symbols.back().function.empty();
  if (named && !symbols.back().unqualified) return symbols;
  if (auto found = names.FindByTables(memory_, pc)) {
    if (named && !IsWholeNameOf(*found, symbols.back())) return symbols;
    if (symbols.empty()) symbols.emplace_back();
    symbols.back().function = found->function;
    symbols.back().start = found->start;
  }
  return symbols;
}

std::vector<Symbol> Symbolizer::Look(uint64_t pc) {
  if (LoadedModule* module = modules_.Find(pc)) return LookInModule(*module, pc);
  if (auto found = perf_map_.Find(pc)) return {*found};
  return {};
}

const std::vector<Symbol>& Symbolizer::Symbolize(uint64_t pc) {
  const auto [found, is_new] = known_.try_emplace(pc);
  if (is_new) {
    found->second = Look(pc);
    if (found->second.empty()) found->second.emplace_back();
  }
  return found->second;
}

}  // namespace zxctl::report
