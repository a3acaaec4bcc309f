// The guest's own page tables, walked from outside.
//
// Pure, but for the guest-physical memory that is passed in. Source of the formats: Arm's Architecture Reference
// Manual for A-profile (DDI 0487), D8, stage 1 of EL1&0. Permissions do not count: it is asked what is behind an address, not who
// may look.
#pragma once

#include <cstdint>
#include <optional>

#include "arch/guest_bytes.h"

namespace zxctl::arch {

struct PagingState {
  uint64_t sctlr = 0;
  uint64_t tcr = 0;
  uint64_t ttbr0 = 0;
  uint64_t ttbr1 = 0;
};

// Whether addresses are translated at all.
[[nodiscard]] bool IsPagingOn(uint64_t sctlr);
// Whether an address is in the half that TTBR1_EL1 is for.
[[nodiscard]] bool IsUpperHalf(uint64_t linear);

// The guest-physical address of a virtual one; nothing where none is mapped. The topmost byte does not count.
[[nodiscard]] std::optional<uint64_t> TranslateLinear(const PagingState& state, uint64_t linear, GuestBytes& memory);

}  // namespace zxctl::arch
