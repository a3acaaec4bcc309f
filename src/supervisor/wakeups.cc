#include "supervisor/wakeups.h"

#include <algorithm>
#include <ctime>

namespace zxctl {

SignalWakeups::SignalWakeups() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  sigemptyset(&set_);
  for (const int signo : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, CommandSignal()}) sigaddset(&set_, signo);
  others_ = set_;
  sigdelset(&others_, SIGCHLD);
}

Wake SignalWakeups::TakeOf(const sigset_t& set, int64_t deadline_ns) {
  siginfo_t info{};
  int signo = -1;
  if (deadline_ns == kNever) {
    signo = sigwaitinfo(&set, &info);
  } else {
    const int64_t left = deadline_ns == 0 ? 0 : std::max<int64_t>(0, deadline_ns - MonotonicNs());
    const timespec timeout{.tv_sec = left / kNsPerSec, .tv_nsec = left % kNsPerSec};
    signo = sigtimedwait(&set, &info, &timeout);
  }
  if (signo < 0) return {};
  if (signo == SIGCHLD) return {.kind = Wake::Kind::kChild, .pid = info.si_pid};
  // The kernel's own: a descriptor that is watched.
  if (signo == CommandSignal() && info.si_code > 0) return {.kind = Wake::Kind::kHangup};
  if (signo == CommandSignal()) return {.kind = Wake::Kind::kCommand, .pid = info.si_pid};
  return {.kind = Wake::Kind::kTerminate};
}

}  // namespace zxctl
