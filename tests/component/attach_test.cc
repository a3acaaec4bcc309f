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
    if (result.tid == kPid) tracees.erase(kOther), vanished_ = kLooks;
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

}  // namespace
}  // namespace zxctl
