// The guest's own page tables, walked from outside.
//
// Pure, but for the reader of guest-physical memory that is passed in. Source of the formats: Intel's manual, volume 3,
// chapter 4. Protection keys and the user bit do not count: it is asked what is behind an address, not who may look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace zxctl::arch {

// Copies guest-physical memory; false where there is none.
using ReadGuestPhysical = std::function<bool(uint64_t address, void* out, size_t size)>;

struct PagingState {
  uint64_t cr0 = 0;
  uint64_t cr3 = 0;
  uint64_t cr4 = 0;
  uint64_t efer = 0;
};

// The guest-physical address of a linear one; nothing where none is mapped.
[[nodiscard]] std::optional<uint64_t> TranslateLinear(const PagingState& state, uint64_t linear,
                                                      const ReadGuestPhysical& read);

// Copies as much as is mapped from a linear address on; gives the count.
size_t ReadLinear(const PagingState& state, uint64_t linear, void* out, size_t size, const ReadGuestPhysical& read);

}  // namespace zxctl::arch
