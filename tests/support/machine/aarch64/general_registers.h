// This machine's registers as Zircon's calls tell them, for tests that run on all machines; the x86-64 folder says what each name means.
#pragma once

#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include <cstdint>

namespace zxctl::test {

using GeneralRegs = zx_thread_state_general_regs_t;
// Whether a pc of the kernel cannot be written; where it can, the thread faults there.
constexpr bool kRefusesKernelPc = false;
constexpr bool kStepsThreads = true;
constexpr uint64_t kInstructionBytes = 4;

[[nodiscard]] inline uint64_t& PcOf(GeneralRegs& registers) { return registers.pc; }
[[nodiscard]] inline uint64_t& SpOf(GeneralRegs& registers) { return registers.sp; }
inline void SetCall(GeneralRegs& registers, int64_t number, uint64_t argument) {
  registers.r[8] = static_cast<uint64_t>(number);
  registers.r[0] = argument;
}
// pc stands at the call, which would run again.
inline void SetReturned(GeneralRegs& registers, int64_t result) {
  registers.r[0] = static_cast<uint64_t>(result);
  registers.pc += kInstructionBytes;
}

// Those that target_held has set to 0x2222 and 0xffff while it spins.
[[nodiscard]] inline uint64_t SecondKnown(const GeneralRegs& registers) { return registers.r[1]; }
[[nodiscard]] inline uint64_t LastKnown(const GeneralRegs& registers) { return registers.r[14]; }

// What these two are called, and where a thread stands.
inline constexpr const char* kSecondKnownName = "x1";
inline constexpr const char* kLastKnownName = "x14";
// Where target_held has 0x2222 besides, as `zxctl regs` calls it: a kind of registers and one of them.
inline constexpr const char* kVectorKind = "vector";
inline constexpr const char* kSecondVectorName = "v1";
inline constexpr const char* kPcName = "pc";

// Makes a thread trap after its next instruction; null where no register that a program has does that.
inline constexpr const char* kTrapAfterNext = nullptr;

// The address that a report about a page fault tells.
[[nodiscard]] inline uint64_t FaultAddressOf(const zx_exception_arch_t& context) { return context.arm_64.far; }

}  // namespace zxctl::test
