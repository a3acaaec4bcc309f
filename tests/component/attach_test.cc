// Attaching to a process whose threads do not stand still meanwhile.
#include <cerrno>

#include "component/tracer_fixture.h"

namespace zxctl {
namespace {

// A process whose leader has just ended when it is seized, because another thread executes a program: the kernel lets nobody
// attach to that thread before the leader's end was heard of. Then it has the leader's number.
class ExecutingProcess final : public FakePtraceOps {
 public:
  static constexpr pid_t kPid = 100;
  static constexpr pid_t kOther = 101;

  ExecutingProcess() {
    tracees[kPid].tgid = kPid;
    tracees[kOther].tgid = kPid;
  }
  OpResult Seize(pid_t tid, uint64_t options) override {
    if (tid == kOther) return OpResult(EBUSY);
    (void)FakePtraceOps::Seize(tid, options);
    if (tracees.contains(kOther)) tracees[kPid].statuses.push_back(Exited(0));
    return {};
  }
  WaitResult Wait(pid_t tid) override {
    const WaitResult result = FakePtraceOps::Wait(tid);
    if (result.tid == kPid && DecodeWait(result.status).kind == WaitKind::kExited) tracees.erase(kOther);
    return result;
  }
};

TEST(AttachProcess, GoesOnWithTheThreadThatTakesThePlaceOfAllThatWereSeized) {
  FakeClock clock;
  ExecutingProcess ops;
  RecordingSink sink;
  TracerObserver observer;
  TimerQueue timers;
  Tracer tracer(ops, sink, observer, timers, clock, {});
  const auto attached = tracer.AttachProcess(ExecutingProcess::kPid, tracer.tree().root_job());
  ASSERT_TRUE(attached) << attached.error().ToString();
  EXPECT_EQ((*attached)->pid, ExecutingProcess::kPid);
  ASSERT_EQ((*attached)->threads.size(), 1U);
  EXPECT_EQ((*attached)->threads.front()->tid, ExecutingProcess::kPid);
  EXPECT_EQ((*attached)->threads.front()->state.life, Lifecycle::kAlive);
  EXPECT_EQ(tracer.tree().root_job().processes, 1U);
}

}  // namespace
}  // namespace zxctl
