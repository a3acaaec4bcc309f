// x86-64: register file, system call view and restart values.
#pragma once

#include <sys/user.h>
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
#include "machine_types.h"

namespace zxctl::arch {

// The general registers, and whatever else the tracer has to know of a thread that stands: plain data, which begins with the
// machine's elf_gregset_t. PTRACE_GETREGS gives them in this form for 32-bit code too, PTRACE_GETREGSET does not.
using Registers = user_regs_struct;
// The pieces that they are read and written in; on writing, the first can be refused, and then nothing has changed.
inline constexpr std::array<RegisterPart, 1> kRegisterParts = {
    {{.read_request = 12, .write_request = 13, .offset = 0, .bytes = sizeof(user_regs_struct)}}};  // GETREGS, SETREGS

inline constexpr std::string_view kMachineName = "x86_64";
inline constexpr uint16_t kElfMachine = 62;  // EM_X86_64
// Zircon's registers of this machine.
using GeneralRegs = zx_x86_64_thread_state_general_regs_t;

[[nodiscard]] uint64_t Pc(const Registers& registers);
[[nodiscard]] uint64_t Sp(const Registers& registers);
[[nodiscard]] uint64_t FramePointer(const Registers& registers);
[[nodiscard]] Bits CodeBits(const Registers& registers);

// Lengths by which pc stands past a breakpoint instruction when its trap is reported.
inline constexpr uint64_t kBreakpointPcAdvance = 1;
inline constexpr std::string_view kBreakpointName = "int3";
// Instructions begin at multiples of this.
inline constexpr size_t kCodeAlignment = 1;
// Zircon calls an alignment check (#AC) a general fault here, and an unaligned access elsewhere.
inline constexpr bool kAlignmentFaultIsGeneral = true;

// What a core of 32-bit code has: EM_386, and the registers as i386's own user_regs_struct orders them.
inline constexpr uint16_t kElfMachine32 = 3;
inline constexpr size_t kRegisterCount32 = 17;
// The entry of 32-bit system calls, AUDIT_ARCH_I386.
inline constexpr uint32_t kAuditArch32 = 0x40000003;
[[nodiscard]] std::array<uint32_t, kRegisterCount32> Registers32(const Registers& registers);

// The further register sets that a core file has (NT_PRFPREG, NT_X86_XSTATE), and more bytes than any of them takes.
inline constexpr std::array<uint32_t, 2> kFurtherRegisterSets = {2, 0x202};
inline constexpr size_t kMaxRegisterSetBytes = 16384;
// How much of Registers is the elf_gregset_t of a core.
inline constexpr size_t kCoreRegisterBytes = sizeof(user_regs_struct);

// Registers by name, in the order people read them (rax, rbx, …, rip, eflags, …). For 32-bit code the 32-bit names.
// `out` holds kNamedRegisterCount entries at least; returns the count written.
inline constexpr size_t kNamedRegisterCount = 27;
size_t NameRegisters(const Registers& registers, std::span<NamedValue, kNamedRegisterCount> out);

// How wide an address is, sign and all, as the running kernel uses it: 48, or 57 with five-level paging.
[[nodiscard]] int AddressBits();
// True when `address` can be a user or kernel address of this machine at all (canonical, 48 or 57 bits as the running
// kernel uses).
[[nodiscard]] bool IsCanonical(uint64_t address);

// True for addresses that no program can have: the kernel's half.
[[nodiscard]] inline bool IsKernelHalf(uint64_t address) { return address >> 63 != 0; }

// For the turns of a loop that waits for another CPU.
inline void RelaxCpu() { __builtin_ia32_pause(); }

// ---- zircon.cc: what Zircon's interface has of this machine -----------------------------------------------------

// The machine's part of an exception report, from what Linux gives: the vector that the signal stands for; for page faults
// the address, and of the error code the bits that are known (user mode, and present where the page was protected).
void FillExceptionContext(int signo, int code, uint64_t address, zx_exception_arch_t& out);
[[nodiscard]] GeneralRegs ToZircon(const Registers& registers);
// Takes over what a program may set. A sentence about the first value that cannot be, and nothing has changed: rip has to be in
// the user half, fs_base and gs_base canonical.
[[nodiscard]] std::optional<std::string> FromZircon(const GeneralRegs& from, Registers& registers);

// ---- states.cc: the other kinds of registers ----------------------------------------------------------------------

// Null for a kind that there is not.
[[nodiscard]] const StateLayout* FindState(uint32_t kind);
// The registers of a kind by name, in the order in which people read them; none where this machine has none. fields.cc
[[nodiscard]] std::vector<RegisterField> StateFields(uint32_t kind);
inline constexpr size_t kMaxStateBytes = 4096;
// Whether the single-step flag is one of the general registers. It is never set in a thread's real ones: who steps a thread asks
// the kernel for it.
inline constexpr bool kHasStepFlag = true;
// Whether a signal of a thread that is stepped tells of the step: so it does, with other codes than TRAP_TRACE, after a system
// call and at the beginning of a handler. `pid`: its sender.
[[nodiscard]] bool IsStep(int signo, int code, int pid);
void ShowStepFlag(Registers& registers);
[[nodiscard]] bool TakeStepFlag(Registers& registers);
// The registers of a kind but the general ones, from its sets. `out` has its size.
// A sentence that says why, when what was read does not fit Zircon's structure.
[[nodiscard]] std::optional<std::string> ShowState(const StateLayout& layout, const StateSets& sets,
                                                   std::span<std::byte> out);
// Puts what a program may set into the sets. A sentence about the first value that cannot be, and nothing has changed.
[[nodiscard]] std::optional<std::string> TakeState(const StateLayout& layout, std::span<const std::byte> in,
                                                   const StateSets& sets);
// True when something in the sets of the debug registers can stop the thread.
[[nodiscard]] bool IsArmed(const StateSets& sets);
// Register sets, by their note types, that a system call takes away from its thread: none here.
inline constexpr std::array<uint32_t, 0> kLostInCalls{};
[[nodiscard]] inline bool IsLostInCalls(std::span<const std::byte> /*set*/) { return false; }
// dr6, in debug registers as they are shown, is that of a thread that has not been stopped by them.
void ResetDebugStatus(std::span<std::byte> out);
// How much of a register set, as it was read, the kernel takes back.
[[nodiscard]] inline size_t WritableBytes(uint32_t /*note_type*/, std::span<const std::byte> set) { return set.size(); }
// Where struct user has the words of kUserWordSet. The last one switches the others on.
inline constexpr std::array<size_t, 6> kUserWords = {848, 856, 864, 872, 896, 904};  // dr0 to dr3, dr6, dr7

// ---- start_registers.cc: what a thread begins with ---------------------------------------------------------------

using x86_64::ValidateStartRegs;
// The registers of a thread's first instruction. Of those that it has, what the kernel needs of a user's thread stays.
void SetStart(Registers& registers, const StartRegs& start);
// Thread pointers that PTRACE_SETREGSET refuses can be loaded by instructions, if the machine has them.
[[nodiscard]] bool KernelTakesPointers(const Registers& registers);
[[nodiscard]] bool SamePointers(const Registers& a, const Registers& b);
[[nodiscard]] bool CanLoadPointers();
// Loads fs_base and gs_base from registers, and makes a call: wrfsbase rbx; wrgsbase rbp; syscall.
inline constexpr std::array<uint8_t, 12> kLoadPointersAndCall = {0xf3, 0x48, 0x0f, 0xae, 0xd3, 0xf3,
                                                                 0x48, 0x0f, 0xae, 0xdd, 0x0f, 0x05};
inline void SetPointersToLoad(Registers& going, const Registers& wanted) {
  going.rbx = wanted.fs_base;
  going.rbp = wanted.gs_base;
}
// The part of the registers that the kernel takes: not those from the first value on that it refuses, which stay as they are.
[[nodiscard]] RegisterPart PartToWrite(const Registers& registers, const RegisterPart& part);
// The set that has all registers but the general ones (NT_X86_XSTATE), and its initial values in place of those that were read.
inline constexpr uint32_t kVectorRegisterSet = 0x202;
void SetInitialVectors(std::span<std::byte> set);

// ---- restart.cc: the system call a stopped thread was in -------------------------------------------------------

// The instruction of a system call.
using CodeBytes = std::array<uint8_t, 2>;
inline constexpr CodeBytes kSystemCallInstruction = {0x0f, 0x05};
// True for the calls that can make a thread, of both interfaces.
[[nodiscard]] bool MakesThread(int64_t number);
// Registers with which a thread makes a call by the instruction at `address`, and no other call first.
void SetSystemCall(Registers& registers, uint64_t address, int64_t number, const CallArguments& arguments);
// What the call has returned whose exit stop these registers are of.
[[nodiscard]] int64_t SystemCallResult(const Registers& registers);

// Of the code around pc NoteCode() is told this much, where NeedsCode() says that registers alone do not show whether a
// thread comes from a system call. Here orig_rax shows it.
inline constexpr size_t kCodeBytesBeforePc = 0;
inline constexpr size_t kCodeBytesAtPc = 0;
[[nodiscard]] inline bool NeedsCode(const Registers& /*registers*/) { return false; }
inline void NoteCode(Registers& /*registers*/, std::span<const uint8_t> /*code*/, size_t /*before*/) {}

// True where the result of a call overwrites its first argument: then that has to be looked for, and is set with
// SetFirstArgument(), before FindRestartableCall() or SetRestart() are asked. kCallNumberSet: see linux_registers.h.
inline constexpr bool kLosesFirstArgument = false;
inline constexpr uint32_t kCallNumberSet = 0;
inline void SetFirstArgument(Registers& /*registers*/, uint64_t /*value*/) {}

// A value that makes the kernel run an interrupted call again when no handler runs, and fail it with EINTR when one does
// (ERESTARTNOHAND).
inline constexpr int64_t kRestartNoHand = -514;

// The number of the system call the registers show, negative when they show none.
[[nodiscard]] int64_t SystemCallNumber(const Registers& registers);

// The six arguments of that call.
[[nodiscard]] CallArguments SystemCallArguments(const Registers& registers);

// The task that the registers' system call has just made, if it was one that makes tasks; 0 when it cannot have been.
[[nodiscard]] int32_t MadeTask(const Registers& registers);

// True when the registers of a stop show a system call that ended with -EINTR. The cheap first look.
[[nodiscard]] bool EndedWithEintr(const Registers& registers);

// The restartable call that the registers show, if it is on the list. `compat` is true when the call came in through the
// 32-bit entry: its numbers differ.
[[nodiscard]] std::optional<RestartableCall> FindRestartableCall(const Registers& registers, bool compat);

// For the calls that the kernel runs again with the time left that it has written to the program's memory: select() and its
// kin. Nothing for others, and for those without a time limit.
[[nodiscard]] std::optional<TimeLeft> FindTimeLeft(const Registers& registers, bool compat);

// Registers with which the thread runs its interrupted call again.
void SetRestart(Registers& registers);
// Registers with which the thread returns `result` from its interrupted call and the kernel restarts nothing.
void SetResult(Registers& registers, int64_t result);
// False where the kernel itself ends a call that SetRestart() runs again with EINTR if a handler comes first. True where
// TakeBackRestart() has to do that.
inline constexpr bool kRestartOutlivesHandlers = false;
inline void TakeBackRestart(Registers& /*registers*/) {}

// True where the kernel has moved a thread back to the call that it will run again, as the thread's stop shows, but decides
// only when it goes on whether a handler ends the call, and whether it becomes restart_syscall: with other registers meanwhile
// it would forget both. Then the three below have an answer.
inline constexpr bool kRestartIsDecidedLater = false;
// The thread stands at the instruction of a call, which it will run, or run again.
[[nodiscard]] inline bool WillRunCall(const Registers& /*registers*/) { return false; }
// With what the kernel interrupted the call whose entry stop, when it was run again, `entering` is of.
[[nodiscard]] inline int64_t RestartCode(const Registers& /*entering*/) { return 0; }
// In the exit stop of another call: makes it that of the call at which `own` stands, ended with `code`. The stop that follows
// is then as the one was in which the thread had those registers.
inline void SetEndOfCall(Registers& /*registers*/, const Registers& /*own*/, int64_t /*code*/) {}

}  // namespace zxctl::arch
