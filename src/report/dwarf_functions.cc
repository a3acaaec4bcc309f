#include "report/dwarf_functions.h"

#include <dwarf.h>

#include <algorithm>

#include "report/source_path.h"

namespace zxctl::report {
namespace {

constexpr int kMaxNesting = 64;
constexpr size_t kMaxDies = 4'000'000;
constexpr size_t kMaxUnits = 500'000;
constexpr ptrdiff_t kMaxRanges = 100'000;

std::string NameOf(Dwarf_Die& die) {
  Dwarf_Attribute attribute;
  for (const unsigned name : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name}) {
    const char* text = dwarf_formstring(dwarf_attr_integrate(&die, name, &attribute));
    if (text != nullptr) return text;
  }
  return {};
}

// C++ functions that are local to another one, and those with C linkage, have no linker name in DWARF.
bool IsUnqualified(Dwarf_Die& unit, Dwarf_Die& function) {
  const int language = dwarf_srclang(&unit);
  const bool cxx = language == DW_LANG_C_plus_plus || language == DW_LANG_C_plus_plus_03 ||
                   language == DW_LANG_C_plus_plus_11 || language == DW_LANG_C_plus_plus_14;
  return cxx && dwarf_hasattr_integrate(&function, DW_AT_linkage_name) == 0;
}

// A concrete function nested in namespaces, classes or other functions is found only through them.
bool MayHoldFunctions(int tag, bool inside_functions) {
  if (tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block) return inside_functions;
  return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
         tag == DW_TAG_union_type;
}

template <typename F>
void ForEachRange(Dwarf_Die& die, F&& f) {
  Dwarf_Addr base = 0, low = 0, high = 0;
  ptrdiff_t offset = 0;
  for (ptrdiff_t i = 0; i < kMaxRanges; ++i) {
    offset = dwarf_ranges(&die, offset, &base, &low, &high);
    if (offset <= 0) return;
    f(low, high);
  }
}

// The chain of inlined calls at an address inside one function, outermost first.
class InlineChain {
 public:
  explicit InlineChain(uint64_t address) : address_(address) {}

  void Descend(Dwarf_Die& parent, int depth) {
    Dwarf_Die child;
    if (depth > kMaxNesting || dwarf_child(&parent, &child) != 0) return;
    do {
      const int tag = dwarf_tag(&child);
      const bool is_scope = tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block;
      if (!is_scope || dwarf_haspc(&child, address_) != 1) continue;
      if (tag == DW_TAG_inlined_subroutine) chain_.push_back(child);
      Descend(child, depth + 1);
      return;
    } while (++visited_ < kMaxDies && dwarf_siblingof(&child, &child) == 0);
  }

  [[nodiscard]] std::vector<Dwarf_Die>& chain() { return chain_; }

 private:
  uint64_t address_;
  size_t visited_ = 0;
  std::vector<Dwarf_Die> chain_;
};

struct Line {
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;
};

// libdw joins a file with its directory's entry in the line table only, and that entry may be relative too.
std::string AbsoluteFile(Dwarf_Die& unit, const char* file) {
  Dwarf_Attribute attribute;
  const char* directory = dwarf_formstring(dwarf_attr_integrate(&unit, DW_AT_comp_dir, &attribute));
  return SourcePath(directory == nullptr ? "" : directory, file);
}

Line LineAt(Dwarf_Die& unit, uint64_t address) {
  Line out;
  Dwarf_Line* line = dwarf_getsrc_die(&unit, address);
  if (line == nullptr) return out;
  int number = 0, column = 0;
  if (const char* file = dwarf_linesrc(line, nullptr, nullptr)) out.file = AbsoluteFile(unit, file);
  if (dwarf_lineno(line, &number) == 0) out.line = static_cast<uint32_t>(number);
  if (dwarf_linecol(line, &column) == 0) out.column = static_cast<uint32_t>(column);
  return out;
}

uint32_t NumberAttribute(Dwarf_Die& die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_formudata(dwarf_attr(&die, name, &attribute), &value) != 0) return 0;
  return static_cast<uint32_t>(value);
}

// Where an inlined function was called from.
Line CallSite(Dwarf_Die& unit, Dwarf_Die& inlined) {
  Line out{.file = {},
           .line = NumberAttribute(inlined, DW_AT_call_line),
           .column = NumberAttribute(inlined, DW_AT_call_column)};
  Dwarf_Files* files = nullptr;
  size_t count = 0;
  const uint32_t index = NumberAttribute(inlined, DW_AT_call_file);
  if (dwarf_getsrcfiles(&unit, &files, &count) != 0 || index >= count) return out;
  if (const char* file = dwarf_filesrc(files, index, nullptr, nullptr)) out.file = AbsoluteFile(unit, file);
  return out;
}

