// This machine's registers as the tracer sees them, for tests that run on all machines; the x86-64 folder says what each name means.
#pragma once

#include "arch/arch.h"

namespace zxctl::test {

inline void SetPc(arch::Registers& registers, uint64_t value) { registers.pc = value; }
inline void SetSp(arch::Registers& registers, uint64_t value) { registers.sp = value; }
inline void SetUserCode(arch::Registers& registers) {
  registers.kernel_call = -1;
  registers.place = arch::generic::CallPlace::kNone;
}
inline void SetArgument(arch::Registers& registers, size_t index, uint64_t value) { registers.x[index] = value; }
inline void SetCallInside(arch::Registers& registers, int64_t number) {
  registers.kernel_call = static_cast<int32_t>(number);
  registers.place = arch::generic::CallPlace::kInside;
}
inline void SetEndedCall(arch::Registers& registers, int64_t number, int64_t result) {
  registers.x[8] = static_cast<uint64_t>(number);
  registers.x[0] = static_cast<uint64_t>(result);
  registers.kernel_call = -1;
  registers.place = arch::generic::CallPlace::kAfter;
}
inline void SetCallToRunAgain(arch::Registers& registers, int64_t number) {
  SetEndedCall(registers, number, 0);
  registers.place = arch::generic::CallPlace::kBefore;
}
[[nodiscard]] inline int64_t ResultOf(const arch::Registers& registers) { return static_cast<int64_t>(registers.x[0]); }
[[nodiscard]] inline bool RunsAgain(const arch::Registers& registers) {
  return registers.place == arch::generic::CallPlace::kBefore;
}

// The register that target_core fills, what gdb shows of it, and something that it says of the floating-point registers.
inline constexpr const char* kFilledRegister = "$v7.d.u";
inline constexpr const char* kFilledValue = "{0x1122334455667788, 0x99aabbccddeeff00}";
// A note that a thread has in a core, as elfutils calls it.
inline constexpr const char* kOwnNote = "ARM_TLS";
inline constexpr const char* kFloatText = "d7 ";

}  // namespace zxctl::test
