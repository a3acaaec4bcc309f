#include "report/elf_symbols.h"

#include <algorithm>
#include <span>

namespace zxctl::report {
namespace {

constexpr size_t kMaxSymbols = 20'000'000;

// The best symbol so far: one whose size covers the address beats one that merely starts before it.
template <typename Sym>
struct Candidate {
  const Sym* symbol = nullptr;
  bool covers = false;
};

template <typename Sym>
bool IsCode(const Sym& symbol) {
  const unsigned type = symbol.st_info & 0xf;
  return symbol.st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

template <typename Sym, typename NameOf>
bool IsBetter(const Sym& symbol, bool covers, const Candidate<Sym>& best, const NameOf& name_of) {
  if (best.symbol == nullptr || covers != best.covers) return best.symbol == nullptr || covers;
  if (symbol.st_value != best.symbol->st_value) return symbol.st_value > best.symbol->st_value;
  const auto is_typed = [](const Sym& s) { return (s.st_info & 0xf) != STT_NOTYPE; };
  const auto is_local = [](const Sym& s) { return s.st_info >> 4 == STB_LOCAL; };
  if (is_typed(symbol) != is_typed(*best.symbol)) return is_typed(symbol);
  if (is_local(symbol) != is_local(*best.symbol)) return is_local(*best.symbol);
  return IsPlainerName(name_of(symbol), name_of(*best.symbol));
}

template <typename Sym, typename NameOf>
const Sym* FindIn(const Elf_Data& table, uint64_t address, const NameOf& name_of) {
  const std::span symbols(static_cast<const Sym*>(table.d_buf), std::min(table.d_size / sizeof(Sym), kMaxSymbols));
  Candidate<Sym> best;
  for (const Sym& symbol : symbols) {
    if (symbol.st_value > address || !IsCode(symbol)) continue;
    const bool covers = address - symbol.st_value < symbol.st_size;
    // A symbol without a size (hand-written assembly) reaches to the next one; one with a size ends there.
    if (!covers && symbol.st_size != 0) continue;
    if (IsBetter(symbol, covers, best, name_of)) best = {&symbol, covers};
  }
  return best.symbol;
}

template <typename Sym>
std::optional<Symbol> Named(Elf* elf, size_t strings, const Sym* symbol, uint64_t bias) {
  const char* name = symbol == nullptr ? nullptr : elf_strptr(elf, strings, symbol->st_name);
  if (name == nullptr || *name == '\0') return std::nullopt;
  return Symbol{.function = name, .start = symbol->st_value + bias, .file = {}};
}

}  // namespace

bool IsPlainerName(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return b.empty() && !a.empty();
  const auto underscores = [](std::string_view name) { return std::min(name.find_first_not_of('_'), name.size()); };
  if (underscores(a) != underscores(b)) return underscores(a) < underscores(b);
  return a.size() < b.size();
}

ElfSymbols::ElfSymbols(Elf* elf, uint64_t bias) : elf_(elf), bias_(bias) {
  GElf_Ehdr header;
  if (elf == nullptr || gelf_getehdr(elf, &header) == nullptr) return;
  is_64_ = gelf_getclass(elf) == ELFCLASS64;
  Elf_Scn* section = nullptr;
  while (!has_symtab_ && (section = elf_nextscn(elf, section)) != nullptr) TakeSection(section);
}

void ElfSymbols::TakeSection(Elf_Scn* section) {
  GElf_Shdr header;
  if (gelf_getshdr(section, &header) == nullptr) return;
  if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) return;
  Elf_Data* data = elf_getdata(section, nullptr);
  if (data == nullptr || data->d_buf == nullptr || data->d_type != ELF_T_SYM) return;
  table_ = data;
  strings_ = header.sh_link;
  has_symtab_ = header.sh_type == SHT_SYMTAB;
}

std::optional<Symbol> ElfSymbols::Find(uint64_t pc) const {
  if (table_ == nullptr) return std::nullopt;
  const uint64_t address = pc - bias_;
  const auto name_of = [this](const auto& symbol) {
    const char* name = elf_strptr(elf_, strings_, symbol.st_name);
    return std::string_view(name == nullptr ? "" : name);
  };
  if (is_64_) return Named(elf_, strings_, FindIn<Elf64_Sym>(*table_, address, name_of), bias_);
  return Named(elf_, strings_, FindIn<Elf32_Sym>(*table_, address, name_of), bias_);
}

}  // namespace zxctl::report
