// Which parts of an address space belong in a core file. Pure; the rules are those of the kernel's own cores (core(5),
// "Controlling which mappings are written to the core dump").
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "report/maps.h"

namespace zxctl::report {

// The bits of /proc/PID/coredump_filter.
inline constexpr uint32_t kFilterAnonymousPrivate = 1u << 0;
inline constexpr uint32_t kFilterAnonymousShared = 1u << 1;
inline constexpr uint32_t kFilterFilePrivate = 1u << 2;
inline constexpr uint32_t kFilterFileShared = 1u << 3;
inline constexpr uint32_t kFilterElfHeaders = 1u << 4;
inline constexpr uint32_t kFilterHugePrivate = 1u << 5;
inline constexpr uint32_t kFilterHugeShared = 1u << 6;
inline constexpr uint32_t kDefaultFilter =
    kFilterAnonymousPrivate | kFilterAnonymousShared | kFilterElfHeaders | kFilterHugePrivate;

struct CoreRegion {
  Mapping map;
  bool detailed = false;       // the fields below are known
  uint64_t present_bytes = 0;  // in memory or swapped out
  uint64_t own_bytes = 0;      // pages that are the process's own, and no file's
  bool excluded = false;       // madvise(MADV_DONTDUMP), or memory of a device
  bool huge = false;           // hugetlbfs

  uint64_t file_bytes = 0;  // how much of it, from its start, has contents in the core
};

// The regions of /proc/PID/smaps, or of /proc/PID/maps (then not detailed), in address order.
[[nodiscard]] std::vector<CoreRegion> ParseRegions(std::string_view text);

enum class Dump : uint8_t {
  kNothing,
  kElfHeader,  // the first page if it starts as an ELF file does: the build-id is there
  kAll,
};

[[nodiscard]] Dump ChooseDump(const CoreRegion& region, uint32_t filter);

}  // namespace zxctl::report
