// Interrupted system calls: what reaches the program, and when.
#include <sys/syscall.h>

#include <cstring>

#include "component/tracer_fixture.h"
#include "machine_registers.h"

namespace zxctl {
namespace {

class InterruptedCallTest : public TracerTest {
 protected:
  void EnterCall(int64_t number, int64_t result, uint64_t timeout = 0) {
    arch::Registers& registers = ops.tracees[kRoot].registers;
    test::SetEndedCall(registers, number, result);
    test::SetArgument(registers, 3, timeout);
    timeout_ = timeout;
  }
  [[nodiscard]] int64_t result() { return test::ResultOf(ops.tracees[kRoot].registers); }
  [[nodiscard]] bool runs_again() { return test::RunsAgain(ops.tracees[kRoot].registers); }

  // epoll_wait(…, timeout_ms) broken off by SIGCHLD.
  void BreakEpoll(int timeout_ms) {
    EnterCall(SYS_epoll_pwait, -EINTR, static_cast<uint32_t>(timeout_ms));
    Wait(kRoot, SignalStop(SIGCHLD));
  }
  // The restarted call's entry, then its end with EINTR and the stop that follows.
  void EnterAgain() {
    EnterCall(SYS_epoll_pwait, -ENOSYS, timeout_);
    Wait(kRoot, kSyscallStop);
  }
  void LeaveWithEintr() {
    EnterCall(SYS_epoll_pwait, -EINTR, timeout_);
    Wait(kRoot, kSyscallStop);
  }

 private:
  uint64_t timeout_ = 0;
};

TEST_F(InterruptedCallTest, AnIgnoredSignalRestartsTheCall) {
  BreakEpoll(-1);
  EXPECT_TRUE(runs_again());
  EXPECT_EQ(ops.calls.back(), "cont 100 17");
}

TEST_F(InterruptedCallTest, ACaughtSignalDoesNot) {
  ops.tracees[kRoot].stat_line = FakeStatLine(SignalBit(SIGCHLD));
  BreakEpoll(-1);
  EXPECT_EQ(result(), -EINTR);
}

TEST_F(InterruptedCallTest, ASignalThatKillsDoesNot) {
  EnterCall(SYS_epoll_pwait, -EINTR);
  Wait(kRoot, SignalStop(SIGTERM));
  EXPECT_EQ(result(), -EINTR);
}

TEST_F(InterruptedCallTest, AnIgnoredRealTimeSignalRestartsToo) {
  EnterCall(SYS_epoll_pwait, -EINTR, static_cast<uint32_t>(-1));
  Wait(kRoot, SignalStop(40));
  EXPECT_TRUE(runs_again());
}

TEST_F(InterruptedCallTest, CallsOffTheListKeepTheirResult) {
  EnterCall(SYS_close, -EINTR);
  Wait(kRoot, SignalStop(SIGCHLD));
  EXPECT_EQ(result(), -EINTR);
}

TEST_F(InterruptedCallTest, AnInterruptOfOursRestartsTheCall) {
  EnterCall(SYS_epoll_pwait, -EINTR, static_cast<uint32_t>(-1));
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  EXPECT_TRUE(runs_again());
}

TEST_F(InterruptedCallTest, AHandlerThatComesBeforeTheRestartEndsTheCall) {
  EnterCall(SYS_epoll_pwait, -EINTR, static_cast<uint32_t>(-1));
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  EXPECT_TRUE(runs_again());
  ops.tracees[kRoot].stat_line = FakeStatLine(SignalBit(SIGUSR1));
  Wait(kRoot, SignalStop(SIGUSR1));
  // Where the kernel sees to that itself, it is left alone.
  EXPECT_EQ(runs_again(), !arch::kRestartOutlivesHandlers);
  EXPECT_EQ(ops.calls.back(), "cont 100 10");
}

TEST_F(InterruptedCallTest, AHandlerLaterOnLeavesTheRestartAlone) {
  EnterCall(SYS_epoll_pwait, -EINTR, static_cast<uint32_t>(-1));
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  ops.tracees[kRoot].stat_line = FakeStatLine(SignalBit(SIGUSR1));
  // Meanwhile it has gone on, to a call that the kernel runs again.
  test::SetCallToRunAgain(ops.tracees[kRoot].registers, SYS_read);
  test::SetArgument(ops.tracees[kRoot].registers, 1, 0x7000);
  const arch::Registers before = ops.tracees[kRoot].registers;
  Wait(kRoot, SignalStop(SIGUSR1));
  EXPECT_EQ(std::memcmp(&before, &ops.tracees[kRoot].registers, sizeof(before)), 0);
}

TEST_F(InterruptedCallTest, AJobControlStopBreaksTheCallAsItDoesWithoutUs) {
  EnterCall(SYS_epoll_pwait, -EINTR);
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP, SIGSTOP));
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  Wait(kRoot, SignalStop(SIGCONT));
  EXPECT_EQ(result(), -EINTR);
  EXPECT_EQ(ops.calls.back(), "syscall 100 18");
  // The next call is a new one, and is repaired again.
  Wait(kRoot, kSyscallStop);
  EXPECT_EQ(ops.calls.back(), "cont 100 0");
  BreakEpoll(-1);
  EXPECT_TRUE(runs_again());
}

