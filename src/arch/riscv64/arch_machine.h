// riscv64: register file, system call view and restart values. What each name promises is written in the x86-64 folder's
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

// NT_PRSTATUS, whose x0 is pc, and what was found out besides: the kernel tells neither which call a thread is in nor that
// call's first argument.
struct Registers {
  uint64_t pc;
  std::array<uint64_t, 31> x;  // x1 to x31
  uint64_t first_argument;     // of the call that has ended; only after it has been looked for
  generic::CallPlace place;
};
inline constexpr size_t kSp = 1;
inline constexpr size_t kS0 = 7;
inline constexpr size_t kA0 = 9;
inline constexpr size_t kA7 = 16;

inline constexpr std::array<RegisterPart, 1> kRegisterParts = {
    {{.read_request = 0x4204, .write_request = 0x4205, .note_type = 1, .offset = 0, .bytes = 256}}};

inline constexpr std::string_view kMachineName = "riscv64";
inline constexpr uint16_t kElfMachine = 243;  // EM_RISCV
using GeneralRegs = zx_riscv64_thread_state_general_regs_t;

[[nodiscard]] uint64_t Pc(const Registers& registers);
[[nodiscard]] uint64_t Sp(const Registers& registers);
[[nodiscard]] uint64_t FramePointer(const Registers& registers);
// Registers of 32-bit code are not read at all: its set is shorter, and is refused.
[[nodiscard]] inline Bits CodeBits(const Registers& /*registers*/) { return Bits::k64; }

inline constexpr uint64_t kBreakpointPcAdvance = 0;
inline constexpr std::string_view kBreakpointName = "ebreak";
inline constexpr size_t kCodeAlignment = 2;
inline constexpr bool kAlignmentFaultIsGeneral = false;

// The same number for both widths; a core says which by its class. pc, x1 to x31.
inline constexpr uint16_t kElfMachine32 = kElfMachine;
inline constexpr size_t kRegisterCount32 = 32;
inline constexpr uint32_t kAuditArch32 = 0x400000f3;  // AUDIT_ARCH_RISCV32
[[nodiscard]] std::array<uint32_t, kRegisterCount32> Registers32(const Registers& registers);

// NT_PRFPREG.
inline constexpr std::array<uint32_t, 1> kFurtherRegisterSets = {2};
inline constexpr size_t kMaxRegisterSetBytes = 16384;
inline constexpr size_t kCoreRegisterBytes = 256;

inline constexpr size_t kNamedRegisterCount = 32;
size_t NameRegisters(const Registers& registers, std::span<NamedValue, kNamedRegisterCount> out);

// 39, 48 or 57, as the running kernel has it.
[[nodiscard]] int AddressBits();
[[nodiscard]] bool IsCanonical(uint64_t address);
[[nodiscard]] inline bool IsKernelHalf(uint64_t address) { return address >> 63 != 0; }

// pause, which processors without it take for a fence.
inline void RelaxCpu() { asm volatile(".4byte 0x0100000f" ::: "memory"); }

// ---- zircon.cc ---------------------------------------------------------------------------------------------------

// cause and tval, by the signal. Linux does not tell a load from a store: a page fault is a load's.
void FillExceptionContext(int signo, int code, uint64_t address, zx_exception_arch_t& out);
[[nodiscard]] GeneralRegs ToZircon(const Registers& registers);
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
// Register sets, by their note types, that a system call takes away from its thread: NT_RISCV_VECTOR, if it has used them.
inline constexpr std::array<uint32_t, 1> kLostInCalls = {0x901};
[[nodiscard]] inline bool IsLostInCalls(std::span<const std::byte> set) { return !set.empty(); }
// What the debug registers say of the last stop; nothing on this machine.
inline void ResetDebugStatus(std::span<std::byte> /*out*/) {}
[[nodiscard]] inline size_t WritableBytes(uint32_t /*note_type*/, std::span<const std::byte> set) { return set.size(); }

// ---- start_registers.cc ------------------------------------------------------------------------------------------

using riscv64::ValidateStartRegs;
void SetStart(Registers& registers, const StartRegs& start);

// ---- restart.cc --------------------------------------------------------------------------------------------------

using CodeBytes = generic::Instruction;
inline constexpr CodeBytes kSystemCallInstruction = {0x73, 0x00, 0x00, 0x00};  // ecall
[[nodiscard]] bool MakesThread(int64_t number);
void SetSystemCall(Registers& registers, uint64_t address, int64_t number, const CallArguments& arguments);
[[nodiscard]] int64_t SystemCallResult(const Registers& registers);

inline constexpr size_t kCodeBytesBeforePc = 4;
inline constexpr size_t kCodeBytesAtPc = 4;
[[nodiscard]] bool NeedsCode(const Registers& registers);
void NoteCode(Registers& registers, std::span<const uint8_t> code, size_t before);

// The kernel tells the first argument of the call that a7 names, whenever it is asked.
inline constexpr bool kLosesFirstArgument = true;
inline constexpr uint32_t kCallNumberSet = 0;
inline void SetFirstArgument(Registers& registers, uint64_t value) { registers.first_argument = value; }

[[nodiscard]] int64_t SystemCallNumber(const Registers& registers);
[[nodiscard]] CallArguments SystemCallArguments(const Registers& registers);
[[nodiscard]] int32_t MadeTask(const Registers& registers);
[[nodiscard]] bool EndedWithEintr(const Registers& registers);
[[nodiscard]] std::optional<RestartableCall> FindRestartableCall(const Registers& registers, bool compat);
[[nodiscard]] std::optional<TimeLeft> FindTimeLeft(const Registers& registers, bool compat);

void SetRestart(Registers& registers);
void SetResult(Registers& registers, int64_t result);
inline constexpr bool kRestartOutlivesHandlers = true;
void TakeBackRestart(Registers& registers);

inline constexpr bool kRestartIsDecidedLater = true;
[[nodiscard]] bool WillRunCall(const Registers& registers);
[[nodiscard]] int64_t RestartCode(const Registers& entering);
void SetEndOfCall(Registers& registers, const Registers& own, int64_t code);

}  // namespace zxctl::arch
