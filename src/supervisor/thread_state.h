// The heart: what a supervised thread is doing, what can happen to it, and what the tracer then does. Values only: no
// system call, no memory, no clock. Every pair of state and event is either in the table or an error in every build.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace zxctl {

// How far a thread's life has come.
enum class Lifecycle : uint8_t {
  kUnannounced,  // its first stop was seen, but its creator has not named it yet; stopped
  kAnnounced,    // its creator named it; its first stop is to come
  kAlive,
  kExiting,  // at, or past, its exit stop
  kDead,
};

// Which ptrace-stop the thread is in.
enum class PtraceStop : uint8_t {
  kRunning,
  kSignal,     // about to take pending_signal
  kGroup,      // a job-control stop that somebody holds
  kTrap,       // interrupted by us, or just born
  kEvent,      // fork, clone, exec
  kListening,  // a job-control stop that job control ends: stopped for the world, running for us
  kExit,
};

enum class ExceptionPhase : uint8_t {
  kNone,
  kRaised,  // offered to handlers; the answer is outstanding
};

// Whether the supervisor keeps the thread from running, for a report or a suspend.
enum class HoldPhase : uint8_t { kNone, kRequested, kHeld };

struct ThreadState {
  Lifecycle life = Lifecycle::kAnnounced;
  PtraceStop stop = PtraceStop::kRunning;
  ExceptionPhase exception = ExceptionPhase::kNone;
  HoldPhase hold = HoldPhase::kNone;
  uint8_t pending_signal = 0;  // delivered at the next resume; 0: none

  friend bool operator==(const ThreadState&, const ThreadState&) = default;
};

// True for states that a thread can be in: the illegal combinations of the four enums are excluded.
[[nodiscard]] bool IsLegal(const ThreadState& state);

enum class EventKind : uint8_t {
  kAnnounced,   // the creator's fork or clone event named this thread
  kSignalStop,  // signal: to be delivered without asking anybody
  kFaultStop,   // signal: to be offered to handlers first
  kGroupStop,   // job control
  kTrapStop,    // PTRACE_EVENT_STOP: interrupt, birth, SIGCONT's notice
  kEventStop,   // fork, clone, vfork, exec
  kSyscallStop,
  kExitStop,       // dying, nobody is asked
  kToldExitStop,   // dying, and handlers are told first: of a signal that was never offered, or that the thread exits
  kToldStart,      // before its first instruction: handlers are told first
  kGone,           // reaped, or a ptrace call said ESRCH
  kHold,           // somebody wants it stopped
  kRelease,        // nobody wants it stopped any more
  kAdvance,        // held in the middle of a system call: it is to stand where it has its final registers
  kAnswerResume,   // a handler has dealt with the exception
  kAnswerDeliver,  // no handler wants it: the signal takes its course
  kAnswerDie,      // the same, and the signal kills: nothing holds a thread back from its end
};
inline constexpr EventKind kAllEvents[] = {EventKind::kAnnounced,     EventKind::kSignalStop, EventKind::kFaultStop,
                                           EventKind::kGroupStop,     EventKind::kTrapStop,   EventKind::kEventStop,
                                           EventKind::kSyscallStop,   EventKind::kExitStop,   EventKind::kToldExitStop,
                                           EventKind::kToldStart,     EventKind::kGone,       EventKind::kHold,
                                           EventKind::kRelease,       EventKind::kAdvance,    EventKind::kAnswerResume,
                                           EventKind::kAnswerDeliver, EventKind::kAnswerDie};

struct Event {
  EventKind kind;
  uint8_t signal = 0;
};

// What to do to the real thread. At most one of them moves it.
enum class Action : uint8_t {
  kContinue,    // PTRACE_CONT with Step::signal
  kListen,      // PTRACE_LISTEN
  kInterrupt,   // PTRACE_INTERRUPT
  kRaise,       // offer the exception to the handlers
  kWithdraw,    // the exception's thread is gone: handlers need not answer
  kReportHeld,  // the hold has taken effect
  kForget,      // drop the thread from the tree
};

// The outcome of an event: the next state and up to three actions, in order.
class Step {
 public:
  ThreadState next;
  bool legal = true;   // false: this event cannot happen in this state; `next` is the old state
  uint8_t signal = 0;  // for kContinue

  void Add(Action action) { actions_[count_++] = action; }
  [[nodiscard]] std::span<const Action> actions() const { return {actions_, count_}; }
  [[nodiscard]] bool Has(Action action) const;

 private:
  Action actions_[3] = {};
  uint8_t count_ = 0;
};

// The state machine. Pure and total.
[[nodiscard]] Step Advance(const ThreadState& state, Event event);

[[nodiscard]] std::string_view Name(Lifecycle value);
[[nodiscard]] std::string_view Name(PtraceStop value);
[[nodiscard]] std::string_view Name(EventKind value);

}  // namespace zxctl
