#include "supervisor/wait_status.h"

#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>

namespace zxctl {
namespace {

int Stop(int signo, int event = 0) { return (event << 16) | (signo << 8) | 0x7f; }

TEST(DecodeWait, TellsEveryExitCode) {
  for (int code = 0; code < 256; ++code) {
    EXPECT_EQ(DecodeWait(code << 8), (WaitStatus{.kind = WaitKind::kExited, .code = code}));
  }
}

TEST(DecodeWait, TellsEveryDeathBySignalWithAndWithoutCore) {
  for (int signo = 1; signo < NSIG; ++signo) {
    // 0x7f as the low bits means "stopped"; no signal has that number.
    EXPECT_EQ(DecodeWait(signo), (WaitStatus{.kind = WaitKind::kKilled, .signo = signo})) << signo;
    EXPECT_EQ(DecodeWait(signo | 0x80), (WaitStatus{.kind = WaitKind::kKilled, .signo = signo, .core_dumped = true}));
  }
}

TEST(DecodeWait, TellsEverySignalDeliveryStop) {
  for (int signo = 1; signo < NSIG; ++signo) {
    EXPECT_EQ(DecodeWait(Stop(signo)), (WaitStatus{.kind = WaitKind::kSignalStop, .signo = signo})) << signo;
  }
}

TEST(DecodeWait, TellsGroupStopsFromDeliveriesOfStopSignals) {
  for (const int signo : {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU}) {
    EXPECT_EQ(DecodeWait(Stop(signo)).kind, WaitKind::kSignalStop);
    EXPECT_EQ(DecodeWait(Stop(signo, PTRACE_EVENT_STOP)), (WaitStatus{.kind = WaitKind::kGroupStop, .signo = signo}));
  }
}

TEST(DecodeWait, TellsInterruptAndBirthFromGroupStop) {
  EXPECT_EQ(DecodeWait(Stop(SIGTRAP, PTRACE_EVENT_STOP)).kind, WaitKind::kTrapStop);
}

TEST(DecodeWait, TellsSystemCallStopsFromBreakpoints) {
  EXPECT_EQ(DecodeWait(Stop(SIGTRAP | 0x80)).kind, WaitKind::kSyscallStop);
  EXPECT_EQ(DecodeWait(Stop(SIGTRAP)).kind, WaitKind::kSignalStop);
}

struct EventCase {
  int event;
  WaitKind kind;
};
class DecodeWaitEvent : public testing::TestWithParam<EventCase> {};

TEST_P(DecodeWaitEvent, HasItsOwnKind) { EXPECT_EQ(DecodeWait(Stop(SIGTRAP, GetParam().event)).kind, GetParam().kind); }

INSTANTIATE_TEST_SUITE_P(
    All, DecodeWaitEvent,
    testing::Values(EventCase{PTRACE_EVENT_FORK, WaitKind::kFork}, EventCase{PTRACE_EVENT_VFORK, WaitKind::kVfork},
                    EventCase{PTRACE_EVENT_CLONE, WaitKind::kClone}, EventCase{PTRACE_EVENT_EXEC, WaitKind::kExec},
                    EventCase{PTRACE_EVENT_VFORK_DONE, WaitKind::kVforkDone},
                    EventCase{PTRACE_EVENT_EXIT, WaitKind::kExit}, EventCase{PTRACE_EVENT_SECCOMP, WaitKind::kSeccomp},
                    EventCase{99, WaitKind::kUnknown}));

TEST(DecodeWait, TellsContinuedChildren) { EXPECT_EQ(DecodeWait(0xffff).kind, WaitKind::kContinued); }

}  // namespace
}  // namespace zxctl
