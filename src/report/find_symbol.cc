#include "report/find_symbol.h"

#include <algorithm>
#include <cctype>
#include <unordered_set>

#include "report/demangle.h"

namespace zxctl::report {
namespace {

// What a mangled name that stands for `name` has in it: the last part, if all parts are plain names. Operators, destructors
// and templates are written otherwise; nothing is known of them.
std::string_view PartOfMangled(std::string_view name) {
  name = name.substr(0, name.find('('));
  const auto is_plain = [](char c) { return c == '_' || c == ':' || std::isalnum(static_cast<unsigned char>(c)) != 0; };
  if (!std::all_of(name.begin(), name.end(), is_plain)) return {};
  const std::string_view last = name.substr(name.find_last_of(':') + 1);
  return last == "operator" ? std::string_view() : last;
}

class Search {
 public:
  Search(ModuleFiles& files, MemorySource& memory, std::string_view name)
      : files_(files), memory_(memory), name_(name) {}

  void Look(const LoadedModule& module) {
    if (!module.image) return;
    Dwfl_Module* file = files_.Open(module);
    if (file != nullptr) {
      LookInFile(module, file);
    } else {
      LookInMemory(module);
    }
  }

  [[nodiscard]] std::vector<FoundSymbol> Take() {
    const auto by_address = [](const FoundSymbol& a, const FoundSymbol& b) { return a.address < b.address; };
    const auto same_address = [](const FoundSymbol& a, const FoundSymbol& b) { return a.address == b.address; };
    std::stable_sort(found_.begin(), found_.end(), by_address);
    found_.erase(std::unique(found_.begin(), found_.end(), same_address), found_.end());
    return std::move(found_);
  }

 private:
  void LookInFile(const LoadedModule& module, Dwfl_Module* file) {
    const int count = dwfl_module_getsymtab(file);
    for (int i = 0; i < count; ++i) {
      GElf_Sym symbol;
      GElf_Addr address = 0;
      const char* name = dwfl_module_getsym_info(file, i, &symbol, &address, nullptr, nullptr, nullptr);
      if (name == nullptr || symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS) continue;
      const int type = GELF_ST_TYPE(symbol.st_info);
      const bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
      if (!is_function && type != STT_OBJECT && type != STT_NOTYPE) continue;
      if (!IsNamed(name, name_)) continue;
      found_.push_back({.name = name,
                        .module = module.path,
                        .address = address,
                        .is_function = is_function,
                        .is_resolver = type == STT_GNU_IFUNC});
    }
  }

  void LookInMemory(const LoadedModule& module) {
    for (const MemorySymbol& symbol : ReadDynamicSymbols(memory_, *module.image)) {
      if (!IsNamed(symbol.name, name_)) continue;
      found_.push_back(
          {.name = symbol.name, .module = module.path, .address = symbol.address, .is_function = symbol.is_function});
    }
  }

  ModuleFiles& files_;
  MemorySource& memory_;
  std::string_view name_;
  std::vector<FoundSymbol> found_;
};

}  // namespace

bool GoesBy(std::string_view path, std::string_view name) {
  const std::string_view file = path.substr(path.rfind('/') + 1);
  if (name.empty() || path == name || file == name) return true;
  return file.starts_with(name) && (file[name.size()] == '.' || file[name.size()] == '-');
}

bool IsNamed(const std::string& linker_name, std::string_view name) {
  // Tables of whole files write the version behind the name.
  const std::string_view bare = std::string_view(linker_name).substr(0, linker_name.find('@'));
  if (bare == name) return true;
  if (!bare.starts_with("_Z") && !bare.starts_with("_R")) return false;
  if (bare.find(PartOfMangled(name)) == std::string_view::npos) return false;
  const std::string source_name = Demangle(std::string(bare));
  if (!source_name.starts_with(name)) return false;
  return source_name.size() == name.size() || source_name[name.size()] == '(';
}

std::vector<FoundSymbol> FindSymbols(ModuleTable& modules, ModuleFiles& files, MemorySource& memory,
                                     std::string_view module, std::string_view name) {
  Search search(files, memory, name);
  std::unordered_set<const LoadedModule*> seen;
  for (const Mapping& mapping : modules.maps()) {
    const LoadedModule* loaded = modules.Find(mapping.start);
    if (loaded == nullptr || !GoesBy(loaded->path, module) || !seen.insert(loaded).second) continue;
    search.Look(*loaded);
  }
  return search.Take();
}

}  // namespace zxctl::report