TEST_F(InterruptedCallTest, ATimeoutIsWatchedFromTheFirstRestartOn) {
  BreakEpoll(1000);
  EXPECT_EQ(ops.calls.back(), "syscall 100 17");
  EnterAgain();
  EXPECT_EQ(ops.calls.back(), "syscall 100 0");
  // It returns with an event: nothing is left of the watch.
  EnterCall(SYS_epoll_pwait, 1);
  Wait(kRoot, kSyscallStop);
  EXPECT_EQ(ops.calls.back(), "cont 100 0");
  EXPECT_EQ(tracer.tree().FindThread(kRoot)->watch, nullptr);
}

TEST_F(InterruptedCallTest, ASecondRestartEndsAtTheFirstOnesTime) {
  BreakEpoll(1000);
  const int64_t begin = clock.now_ns;
  EnterAgain();
  AdvanceTo(begin + 600 * kNsPerMs);
  LeaveWithEintr();
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  EXPECT_TRUE(runs_again());
  Wait(kRoot, SignalStop(SIGCHLD));
  EnterAgain();
  ops.calls.clear();
  AdvanceTo(begin + 999 * kNsPerMs);
  EXPECT_EQ(ops.Count("interrupt 100"), 0);
  AdvanceTo(begin + 1001 * kNsPerMs);
  EXPECT_EQ(ops.Count("interrupt 100"), 1);
  LeaveWithEintr();
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(result(), 0);
  EXPECT_LT(arch::SystemCallNumber(ops.tracees[kRoot].registers), 0);
  EXPECT_EQ(ops.calls.back(), "cont 100 0");
}

TEST_F(InterruptedCallTest, ANewCallOfTheSameKindStartsItsTimeAfresh) {
  BreakEpoll(1000);
  EnterAgain();
  EnterCall(SYS_epoll_pwait, 1, 1000);
  Wait(kRoot, kSyscallStop);  // returned
  AdvanceTo(clock.now_ns + 5000 * kNsPerMs);
  BreakEpoll(1000);
  EXPECT_TRUE(runs_again());
}

TEST_F(InterruptedCallTest, ACaughtSignalEndsTheWatch) {
  BreakEpoll(1000);
  EnterAgain();
  LeaveWithEintr();
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  ops.tracees[kRoot].stat_line = FakeStatLine(SignalBit(SIGCHLD));
  Wait(kRoot, SignalStop(SIGCHLD));
  EXPECT_EQ(tracer.tree().FindThread(kRoot)->watch, nullptr);
  EXPECT_EQ(ops.calls.back(), "cont 100 17");
}

TEST_F(InterruptedCallTest, SocketAndTimespecTimeoutsAreFound) {
  EnterCall(SYS_recvfrom, -EINTR);
  ops.tracees[kRoot].socket_timeout_ns = 300 * kNsPerMs;
  Wait(kRoot, SignalStop(SIGCHLD));
  EXPECT_NE(tracer.tree().FindThread(kRoot)->watch, nullptr);

  EnterCall(SYS_rt_sigtimedwait, -EINTR);
  test::SetArgument(ops.tracees[kRoot].registers, 2, 0x5000);
  const int64_t timespec[2] = {1, 0};
  const auto* bytes = reinterpret_cast<const uint8_t*>(timespec);
  ops.tracees[kRoot].memory[0x5000] = {bytes, bytes + sizeof(timespec)};
  Wait(kRoot, SignalStop(SIGCHLD));
  ASSERT_NE(tracer.tree().FindThread(kRoot)->watch, nullptr);
  EXPECT_TRUE(runs_again());
}

