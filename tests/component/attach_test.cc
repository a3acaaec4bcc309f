// Attaching to a process whose threads do not stand still meanwhile.
#include <sys/ptrace.h>

#include <cerrno>

#include "component/tracer_fixture.h"

namespace zxctl {
namespace {

// A process with a leader and another thread, which nobody can attach to.
class TwoThreads : public FakePtraceOps {
 public:
  static constexpr pid_t kPid = 100;
  static constexpr pid_t kOther = 101;

  TwoThreads() {
    tracees[kPid].tgid = kPid;
    tracees[kOther].tgid = kPid;
  }
  OpResult Seize(pid_t tid, uint64_t options) override {
    return tid == kOther ? OpResult(EBUSY) : FakePtraceOps::Seize(tid, options);
  }
  // In the end the leader's number is that of a thread that lives.
  void ExpectAttached() {
    FakeClock clock;
    RecordingSink sink;
    TracerObserver observer;
    TimerQueue timers;
    Tracer tracer(*this, sink, observer, timers, clock, {});
    const auto attached = tracer.AttachProcess(kPid, tracer.tree().root_job());
    ASSERT_TRUE(attached) << attached.error().ToString();
    EXPECT_EQ((*attached)->pid, kPid);
    ASSERT_EQ((*attached)->threads.size(), 1U);
    EXPECT_EQ((*attached)->threads.front()->tid, kPid);
    EXPECT_EQ((*attached)->threads.front()->state.life, Lifecycle::kAlive);
    EXPECT_EQ(tracer.tree().root_job().processes, 1U);
    EXPECT_NE(tracees[kPid].options & PTRACE_O_TRACEEXIT, 0U) << "as every leader has it";
  }
};

// A process whose leader has just ended when it is seized, because another thread executes a program: the kernel lets nobody
// attach to that thread before the leader's end was heard of. Then it has the leader's number.
class ExecutingProcess final : public TwoThreads {
 public:
  OpResult Seize(pid_t tid, uint64_t options) override {
    const OpResult seized = TwoThreads::Seize(tid, options);
    if (tid == kPid && tracees.contains(kOther)) tracees[kPid].statuses.push_back(Exited(0));
    return seized;
  }
  WaitResult Wait(pid_t tid) override {
    const WaitResult result = FakePtraceOps::Wait(tid);
    if (result.tid == kPid && DecodeWait(result.status).kind == WaitKind::kExited) tracees.erase(kOther);
    return result;
  }
};

TEST(AttachProcess, GoesOnWithTheThreadThatTakesThePlaceOfAllThatWereSeized) { ExecutingProcess().ExpectAttached(); }

// A process that is in no list for a while: its leader is at its end, and the thread that takes its place, which nobody has been
// able to attach to, does not have the leader's number yet.
class VanishingProcess final : public TwoThreads {
 public:
  VanishingProcess() { tracees[kPid].statuses.push_back(EventStop(PTRACE_EVENT_EXIT)); }
  OpResult Seize(pid_t tid, uint64_t options) override {
    if (tid == kPid) ++seized_;
    return TwoThreads::Seize(tid, options);
  }
  WaitResult Wait(pid_t tid) override {
    const WaitResult result = FakePtraceOps::Wait(tid);
    if (result.tid == kPid) tracees.erase(kOther), tracees[kPid].untraced = true, vanished_ = kLooks;
    return result;
  }
  std::vector<pid_t> ListThreads(pid_t pid) override {
    if (vanished_ == 0) return FakePtraceOps::ListThreads(pid);
    --vanished_;
    return {};
  }
  [[nodiscard]] int seized() const { return seized_; }

 private:
  static constexpr int kLooks = 10;
  int vanished_ = 0;
  int seized_ = 0;
};

TEST(AttachProcess, IsNotDoneWhileOnlyAnEndIsLeft) {
  VanishingProcess ops;
  ops.ExpectAttached();
  EXPECT_EQ(ops.seized(), 2) << "the leader, and who took its place";
}

// A process whose leader is at its end when it is seized, past the stop that would tell of it: the kernel lets it go without a
// word when another thread takes its place.
class ReplacedProcess final : public TwoThreads {
 public:
  OpResult Seize(pid_t tid, uint64_t options) override {
    if (tid == kPid) ++seized_;
    if (tid == kOther) tracees[kPid].untraced = true, tracees.erase(kOther);
    return TwoThreads::Seize(tid, options);
  }
  [[nodiscard]] int seized() const { return seized_; }

