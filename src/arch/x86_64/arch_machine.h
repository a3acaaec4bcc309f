// x86-64: register file, system call view and restart values.
#pragma once

#include <sys/user.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "arch/start_regs.h"

namespace zxctl::arch {

// The general registers as PTRACE_GETREGSET NT_PRSTATUS gives them.
using Registers = user_regs_struct;

inline constexpr std::string_view kMachineName = "x86_64";
inline constexpr uint16_t kElfMachine = 62;  // EM_X86_64

// What a thread runs: 64-bit code, or 32-bit code on the 64-bit kernel.
enum class Bits : uint8_t { k64, k32 };

[[nodiscard]] uint64_t Pc(const Registers& registers);
[[nodiscard]] uint64_t Sp(const Registers& registers);
[[nodiscard]] uint64_t FramePointer(const Registers& registers);
[[nodiscard]] Bits CodeBits(const Registers& registers);

// Lengths by which pc stands past a breakpoint instruction when its trap is reported.
inline constexpr uint64_t kBreakpointPcAdvance = 1;

// What a core of 32-bit code has: EM_386, and the registers as i386's own user_regs_struct orders them.
inline constexpr uint16_t kElfMachine32 = 3;
inline constexpr size_t kRegisterCount32 = 17;
[[nodiscard]] std::array<uint32_t, kRegisterCount32> Registers32(const Registers& registers);

// The further register sets that a core file has (NT_PRFPREG, NT_X86_XSTATE), and more bytes than any of them takes.
inline constexpr std::array<uint32_t, 2> kFurtherRegisterSets = {2, 0x202};
inline constexpr size_t kMaxRegisterSetBytes = 16384;

struct NamedValue {
  std::string_view name;
  uint64_t value;
};

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
[[nodiscard]] zx_thread_state_general_regs_t ToZircon(const Registers& registers);
// Takes over what a program may set. False, and nothing has changed, when a value cannot be: rip has to be in the user half,
// fs_base and gs_base canonical.
[[nodiscard]] bool FromZircon(const zx_thread_state_general_regs_t& from, Registers& registers);

// ---- start_registers.cc: what a thread begins with ---------------------------------------------------------------

using x86_64::ValidateStartRegs;
// The registers of a thread's first instruction. Of those that it has, what the kernel needs of a user's thread stays.
void SetStart(Registers& registers, const StartRegs& start);
// Values of tp that PTRACE_SETREGSET refuses can be loaded by an instruction, if the machine has it.
[[nodiscard]] bool KernelTakesTp(uint64_t tp);
[[nodiscard]] bool CanLoadTp();
// Loads tp and makes a call, and the register that the first takes it from.
inline constexpr std::array<uint8_t, 7> kLoadTpAndCall = {0xf3, 0x48, 0x0f, 0xae, 0xd3, 0x0f, 0x05};  // wrfsbase rbx; syscall
inline void SetTpToLoad(Registers& registers, uint64_t tp) { registers.rbx = tp; }
// How much of the registers PTRACE_SETREGSET takes: not those from the first value on that it refuses, which stay as they are.
[[nodiscard]] size_t SettableBytes(const Registers& registers);
// The set that has all registers but the general ones (NT_X86_XSTATE), and its initial values in place of those that were read.
inline constexpr uint32_t kVectorRegisterSet = 0x202;
void SetInitialVectors(std::span<std::byte> set);

// ---- restart.cc: the system call a stopped thread was in -------------------------------------------------------

// The instruction of a system call.
using CodeBytes = std::array<uint8_t, 2>;
inline constexpr CodeBytes kSystemCallInstruction = {0x0f, 0x05};
// True for the calls that can make a thread, of both interfaces.
[[nodiscard]] bool MakesThread(int64_t number);
// Registers with which a thread makes a call of one argument by the instruction at `address`, and no other call first.
void SetSystemCall(Registers& registers, uint64_t address, int64_t number, uint64_t argument);
// The same of more arguments. The registers of those that are not given are 0.
using CallArguments = std::array<uint64_t, 6>;
void SetSystemCall(Registers& registers, uint64_t address, int64_t number, const CallArguments& arguments);
// What the call has returned whose exit stop these registers are of.
[[nodiscard]] int64_t SystemCallResult(const Registers& registers);

// A value that makes the kernel run an interrupted call again when no handler runs, and fail it with EINTR when one does
// (ERESTARTNOHAND).
inline constexpr int64_t kRestartNoHand = -514;

// How a blocking call that ends with EINTR when its task is woken knows its time.
enum class TimeoutKind : uint8_t {
  kNone,           // blocks without limit
  kMilliseconds,   // a register in ms, negative for no limit
  kTimespec,       // a register points to {i64 s, i64 ns}; null for no limit
  kTimespec32,     // a register points to {i32 s, i32 ns}; null for no limit
  kUringTimespec,  // io_uring_enter: the timespec stands in the extended argument, if there is one
  kSocketReceive,  // SO_RCVTIMEO of the descriptor in the first argument
  kSocketSend,     // SO_SNDTIMEO of the same
  kSocketConnect,  // the same; what the call returns when its time is up depends on the socket's family
};

// A call that is safe to run again after -EINTR: it has no effect before it returns that.
struct RestartableCall {
  TimeoutKind timeout = TimeoutKind::kNone;
  uint64_t timeout_argument = 0;  // the argument register of kMilliseconds, kTimespec, kUringTimespec
  uint64_t fd = 0;                // for the socket kinds
  bool fd_in_memory = false;      // `fd` is the address of the descriptor, an i32
  int64_t timeout_result = 0;     // what the call itself returns when its time is up
};

// The number of the system call the registers show, negative when they show none.
[[nodiscard]] int64_t SystemCallNumber(const Registers& registers);

// The task that the registers' system call has just made, if it was one that makes tasks; 0 when it cannot have been.
[[nodiscard]] int32_t MadeTask(const Registers& registers);

// True when the registers of a stop show a system call that ended with -EINTR. The cheap first look.
[[nodiscard]] bool EndedWithEintr(const Registers& registers);

// The restartable call that the registers show, if it is on the list. `compat` is true when the call came in through the
// 32-bit entry: its numbers differ.
[[nodiscard]] std::optional<RestartableCall> FindRestartableCall(const Registers& registers, bool compat);

// Where a call that will run again has left the rest of its time: {seconds, fraction}, each of `bytes` bytes, the fraction
// counting `unit_ns`.
struct TimeLeft {
  uint64_t address = 0;
  uint8_t bytes = 8;
  uint16_t unit_ns = 1;
};
// For the calls that the kernel runs again with the time left that it has written to the program's memory: select() and its
// kin. Nothing for others, and for those without a time limit.
[[nodiscard]] std::optional<TimeLeft> FindTimeLeft(const Registers& registers, bool compat);

// Registers with which the thread runs its interrupted call again.
void SetRestart(Registers& registers);
// Registers with which the thread returns `result` from its interrupted call and the kernel restarts nothing.
void SetResult(Registers& registers, int64_t result);

}  // namespace zxctl::arch
