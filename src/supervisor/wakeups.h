// What wakes the tracer: its children's SIGCHLD, its clients' real-time signal, and a request to end. All are blocked and
// taken with sigtimedwait, which is race-free.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>

#include "base/clock.h"
#include "base/status.h"

namespace zxctl {

// The signal that a client sends to the tracer after it has put something into its ring. The kernel sends it as well, when
// something happens on a descriptor that was set up so (F_SETSIG).
[[nodiscard]] inline int CommandSignal() { return SIGRTMIN + 1; }

struct Wake {
  enum class Kind : uint8_t { kNothing, kChild, kCommand, kHangup, kTerminate };
  Kind kind = Kind::kNothing;
  pid_t pid = 0;  // kChild: the tid that stopped or ended; kCommand: the sender; kHangup: none
};

class Wakeups {
 public:
  virtual ~Wakeups() = default;
  // The next wake, waiting until `deadline_ns` (CLOCK_MONOTONIC; 0: not at all, kNever: without limit).
  [[nodiscard]] virtual Wake Take(int64_t deadline_ns) = 0;
  // The same, but children do not wake it; what they have sent is there afterwards.
  [[nodiscard]] virtual Wake TakeButNoChild(int64_t deadline_ns) = 0;
};

// Blocks the signals in the calling thread; one object a process, made before any child exists.
class SignalWakeups final : public Wakeups {
 public:
  SignalWakeups();
  [[nodiscard]] Wake Take(int64_t deadline_ns) override { return TakeOf(set_, deadline_ns); }
  [[nodiscard]] Wake TakeButNoChild(int64_t deadline_ns) override { return TakeOf(others_, deadline_ns); }

 private:
  static Wake TakeOf(const sigset_t& set, int64_t deadline_ns);

  sigset_t set_;
  sigset_t others_;  // without SIGCHLD
};

}  // namespace zxctl