Symbol MakeSymbol(Dwarf_Die& die, const Line& line, bool inlined) {
  return {.function = NameOf(die),
          .start = std::nullopt,
          .file = line.file,
          .line = line.line,
          .column = line.column,
          .inlined = inlined};
}

// The functions of a skeleton unit are described in its split file.
Dwarf_Die WholeUnit(const Dwarf_Die& unit) {
  Dwarf_Die split{};
  const bool known = dwarf_cu_info(unit.cu, nullptr, nullptr, nullptr, &split, nullptr, nullptr, nullptr) == 0;
  return known && split.cu != nullptr ? split : unit;
}

}  // namespace

std::optional<Dwarf_Die> DwarfFunctions::FindUnit(uint64_t address) {
  Dwarf_Die unit;
  if (dwarf_addrdie(dwarf_, address, &unit) != nullptr) return WholeUnit(unit);
  return SearchUnits(address);
}

// For compilers that write no .debug_aranges.
std::optional<Dwarf_Die> DwarfFunctions::SearchUnits(uint64_t address) {
  if (!units_were_listed_) {
    units_were_listed_ = true;
    Dwarf_CU* unit = nullptr;
    Dwarf_Die die;
    while (units_.size() < kMaxUnits && dwarf_get_units(dwarf_, unit, &unit, nullptr, nullptr, &die, nullptr) == 0) {
      ForEachRange(die, [&](uint64_t low, uint64_t high) { units_.push_back({low, high, die}); });
    }
  }
  const auto found =
      std::find_if(units_.begin(), units_.end(), [&](const Range& r) { return address >= r.low && address < r.high; });
  if (found == units_.end()) return std::nullopt;
  return WholeUnit(found->die);
}

const std::vector<DwarfFunctions::Range>& DwarfFunctions::FunctionsOf(Dwarf_Die& unit, Depth where) {
  FunctionTable& table = where == Depth::kEverywhere ? all_functions_ : outer_functions_;
  const auto [found, is_new] = table.try_emplace(dwarf_dieoffset(&unit));
  if (!is_new) return found->second;
  std::vector<Range>& ranges = found->second;
  std::vector<std::pair<Dwarf_Die, int>> open{{unit, 0}};
  size_t visited = 0;
  while (!open.empty()) {
    auto [parent, depth] = open.back();
    open.pop_back();
    Dwarf_Die child;
    if (depth > kMaxNesting || dwarf_child(&parent, &child) != 0) continue;
    do {
      const int tag = dwarf_tag(&child);
      if (MayHoldFunctions(tag, where == Depth::kEverywhere)) open.emplace_back(child, depth + 1);
      if (tag != DW_TAG_subprogram) continue;
      ForEachRange(child, [&](uint64_t low, uint64_t high) { ranges.push_back({low, high, child}); });
    } while (++visited < kMaxDies && dwarf_siblingof(&child, &child) == 0);
  }
  return ranges;
}

const DwarfFunctions::Range* DwarfFunctions::FindFunction(Dwarf_Die& unit, uint64_t address) {
  // A local class's functions (a lambda's) stand inside of the function that it is local to.
  for (const Depth depth : {Depth::kOutsideFunctions, Depth::kEverywhere}) {
    const std::vector<Range>& ranges = FunctionsOf(unit, depth);
    const auto found = std::find_if(ranges.begin(), ranges.end(),
                                    [&](const Range& r) { return address >= r.low && address < r.high; });
    if (found != ranges.end()) return &*found;
  }
  return nullptr;
}

std::vector<Symbol> DwarfFunctions::Find(uint64_t pc) {
  const uint64_t address = pc - bias_;
  auto unit = FindUnit(address);
  if (!unit) return {};
  Line line = LineAt(*unit, address);
  const Range* function = FindFunction(*unit, address);
  if (function == nullptr) {
    return {Symbol{.function = {}, .start = std::nullopt, .file = line.file, .line = line.line, .column = line.column}};
  }
  Dwarf_Die physical = function->die;
  InlineChain inlines(address);
  inlines.Descend(physical, 0);
  std::vector<Symbol> symbols;
  auto& chain = inlines.chain();
  for (auto inlined = chain.rbegin(); inlined != chain.rend(); ++inlined) {
    symbols.push_back(MakeSymbol(*inlined, line, true));
    line = CallSite(*unit, *inlined);
  }
  symbols.push_back(MakeSymbol(physical, line, false));
  symbols.back().start = function->low + bias_;
  symbols.back().unqualified = IsUnqualified(*unit, physical);
  return symbols;
}

}  // namespace zxctl::report
