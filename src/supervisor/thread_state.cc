#include "supervisor/thread_state.h"

#include <algorithm>

namespace zxctl {
namespace {

// A thread in one of these runs, or will do so without us.
bool Runs(PtraceStop stop) { return stop == PtraceStop::kRunning || stop == PtraceStop::kListening; }

Step Illegal(const ThreadState& state) {
  Step step;
  step.next = state;
  step.legal = false;
  return step;
}

// Lets a thread go on from the stop it is in, the way that stop wants.
void LetGo(Step& step) {
  if (step.next.stop == PtraceStop::kGroup) {
    step.next.stop = PtraceStop::kListening;
    step.Add(Action::kListen);
    return;
  }
  step.signal = step.next.pending_signal;
  step.next.pending_signal = 0;
  step.next.stop = PtraceStop::kRunning;
  step.Add(Action::kContinue);
}

// A stop nobody is asked about: the thread stays if somebody wants it held, and goes on otherwise.
Step StopQuietly(const ThreadState& state, PtraceStop stop, uint8_t signal) {
  if (!Runs(state.stop) || state.life == Lifecycle::kExiting) return Illegal(state);
  Step step;
  step.next = state;
  step.next.life = Lifecycle::kAlive;
  step.next.stop = stop;
  step.next.pending_signal = signal;
  if (state.hold == HoldPhase::kNone) {
    LetGo(step);
  } else {
    step.next.hold = HoldPhase::kHeld;
    step.Add(Action::kReportHeld);
  }
  return step;
}

Step OnFault(const ThreadState& state, uint8_t signal) {
  if (!Runs(state.stop) || state.life != Lifecycle::kAlive) return Illegal(state);
  Step step;
  step.next = state;
  step.next.stop = PtraceStop::kSignal;
  step.next.pending_signal = signal;
  step.next.exception = ExceptionPhase::kRaised;
  if (state.hold == HoldPhase::kRequested) {
    step.next.hold = HoldPhase::kHeld;
    step.Add(Action::kReportHeld);
  }
  step.Add(Action::kRaise);
  return step;
}

// Its first stop, or for a thread that was parked one in which it has its final registers.
Step OnToldStart(const ThreadState& state) {
  const bool comes_now = state.life == Lifecycle::kAnnounced;
  const bool is_final = state.stop == PtraceStop::kTrap || state.stop == PtraceStop::kGroup;
  const bool parked = state.life == Lifecycle::kAlive && state.hold == HoldPhase::kHeld && is_final;
  const bool stands = state.life == Lifecycle::kUnannounced || parked;
  if ((!comes_now && !stands) || state.exception == ExceptionPhase::kRaised) return Illegal(state);
  Step step;
  step.next = state;
  step.next.life = Lifecycle::kAlive;
  if (comes_now) step.next.stop = PtraceStop::kTrap;
  step.next.exception = ExceptionPhase::kRaised;
  if (state.hold == HoldPhase::kRequested) {
    step.next.hold = HoldPhase::kHeld;
    step.Add(Action::kReportHeld);
  }
  step.Add(Action::kRaise);
  return step;
}

// SIGKILL takes a thread out of any stop, so this can come in any state of the living.
Step OnExit(const ThreadState& state, bool told) {
  Step step;
  step.next = {.life = Lifecycle::kExiting, .stop = PtraceStop::kExit};
  if (state.exception == ExceptionPhase::kRaised) step.Add(Action::kWithdraw);
  if (state.hold == HoldPhase::kRequested) step.Add(Action::kReportHeld);
  if (told) {
    step.next.exception = ExceptionPhase::kRaised;
    step.Add(Action::kRaise);
  } else {
    LetGo(step);
  }
  return step;
}

Step OnGone(const ThreadState& state) {
  Step step;
  step.next = {.life = Lifecycle::kDead};
  if (state.exception == ExceptionPhase::kRaised) step.Add(Action::kWithdraw);
  if (state.hold == HoldPhase::kRequested) step.Add(Action::kReportHeld);
  step.Add(Action::kForget);
  return step;
}

Step OnAnnounced(const ThreadState& state) {
  if (state.life != Lifecycle::kUnannounced) return Illegal(state);
  Step step;
  step.next = state;
  step.next.life = Lifecycle::kAlive;
  if (state.hold == HoldPhase::kNone) LetGo(step);
  return step;
}

Step OnHold(const ThreadState& state) {
  if (state.hold != HoldPhase::kNone || state.life == Lifecycle::kExiting) return Illegal(state);
  Step step;
  step.next = state;
  const bool comes_by_itself = state.life == Lifecycle::kAnnounced;
  if (Runs(state.stop)) {
    step.next.hold = HoldPhase::kRequested;
    if (!comes_by_itself) step.Add(Action::kInterrupt);
  } else {
    step.next.hold = HoldPhase::kHeld;
    step.Add(Action::kReportHeld);
  }
  return step;
}

Step OnRelease(const ThreadState& state) {
  if (state.hold == HoldPhase::kNone) return Illegal(state);
  Step step;
  step.next = state;
  step.next.hold = HoldPhase::kNone;
  const bool stays = state.hold == HoldPhase::kRequested || state.exception == ExceptionPhase::kRaised ||
                     state.life == Lifecycle::kUnannounced;
  if (!stays) LetGo(step);
  return step;
}

Step OnAdvance(const ThreadState& state) {
  const bool stands = state.life == Lifecycle::kAlive && state.stop == PtraceStop::kEvent;
  if (!stands || state.hold != HoldPhase::kHeld || state.exception != ExceptionPhase::kNone) return Illegal(state);
  Step step;
  step.next = state;
  step.next.hold = HoldPhase::kRequested;
  step.Add(Action::kInterrupt);
  LetGo(step);
  return step;
}

Step OnAnswer(const ThreadState& state, bool deliver) {
  if (state.exception != ExceptionPhase::kRaised) return Illegal(state);
  Step step;
  step.next = state;
  step.next.exception = ExceptionPhase::kNone;
  if (!deliver) step.next.pending_signal = 0;
  if (state.hold == HoldPhase::kNone) LetGo(step);
  return step;
}

Step OnFatalAnswer(const ThreadState& state) {
  if (state.exception != ExceptionPhase::kRaised) return Illegal(state);
  Step step;
  step.next = state;
  step.next.exception = ExceptionPhase::kNone;
  // Should it live on, its next stop is where it is held again.
  if (state.hold == HoldPhase::kHeld) step.next.hold = HoldPhase::kRequested;
  LetGo(step);
  return step;
}

}  // namespace

bool IsLegal(const ThreadState& s) {
  const bool held = s.hold == HoldPhase::kHeld;
  const bool raised = s.exception == ExceptionPhase::kRaised;
  switch (s.life) {
    case Lifecycle::kUnannounced:
      return s.stop == PtraceStop::kTrap || s.stop == PtraceStop::kGroup ? !raised && s.hold != HoldPhase::kRequested
                                                                         : false;
    case Lifecycle::kAnnounced:
      return s.stop == PtraceStop::kRunning && !raised && !held;
    case Lifecycle::kAlive:
      if (s.stop == PtraceStop::kExit) return false;
      if (Runs(s.stop)) return !raised && !held;
      return s.hold != HoldPhase::kRequested && (held || raised);
    case Lifecycle::kExiting:
      return s.hold == HoldPhase::kNone && (raised ? s.stop == PtraceStop::kExit : s.stop == PtraceStop::kRunning);
    case Lifecycle::kDead:
      return s.stop == PtraceStop::kRunning && !raised && s.hold == HoldPhase::kNone;
  }
  return false;
}

bool Step::Has(Action action) const {
  const auto all = actions();
  return std::find(all.begin(), all.end(), action) != all.end();
}

Step Advance(const ThreadState& state, Event event) {
  if (state.life == Lifecycle::kDead) return Illegal(state);
  switch (event.kind) {
    case EventKind::kAnnounced:
      return OnAnnounced(state);
    case EventKind::kSignalStop:
      return StopQuietly(state, PtraceStop::kSignal, event.signal);
    case EventKind::kFaultStop:
      return OnFault(state, event.signal);
    case EventKind::kGroupStop:
      return StopQuietly(state, PtraceStop::kGroup, 0);
    case EventKind::kTrapStop:
      return StopQuietly(state, PtraceStop::kTrap, 0);
    case EventKind::kEventStop:
    case EventKind::kSyscallStop:
      return StopQuietly(state, PtraceStop::kEvent, 0);
    case EventKind::kExitStop:
      return OnExit(state, false);
    case EventKind::kToldExitStop:
      return OnExit(state, true);
    case EventKind::kToldStart:
      return OnToldStart(state);
    case EventKind::kGone:
      return OnGone(state);
    case EventKind::kHold:
      return OnHold(state);
    case EventKind::kRelease:
      return OnRelease(state);
    case EventKind::kAdvance:
      return OnAdvance(state);
    case EventKind::kAnswerResume:
      return OnAnswer(state, false);
    case EventKind::kAnswerDeliver:
      return OnAnswer(state, true);
    case EventKind::kAnswerDie:
      return OnFatalAnswer(state);
  }
  return Illegal(state);
}

std::string_view Name(Lifecycle value) {
  switch (value) {
    case Lifecycle::kUnannounced:
      return "unannounced";
    case Lifecycle::kAnnounced:
      return "announced";
    case Lifecycle::kAlive:
      return "alive";
    case Lifecycle::kExiting:
      return "exiting";
    case Lifecycle::kDead:
      return "dead";
  }
  return "?";
}

std::string_view Name(PtraceStop value) {
  switch (value) {
    case PtraceStop::kRunning:
      return "running";
    case PtraceStop::kSignal:
      return "signal-stop";
    case PtraceStop::kGroup:
      return "group-stop";
    case PtraceStop::kTrap:
      return "trap-stop";
    case PtraceStop::kEvent:
      return "event-stop";
    case PtraceStop::kListening:
      return "listening";
    case PtraceStop::kExit:
      return "exit-stop";
  }
  return "?";
}

std::string_view Name(EventKind value) {
  constexpr std::string_view kNames[] = {"announced",      "signal-stop",   "fault-stop",     "group-stop",
                                         "trap-stop",      "event-stop",    "syscall-stop",   "exit-stop",
                                         "told-exit-stop", "told-start",    "gone",           "hold",
                                         "release",        "answer-resume", "answer-deliver", "answer-die"};
  const auto index = static_cast<size_t>(value);
  return index < std::size(kNames) ? kNames[index] : "?";
}

}  // namespace zxctl
