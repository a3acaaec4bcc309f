// Function names from an ELF file's symbol table.
#pragma once

#include <gelf.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "report/symbol.h"

namespace zxctl::report {

// True when `a` reads better than its alias `b`: fewer underscores before it ("free" and "__libc_free"), then the shorter
// one ("free" and "cfree").
[[nodiscard]] bool IsPlainerName(std::string_view a, std::string_view b);

// Looks in .symtab, or in .dynsym when there is none. The table is read through once for each address: for the few
// addresses of a report that is faster than sorting it.
class ElfSymbols {
 public:
  // `elf` must outlive this; null gives nothing. `bias` is memory address minus file address.
  ElfSymbols(Elf* elf, uint64_t bias);

  [[nodiscard]] bool has_symtab() const { return has_symtab_; }
  [[nodiscard]] bool has_any() const { return table_ != nullptr; }
  // The function that holds memory address `pc`.
  [[nodiscard]] std::optional<Symbol> Find(uint64_t pc) const;

 private:
  void TakeSection(Elf_Scn* section);

  Elf* elf_;
  uint64_t bias_;
  Elf_Data* table_ = nullptr;
  size_t strings_ = 0;  // section index
  bool is_64_ = true;
  bool has_symtab_ = false;
};

}  // namespace zxctl::report
