#include "supervisor/wait_loop.h"

#include <algorithm>

namespace zxctl {
namespace {

// While spinning, signals are looked at once in so many turns; the other turns ask for the last tid only.
constexpr int kTurnsPerSignalLook = 4;
// One thread that stops again and again must not keep us from hearing of the others.
constexpr unsigned kSpinsPerSignalLook = 8;

}  // namespace

void WaitLoop::Run(const Callbacks& callbacks) {
  bool may_spin = false;
  while (!callbacks.done()) {
    if (timers_.next_deadline() != kNever) timers_.RunDue(clock_.NowNs());
    WaitResult found = Find();
    if (found.tid <= 0 && may_spin) found = Spin(callbacks);
    if (found.tid <= 0) found = Sleep(callbacks);
    may_spin = found.tid > 0;
    if (may_spin) callbacks.on_wait(found);
  }
}

WaitResult WaitLoop::Find() {
  const WaitResult owed = finder_.TakeOwed(false);
  return owed.tid > 0 ? owed : finder_.TakeRecent();
}

WaitResult WaitLoop::HandleWake(const Wake& wake, const Callbacks& callbacks) {
  switch (wake.kind) {
    case Wake::Kind::kNothing:
      return {};
    case Wake::Kind::kChild:
      return finder_.TakeNamed(wake.pid);
    case Wake::Kind::kCommand:
      callbacks.on_command();
      return {};
    case Wake::Kind::kTerminate:
      callbacks.on_terminate();
      return {};
  }
  return {};
}

WaitResult WaitLoop::Spin(const Callbacks& callbacks) {
  const int64_t end = spin_.SpinUntilNs(clock_.NowNs());
  if (end == 0) return {};
  if (++spins_ % kSpinsPerSignalLook == 0) {
    const WaitResult named = HandleWake(wakeups_.Take(0), callbacks);
    if (named.tid > 0) return named;
  }
  for (int turn = 1; clock_.NowNs() < end; ++turn) {
    const WaitResult last = finder_.TakeLast();
    if (last.tid > 0) return last;
    if (turn % kTurnsPerSignalLook != 0) continue;
    const WaitResult named = HandleWake(wakeups_.Take(0), callbacks);
    if (named.tid > 0) return named;
  }
  return {};
}

WaitResult WaitLoop::Sleep(const Callbacks& callbacks) {
  if (const WaitResult owed = finder_.TakeOwed(true); owed.tid > 0) return owed;
  const int64_t deadline = std::min(timers_.next_deadline(), finder_.scan_due_ns());
  return HandleWake(wakeups_.Take(deadline), callbacks);
}

}  // namespace zxctl
