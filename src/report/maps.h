// A process's address space as /proc/PID/maps lists it. Pure parsing; the text is the kernel's, the paths in it are the
// program's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zxctl::report {

struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0;  // in the file
  uint64_t inode = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  bool read = false;
  bool write = false;
  bool execute = false;
  bool shared = false;
  bool deleted = false;  // the file has been unlinked since
  std::string path{};    // a path, "[heap]" and its like, or empty for anonymous memory

  [[nodiscard]] bool Contains(uint64_t address) const { return address >= start && address < end; }
  [[nodiscard]] bool IsFile() const { return !path.empty() && path.front() == '/'; }
  // "r-xp" as the kernel writes it.
  [[nodiscard]] std::string Rights() const;
};

// The mappings in address order. Lines that are not mappings are left out.
[[nodiscard]] std::vector<Mapping> ParseMaps(std::string_view text);

// The mapping that holds `address`; null if none does. `maps` is sorted.
[[nodiscard]] const Mapping* FindMapping(std::span<const Mapping> maps, uint64_t address);
// The nearest mapping that ends at or below `address`, and the nearest that starts above it; null if there is none.
[[nodiscard]] const Mapping* MappingBelow(std::span<const Mapping> maps, uint64_t address);
[[nodiscard]] const Mapping* MappingAbove(std::span<const Mapping> maps, uint64_t address);

}  // namespace zxctl::report
