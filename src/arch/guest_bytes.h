// A guest's physical memory, as its host has it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zxctl::arch {

class GuestBytes {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  virtual ~GuestBytes() = default;

  // The page that begins at this guest-physical address; null where the guest has none. Good until the next call that gives
  // another version(). The guest may be writing to it.
  [[nodiscard]] virtual const char* FindPage(uint64_t address) = 0;
  // As long as this is the same, so is what FindPage() gives.
  [[nodiscard]] virtual uint64_t version() const = 0;
};

// Copies memory that may lie in several pages; false where some of it is missing.
bool ReadPhysical(GuestBytes& memory, uint64_t address, void* out, size_t size);

}  // namespace zxctl::arch
