#include "supervisor/thread_state.h"

#include <gtest/gtest.h>

#include <csignal>
#include <sstream>
#include <vector>

namespace zxctl {
namespace {

constexpr Lifecycle kLives[] = {Lifecycle::kUnannounced, Lifecycle::kAnnounced, Lifecycle::kAlive, Lifecycle::kExiting,
                                Lifecycle::kDead};
constexpr PtraceStop kStops[] = {PtraceStop::kRunning, PtraceStop::kSignal,    PtraceStop::kGroup, PtraceStop::kTrap,
                                 PtraceStop::kEvent,   PtraceStop::kListening, PtraceStop::kExit};
constexpr ExceptionPhase kPhases[] = {ExceptionPhase::kNone, ExceptionPhase::kRaised};
constexpr HoldPhase kHolds[] = {HoldPhase::kNone, HoldPhase::kRequested, HoldPhase::kHeld};

std::vector<ThreadState> LegalStates() {
  std::vector<ThreadState> states;
  for (const Lifecycle life : kLives) {
    for (const PtraceStop stop : kStops) {
      for (const ExceptionPhase exception : kPhases) {
        for (const HoldPhase hold : kHolds) {
          const uint8_t pending = stop == PtraceStop::kSignal ? SIGUSR1 : 0;
          const ThreadState state{life, stop, exception, hold, pending};
          if (IsLegal(state)) states.push_back(state);
        }
      }
    }
  }
  return states;
}

std::string Show(const ThreadState& s, EventKind event) {
  std::ostringstream out;
  out << Name(s.life) << '/' << Name(s.stop) << "/exception" << static_cast<int>(s.exception) << "/hold"
      << static_cast<int>(s.hold) << " on " << Name(event);
  return out.str();
}

bool Moves(const Step& step) { return step.Has(Action::kContinue) || step.Has(Action::kListen); }
bool Runs(PtraceStop stop) { return stop == PtraceStop::kRunning || stop == PtraceStop::kListening; }

// What must be true of every cell of the table, whatever the state and the event.
void CheckCell(const ThreadState& state, EventKind event) {
  SCOPED_TRACE(Show(state, event));
  const Step step = Advance(state, {.kind = event, .signal = SIGUSR2});
  if (!step.legal) {
    EXPECT_EQ(step.next, state);
    EXPECT_TRUE(step.actions().empty());
    return;
  }
  EXPECT_TRUE(IsLegal(step.next));
  // Nothing is left stopped: a stopped thread is held, offered, waits for its creator, or was moved just now.
  const bool has_reason = step.next.hold == HoldPhase::kHeld || step.next.exception == ExceptionPhase::kRaised ||
                          step.next.life == Lifecycle::kUnannounced;
  EXPECT_TRUE(Runs(step.next.stop) || has_reason);
  // Nobody moves a thread that is held or offered.
  if (Moves(step)) {
    EXPECT_NE(step.next.hold, HoldPhase::kHeld);
    EXPECT_NE(step.next.exception, ExceptionPhase::kRaised);
    EXPECT_TRUE(Runs(step.next.stop));
  }
  // A thread that stood still and runs now was moved by an action, or is gone.
  const bool set_going = !Runs(state.stop) && Runs(step.next.stop) && step.next.life != Lifecycle::kDead;
  EXPECT_TRUE(!set_going || Moves(step));
  const bool told =
      event == EventKind::kFaultStop || event == EventKind::kToldExitStop || event == EventKind::kToldStart;
  EXPECT_EQ(step.Has(Action::kRaise), told);
  // Handlers hear of the end of a thread they were thinking about, and only then.
  const bool ended = step.next.life == Lifecycle::kDead || step.next.life == Lifecycle::kExiting;
  EXPECT_EQ(step.Has(Action::kWithdraw), state.exception == ExceptionPhase::kRaised && ended &&
                                             event != EventKind::kAnswerResume && event != EventKind::kAnswerDeliver &&
                                             event != EventKind::kAnswerDie);
  // Whoever asked for a hold hears of it once: when it is reached, or when the thread will never reach it.
  const bool reached = state.hold != HoldPhase::kHeld && step.next.hold == HoldPhase::kHeld;
  const bool never = state.hold == HoldPhase::kRequested && ended;
  EXPECT_EQ(step.Has(Action::kReportHeld), reached || never);
  EXPECT_EQ(step.Has(Action::kForget), step.next.life == Lifecycle::kDead);
}

TEST(Advance, KeepsItsPromisesInEveryCell) {
  const auto states = LegalStates();
  ASSERT_EQ(states.size(), 25U);
  for (const ThreadState& state : states) {
    for (const EventKind event : kAllEvents) CheckCell(state, event);
  }
}

// Which events are legal where: the whole table, one letter an event in the order of kAllEvents.
// announced signal fault group trap event syscall exit told-exit told-start gone hold release advance resume deliver die
struct Row {
  const char* name;
  ThreadState state;
  const char* legal;  // '.' for an event that cannot happen
};

const Row kTable[] = {
    {"unannounced", {Lifecycle::kUnannounced, PtraceStop::kTrap}, "a......xfbgh....."},
    {"unannounced in group stop", {Lifecycle::kUnannounced, PtraceStop::kGroup}, "a......xfbgh....."},
    {"unannounced, held",
     {Lifecycle::kUnannounced, PtraceStop::kTrap, ExceptionPhase::kNone, HoldPhase::kHeld},
     "a......xfbg.r...."},
    {"announced", {Lifecycle::kAnnounced, PtraceStop::kRunning}, ".s.gtecxfbgh....."},
    {"announced, hold wanted",
     {Lifecycle::kAnnounced, PtraceStop::kRunning, ExceptionPhase::kNone, HoldPhase::kRequested},
     ".s.gtecxfbg.r...."},
    {"running", {Lifecycle::kAlive, PtraceStop::kRunning}, ".sfgtecxf.gh....."},
    {"running, hold wanted",
     {Lifecycle::kAlive, PtraceStop::kRunning, ExceptionPhase::kNone, HoldPhase::kRequested},
     ".sfgtecxf.g.r...."},
    {"listening", {Lifecycle::kAlive, PtraceStop::kListening}, ".sfgtecxf.gh....."},
    {"held at a signal",
     {Lifecycle::kAlive, PtraceStop::kSignal, ExceptionPhase::kNone, HoldPhase::kHeld, SIGUSR1},
     ".......xf.g.r...."},
    {"held in a group stop",
     {Lifecycle::kAlive, PtraceStop::kGroup, ExceptionPhase::kNone, HoldPhase::kHeld},
     ".......xfbg.r...."},
    {"held by an interrupt",
     {Lifecycle::kAlive, PtraceStop::kTrap, ExceptionPhase::kNone, HoldPhase::kHeld},
     ".......xfbg.r...."},
    {"in an exception",
     {Lifecycle::kAlive, PtraceStop::kSignal, ExceptionPhase::kRaised, HoldPhase::kNone, SIGSEGV},
     ".......xf.gh..123"},
    {"in an exception and held",
     {Lifecycle::kAlive, PtraceStop::kSignal, ExceptionPhase::kRaised, HoldPhase::kHeld, SIGSEGV},
     ".......xf.g.r.123"},
    {"past its exit stop", {Lifecycle::kExiting, PtraceStop::kRunning}, ".......xf.g......"},
    {"dying, offered", {Lifecycle::kExiting, PtraceStop::kExit, ExceptionPhase::kRaised}, ".......xf.g...123"},
    {"dead", {Lifecycle::kDead, PtraceStop::kRunning}, "................."},
    {"held at an exec",
     {Lifecycle::kAlive, PtraceStop::kEvent, ExceptionPhase::kNone, HoldPhase::kHeld},
     ".......xf.g.rv..."},
    {"told of its start", {Lifecycle::kAlive, PtraceStop::kTrap, ExceptionPhase::kRaised}, ".......xf.gh..123"},
};

TEST(Advance, RefusesExactlyWhatCannotHappen) {
  for (const Row& row : kTable) {
    ASSERT_TRUE(IsLegal(row.state)) << row.name;
    ASSERT_EQ(std::string_view(row.legal).size(), std::size(kAllEvents)) << row.name;
    for (size_t i = 0; i < std::size(kAllEvents); ++i) {
      EXPECT_EQ(Advance(row.state, {.kind = kAllEvents[i]}).legal, row.legal[i] != '.')
          << row.name << " on " << Name(kAllEvents[i]);
    }
  }
}

ThreadState After(std::initializer_list<Event> events, ThreadState state = {.life = Lifecycle::kAlive}) {
  for (const Event& event : events) {
    const Step step = Advance(state, event);
    EXPECT_TRUE(step.legal) << Show(state, event.kind);
    state = step.next;
  }
  return state;
}

TEST(Advance, ParksANewbornUntilItsCreatorNamesIt) {
  const ThreadState born{.life = Lifecycle::kUnannounced, .stop = PtraceStop::kTrap};
  const Step step = Advance(born, {.kind = EventKind::kAnnounced});
  EXPECT_EQ(step.next.life, Lifecycle::kAlive);
  EXPECT_TRUE(step.Has(Action::kContinue));
  EXPECT_EQ(step.signal, 0);
}

TEST(Advance, ANewbornOfAStoppedProcessListens) {
  const ThreadState born{.life = Lifecycle::kUnannounced, .stop = PtraceStop::kGroup};
  EXPECT_TRUE(Advance(born, {.kind = EventKind::kAnnounced}).Has(Action::kListen));
}

TEST(Advance, PassesSignalsOnAtOnce) {
  const Step step = Advance({.life = Lifecycle::kAlive}, {.kind = EventKind::kSignalStop, .signal = SIGTERM});
  EXPECT_TRUE(step.Has(Action::kContinue));
  EXPECT_EQ(step.signal, SIGTERM);
  EXPECT_EQ(step.next.pending_signal, 0);
}

TEST(Advance, ListensInAJobControlStop) {
  const Step step = Advance({.life = Lifecycle::kAlive}, {.kind = EventKind::kGroupStop, .signal = SIGSTOP});
  EXPECT_TRUE(step.Has(Action::kListen));
  EXPECT_EQ(step.next.stop, PtraceStop::kListening);
}

TEST(Advance, GoesOnAfterSigcontsNotice) {
  const ThreadState listening = After({{EventKind::kGroupStop, SIGSTOP}});
  EXPECT_TRUE(Advance(listening, {.kind = EventKind::kTrapStop}).Has(Action::kContinue));
}

TEST(Advance, DeliversTheSignalAtTheEndOfTheChain) {
  const ThreadState raised = After({{EventKind::kFaultStop, SIGSEGV}});
  const Step step = Advance(raised, {.kind = EventKind::kAnswerDeliver});
  EXPECT_TRUE(step.Has(Action::kContinue));
  EXPECT_EQ(step.signal, SIGSEGV);
}

TEST(Advance, ResumesWithoutTheSignalWhenAHandlerDealtWithIt) {
  const ThreadState raised = After({{EventKind::kFaultStop, SIGSEGV}});
  const Step step = Advance(raised, {.kind = EventKind::kAnswerResume});
  EXPECT_TRUE(step.Has(Action::kContinue));
  EXPECT_EQ(step.signal, 0);
}

TEST(Advance, TakesTheFirstAnswerOnly) {
  const ThreadState answered = After({{EventKind::kFaultStop, SIGSEGV}, {EventKind::kAnswerResume}});
  EXPECT_FALSE(Advance(answered, {.kind = EventKind::kAnswerDeliver}).legal);
}

TEST(Advance, HoldAndExceptionEndIndependently) {
  const ThreadState both = After({{EventKind::kFaultStop, SIGSEGV}, {EventKind::kHold}});
  const Step answered = Advance(both, {.kind = EventKind::kAnswerDeliver});
  EXPECT_FALSE(Moves(answered));
  const Step released = Advance(answered.next, {.kind = EventKind::kRelease});
  EXPECT_TRUE(released.Has(Action::kContinue));
  EXPECT_EQ(released.signal, SIGSEGV);

  const Step released_first = Advance(both, {.kind = EventKind::kRelease});
  EXPECT_FALSE(Moves(released_first));
  EXPECT_TRUE(Advance(released_first.next, {.kind = EventKind::kAnswerDeliver}).Has(Action::kContinue));
}

TEST(Advance, AHeldThreadKeepsItsSignalForTheRelease) {
  const ThreadState held = After({{EventKind::kHold}, {EventKind::kSignalStop, SIGUSR1}});
  const Step step = Advance(held, {.kind = EventKind::kRelease});
  EXPECT_EQ(step.signal, SIGUSR1);
  EXPECT_TRUE(step.Has(Action::kContinue));
}

TEST(Advance, AHoldInterruptsARunningThreadOnce) {
  const Step hold = Advance({.life = Lifecycle::kAlive}, {.kind = EventKind::kHold});
  EXPECT_TRUE(hold.Has(Action::kInterrupt));
  EXPECT_FALSE(Advance(hold.next, {.kind = EventKind::kHold}).legal);
}

TEST(Advance, AReleaseBeforeTheStopLetsTheLateStopPass) {
  const ThreadState released = After({{EventKind::kHold}, {EventKind::kRelease}});
  EXPECT_TRUE(Advance(released, {.kind = EventKind::kTrapStop}).Has(Action::kContinue));
}

TEST(Advance, AGroupStopUnderHoldIsListenedToAtTheRelease) {
  const ThreadState held = After({{EventKind::kHold}, {EventKind::kGroupStop, SIGSTOP}});
  EXPECT_EQ(held.stop, PtraceStop::kGroup);
  EXPECT_TRUE(Advance(held, {.kind = EventKind::kRelease}).Has(Action::kListen));
}

TEST(Advance, KillBeatsEverything) {
  const ThreadState both = After({{EventKind::kFaultStop, SIGSEGV}, {EventKind::kHold}});
  const Step step = Advance(both, {.kind = EventKind::kExitStop});
  EXPECT_TRUE(step.Has(Action::kWithdraw));
  EXPECT_TRUE(step.Has(Action::kContinue));
  EXPECT_EQ(step.signal, 0);
  EXPECT_EQ(step.next.hold, HoldPhase::kNone);
}

TEST(Advance, AForcedDeathIsOfferedAndThenGoesOn) {
  const ThreadState dying = After({{EventKind::kToldExitStop}});
  EXPECT_EQ(dying.exception, ExceptionPhase::kRaised);
  for (const EventKind answer : {EventKind::kAnswerResume, EventKind::kAnswerDeliver}) {
    EXPECT_TRUE(Advance(dying, {.kind = answer}).Has(Action::kContinue));
  }
}

}  // namespace
}  // namespace zxctl
