// The functions of one module by DWARF: which function an address is in, what was inlined there, and the lines.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "report/symbol.h"

namespace zxctl::report {

class DwarfFunctions {
 public:
  // `dwarf` must outlive this; `bias` is memory address minus file address.
  DwarfFunctions(Dwarf* dwarf, uint64_t bias) : dwarf_(dwarf), bias_(bias) {}

  // The functions at memory address `pc`, innermost first; the last one is physical, the others are inlined. Empty when
  // no compilation unit covers pc. A unit with lines but without a function gives one entry without a name.
  [[nodiscard]] std::vector<Symbol> Find(uint64_t pc);

 private:
  struct Range {
    uint64_t low = 0;
    uint64_t high = 0;
    Dwarf_Die die{};
  };

  [[nodiscard]] std::optional<Dwarf_Die> FindUnit(uint64_t address);
  [[nodiscard]] std::optional<Dwarf_Die> SearchUnits(uint64_t address);
  // Where to look for functions: in functions too means to read nearly everything that the unit describes.
  enum class Depth : uint8_t { kOutsideFunctions, kEverywhere };
  using FunctionTable = std::unordered_map<uint64_t, std::vector<Range>>;  // by the offset of the unit

  [[nodiscard]] const std::vector<Range>& FunctionsOf(Dwarf_Die& unit, Depth where);
  [[nodiscard]] const Range* FindFunction(Dwarf_Die& unit, uint64_t address);

  Dwarf* dwarf_;
  uint64_t bias_;
  bool units_were_listed_ = false;
  std::vector<Range> units_;
  FunctionTable outer_functions_;
  FunctionTable all_functions_;
};

}  // namespace zxctl::report