 private:
  int seized_ = 0;
};

TEST(AttachProcess, TakesUpAThreadThatHasTakenItsLeadersPlaceUnheard) {
  ReplacedProcess ops;
  ops.ExpectAttached();
  EXPECT_EQ(ops.seized(), 2) << "the leader, and who took its place";
}

// The same, but before it takes the place the other thread is in no list, and the leader is a zombie.
class ReplacedLateProcess final : public TwoThreads {
 public:
  ReplacedLateProcess() { tracees.erase(kOther); }
  OpResult Seize(pid_t tid, uint64_t options) override {
    if (tid == kPid) tracees[kPid].facts.state = ++seized_ == 1 ? 'Z' : 'S';
    return TwoThreads::Seize(tid, options);
  }
  std::vector<pid_t> ListThreads(pid_t pid) override {
    constexpr int kLooks = 10;
    if (seized_ == 1 && ++looks_ == kLooks) tracees[kPid].untraced = true, tracees[kPid].facts.state = 'S';
    return TwoThreads::ListThreads(pid);
  }
  [[nodiscard]] int seized() const { return seized_; }

 private:
  int looks_ = 0;
  int seized_ = 0;
};

TEST(AttachProcess, IsNotDoneWhileAZombieIsAllThatIsKnown) {
  ReplacedLateProcess ops;
  ops.ExpectAttached();
  EXPECT_EQ(ops.seized(), 2) << "the leader, and who took its place";
}

// A process whose leader is past its last stop, and becomes a zombie; the other thread lives on.
class HeadlessProcess final : public FakePtraceOps {
 public:
  static constexpr pid_t kPid = TwoThreads::kPid;

  HeadlessProcess() {
    tracees[kPid].tgid = kPid;
    tracees[TwoThreads::kOther].tgid = kPid;
  }
  OpResult Seize(pid_t tid, uint64_t options) override {
    if (tid == kPid) tracees[kPid].facts.state = 'Z';
    return FakePtraceOps::Seize(tid, options);
  }
};

TEST(AttachProcess, KnowsThatALeaderHasEndedThatDoesNotSay) {
  HeadlessProcess ops;
  FakeClock clock;
  RecordingSink sink;
  TracerObserver observer;
  TimerQueue timers;
  Tracer tracer(ops, sink, observer, timers, clock, {});
  const auto attached = tracer.AttachProcess(TwoThreads::kPid, tracer.tree().root_job());
  ASSERT_TRUE(attached) << attached.error().ToString();
  EXPECT_EQ(tracer.tree().FindThread(TwoThreads::kPid)->state.life, Lifecycle::kExiting);
  EXPECT_EQ(tracer.tree().FindThread(TwoThreads::kOther)->state.life, Lifecycle::kAlive);
  // It is let go once its other thread is: nobody waits for the leader to stop.
  tracer.DetachAll();
  ops.tracees[TwoThreads::kOther].stopped = true;
  tracer.OnWait({.tid = TwoThreads::kOther, .status = EventStop(PTRACE_EVENT_STOP)});
  EXPECT_TRUE(tracer.idle());
}

// The other thread was attached to in the last moment, unknown to who gave up the wait for it: it has the leader's number by
// then, and nobody can attach to it a second time.
class SeizedUnknownProcess final : public TwoThreads {
 public:
  SeizedUnknownProcess() { tracees[kPid].statuses.push_back(EventStop(PTRACE_EVENT_EXIT)); }
  OpResult Seize(pid_t tid, uint64_t options) override {
    if (tid == kPid && !tracees.contains(kOther)) return OpResult(EPERM);
    return TwoThreads::Seize(tid, options);
  }
  OpResult Interrupt(pid_t tid) override {
    if (tid == kPid && !tracees.contains(kOther)) tracees[tid].statuses.push_back(EventStop(PTRACE_EVENT_STOP));
    return TwoThreads::Interrupt(tid);
  }
  WaitResult Wait(pid_t tid) override {
    const WaitResult result = FakePtraceOps::Wait(tid);
    // As any other thread it was attached to without exit stops.
    if (result.tid == kPid && tracees.erase(kOther) != 0) tracees[kPid].options = 0;
    return result;
  }
};

TEST(AttachProcess, FindsAThreadThatHasTakenItsLeadersPlaceWhileItWasAttachedTo) {
  SeizedUnknownProcess().ExpectAttached();
}

}  // namespace
}  // namespace zxctl
