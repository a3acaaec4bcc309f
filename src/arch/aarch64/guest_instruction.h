// The instruction with which a guest has touched memory that nobody is behind: which register it moves, and how.
//
// The processor describes some of these instructions in its syndrome: those that move one general register and do nothing
// else. KVM carries them out by that, tells the address and the bytes, and keeps the rest to itself. They are what is decoded here.
//
// Pure. Source of the formats: Arm's Architecture Reference Manual for A-profile (DDI 0487), C4.1, "Loads and stores".
#pragma once

#include <cstdint>
#include <optional>

namespace zxctl::arch {

inline constexpr uint8_t kZeroRegister = 31;

struct LoadStore {
  uint8_t bytes = 0;   // 1, 2, 4 or 8
  uint8_t target = 0;  // 0 to 30, or kZeroRegister
  bool is_load = false;
  bool sign_extends = false;

  bool operator==(const LoadStore&) const = default;
};

// Nothing for all others: pairs, vectors, exclusives, atomics, prefetches, those that change their base register.
[[nodiscard]] std::optional<LoadStore> DecodeLoadStore(uint32_t instruction);

// What KVM has to be told was read so that the load leaves `value` in its target; nothing if none of it does.
[[nodiscard]] std::optional<uint64_t> DataFor(const LoadStore& load, uint64_t value);

}  // namespace zxctl::arch