// A second call of epoll_wait(…, 1000), suspended 600 ms after it began.
class ExactTimeoutTest : public InterruptedCallTest {
 protected:
  ExactTimeoutTest() : process(*tracer.tree().FindProcess(kRoot)), begin(clock.now_ns) {
    process.exact_timeouts = true;
    ops.tracees[kRoot].sleep = {.cpu = 1, .schedule = {.exec_start_ns = 5000, .voluntary_switches = 7}};
  }
  // It stands where the second look sees it, after so many sleeps.
  void SuspendAt(int64_t ms, uint64_t sleeps = 1) {
    AdvanceTo(begin + ms * kNsPerMs);
    const Schedule schedule{.exec_start_ns = 5000 + ms * kNsPerMs, .voluntary_switches = 7 + sleeps};
    if (ops.tracees[kRoot].sleep) ops.tracees[kRoot].stands = {.cpu = 1, .schedule = schedule, .now_ns = clock.now_ns};
    tracer.ChangeSuspends(process, 1);
    EnterCall(SYS_epoll_pwait, -EINTR, 1000);
    Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  }
  [[nodiscard]] int64_t StartOfWatch() {
    const Thread* thread = tracer.tree().FindThread(kRoot);
    return thread->watch == nullptr ? -1 : thread->watch->start_ns();
  }

  Process& process;
  int64_t begin;
};

TEST_F(ExactTimeoutTest, CountsFromWhereTheCallBegan) {
  SuspendAt(600);
  EXPECT_TRUE(runs_again());
  // A thousandth of it is for clocks that do not go equally fast.
  EXPECT_GE(StartOfWatch(), begin);
  EXPECT_LE(StartOfWatch(), begin + kNsPerMs);
}

TEST_F(ExactTimeoutTest, OfACallWhoseTimeIsUpIsItsResult) {
  SuspendAt(1002);
  EXPECT_EQ(result(), 0);
  EXPECT_LT(arch::SystemCallNumber(ops.tracees[kRoot].registers), 0) << "nothing is restarted";
  EXPECT_EQ(StartOfWatch(), -1);
}

TEST_F(ExactTimeoutTest, AThreadThatWasInAnotherCallThenMayNotBeEarly) {
  SuspendAt(600, 2);
  EXPECT_EQ(StartOfWatch(), clock.now_ns);
}

TEST_F(ExactTimeoutTest, AThreadThatDidNotSleepHasJustBegun) {
  ops.tracees[kRoot].sleep.reset();
  SuspendAt(600);
  EXPECT_EQ(StartOfWatch(), clock.now_ns);
}

TEST_F(ExactTimeoutTest, IsAnOption) {
  process.exact_timeouts = false;
  SuspendAt(600);
  EXPECT_EQ(StartOfWatch(), clock.now_ns);
}

TEST_F(ExactTimeoutTest, WhatWasSeenCountsForOneStopOnly) {
  SuspendAt(600);
  tracer.ChangeSuspends(process, -1);
  EnterAgain();
  EnterCall(SYS_epoll_pwait, 1, 1000);
  Wait(kRoot, kSyscallStop);
  ops.tracees[kRoot].sleep.reset();
  AdvanceTo(begin + 900 * kNsPerMs);
  BreakEpoll(1000);
  EXPECT_EQ(StartOfWatch(), clock.now_ns);
}

TEST_F(ExactTimeoutTest, GoesToChildren) {
  ops.tracees[200].tgid = 200;
  ops.tracees[kRoot].event_message = 200;
  Wait(kRoot, EventStop(PTRACE_EVENT_FORK));
  Wait(200, EventStop(PTRACE_EVENT_STOP));
  EXPECT_TRUE(tracer.tree().FindProcess(200)->exact_timeouts);
}

// What connect() itself returns when its time is up.
class InterruptedConnectTest : public InterruptedCallTest, public testing::WithParamInterface<bool> {};

TEST_P(InterruptedConnectTest, EndsAsItsFamilyDoes) {
  ops.tracees[kRoot].socket_timeout_ns = 100 * kNsPerMs;
  ops.tracees[kRoot].local_sockets = GetParam();
  EnterCall(SYS_connect, -EINTR);
  Wait(kRoot, SignalStop(SIGCHLD));
  EnterCall(SYS_connect, -ENOSYS);
  Wait(kRoot, kSyscallStop);
  clock.now_ns += 200 * kNsPerMs;
  EnterCall(SYS_connect, -EINTR);
  Wait(kRoot, kSyscallStop);
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  EXPECT_EQ(result(), GetParam() ? -EAGAIN : -EINPROGRESS);
}

INSTANTIATE_TEST_SUITE_P(Families, InterruptedConnectTest, testing::Bool());

TEST_F(InterruptedCallTest, ADeadThreadsTimerIsGone) {
  BreakEpoll(10);
  EnterAgain();
  LeaveWithEintr();
  Wait(kRoot, EventStop(PTRACE_EVENT_STOP));
  Wait(kRoot, Killed(SIGKILL));
  ops.calls.clear();
  AdvanceTo(clock.now_ns + kNsPerSec);
  EXPECT_TRUE(ops.calls.empty());
}

}  // namespace
}  // namespace zxctl
