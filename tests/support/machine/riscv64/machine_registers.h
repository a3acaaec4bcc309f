// This machine's registers as the tracer sees them, for tests that run on all machines; the x86-64 folder says what each name means.
#pragma once

#include "arch/arch.h"

namespace zxctl::test {

inline void SetPc(arch::Registers& registers, uint64_t value) { registers.pc = value; }
inline void SetSp(arch::Registers& registers, uint64_t value) { registers.x[arch::kSp] = value; }
inline void SetUserCode(arch::Registers& registers) { registers.place = arch::generic::CallPlace::kNone; }
inline void SetArgument(arch::Registers& registers, size_t index, uint64_t value) {
  registers.x[arch::kA0 + index] = value;
}
inline void SetCallInside(arch::Registers& registers, int64_t number) {
  registers.x[arch::kA7] = static_cast<uint64_t>(number);
  registers.place = arch::generic::CallPlace::kAfter;
}
inline void SetEndedCall(arch::Registers& registers, int64_t number, int64_t result) {
  registers.x[arch::kA7] = static_cast<uint64_t>(number);
  registers.x[arch::kA0] = static_cast<uint64_t>(result);
  registers.place = arch::generic::CallPlace::kAfter;
}
inline void SetCallToRunAgain(arch::Registers& registers, int64_t number) {
  SetEndedCall(registers, number, 0);
  registers.place = arch::generic::CallPlace::kBefore;
}
[[nodiscard]] inline int64_t ResultOf(const arch::Registers& registers) {
  return static_cast<int64_t>(registers.x[arch::kA0]);
}
[[nodiscard]] inline bool RunsAgain(const arch::Registers& registers) {
  return registers.place == arch::generic::CallPlace::kBefore;
}

// The register that target_core fills, what gdb shows of it, and something that it says of the floating-point registers.
inline constexpr const char* kFilledRegister = "$ft7";
inline constexpr const char* kFilledValue = "0x1122334455667788";
// A note that a thread has in a core, as elfutils calls it.
inline constexpr const char* kOwnNote = "FPREGSET";
inline constexpr const char* kFloatText = "ft7";

}  // namespace zxctl::test
