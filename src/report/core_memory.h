// Copies a process's memory into a core file, leaving out what is zero or cannot be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"
#include "report/core_regions.h"

namespace zxctl::report {

class CoreMemory {
 public:
  // Reads from `mem_fd` (/proc/PID/mem), writes to `core_fd`; neither is owned. `pagemap`, if it is open, is
  // /proc/PID/pagemap and spares reading pages that do not exist. Stops at `deadline_ns` and after `max_bytes` contents.
  CoreMemory(int mem_fd, int core_fd, UniqueFd pagemap, int64_t deadline_ns, uint64_t max_bytes);

  // True when the region's first page can be read and is that of an ELF file.
  [[nodiscard]] bool StartsWithElf(uint64_t address) const;

  // Copies region.file_bytes bytes to `offset` of the core. False when deadline or max_bytes came first; an error when
  // the core cannot be written.
  [[nodiscard]] Result<bool> Copy(const CoreRegion& region, uint64_t offset);

 private:
  struct Chunk {
    uint64_t address;
    uint64_t offset;
    size_t bytes;
  };

  [[nodiscard]] bool IsTimeUp() const;
  [[nodiscard]] bool KnowsHoles(const CoreRegion& region) const;
  [[nodiscard]] bool IsHole(const Chunk& chunk);
  void ReadChunk(const Chunk& chunk);
  [[nodiscard]] Result<bool> CopyChunk(const Chunk& chunk, bool may_be_hole);
  [[nodiscard]] Result<void> WritePages(size_t first, size_t end, uint64_t offset);

  int mem_fd_;
  int core_fd_;
  UniqueFd pagemap_;
  int64_t deadline_ns_;
  uint64_t bytes_left_;
  uint64_t page_bytes_;
  std::vector<std::byte> buffer_;
  std::vector<uint64_t> entries_;
};

}  // namespace zxctl::report
