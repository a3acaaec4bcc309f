// The time of a restarted system call.
//
// A traced task is woken even by signals it ignores, and calls such as epoll_wait then fail with EINTR. The tracer makes
// them run again; but they would wait their whole timeout once more at each such signal. So from its first restart on a
// call with a timeout is watched: system-call stops tell when the restarted call began and whether it is still the same
// call that is interrupted next; at the end of its time it is interrupted and given its own timeout result. It never ends
// early, and late by no more than it had waited before its first restart.
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

  CallWatch(int64_t number, int64_t timeout_ns) : number_(number), timeout_ns_(timeout_ns) {}

  // A system-call stop in the call `number`. `eintr`: its registers show an end with EINTR. Returns true while the watch
  // goes on; false when the call is over and the watch can go.
  [[nodiscard]] bool OnSyscallStop(int64_t number, bool eintr, int64_t now_ns) {
    if (number != number_) return false;
    switch (phase_) {
      case Phase::kRestarting:
        if (start_ns_ == 0) start_ns_ = now_ns;
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
  // The end of its time; only once it has begun.
  [[nodiscard]] int64_t deadline_ns() const { return start_ns_ + timeout_ns_; }
  [[nodiscard]] bool Expired(int64_t now_ns) const { return start_ns_ != 0 && now_ns >= deadline_ns(); }
  // The interrupted call is run again.
  void Restart() { phase_ = Phase::kRestarting; }
  // True from the second restart on: the kernel's own timer would end the call too late.
  [[nodiscard]] bool needs_timer() const { return start_ns_ != 0; }

  uint64_t timer = 0;  // the TimerQueue's id of the deadline; 0: none

 private:
  Phase phase_ = Phase::kRestarting;
  int64_t number_;
  int64_t timeout_ns_;
  int64_t start_ns_ = 0;
};

}  // namespace zxctl
