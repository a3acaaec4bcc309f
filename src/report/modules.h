// The files that are mapped into the program, each with what its image in memory says.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "report/elf_image.h"
#include "report/maps.h"
#include "report/memory_reader.h"

namespace zxctl::report {

struct LoadedModule {
  std::string path{};
  uint64_t start = 0;  // of the first mapping
  uint64_t end = 0;    // of the last
  uint64_t first_mapping_end = 0;
  uint64_t inode = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  bool deleted = false;
  std::optional<ElfImage> image{};  // once ModuleTable::Find() has returned it
  bool image_was_read = false;
};

// Headers are read at the first use of a module, not before: a program may have hundreds mapped.
class ModuleTable {
 public:
  // `maps` and `memory` must outlive the table.
  ModuleTable(std::span<const Mapping> maps, MemorySource& memory);

  // The module whose mappings hold `address`, with its image read; null if there is none. Stays valid.
  [[nodiscard]] LoadedModule* Find(uint64_t address);
  // The module whose file name starts with `prefix` ("libc.so"); null if there is none.
  [[nodiscard]] LoadedModule* FindByName(std::string_view prefix);

  [[nodiscard]] std::span<const Mapping> maps() const { return maps_; }

 private:
  LoadedModule* WithImage(LoadedModule& module);

  std::span<const Mapping> maps_;
  MemorySource& memory_;
  std::deque<LoadedModule> modules_;
  std::vector<LoadedModule*> module_of_mapping_;  // one for each mapping; null for memory that is no file
};

}  // namespace zxctl::report
