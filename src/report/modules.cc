#include "report/modules.h"

#include <algorithm>

namespace zxctl::report {
namespace {

bool HoldsModule(const Mapping& mapping) { return mapping.IsFile() || mapping.path == "[vdso]"; }

bool SameFile(const LoadedModule& module, const Mapping& mapping) {
  return module.path == mapping.path && module.inode == mapping.inode;
}

LoadedModule ModuleOf(const Mapping& mapping) {
  return {.path = mapping.path,
          .start = mapping.start,
          .end = mapping.end,
          .first_mapping_end = mapping.end,
          .inode = mapping.inode,
          .device_major = mapping.device_major,
          .device_minor = mapping.device_minor,
          .deleted = mapping.deleted,
          .image = std::nullopt};
}

}  // namespace

ModuleTable::ModuleTable(std::span<const Mapping> maps, MemorySource& memory) : maps_(maps), memory_(memory) {
  LoadedModule* current = nullptr;
  for (const Mapping& mapping : maps) {
    if (!HoldsModule(mapping)) {
      module_of_mapping_.push_back(nullptr);
      continue;
    }
    // A second mapping of offset 0 is a second copy of the file.
    const bool continues = current != nullptr && SameFile(*current, mapping) && mapping.offset != 0;
    if (!continues) current = &modules_.emplace_back(ModuleOf(mapping));
    current->end = mapping.end;
    module_of_mapping_.push_back(current);
  }
}

LoadedModule* ModuleTable::WithImage(LoadedModule& module) {
  if (!module.image_was_read) module.image = ReadElfImage(memory_, module.start);
  module.image_was_read = true;
  return &module;
}

LoadedModule* ModuleTable::Find(uint64_t address) {
  const Mapping* mapping = FindMapping(maps_, address);
  if (mapping == nullptr) return nullptr;
  LoadedModule* module = module_of_mapping_[static_cast<size_t>(mapping - maps_.data())];
  return module == nullptr ? nullptr : WithImage(*module);
}

LoadedModule* ModuleTable::FindByName(std::string_view prefix) {
  const auto found = std::find_if(modules_.begin(), modules_.end(), [&](const LoadedModule& module) {
    return std::string_view(module.path).substr(module.path.rfind('/') + 1).starts_with(prefix);
  });
  return found == modules_.end() ? nullptr : WithImage(*found);
}

}  // namespace zxctl::report
