#include <algorithm>

#include "component/tracer_fixture.h"
#include "machine_registers.h"

namespace zxctl {
namespace {

using Calls = std::vector<std::string>;

TEST_F(TracerTest, PassesAPlainSignalOn) {
  Wait(kRoot, SignalStop(SIGTERM));
  EXPECT_EQ(ops.calls, (Calls{"cont 100 15"}));
}

TEST_F(TracerTest, FollowsAThreadWhoseFirstStopComesAfterItsCreatorsEvent) {
  ops.tracees[101].tgid = kRoot;
  ops.tracees[kRoot].event_message = 101;
  Wait(kRoot, EventStop(PTRACE_EVENT_CLONE));
  EXPECT_EQ(ops.calls, (Calls{"cont 100 0"}));
  Wait(101, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(ops.Count("cont 101 0"), 1);
  EXPECT_EQ(tracer.tree().FindThread(101)->process->pid, kRoot);
}

TEST_F(TracerTest, ParksAThreadWhoseFirstStopComesFirst) {
  ops.tracees[101].tgid = kRoot;
  Wait(101, EventStop(PTRACE_EVENT_STOP));
  EXPECT_TRUE(ops.calls.empty());
  ops.tracees[kRoot].event_message = 101;
  Wait(kRoot, EventStop(PTRACE_EVENT_CLONE));
  EXPECT_EQ(ops.Count("cont 101 0"), 1);
}

TEST_F(TracerTest, DoesNotLeaveAnOrphanStopped) {
  ops.tracees[101].tgid = 101;
  Wait(101, EventStop(PTRACE_EVENT_STOP));
  Wait(kRoot, Killed(SIGKILL));  // before its fork event could be seen
  AdvanceTo(clock.now_ns + 10 * kNsPerMs);
  EXPECT_EQ(ops.Count("cont 101 0"), 1);
  EXPECT_NE(tracer.tree().FindProcess(101), nullptr);
}

TEST_F(TracerTest, AReusedTidIsAnnouncedAsAnyOther) {
  // Its creator was killed in the event that would have named it.
  ops.tracees[101].tgid = kRoot;
  Wait(101, EventStop(PTRACE_EVENT_STOP));
  AdvanceTo(clock.now_ns + 10 * kNsPerMs);
  ASSERT_NE(tracer.tree().FindThread(101), nullptr);
  Wait(101, Killed(SIGKILL));
  ASSERT_EQ(tracer.tree().FindThread(101), nullptr);
  ops.tracees[kRoot].event_message = 101;
  Wait(kRoot, EventStop(PTRACE_EVENT_CLONE));
  ASSERT_NE(tracer.tree().FindThread(101), nullptr);
  EXPECT_EQ(tracer.tree().FindThread(101)->process->pid, kRoot);
}

TEST_F(TracerTest, AnAdoptedThreadThatWasLetGoIsNotAnnounced) {
  ops.tracees[200].tgid = 200;
  Wait(200, EventStop(PTRACE_EVENT_STOP));
  AdvanceTo(clock.now_ns + 10 * kNsPerMs);
  tracer.DetachProcess(*tracer.tree().FindProcess(200));
  Wait(200, EventStop(PTRACE_EVENT_STOP));
  ASSERT_EQ(ops.Count("detach 200 0"), 1);
  ops.tracees[200].untraced = true;
  ops.tracees[kRoot].event_message = 200;
  Wait(kRoot, EventStop(PTRACE_EVENT_FORK));
  EXPECT_EQ(tracer.tree().FindThread(200), nullptr);
  EXPECT_EQ(tracer.tree().FindProcess(200), nullptr);
}

TEST_F(TracerTest, AnOrphanIsInItsParentsJob) {
  Job& job = tracer.tree().AddJob(tracer.tree().root_job());
  ops.tracees[300].tgid = 300;
  ASSERT_TRUE(tracer.AttachProcess(300, job));
  // The event of a creator that does not get the CPU comes later than anybody waits for it.
  ops.tracees[301].tgid = 301;
  ops.tracees[301].facts.parent = 300;
  Wait(301, EventStop(PTRACE_EVENT_STOP));
  AdvanceTo(clock.now_ns + 10 * kNsPerMs);
  ops.tracees[300].event_message = 301;
  Wait(300, EventStop(PTRACE_EVENT_FORK));
  ASSERT_NE(tracer.tree().FindProcess(301), nullptr);
  EXPECT_EQ(tracer.tree().FindProcess(301)->job, &job);
}

TEST_F(TracerTest, AChildWhoseCreatorIsKilledInTheForkStaysInItsJob) {
  Job& job = tracer.tree().AddJob(tracer.tree().root_job());
  ops.tracees[200].tgid = 200;
  ASSERT_TRUE(tracer.SeizeNewborn(200, job, false));
  tracer.KillJob(job);
  ops.tracees[201].tgid = 201;
  ops.tracees[201].facts = {.parent = 200, .tracer = 1};
  Wait(201, EventStop(PTRACE_EVENT_STOP));
  // The last moment in which the kernel knows whose child it is.
  ops.tracees[200].event_message = SIGKILL;
  Wait(200, EventStop(PTRACE_EVENT_EXIT));
  ASSERT_NE(tracer.tree().FindProcess(201), nullptr);
  EXPECT_EQ(tracer.tree().FindProcess(201)->job, &job);
  EXPECT_EQ(ops.Count("kill 201"), 1);
}

TEST_F(TracerTest, ACreatorThatIsKilledInItsEventIsNotSentPastItsExit) {
  const int resumed = ops.Count("cont 100 0");
  ops.tracees[kRoot].event_message = SIGKILL;
  ops.tracees[kRoot].siginfo.si_code = SIGTRAP | PTRACE_EVENT_EXIT << 8;
  Wait(kRoot, EventStop(PTRACE_EVENT_FORK));
  EXPECT_EQ(ops.Count("cont 100 0"), resumed);
  Wait(kRoot, EventStop(PTRACE_EVENT_EXIT));
  EXPECT_EQ(ops.Count("cont 100 0"), resumed + 1);
}

TEST_F(TracerTest, AJobThatIsKilledTakesTheJobsBelowAlong) {
  Job& job = tracer.tree().AddJob(tracer.tree().root_job());
  Job& below = tracer.tree().AddJob(tracer.tree().AddJob(job));
  Job& beside = tracer.tree().AddJob(tracer.tree().root_job());
  tracer.KillJob(job);
  EXPECT_TRUE(below.killed);
  EXPECT_FALSE(beside.killed);
  EXPECT_FALSE(tracer.tree().root_job().killed);
}

TEST_F(TracerTest, WhatHasBeenAnsweredByADetachIsNotDelivered) {
  sink.verdict = Verdict::kRaise;
  SetFault(kRoot, SIGSEGV, SEGV_MAPERR);
  Wait(kRoot, SignalStop(SIGSEGV));
  sink.given = Answer::kResume;
  tracer.DetachProcess(*tracer.tree().FindProcess(kRoot));
  EXPECT_EQ(ops.Count("detach 100 0"), 1);
}

TEST_F(TracerTest, TellsAForkedProcessFromAThread) {
  ops.tracees[200].tgid = 200;
  ops.tracees[kRoot].event_message = 200;
  Wait(kRoot, EventStop(PTRACE_EVENT_FORK));
  Wait(200, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(tracer.tree().FindThread(200)->process->pid, 200);
  EXPECT_EQ(tracer.tree().FindProcess(200)->job, &tracer.tree().root_job());
}

TEST_F(TracerTest, AThreadMadeWithTheForkEventIsAThreadAllTheSame) {
  ops.tracees[101].tgid = kRoot;
  ops.tracees[kRoot].event_message = 101;
  Wait(kRoot, EventStop(PTRACE_EVENT_FORK));
  EXPECT_EQ(tracer.tree().FindThread(101)->process->pid, kRoot);
}

TEST_F(TracerTest, ThreadsDoNotStopAtTheirExitAndLeadersDo) {
  AddThread(101);
  EXPECT_EQ(ops.tracees[101].options & PTRACE_O_TRACEEXIT, 0U);
  EXPECT_NE(ops.tracees[kRoot].options & PTRACE_O_TRACEEXIT, 0U);
}

TEST_F(TracerTest, ThreadsOfAFilteredProcessStopAtTheirExitToo) {
  ops.tracees[kRoot].seccomp = 2;
  ops.tracees[101].options = PTRACE_O_TRACEEXIT;  // inherited
  AddThread(101);
  EXPECT_NE(ops.tracees[101].options & PTRACE_O_TRACEEXIT, 0U);
}

TEST_F(TracerTest, ListensInAGroupStopAndGoesOnAfterSigcont) {
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP, SIGSTOP));
  EXPECT_EQ(ops.calls, (Calls{"listen 100"}));
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(ops.Count("cont 100 0"), 1);
}

TEST_F(TracerTest, ExecFromAnotherThreadKeepsTheCallersKoid) {
  AddThread(101);
  const Koid koid = tracer.tree().FindThread(101)->koid;
  ops.tracees[kRoot].event_message = 101;
  Wait(kRoot, EventStop(PTRACE_EVENT_EXEC));
  ASSERT_NE(tracer.tree().FindThread(kRoot), nullptr);
  EXPECT_EQ(tracer.tree().FindThread(kRoot)->koid, koid);
  EXPECT_EQ(tracer.tree().FindThread(101), nullptr);
  EXPECT_EQ(tracer.tree().thread_count(), 1U);
  EXPECT_EQ(ops.calls.back(), "cont 100 0");
}

TEST_F(TracerTest, AProcessEndsWithItsLastThread) {
  AddThread(101);
  Wait(kRoot, Exited(0));
  EXPECT_FALSE(tracer.idle());
  Wait(101, Exited(0));
  EXPECT_TRUE(tracer.idle());
}

TEST_F(TracerTest, EveryCallMayFindTheThreadGone) {
  // Killed between the stop and each call that follows it.
  ops.tracees[kRoot].dead = true;
  for (const int status :
       {SignalStop(SIGTERM), SignalStop(SIGSEGV), EventStop(PTRACE_EVENT_CLONE), EventStop(PTRACE_EVENT_STOP, SIGSTOP),
        EventStop(PTRACE_EVENT_STOP), EventStop(PTRACE_EVENT_EXEC), EventStop(PTRACE_EVENT_EXIT)}) {
    Wait(kRoot, status);
  }
  Wait(kRoot, Killed(SIGKILL));
  EXPECT_TRUE(tracer.idle());
  EXPECT_TRUE(sink.raised.empty());
}

// ---- faults ----

TEST_F(TracerTest, AFaultThatSomebodyWantsStaysStoppedUntilAnswered) {
  sink.verdict = Verdict::kRaise;
  SetFault(kRoot, SIGSEGV, SEGV_MAPERR, 0x10);
  Wait(kRoot, SignalStop(SIGSEGV));
  ASSERT_EQ(sink.raised.size(), 1U);
  EXPECT_EQ(sink.raised[0].signal.address, 0x10U);
  EXPECT_EQ(ops.Count("cont 100 11"), 0);
  EXPECT_TRUE(tracer.AnswerException(kRoot, Answer::kDeliver));
  EXPECT_EQ(ops.calls.back(), "cont 100 11");
  EXPECT_FALSE(tracer.AnswerException(kRoot, Answer::kResume));
}

TEST_F(TracerTest, AnAnswerAtOnceNeedsNoSecondTurn) {
  sink.verdict = Verdict::kRaise;
  sink.answer = Answer::kResume;
  SetFault(kRoot, SIGTRAP, SI_KERNEL);
  Wait(kRoot, SignalStop(SIGTRAP));
  EXPECT_EQ(ops.calls.back(), "cont 100 0");
}

TEST_F(TracerTest, TellsTheSinkWhatTheProgramDoesWithTheSignal) {
  SetFault(kRoot, SIGSEGV, SEGV_MAPERR);
  ops.tracees[kRoot].stat_line = FakeStatLine(SignalBit(SIGSEGV), 0, SignalBit(SIGUSR1));
  Wait(kRoot, SignalStop(SIGSEGV));
  EXPECT_EQ(sink.consulted.disposition, Disposition::kCaught);
}

TEST_F(TracerTest, RemembersTheFaultThatTheProgramsHandlerGets) {
  SetFault(kRoot, SIGSEGV, SEGV_ACCERR, 0x77);
  ops.tracees[kRoot].stat_line = FakeStatLine(SignalBit(SIGSEGV));
  test::SetPc(ops.tracees[kRoot].registers, 0x1234);
  Wait(kRoot, SignalStop(SIGSEGV));
  const Thread* thread = tracer.tree().FindThread(kRoot);
  ASSERT_NE(thread->first_fault, nullptr);
  EXPECT_EQ(thread->first_fault->signal.address, 0x77U);
  EXPECT_EQ(arch::Pc(thread->first_fault->registers), 0x1234U);
}

TEST_F(TracerTest, AThreadThatFaultsAllTheTimeIsNotRemembered) {
  SetFault(kRoot, SIGSEGV, SEGV_ACCERR, 0x77);
  ops.tracees[kRoot].stat_line = FakeStatLine(SignalBit(SIGSEGV));
  for (int i = 0; i < 100; ++i) Wait(kRoot, SignalStop(SIGSEGV));
  EXPECT_TRUE(tracer.tree().FindThread(kRoot)->first_fault->stale);
  clock.now_ns += kNsPerSec;
  Wait(kRoot, SignalStop(SIGSEGV));
  EXPECT_FALSE(tracer.tree().FindThread(kRoot)->first_fault->stale);
  EXPECT_EQ(ops.Count("cont 100 11"), 101);
}

TEST_F(TracerTest, AKilledThreadsExceptionIsWithdrawn) {
  sink.verdict = Verdict::kRaise;
  SetFault(kRoot, SIGSEGV, SEGV_MAPERR);
  Wait(kRoot, SignalStop(SIGSEGV));
  Wait(kRoot, Killed(SIGKILL));
  EXPECT_EQ(sink.withdrawn, std::vector<pid_t>{kRoot});
  EXPECT_TRUE(tracer.idle());
}

TEST_F(TracerTest, ADeathThatNoStopAnnouncedIsOfferedAtTheExit) {
  sink.verdict = Verdict::kRaise;
  ops.tracees[kRoot].event_message = SIGSYS;
  test::SetCallInside(ops.tracees[kRoot].registers, 41);
  Wait(kRoot, EventStop(PTRACE_EVENT_EXIT));
  ASSERT_EQ(sink.raised.size(), 1U);
  EXPECT_EQ(sink.raised[0].kind, FaultKind::kForcedDeath);
  EXPECT_EQ(sink.raised[0].signal.syscall, 41);
  EXPECT_TRUE(tracer.AnswerException(kRoot, Answer::kDeliver));
  EXPECT_EQ(ops.calls.back(), "cont 100 0");
}

TEST_F(TracerTest, ADeathThatASignalStopAnnouncedIsNotOfferedTwice) {
  SetFault(kRoot, SIGABRT, SI_TKILL);
  Wait(kRoot, SignalStop(SIGABRT));
  sink.verdict = Verdict::kRaise;
  ops.tracees[kRoot].event_message = SIGABRT | 0x80;
  Wait(kRoot, EventStop(PTRACE_EVENT_EXIT));
  EXPECT_TRUE(sink.raised.empty());
  Wait(kRoot, Killed(SIGABRT));
  EXPECT_TRUE(sink.silent_deaths.empty());
}

// Two threads have faulted, and the first has been told to take its signal.
class DyingProcessTest : public TracerTest {
 protected:
  DyingProcessTest() {
    AddThread(101);
    sink.verdict = Verdict::kRaise;
    sink.answer = Answer::kDeliver;
    SetFault(kRoot, SIGSEGV, SEGV_MAPERR);
    SetFault(101, SIGSEGV, SEGV_MAPERR);
    Wait(kRoot, SignalStop(SIGSEGV));
  }
};

TEST_F(DyingProcessTest, AFaultOfAnotherThreadIsNotOffered) {
  Wait(101, SignalStop(SIGSEGV));
  EXPECT_EQ(sink.raised.size(), 1U);
  EXPECT_EQ(ops.calls, (std::vector<std::string>{"cont 100 11", "cont 101 11"}));
}

TEST_F(DyingProcessTest, ThatSurvivesItsFatalSignalIsAskedAgainAboutTheNextFault) {
  Wait(kRoot, SignalStop(SIGUSR1));
  Wait(101, SignalStop(SIGSEGV));
  EXPECT_EQ(sink.raised.size(), 2U);
}

TEST_F(TracerTest, ASilentDeathIsToldOnce) {
  Wait(kRoot, Killed(SIGSYS));
  EXPECT_EQ(sink.silent_deaths, std::vector<pid_t>{kRoot});
}

TEST_F(TracerTest, OrdinaryDeathsAreNobodysBusiness) {
  Wait(kRoot, Killed(SIGKILL));
  EXPECT_TRUE(sink.silent_deaths.empty());
}

// ---- holds ----

TEST_F(TracerTest, AHoldStopsEveryThreadAndSaysSoOnce) {
  AddThread(101);
  AddThread(102);
  std::vector<size_t> done;
  EXPECT_TRUE(tracer.HoldProcess(kRoot, kNever, [&](size_t missing) { done.push_back(missing); }));
  EXPECT_EQ(ops.calls, (Calls{"interrupt 100", "interrupt 101", "interrupt 102"}));
  for (const pid_t tid : {kRoot, 101, 102}) {
    timers.RunDue(clock.now_ns);
    EXPECT_TRUE(done.empty());
    Wait(tid, EventStop(PTRACE_EVENT_STOP));
  }
  timers.RunDue(clock.now_ns);
  EXPECT_EQ(done, std::vector<size_t>{0});
  ops.calls.clear();
  tracer.ReleaseProcess(kRoot);
  std::sort(ops.calls.begin(), ops.calls.end());
  EXPECT_EQ(ops.calls, (Calls{"cont 100 0", "cont 101 0", "cont 102 0"}));
}

TEST_F(TracerTest, AHoldDoesNotWaitForTheDead) {
  AddThread(101);
  ops.tracees[101].dead = true;
  bool done = false;
  EXPECT_TRUE(tracer.HoldProcess(kRoot, kNever, [&](size_t) { done = true; }));
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  timers.RunDue(clock.now_ns);
  EXPECT_TRUE(done);
}

TEST_F(TracerTest, AHoldEndsItsPatienceAtTheDeadline) {
  AddThread(101);
  std::vector<size_t> done;
  EXPECT_TRUE(tracer.HoldProcess(kRoot, clock.now_ns + 100, [&](size_t missing) { done.push_back(missing); }));
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  AdvanceTo(clock.now_ns + 200);
  EXPECT_EQ(done, std::vector<size_t>{1});
  Wait(101, EventStop(PTRACE_EVENT_STOP));  // late: held, but not told again
  timers.RunDue(clock.now_ns + 1000);
  EXPECT_EQ(done.size(), 1U);
}

TEST_F(TracerTest, AThreadBornIntoAHoldIsHeld) {
  EXPECT_TRUE(tracer.HoldProcess(kRoot, kNever, [](size_t) {}));
  ops.tracees[101].tgid = kRoot;
  ops.tracees[kRoot].event_message = 101;
  Wait(kRoot, EventStop(PTRACE_EVENT_CLONE));
  Wait(101, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(ops.Count("cont 101 0"), 0);
  tracer.ReleaseProcess(kRoot);
  EXPECT_EQ(ops.Count("cont 101 0"), 1);
}

TEST_F(TracerTest, ASecondHoldOfTheSameProcessIsRefused) {
  EXPECT_TRUE(tracer.HoldProcess(kRoot, kNever, [](size_t) {}));
  EXPECT_FALSE(tracer.HoldProcess(kRoot, kNever, [](size_t) {}));
  EXPECT_FALSE(tracer.HoldProcess(999, kNever, [](size_t) {}));
}

TEST_F(TracerTest, DetachingHandsEachThreadItsSignal) {
  AddThread(101);
  tracer.DetachAll();
  Wait(kRoot, SignalStop(SIGUSR1));
  Wait(101, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(ops.Count("detach 100 10"), 1);
  EXPECT_EQ(ops.Count("detach 101 0"), 1);
  EXPECT_TRUE(tracer.idle());
}

class ThreadsOnlyTest : public TracerTest {
 protected:
  ThreadsOnlyTest() : TracerTest({.follow_processes = false}) {}
};

TEST_F(ThreadsOnlyTest, LetsAProcessMadeByClonesGo) {
  ops.tracees[200].tgid = 200;
  ops.tracees[kRoot].event_message = 200;
  Wait(kRoot, EventStop(PTRACE_EVENT_CLONE));
  Wait(200, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(ops.Count("detach 200 0"), 1);
  EXPECT_EQ(tracer.tree().FindThread(200), nullptr);
  EXPECT_EQ(ops.tracees[kRoot].options & (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK), 0U);
}

class KillOnDeathTest : public TracerTest {
 protected:
  KillOnDeathTest() : TracerTest({.kill_on_tracer_death = true}) {}
};

TEST_F(KillOnDeathTest, AsksTheKernelForIt) { EXPECT_NE(ops.tracees[kRoot].options & PTRACE_O_EXITKILL, 0U); }

}  // namespace
}  // namespace zxctl
