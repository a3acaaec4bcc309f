// Machines whose registers ptrace takes with every value, and that have their floating point and their debug registers, if any, in
// register sets of the kernel: what their folders share. The contract of each name is in x86_64/arch_machine.h.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "machine_types.h"

namespace zxctl::arch {

inline constexpr bool kHasStepFlag = false;
template <typename R>
void ShowStepFlag(R& /*registers*/) {}
template <typename R>
[[nodiscard]] bool TakeStepFlag(R& /*registers*/) {
  return false;
}
inline constexpr std::array<size_t, 0> kUserWords = {};

template <typename R>
[[nodiscard]] bool KernelTakesPointers(const R& /*registers*/) {
  return true;
}
template <typename R>
[[nodiscard]] bool SamePointers(const R& /*a*/, const R& /*b*/) {
  return true;
}
[[nodiscard]] inline bool CanLoadPointers() { return false; }
inline constexpr std::array<uint8_t, 4> kLoadPointersAndCall = {};
template <typename R>
void SetPointersToLoad(R& /*going*/, const R& /*wanted*/) {}
template <typename R>
[[nodiscard]] RegisterPart PartToWrite(const R& /*registers*/, const RegisterPart& part) {
  return part;
}
inline constexpr uint32_t kVectorRegisterSet = 2;  // NT_PRFPREG
// All of it is zero.
inline void SetInitialVectors(std::span<std::byte> set) { std::fill(set.begin(), set.end(), std::byte{0}); }

}  // namespace zxctl::arch
