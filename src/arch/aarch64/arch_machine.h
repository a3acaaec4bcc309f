// arm64: register file, system call view and restart values. What each name promises is written in the x86-64 folder's
// header; here stands what is different.
#pragma once

#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "arch/start_regs.h"
#include "generic/calls.h"
#include "generic/registers.h"
#include "machine_types.h"

namespace zxctl::arch {

// What several register sets give, and what was found out besides: when a thread stops for a signal the kernel has
// forgotten already which call it comes from, and does not tell that call's first argument any more.
struct Registers {
  std::array<uint64_t, 31> x;
  uint64_t sp;
  uint64_t pc;
  uint64_t pstate;
  uint64_t tpidr;
  uint64_t first_argument;  // of the call that has ended; only after it has been looked for
  int32_t kernel_call;      // as the kernel tells it, -1 for none
  generic::CallPlace place;
};

inline constexpr std::array<RegisterPart, 3> kRegisterParts = {{
    {.read_request = 0x4204, .write_request = 0x4205, .note_type = 1, .offset = 0, .bytes = 272},      // NT_PRSTATUS
    {.read_request = 0x4204, .write_request = 0x4205, .note_type = 0x401, .offset = 272, .bytes = 8},  // NT_ARM_TLS
    {.read_request = 0x4204, .note_type = 0x404, .offset = 288, .bytes = 4},  // NT_ARM_SYSTEM_CALL
}};
static_assert(offsetof(Registers, tpidr) == 272 && offsetof(Registers, kernel_call) == 288);

inline constexpr std::string_view kMachineName = "aarch64";
inline constexpr uint16_t kElfMachine = 183;  // EM_AARCH64
using GeneralRegs = zx_arm64_thread_state_general_regs_t;

[[nodiscard]] uint64_t Pc(const Registers& registers);
[[nodiscard]] uint64_t Sp(const Registers& registers);
[[nodiscard]] uint64_t FramePointer(const Registers& registers);
// Registers of 32-bit code are not read at all: its set is shorter, and is refused.
[[nodiscard]] inline Bits CodeBits(const Registers& /*registers*/) { return Bits::k64; }

inline constexpr uint64_t kBreakpointPcAdvance = 0;
inline constexpr std::string_view kBreakpointName = "brk";
inline constexpr size_t kCodeAlignment = 4;
inline constexpr bool kAlignmentFaultIsGeneral = false;

// EM_ARM: r0 to r15, cpsr, orig_r0.
inline constexpr uint16_t kElfMachine32 = 40;
inline constexpr size_t kRegisterCount32 = 18;
inline constexpr uint32_t kAuditArch32 = 0x40000028;  // AUDIT_ARCH_ARM
[[nodiscard]] std::array<uint32_t, kRegisterCount32> Registers32(const Registers& registers);

// NT_PRFPREG, NT_ARM_TLS, NT_ARM_SVE, NT_ARM_PAC_MASK, NT_ARM_TAGGED_ADDR_CTRL.
inline constexpr std::array<uint32_t, 5> kFurtherRegisterSets = {2, 0x401, 0x405, 0x406, 0x409};
inline constexpr size_t kMaxRegisterSetBytes = 16384;
inline constexpr size_t kCoreRegisterBytes = 272;

inline constexpr size_t kNamedRegisterCount = 35;
size_t NameRegisters(const Registers& registers, std::span<NamedValue, kNamedRegisterCount> out);

// No check of this machine depends on it.
[[nodiscard]] inline int AddressBits() { return 48; }
// The top byte may hold a tag; bits 55 to 48 tell whose address it is.
[[nodiscard]] bool IsCanonical(uint64_t address);
[[nodiscard]] inline bool IsKernelHalf(uint64_t address) { return (address >> 55 & 1) != 0; }

inline void RelaxCpu() { asm volatile("yield" ::: "memory"); }

// ---- zircon.cc ---------------------------------------------------------------------------------------------------

// esr and far. Linux keeps esr to itself, so its class and fault status are those that the signal stands for.
void FillExceptionContext(int signo, int code, uint64_t address, zx_exception_arch_t& out);
[[nodiscard]] GeneralRegs ToZircon(const Registers& registers);
// Of cpsr only N, Z, C and V are a program's to set.
[[nodiscard]] std::optional<std::string> FromZircon(const GeneralRegs& from, Registers& registers);

// ---- states.cc ----------------------------------------------------------------------------------------------------

[[nodiscard]] const StateLayout* FindState(uint32_t kind);
[[nodiscard]] std::vector<RegisterField> StateFields(uint32_t kind);
inline constexpr size_t kMaxStateBytes = 1024;
[[nodiscard]] bool IsStep(int signo, int code, int pid);
// A sentence that says why, when what was read does not fit Zircon's structure.
[[nodiscard]] std::optional<std::string> ShowState(const StateLayout& layout, const StateSets& sets,
                                                   std::span<std::byte> out);
[[nodiscard]] std::optional<std::string> TakeState(const StateLayout& layout, std::span<const std::byte> in,
                                                   const StateSets& sets);
[[nodiscard]] bool IsArmed(const StateSets& sets);
// Register sets, by their note types, that a system call takes away from its thread: NT_ARM_SVE and NT_ARM_SSVE, while they are
// more than the vector registers that every arm64 has.
inline constexpr std::array<uint32_t, 2> kLostInCalls = {0x405, 0x40b};
[[nodiscard]] bool IsLostInCalls(std::span<const std::byte> set);
// What the debug registers say of the last stop; nothing on this machine.
inline void ResetDebugStatus(std::span<std::byte> /*out*/) {}
// Of the debug registers, of which 16 are read, those that the machine has: the kernel has no room for more (ENOSPC).
[[nodiscard]] size_t WritableBytes(uint32_t note_type, std::span<const std::byte> set);

// ---- start_registers.cc ------------------------------------------------------------------------------------------

using aarch64::ValidateStartRegs;
void SetStart(Registers& registers, const StartRegs& start);

// ---- restart.cc --------------------------------------------------------------------------------------------------

using CodeBytes = generic::Instruction;
inline constexpr CodeBytes kSystemCallInstruction = {0x01, 0x00, 0x00, 0xd4};  // svc #0
[[nodiscard]] bool MakesThread(int64_t number);
void SetSystemCall(Registers& registers, uint64_t address, int64_t number, const CallArguments& arguments);
[[nodiscard]] int64_t SystemCallResult(const Registers& registers);

// Whether a thread comes from a call, or will run one again, shows in its code only: the kernel has forgotten its number.
inline constexpr size_t kCodeBytesBeforePc = 4;
inline constexpr size_t kCodeBytesAtPc = 4;
[[nodiscard]] bool NeedsCode(const Registers& registers);
void NoteCode(Registers& registers, std::span<const uint8_t> code, size_t before);

// The call's first argument is in the kernel's memory only, which tells it while this set holds a call's number.
inline constexpr bool kLosesFirstArgument = true;
inline constexpr uint32_t kCallNumberSet = 0x404;  // NT_ARM_SYSTEM_CALL
inline void SetFirstArgument(Registers& registers, uint64_t value) { registers.first_argument = value; }

[[nodiscard]] int64_t SystemCallNumber(const Registers& registers);
[[nodiscard]] CallArguments SystemCallArguments(const Registers& registers);
[[nodiscard]] int32_t MadeTask(const Registers& registers);
[[nodiscard]] bool EndedWithEintr(const Registers& registers);
[[nodiscard]] std::optional<RestartableCall> FindRestartableCall(const Registers& registers, bool compat);
[[nodiscard]] std::optional<TimeLeft> FindTimeLeft(const Registers& registers, bool compat);

void SetRestart(Registers& registers);
void SetResult(Registers& registers, int64_t result);
// pc is back at the instruction: a handler that runs first returns there, and the program never hears of EINTR.
inline constexpr bool kRestartOutlivesHandlers = true;
void TakeBackRestart(Registers& registers);

inline constexpr bool kRestartIsDecidedLater = true;
[[nodiscard]] bool WillRunCall(const Registers& registers);
[[nodiscard]] int64_t RestartCode(const Registers& entering);
void SetEndOfCall(Registers& registers, const Registers& own, int64_t code);

}  // namespace zxctl::arch
