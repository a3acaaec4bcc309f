// Signals as Linux describes them, and what they do by default. Pure.
#pragma once

#include <signal.h>

#include <cstdint>

namespace zxctl {

// The parts of siginfo that say what happened and who sent it. Plain data; it stands in ring messages.
struct SignalRecord {
  int32_t signo = 0;  // 0: none
  int32_t code = 0;
  uint64_t address = 0;  // si_addr of a fault; for SIGSYS si_call_addr
  int32_t pid = 0;       // the sender, 0 for a fault
  int32_t uid = 0;
  int32_t syscall = 0;  // SIGSYS only
  int32_t error = 0;    // si_errno; for a seccomp trap the filter's data
};
static_assert(sizeof(SignalRecord) == 32);

// What the default action of a signal does to a process.
enum class DefaultAction : uint8_t { kTerminate, kCore, kStop, kContinue, kIgnore };

// The default action of `signo` as signal(7) lists them; real-time signals terminate.
[[nodiscard]] DefaultAction DefaultActionOf(int signo);

// True when the signal was raised by the instruction the thread ran: the kernel sent it (si_code > 0) and it is one of
// SEGV, BUS, ILL, FPE, TRAP, SYS.
[[nodiscard]] bool IsSynchronousFault(const SignalRecord& signal);

// True for what a single step, a hardware breakpoint or a watchpoint stops with.
[[nodiscard]] bool IsDebugTrap(const SignalRecord& signal);

// Copies out of siginfo what belongs to this signal and code; the fields of other cases stay 0.
[[nodiscard]] SignalRecord DecodeSiginfo(const siginfo_t& info);

}  // namespace zxctl
