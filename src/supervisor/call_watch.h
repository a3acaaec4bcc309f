// The time of a restarted system call.
//
// A traced task is woken even by signals it ignores, and calls such as epoll_wait then fail with EINTR. The tracer makes
// them run again; but they would wait their whole timeout once more at each such signal. So from its first restart on a
// call with a timeout is watched: its time counts from when it was first broken off, and goes on while its thread is held.
// System-call stops tell whether it is still the same call that is interrupted next; at the end of its time it is
// interrupted and given its own timeout result. It never ends early, and late by no more than it had waited before it was
// first broken off.
//
// Pure: the tracer feeds stops in and carries out what comes back.
#pragma once

#include <cstdint>

namespace zxctl {

class CallWatch {
 public:
  enum class Phase : uint8_t {
    kRestarting,   // its entry stop is to come
    kInCall,       // in the call: its exit stop, or time, is to come
    kInterrupted,  // left the call with EINTR; the stop that says why is to come
  };

  // The call was broken off for the first time at `start_ns`.
  CallWatch(int64_t number, int64_t timeout_ns, int64_t start_ns)
      : number_(number), start_ns_(start_ns), deadline_ns_(start_ns + timeout_ns) {}

  // A system-call stop in the call `number`. `eintr`: its registers show an end with EINTR. Returns true while the watch
  // goes on; false when the call is over and the watch can go.
  [[nodiscard]] bool OnSyscallStop(int64_t number, bool eintr) {
    if (number != number_) return false;
    switch (phase_) {
      case Phase::kRestarting:
        phase_ = Phase::kInCall;
        return true;
      case Phase::kInCall:
        phase_ = Phase::kInterrupted;
        return eintr;
      case Phase::kInterrupted:
        return false;  // a call after ours: EINTR has reached the program
    }
    return false;
  }

  // True when the call that was just interrupted is the watched one.
  [[nodiscard]] bool interrupted() const { return phase_ == Phase::kInterrupted; }
  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] int64_t start_ns() const { return start_ns_; }
  // The end of its time.
  [[nodiscard]] int64_t deadline_ns() const { return deadline_ns_; }
  [[nodiscard]] bool Expired(int64_t now_ns) const { return now_ns >= deadline_ns_; }
  // The interrupted call is run again.
  void Restart() { phase_ = Phase::kRestarting; }

  uint64_t timer = 0;  // the TimerQueue's id of the deadline; 0: none

 private:
  Phase phase_ = Phase::kRestarting;
  int64_t number_;
  int64_t start_ns_;
  int64_t deadline_ns_;
};

}  // namespace zxctl
