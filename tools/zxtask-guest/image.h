// What a guest begins with: an ELF64 image or a flat binary in its memory, and page tables.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace zxctl {

// A count of bytes as people write it: 4096, 64K, 512M, 2G.
[[nodiscard]] Result<uint64_t> ParseBytes(const std::string& text);
// A number, decimal or 0x….
[[nodiscard]] Result<uint64_t> ParseNumber(const std::string& text);

// The first page that is not used by the page tables, which map the first 4 GiB at their own addresses.
inline constexpr uint64_t kAfterTables = 0x6000;
inline constexpr uint64_t kMappedBytes = uint64_t{4} << 30;
inline constexpr uint64_t kLeastMemory = 2 * kAfterTables;

// A VMO of this size with the image in it, and where the guest's first instruction is. The flat binary begins at `load`.
struct GuestImage {
  uint32_t vmo = 0;  // a handle, the caller's
  uint64_t bytes = 0;
  uint64_t entry = 0;
};
[[nodiscard]] Result<GuestImage> LoadGuestImage(const std::string& path, uint64_t memory_bytes, uint64_t load);

}  // namespace zxctl
