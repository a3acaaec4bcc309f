// The tracer taking up processes, starting them, and ending their threads.
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "component/tracer_fixture.h"
#include "machine_registers.h"

namespace zxctl {
namespace {

class TracerTasksTest : public TracerTest {
 protected:
  static constexpr pid_t kOther = 300;

  Process& Attach() {
    ops.tracees[kOther].tgid = kOther;
    auto taken = tracer.AttachProcess(kOther, tracer.tree().root_job());
    EXPECT_TRUE(taken);
    ops.calls.clear();
    return **taken;
  }

  // Has executed its program, and stands before its first instruction.
  Process& Park() {
    ops.tracees[kOther].tgid = kOther;
    auto taken = tracer.SeizeNewborn(kOther, tracer.tree().root_job(), true);
    EXPECT_TRUE(taken);
    Wait(kOther, EventStop(PTRACE_EVENT_EXEC));
    ops.calls.clear();
    return **taken;
  }

  // Its code is one system call instruction, and it has come from it.
  void GiveCode(pid_t tid) {
    const arch::CodeBytes call = arch::kSystemCallInstruction;
    test::SetUserCode(ops.tracees[tid].registers);
    test::SetPc(ops.tracees[tid].registers, 0x1000 + call.size());
    ops.tracees[tid].memory[0x1000] = {call.begin(), call.end()};
  }
};

// ---- attaching ----

TEST_F(TracerTasksTest, AThreadThatAppearsLateIsTakenUpWhenItsMakerStops) {
  ops.tracees[kOther].may_make_thread = true;
  Process& process = Attach();
  // Its making had begun before its maker was seized: no event tells of it.
  ops.tracees[301].tgid = kOther;
  ops.tracees[301].untraced = true;
  AdvanceTo(clock.now_ns + 60 * kNsPerSec);
  EXPECT_EQ(process.threads.size(), 1U);
  Wait(kOther, EventStop(PTRACE_EVENT_STOP));
  AdvanceTo(clock.now_ns + 1);
  ASSERT_EQ(process.threads.size(), 2U);
  EXPECT_NE(ops.tracees[301].options & PTRACE_O_TRACECLONE, 0U);
}

TEST_F(TracerTasksTest, AThreadThatAppearsLateIsTakenUpWhenItsMakerEnds) {
  ops.tracees[302].tgid = kOther;
  ops.tracees[302].may_make_thread = true;
  Process& process = Attach();
  ASSERT_EQ(process.threads.size(), 2U);
  ops.tracees[301].tgid = kOther;
  Wait(302, Exited(0));
  ops.tracees.erase(302);
  AdvanceTo(clock.now_ns + 1);
  EXPECT_EQ(process.threads.size(), 2U);
  EXPECT_NE(tracer.tree().FindThread(301), nullptr);
}

TEST_F(TracerTasksTest, AnAttachDisturbsNoThreadThatMakesNone) {
  ops.tracees[kOther].tgid = kOther;
  ops.calls.clear();
  ASSERT_TRUE(tracer.AttachProcess(kOther, tracer.tree().root_job()));
  EXPECT_EQ(ops.Count("interrupt 300"), 0);
}

TEST_F(TracerTasksTest, APartlyTracedProcessIsRefusedAndLetGo) {
  ops.tracees[kOther].tgid = kOther;
  ops.tracees[301].tgid = kOther;
  ops.tracees[301].untraced = true;
  ops.tracees[301].facts.tracer = 1;
  const auto taken = tracer.AttachProcess(kOther, tracer.tree().root_job());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().zx, ZX_ERR_ALREADY_BOUND);
  EXPECT_EQ(taken.error().what.find("thread 301 of process 300 is traced by"), 0U) << taken.error().what;
  Wait(kOther, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(ops.Count("detach 300 0"), 1);
  EXPECT_EQ(tracer.tree().FindProcess(kOther), nullptr);
}

TEST_F(TracerTasksTest, ATracerThatIsOnItsWayOutIsWaitedFor) {
  ops.tracees[kOther].tgid = kOther;
  ops.tracees[kOther].facts.tracer = 77;
  const auto refused = tracer.AttachProcess(kOther, tracer.tree().root_job());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().zx, ZX_ERR_ALREADY_BOUND);
  ops.exiting = 77;
  EXPECT_TRUE(tracer.AttachProcess(kOther, tracer.tree().root_job()));
}

// ---- starts ----

TEST_F(TracerTasksTest, AStartIsToldWhereRegistersAreFinal) {
  sink.wants_starts = true;
  Process& process = Park();
  tracer.StartProcess(process);
  // What is set at the exec's event is lost when the call returns.
  EXPECT_TRUE(sink.raised.empty());
  EXPECT_EQ(ops.calls, (std::vector<std::string>{"setoptions 300", "interrupt 300", "cont 300 0"}));
  Wait(kOther, EventStop(PTRACE_EVENT_STOP));
  ASSERT_EQ(sink.raised.size(), 1U);
  EXPECT_EQ(sink.raised[0].kind, FaultKind::kStart);
  EXPECT_EQ(ops.Count("cont 300 0"), 1);
  EXPECT_TRUE(tracer.AnswerException(kOther, Answer::kResume));
  EXPECT_EQ(ops.Count("cont 300 0"), 2);
}

TEST_F(TracerTasksTest, AStartThatNobodyWantsToHearOfAnyMoreGoesOn) {
  sink.wants_starts = true;
  Process& process = Park();
  tracer.StartProcess(process);
  sink.wants_starts = false;
  Wait(kOther, EventStop(PTRACE_EVENT_STOP));
  EXPECT_TRUE(sink.raised.empty());
  EXPECT_EQ(ops.Count("cont 300 0"), 2);
}

TEST_F(TracerTasksTest, ASuspendedProcessIsHeldAfterItsStartWasAnswered) {
  sink.wants_starts = true;
  Process& process = Park();
  tracer.ChangeSuspends(process, 1);
  tracer.StartProcess(process);
  Wait(kOther, EventStop(PTRACE_EVENT_STOP));
  ASSERT_EQ(sink.raised.size(), 1U);
  EXPECT_TRUE(tracer.AnswerException(kOther, Answer::kResume));
  EXPECT_EQ(ops.Count("cont 300 0"), 1);
  EXPECT_TRUE(Tracer::IsSuspended(*tracer.tree().FindThread(kOther)));
}

TEST_F(TracerTasksTest, OneThatWasKilledIsNeverStarted) {
  Process& process = Park();
  tracer.KillProcess(process);
  tracer.StartProcess(process);
  EXPECT_EQ(process.start_ns, 0);
  EXPECT_EQ(ops.calls, (std::vector<std::string>{"kill 300"}));
}

// ---- letting go ----

TEST_F(TracerTasksTest, ADetachWaitsForNoAnswerAboutAnExit) {
  AddThread(101);
  sink.wants_exits = true;
  test::SetCallInside(ops.tracees[101].registers, SYS_exit);
  Wait(101, EventStop(PTRACE_EVENT_EXIT));
  ASSERT_EQ(sink.raised.size(), 1U);
  ops.calls.clear();
  tracer.DetachProcess(*tracer.tree().FindProcess(kRoot));
  EXPECT_EQ(sink.withdrawn, std::vector<pid_t>{101});
  EXPECT_EQ(ops.Count("cont 101 0"), 1);
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(tracer.tree().FindProcess(kRoot), nullptr);
}

TEST_F(TracerTasksTest, AnExitDuringADetachAsksNobody) {
  AddThread(101);
  sink.wants_exits = true;
  test::SetCallInside(ops.tracees[101].registers, SYS_exit);
  tracer.DetachProcess(*tracer.tree().FindProcess(kRoot));
  Wait(101, EventStop(PTRACE_EVENT_EXIT));
  EXPECT_TRUE(sink.raised.empty());
  EXPECT_EQ(ops.Count("cont 101 0"), 1);
}

// ---- making a thread ----

// As long as it has the registers of its maker it would go on as that one, should we be gone.
TEST_F(TracerTasksTest, ANewThreadDiesWithUsUntilAllItCanDoIsExit) {
  constexpr pid_t kMade = 301;
  Process& process = Attach();
  GiveCode(kOther);
  GiveCode(kMade);
  ops.tracees[kMade].tgid = kOther;
  const Thread* made = nullptr;
  tracer.CreateThread(process, [&](const Result<Thread*>& result) { made = result ? *result : nullptr; });
  Wait(kOther, EventStop(PTRACE_EVENT_STOP));
  Wait(kOther, kSyscallStop);
  ASSERT_NE(ops.tracees[kOther].options & PTRACE_O_EXITKILL, 0U);
  ops.tracees[kMade].options = ops.tracees[kOther].options;
  ops.tracees[kOther].event_message = kMade;
  Wait(kOther, EventStop(PTRACE_EVENT_CLONE));
  Wait(kOther, kSyscallStop);
  Wait(kOther, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(ops.tracees[kOther].options & PTRACE_O_EXITKILL, 0U);
  EXPECT_EQ(made, nullptr);
  Wait(kMade, EventStop(PTRACE_EVENT_STOP));
  ASSERT_NE(made, nullptr);
  EXPECT_NE(ops.tracees[kMade].options_at_setregs & PTRACE_O_EXITKILL, 0U);
  EXPECT_EQ(ops.tracees[kMade].options & PTRACE_O_EXITKILL, 0U);
}

TEST_F(TracerTasksTest, AThreadInWhichTheKernelWorksIsNotAskedToMakeOne) {
  AddThread(101);
  ops.tracees[101].io_worker = true;
  Wait(kRoot, EventStop(PTRACE_EVENT_EXIT));
  ops.calls.clear();
  std::optional<Status> refused;
  tracer.CreateThread(*tracer.tree().FindProcess(kRoot), [&](const Result<Thread*>& result) {
    if (!result) refused = result.error();
  });
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->zx, ZX_ERR_BAD_STATE);
  EXPECT_EQ(ops.Count("interrupt 101"), 0);
}

// ---- killing one thread ----

TEST_F(TracerTasksTest, AThreadKilledAtASignalPutsItBack) {
  AddThread(101);
  GiveCode(101);
  Thread& thread = *tracer.tree().FindThread(101);
  tracer.SetSuspendFlag(thread, true);
  Wait(101, SignalStop(SIGUSR1));
  ASSERT_EQ(thread.state.hold, HoldPhase::kHeld);
  ops.calls.clear();
  ASSERT_TRUE(tracer.KillThread(thread));
  // With all signals blocked, the one it is resumed with returns to where it came from.
  EXPECT_EQ(ops.Count("block 101"), 1);
  EXPECT_EQ(ops.calls.back(), "cont 101 10");
  arch::Registers exiting = ops.tracees[101].registers;
  arch::SetSystemCall(exiting, 0x1000, SYS_exit, {0});
  EXPECT_EQ(std::memcmp(&exiting, &ops.tracees[101].registers, sizeof(exiting)), 0);
}

TEST_F(TracerTasksTest, AThreadKilledInAnExceptionPutsItsSignalBack) {
  AddThread(101);
  GiveCode(101);
  sink.verdict = Verdict::kRaise;
  SetFault(101, SIGQUIT, SI_USER);
  Wait(101, SignalStop(SIGQUIT));
  ASSERT_EQ(sink.raised.size(), 1U);
  ops.calls.clear();
  ASSERT_TRUE(tracer.KillThread(*tracer.tree().FindThread(101)));
  EXPECT_EQ(sink.withdrawn, std::vector<pid_t>{101});
  EXPECT_EQ(ops.Count("block 101"), 1);
  EXPECT_EQ(ops.calls.back(), "cont 101 3");
}

}  // namespace
}  // namespace zxctl
