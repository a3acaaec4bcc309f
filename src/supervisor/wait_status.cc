#include "supervisor/wait_status.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>

namespace zxctl {
namespace {

// What PTRACE_O_TRACESYSGOOD adds to SIGTRAP in a system call stop.
constexpr int kSyscallFlag = 0x80;

WaitKind EventKind(int event) {
  switch (event) {
    case PTRACE_EVENT_FORK:
      return WaitKind::kFork;
    case PTRACE_EVENT_VFORK:
      return WaitKind::kVfork;
    case PTRACE_EVENT_CLONE:
      return WaitKind::kClone;
    case PTRACE_EVENT_EXEC:
      return WaitKind::kExec;
    case PTRACE_EVENT_VFORK_DONE:
      return WaitKind::kVforkDone;
    case PTRACE_EVENT_EXIT:
      return WaitKind::kExit;
    case PTRACE_EVENT_SECCOMP:
      return WaitKind::kSeccomp;
    default:
      return WaitKind::kUnknown;
  }
}

WaitStatus DecodeStop(int status) {
  const int signo = WSTOPSIG(status);
  const int event = status >> 16;
  if (event == PTRACE_EVENT_STOP) {
    return {.kind = signo == SIGTRAP ? WaitKind::kTrapStop : WaitKind::kGroupStop, .signo = signo};
  }
  if (event != 0) return {.kind = EventKind(event), .signo = signo};
  if (signo == (SIGTRAP | kSyscallFlag)) return {.kind = WaitKind::kSyscallStop, .signo = SIGTRAP};
  return {.kind = WaitKind::kSignalStop, .signo = signo};
}

}  // namespace

WaitStatus DecodeWait(int status) {
  if (WIFEXITED(status)) return {.kind = WaitKind::kExited, .code = WEXITSTATUS(status)};
  if (WIFSIGNALED(status)) {
    return {.kind = WaitKind::kKilled, .signo = WTERMSIG(status), .core_dumped = WCOREDUMP(status) != 0};
  }
  if (WIFCONTINUED(status)) return {.kind = WaitKind::kContinued};
  if (WIFSTOPPED(status)) return DecodeStop(status);
  return {};
}

}  // namespace zxctl
