// This machine's registers as the tracer sees them, for tests that run on all machines. Each folder beside this one answers with the same names.
#pragma once

#include "arch/arch.h"

namespace zxctl::test {

inline void SetPc(arch::Registers& registers, uint64_t value) { registers.rip = value; }
inline void SetSp(arch::Registers& registers, uint64_t value) { registers.rsp = value; }
// In 64-bit code, in no call.
inline void SetUserCode(arch::Registers& registers) {
  registers.cs = 0x33;
  registers.orig_rax = ~0ULL;
}
inline void SetArgument(arch::Registers& r, size_t index, uint64_t value) {
  unsigned long long* const arguments[] = {&r.rdi, &r.rsi, &r.rdx, &r.r10, &r.r8, &r.r9};
  *arguments[index] = value;
}
// The thread is inside call `number`.
inline void SetCallInside(arch::Registers& registers, int64_t number) {
  registers.orig_rax = static_cast<uint64_t>(number);
}
// The thread comes from call `number`, which has ended with `result`.
inline void SetEndedCall(arch::Registers& registers, int64_t number, int64_t result) {
  registers.orig_rax = static_cast<uint64_t>(number);
  registers.rax = static_cast<uint64_t>(result);
}
// The kernel will run call `number` again.
inline void SetCallToRunAgain(arch::Registers& registers, int64_t number) { SetEndedCall(registers, number, -514); }
[[nodiscard]] inline int64_t ResultOf(const arch::Registers& registers) { return static_cast<int64_t>(registers.rax); }
[[nodiscard]] inline bool RunsAgain(const arch::Registers& registers) { return ResultOf(registers) == -514; }

// The register that target_core fills, what gdb shows of it, and something that it says of the floating-point registers.
inline constexpr const char* kFilledRegister = "$xmm7.v2_int64";
inline constexpr const char* kFilledValue = "{0x1122334455667788, 0x99aabbccddeeff00}";
// A note that a thread has in a core, as elfutils calls it.
inline constexpr const char* kOwnNote = "X86_XSTATE";
inline constexpr const char* kFloatText = "Control Word:";

}  // namespace zxctl::test
