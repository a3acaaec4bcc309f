// A waitpid status word as a value. Pure.
#pragma once

#include <cstdint>

namespace zxctl {

enum class WaitKind : uint8_t {
  kExited,       // code: the exit code
  kKilled,       // signo: the signal; core_dumped
  kSignalStop,   // signo: the signal about to be delivered
  kGroupStop,    // signo: the stop signal (job control)
  kTrapStop,     // PTRACE_EVENT_STOP with SIGTRAP: PTRACE_INTERRUPT, a new tracee's first stop, or SIGCONT's notice
  kSyscallStop,  // entry to or exit from a system call
  kFork,         // PTRACE_EVENT_FORK
  kVfork,
  kVforkDone,
  kClone,
  kExec,
  kExit,  // PTRACE_EVENT_EXIT: dying, memory still there
  kSeccomp,
  kContinued,  // not from a tracee: job control of a child
  kUnknown,    // a status this kernel should not give
};

struct WaitStatus {
  WaitKind kind = WaitKind::kUnknown;
  int signo = 0;
  int code = 0;
  bool core_dumped = false;

  friend bool operator==(const WaitStatus&, const WaitStatus&) = default;
};

// Decodes what waitpid(…, __WALL) stored for a tracee attached by PTRACE_SEIZE with PTRACE_O_TRACESYSGOOD.
[[nodiscard]] WaitStatus DecodeWait(int status);

}  // namespace zxctl
