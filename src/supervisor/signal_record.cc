#include "supervisor/signal_record.h"

namespace zxctl {
namespace {

bool IsFaultSignal(int signo) {
  switch (signo) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
    case SIGSYS:
      return true;
    default:
      return false;
  }
}

}  // namespace

DefaultAction DefaultActionOf(int signo) {
  switch (signo) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
      return DefaultAction::kIgnore;
    case SIGCONT:
      return DefaultAction::kContinue;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return DefaultAction::kStop;
    case SIGQUIT:
    case SIGILL:
    case SIGABRT:
    case SIGFPE:
    case SIGSEGV:
    case SIGBUS:
    case SIGSYS:
    case SIGTRAP:
    case SIGXCPU:
    case SIGXFSZ:
      return DefaultAction::kCore;
    default:
      return DefaultAction::kTerminate;
  }
}

bool IsSynchronousFault(const SignalRecord& signal) { return signal.code > 0 && IsFaultSignal(signal.signo); }

bool IsDebugTrap(const SignalRecord& signal) {
  return signal.signo == SIGTRAP && (signal.code == TRAP_TRACE || signal.code == TRAP_HWBKPT);
}

SignalRecord DecodeSiginfo(const siginfo_t& info) {
  SignalRecord record{.signo = info.si_signo, .code = info.si_code};
  if (!IsSynchronousFault(record)) {
    // Signals by the kernel (a timer, a terminal, SI_KERNEL) have no sender.
    const bool sent = info.si_code == SI_USER || info.si_code == SI_TKILL || info.si_code == SI_QUEUE;
    if (sent) {
      record.pid = info.si_pid;
      record.uid = static_cast<int32_t>(info.si_uid);
    }
    return record;
  }
  if (info.si_signo == SIGSYS) {
    record.address = reinterpret_cast<uint64_t>(info.si_call_addr);
    record.syscall = info.si_syscall;
    record.error = info.si_errno;
    return record;
  }
  record.address = reinterpret_cast<uint64_t>(info.si_addr);
  return record;
}

}  // namespace zxctl
