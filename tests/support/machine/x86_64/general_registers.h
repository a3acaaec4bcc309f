// This machine's registers as Zircon's calls tell them, for tests that run on all machines. Each folder beside this one answers with the same names.
#pragma once

#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include <cstdint>

namespace zxctl::test {

using GeneralRegs = zx_thread_state_general_regs_t;
// Whether a pc of the kernel cannot be written; where it can, the thread faults there.
constexpr bool kRefusesKernelPc = true;
// Whether Linux can let a thread run one instruction.
constexpr bool kStepsThreads = true;

[[nodiscard]] inline uint64_t& PcOf(GeneralRegs& registers) { return registers.rip; }
[[nodiscard]] inline uint64_t& SpOf(GeneralRegs& registers) { return registers.rsp; }
// The instruction at pc is that of a system call: it will be this one.
inline void SetCall(GeneralRegs& registers, int64_t number, uint64_t argument) {
  registers.rax = static_cast<uint64_t>(number);
  registers.rdi = argument;
}
// Of a thread that was in a call: the call has returned this.
inline void SetReturned(GeneralRegs& registers, int64_t result) { registers.rax = static_cast<uint64_t>(result); }

// Those that target_held has set to 0x2222 and 0xffff while it spins.
[[nodiscard]] inline uint64_t SecondKnown(const GeneralRegs& registers) { return registers.rbx; }
[[nodiscard]] inline uint64_t LastKnown(const GeneralRegs& registers) { return registers.r15; }

// What these two are called, and where a thread stands.
inline constexpr const char* kSecondKnownName = "rbx";
inline constexpr const char* kLastKnownName = "r15";
// Where target_held has 0x2222 besides, as `zxctl regs` calls it: a kind of registers and one of them.
inline constexpr const char* kVectorKind = "vector";
inline constexpr const char* kSecondVectorName = "ymm1";
inline constexpr const char* kPcName = "rip";

// Makes a thread trap after its next instruction; null where no register that a program has does that.
inline constexpr const char* kTrapAfterNext = "rflags=0x302";

// The address that a report about a page fault tells.
[[nodiscard]] inline uint64_t FaultAddressOf(const zx_exception_arch_t& context) { return context.x86_64.cr2; }

}  // namespace zxctl::test
