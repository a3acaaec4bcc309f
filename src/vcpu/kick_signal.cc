#include "vcpu/kick_signal.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace zxctl {
namespace {

void DoNothing(int /*signo*/) {}

// 0: none could be had.
int TakeSignal() {
  for (int signo = SIGRTMAX; signo >= SIGRTMIN; --signo) {
    struct sigaction now = {};
    if (sigaction(signo, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) continue;
    struct sigaction action = {};
    action.sa_handler = DoNothing;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    if (sigaction(signo, &action, nullptr) == 0) return signo;
  }
  return 0;
}

std::atomic<int> g_kick_signal = 0;

}  // namespace

Result<void> PrepareForKicks() {
  static std::mutex lock;
  const std::lock_guard guard(lock);
  if (g_kick_signal.load() == 0) g_kick_signal.store(TakeSignal());
  const int signo = g_kick_signal.load();
  if (signo == 0) {
    return Fail(Status{
        .zx = ZX_ERR_NO_RESOURCES,
        .what = "the program has handlers for all real-time signals, and one is needed to stop a VCPU: leave one at "
                "its default"});
  }
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, signo);
  pthread_sigmask(SIG_UNBLOCK, &kick, nullptr);
  return {};
}

void SendKick(pid_t tid) { syscall(SYS_tgkill, getpid(), tid, g_kick_signal.load(std::memory_order_relaxed)); }

}  // namespace zxctl
