#include "supervisor/wait_loop.h"

#include <algorithm>

#include "arch/arch.h"

namespace zxctl {
namespace {

// While spinning, signals are looked at once in so many turns; the other turns ask for the likely tid only.
constexpr int kTurnsPerSignalLook = 8;
// Turns that follow at once upon another disturb the CPU that is about to stop the tracee.
constexpr int kPausesPerTurn = 30;
// One thread that stops again and again must not keep us from hearing of the others.
constexpr unsigned kRepeatsPerSignalLook = 8;
// A look for the same thread's next stop is tried again this often after it was in vain.
constexpr unsigned kStopsPerTry = 16;
// While many are on their way into their stops, each of which would wake us, this much of them is waited for at once.
constexpr int64_t kNapNs = 50 * kNsPerUs;

}  // namespace

void WaitLoop::Run(const Callbacks& callbacks) {
  bool after_stop = false;
  while (!callbacks.done()) {
    RunTimers(callbacks);
    if (callbacks.on_command && callbacks.on_command()) after_stop = true;
    WaitResult found = Find();
    const bool another_is_near = after_stop && !finder_.expects_many();
    if (found.tid <= 0 && another_is_near) found = TakeRepeat(callbacks);
    if (found.tid <= 0 && another_is_near) found = Spin(callbacks);
    if (found.tid <= 0) found = Sleep(callbacks);
    after_stop = found.tid > 0;
    if (after_stop) callbacks.on_wait(found);
  }
}

void WaitLoop::RunTimers(const Callbacks& callbacks) {
  if (timers_.next_deadline() == kNever) return;
  const int64_t now = clock_.NowNs();
  if (timers_.next_deadline() > now) return;
  // What was written in time is heard first.
  if (callbacks.on_command) callbacks.on_command();
  timers_.RunDue(now);
}

WaitResult WaitLoop::Find() {
  WaitResult found = finder_.TakeOwed(false);
  if (found.tid <= 0) found = finder_.TakeExpected();
  return found.tid > 0 ? found : finder_.TakeRecent();
}

WaitResult WaitLoop::HandleWake(const Wake& wake, const Callbacks& callbacks) {
  switch (wake.kind) {
    case Wake::Kind::kNothing:
      return {};
    case Wake::Kind::kChild:
      return finder_.TakeNamed(wake.pid);
    case Wake::Kind::kCommand:
      return {};  // the loop looks at the rings anyhow
    case Wake::Kind::kHangup:
      callbacks.on_hangup();
      return {};
    case Wake::Kind::kTerminate:
      callbacks.on_terminate();
      return {};
  }
  return {};
}

// Where all share one CPU, the thread that was just resumed has often stopped again before we run at all.
WaitResult WaitLoop::TakeRepeat(const Callbacks& callbacks) {
  ++stops_;
  if (stops_ % kRepeatsPerSignalLook == 0) return HandleWake(wakeups_.Take(0), callbacks);
  if (!repeats_ && stops_ % kStopsPerTry != 1) return {};
  const WaitResult likely = finder_.TakeLikely();
  repeats_ = likely.tid > 0;
  return likely;
}

WaitResult WaitLoop::Spin(const Callbacks& callbacks) {
  const int64_t end = spin_.SpinUntilNs(clock_);
  if (end == 0) return {};
  for (int turn = 1; clock_.NowNs() < end; ++turn) {
    for (int pause = 0; pause < kPausesPerTurn; ++pause) arch::RelaxCpu();
    const WaitResult likely = finder_.TakeLikely();
    if (likely.tid > 0) return likely;
    if (callbacks.on_command && callbacks.on_command()) return {};
    if (turn % kTurnsPerSignalLook != 0) continue;
    const WaitResult named = HandleWake(wakeups_.Take(0), callbacks);
    if (named.tid > 0) return named;
  }
  return {};
}

WaitResult WaitLoop::Sleep(const Callbacks& callbacks) {
  if (const WaitResult owed = finder_.TakeOwed(true); owed.tid > 0) return owed;
  // A timer, or the scan that found nobody, may have been the last thing to wait for.
  if (callbacks.done()) return {};
  const int64_t deadline = std::min(timers_.next_deadline(), finder_.scan_due_ns());
  return SleepUntil(deadline, callbacks);
}

Wake WaitLoop::AwaitWake(int64_t deadline_ns) {
  if (!finder_.expects_many()) return wakeups_.Take(deadline_ns);
  return wakeups_.TakeButNoChild(std::min(deadline_ns, clock_.NowNs() + kNapNs));
}

WaitResult WaitLoop::SleepUntil(int64_t deadline_ns, const Callbacks& callbacks) {
  if (!callbacks.before_sleep) return HandleWake(AwaitWake(deadline_ns), callbacks);
  const Wake wake = callbacks.before_sleep() ? AwaitWake(deadline_ns) : Wake{};
  callbacks.after_sleep();
  return HandleWake(wake, callbacks);
}

}  // namespace zxctl
