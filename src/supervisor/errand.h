// A system call that a held thread makes for us, after which it stands again as it did.
//
// The thread is sent from its stop into the call, comes out of it, and is stopped once more before it runs any of its program:
// only there its registers can be put back so that the kernel restarts, or ends, what the thread was doing itself. (In the
// call's exit stop it would take the restart codes for the call's result.) Signals are blocked meanwhile; stops for job control
// come in between and are passed.
//
// Where the kernel decides what an interrupted call becomes only when its thread goes on (arch::kRestartIsDecidedLater), the
// thread is first sent to the entry of that call, which is not made: the registers there show what was decided. When our call
// has ended, the kernel is made to believe that the thread's own has ended so.
//
// Pure: the tracer feeds stops in and carries out what comes back.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "arch/arch.h"
#include "base/timer_queue.h"

namespace zxctl {

class Errand {
 public:
  enum class Phase : uint8_t {
    kAsking,    // the entry stop of the thread's own call is to come
    kSkipping,  // its exit stop is to come: it is not made
    kGoing,     // the entry stop of our call is to come
    kInCall,    // its exit stop is to come
    kFiltered,  // a filter of the program has kept it from being made; the signal that says so is to come
    kComing,    // the last stop is to come
    kBack,      // it stands as before, once its registers are put back
  };

  // What the thread has to do next, and how.
  enum class Next : uint8_t {
    kAsk,       // PTRACE_SYSEMU, with the registers that it has
    kSetOut,    // its registers are to be set for our call, then PTRACE_SYSCALL
    kGoOn,      // PTRACE_SYSCALL
    kComeBack,  // its last stop is to be asked for, then PTRACE_CONT
    kRun,       // PTRACE_CONT: the last stop has been asked for
    kStay,      // it is back
  };

  // Which stop brings the thread back.
  enum class Return : uint8_t {
    kTrap,    // an interrupt's: from there no signal can be delivered
    kSignal,  // a signal's delivery: for a thread that stood at one
  };

  explicit Errand(Return back) : return_(back) {}

  // `asks`: what becomes of the call that the thread was in has to be found out.
  [[nodiscard]] Next Begin(bool asks) {
    phase_ = asks ? Phase::kAsking : Phase::kGoing;
    return asks ? Next::kAsk : Next::kSetOut;
  }
  [[nodiscard]] Next OnSyscallStop(int64_t result) {
    if (phase_ == Phase::kAsking) return phase_ = Phase::kSkipping, Next::kGoOn;
    if (phase_ == Phase::kSkipping) return phase_ = Phase::kGoing, Next::kSetOut;
    if (phase_ == Phase::kGoing) return phase_ = Phase::kInCall, Next::kGoOn;
    if (phase_ != Phase::kInCall) return Next::kRun;
    // A job-control stop came first: the kernel makes the call again.
    if (IsRestart(result) && !overdue) return phase_ = Phase::kGoing, Next::kGoOn;
    result_ = IsRestart(result) ? -ETIMEDOUT : result;
    before_ = phase_;
    phase_ = Phase::kComing;
    return Next::kComeBack;
  }
  // PTRACE_EVENT_CLONE and its like: it is still in the call.
  [[nodiscard]] Next OnEventStop() const { return phase_ == Phase::kComing ? Next::kRun : Onward(); }
  // An interrupt's stop, or one of job control.
  [[nodiscard]] Next OnTrapStop() {
    if (phase_ != Phase::kComing) return Onward();
    if (return_ == Return::kSignal) return Next::kRun;
    phase_ = Phase::kBack;
    return Next::kStay;
  }
  // `ours`: the signal that was sent to bring it back.
  [[nodiscard]] Next OnSignalStop(bool ours) {
    if (phase_ != Phase::kComing) return Onward();
    if (!ours || return_ == Return::kTrap) return Next::kRun;
    phase_ = Phase::kBack;
    return Next::kStay;
  }
  // In place of the exit stop: there is one, but a filter has answered with a signal instead of making the call.
  [[nodiscard]] Next OnFiltered() { return phase_ = Phase::kFiltered, Next::kGoOn; }
  // That signal's stop. `result` is what the call counts to have returned.
  [[nodiscard]] Next OnFilterSignal(int64_t result) {
    if (phase_ == Phase::kComing) return Next::kRun;
    result_ = result;
    before_ = phase_;
    phase_ = Phase::kComing;
    return Next::kComeBack;
  }
  // No signal can be sent to bring it back.
  void ReturnByTrap() {
    return_ = Return::kTrap;
    carrier = 0;
  }

  [[nodiscard]] Phase phase() const { return phase_; }
  // The one in which it came out of the call.
  [[nodiscard]] Phase phase_before() const { return before_; }
  [[nodiscard]] Return return_by() const { return return_; }
  // Of the call, once the thread has come out of it; -ETIMEDOUT when it was overdue and has been broken off.
  [[nodiscard]] int64_t result() const { return result_; }

  // With which our call is made.
  arch::Registers going{};
  // What the thread's own call has ended with, where that had to be found out: a code for "run it again", 0 for none.
  int64_t restart_code = 0;
  // What is put back at the end.
  arch::Registers registers{};
  uint64_t signal_mask = 0;
  std::optional<siginfo_t> signal;
  // The restartable sequence that it is in: the kernel takes it out of one when it runs code outside.
  uint64_t sequence_at = 0;  // where its struct rseq names it
  uint64_t sequence = 0;     // 0: none
  // Registers that a call takes away from its thread, by their sets.
  std::vector<std::pair<uint32_t, std::vector<std::byte>>> lost;
  // A breakpoint on what it executes for us is not to stop it: its debug registers, switched off meanwhile; empty when off anyway.
  std::vector<std::byte> armed;
  int carrier = 0;         // brings a thread back that stood at a signal
  bool made_task = false;  // the call has made one, as its event said
  // It has taken too long, and the thread was interrupted in it: it is not made again.
  bool overdue = false;
  TimerQueue::Id timer = 0;  // when that is looked at
  // A thread that job control stopped meanwhile has to be stopped again.
  bool job_stopped = false;
  // Called once: with the call's result, or when the thread is gone before.
  std::function<void(std::optional<int64_t> result)> done;
  // Called after that.
  std::vector<std::function<void()>> waiting;

 private:
  // The kernel's codes for "run it again", from ERESTARTSYS to ERESTART_RESTARTBLOCK.
  static bool IsRestart(int64_t result) { return result <= -512 && result >= -516; }

  // On its way to a call.
  [[nodiscard]] Next Onward() const { return phase_ == Phase::kAsking ? Next::kAsk : Next::kGoOn; }

  Phase phase_ = Phase::kGoing;
  Phase before_ = Phase::kInCall;
  Return return_;
  int64_t result_ = 0;
};

}  // namespace zxctl
