// The tracer's life: wait for a stop, find it, hand it over, again, until the last tracee is gone.
//
// Between stops it spins for a moment while a CPU is idle: the wake-up of a sleeping tracer costs more than the stop
// itself. It never spins when the machine is busy, and never touches anybody's affinity.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/timer_queue.h"
#include "supervisor/spin_policy.h"
#include "supervisor/stop_finder.h"
#include "supervisor/wakeups.h"

namespace zxctl {

class WaitLoop {
 public:
  struct Callbacks {
    std::function<void(const WaitResult&)> on_wait;  // a stop, or the end of a child
    std::function<bool()> on_command;    // deals with what clients have put into their rings; true if any had
    std::function<bool()> before_sleep;  // from now on clients have to send a signal; false: one has not
    std::function<void()> after_sleep;
    std::function<void()> on_hangup;     // a client may have ended
    std::function<void()> on_terminate;  // somebody asks the tracer to end
    std::function<bool()> done;          // true: leave the loop
  };

  WaitLoop(Wakeups& wakeups, StopFinder& finder, TimerQueue& timers, const Clock& clock, SpinPolicy& spin)
      : wakeups_(wakeups), finder_(finder), timers_(timers), clock_(clock), spin_(spin) {}

  void Run(const Callbacks& callbacks);

 private:
  void RunTimers(const Callbacks& callbacks);
  // A stop that no signal has to name.
  [[nodiscard]] WaitResult Find();
  [[nodiscard]] WaitResult HandleWake(const Wake& wake, const Callbacks& callbacks);
  [[nodiscard]] WaitResult TakeRepeat(const Callbacks& callbacks);
  [[nodiscard]] WaitResult Spin(const Callbacks& callbacks);
  [[nodiscard]] WaitResult Sleep(const Callbacks& callbacks);
  [[nodiscard]] WaitResult SleepUntil(int64_t deadline_ns, const Callbacks& callbacks);
  [[nodiscard]] Wake AwaitWake(int64_t deadline_ns);

  Wakeups& wakeups_;
  StopFinder& finder_;
  TimerQueue& timers_;
  const Clock& clock_;
  SpinPolicy& spin_;
  unsigned stops_ = 0;
  bool repeats_ = false;  // the last look for another stop of the same thread found one
};

}  // namespace zxctl
