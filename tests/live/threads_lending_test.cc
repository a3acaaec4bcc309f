// The thread that is borrowed to make another one: whatever it is doing, it is as it was afterwards.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "live/started_program.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

// One thread, in an exception: it makes the call, and is in the same exception afterwards.
// `signals`: how many signals the program may have queued.
void LendInAnException(rlim_t signals) {
  const zx::Port port = MakePort();
  const Program program = Spawn({"/bin/sh", "-c", "kill -SEGV $$; exit 1"});
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_GENERAL);
  rlimit limit = {};
  ASSERT_EQ(prlimit(PidOf(program.process), RLIMIT_SIGPENDING, nullptr, &limit), 0);
  limit.rlim_cur = std::min(limit.rlim_max, signals);
  ASSERT_EQ(prlimit(PidOf(program.process), RLIMIT_SIGPENDING, &limit, nullptr), 0);
  zxl_exception_info_t before = {};
  zx_thread_state_general_regs_t regs_before = {};
  ASSERT_EQ(program.thread.get_exception(&before), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs_before, sizeof(regs_before)), ZX_OK);
  for (int i = 0; i < 3; ++i) {
    zx::Thread made;
    ASSERT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
    EXPECT_EQ(StateOf(program.thread), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  }
  zxl_exception_info_t after = {};
  zx_thread_state_general_regs_t regs_after = {};
  ASSERT_EQ(program.thread.get_exception(&after), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs_after, sizeof(regs_after)), ZX_OK);
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  EXPECT_EQ(std::memcmp(&regs_before, &regs_after, sizeof(regs_before)), 0);
  // It dies of that signal, sent by itself.
  ASSERT_EQ(program.thread.resume(ZX_RESUME_EXCEPTION | ZX_RESUME_TRY_NEXT), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  int32_t status = 0;
  ASSERT_EQ(program.process.get_wait_status(&status), ZX_OK);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
}

TEST(LentThread, InAnExceptionStaysInIt) { LendInAnException(RLIM_INFINITY); }

TEST(LentThread, ComesBackWhereNoSignalCanBeQueued) { LendInAnException(0); }

// A fault whose handler says "go on" happens again, with all that the kernel said of it.
TEST(LentThread, FaultsAgainWhereItFaulted) {
  const zx::Port port = MakePort();
  StartedProgram program;
  const zx::Thread faulting = program.Create();
  ASSERT_EQ(faulting.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(faulting.start(0x1230, program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
    zxl_exception_info_t info = {};
    ASSERT_EQ(faulting.get_exception(&info), ZX_OK) << zxl_last_error();
    EXPECT_EQ(info.address, 0x1230U);
    EXPECT_EQ(info.code, SEGV_MAPERR);
    const zx::Thread made = program.Create();
    ASSERT_EQ(faulting.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  }
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  EXPECT_EQ(faulting.kill(), ZX_OK);
  AwaitExit(faulting);
  program.ExpectEnd();
}

#if defined(__x86_64__)
// A restartable sequence is broken off, as after every switch, and not left as if it had been none.
TEST(LentThread, InARestartableSequenceIsInItStill) {
  StartedProgram program("sequences");
  const zx::Thread leader = LeaderOf(program);
  for (int i = 0; i < 10; ++i) {
    const zx::Thread thread = program.Create();
    const int64_t before = program.Ask().counter;
    EXPECT_TRUE(WaitUntil([&] {
      zx::SuspendToken token;
      EXPECT_EQ(leader.suspend(&token), ZX_OK) << zxl_last_error();
      EXPECT_EQ(leader.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
      return program.Ask().counter > before;
    }));
  }
  program.ExpectEnd();
}
#endif

TEST(LentThread, OfAProcessThatIsStoppedStaysStopped) {
  StartedProgram program;
  program.child().Signal(SIGSTOP);
  EXPECT_TRUE(WaitUntil([&] { return test::StateOf(program.pid()) == 'T' || test::StateOf(program.pid()) == 't'; }));
  const zx::Thread made = program.Create();
  EXPECT_EQ(StateOf(made), ZX_THREAD_STATE_NEW);
  program.child().Signal(SIGCONT);
  EXPECT_EQ(program.Ask().counter, 0);
  program.ExpectEnd();
}

TEST(LentThread, OfAProcessThatWasNotStartedIsItsFirst) {
  const Program program = Spawn({"/bin/sleep", "0"});
  zx::Thread made;
  ASSERT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
  EXPECT_EQ(StateOf(program.thread), ZX_THREAD_STATE_NEW);
  made.reset();
  ASSERT_EQ(program.process.start(), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 0);
}

// The filter's own answer is for us, not for the program's handler.
class FilteredProgram : public testing::TestWithParam<const char*> {};

TEST_P(FilteredProgram, SaysThatItMayMakeNone) {
  StartedProgram program(GetParam());
  for (int i = 0; i < 3; ++i) {
    zx::Thread made;
    EXPECT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_ERR_ACCESS_DENIED);
    EXPECT_NE(std::string(zxl_last_error()).find("seccomp"), std::string::npos) << zxl_last_error();
    EXPECT_EQ(program.Ask().counter, 0);
  }
  program.ExpectEnd();
}

INSTANTIATE_TEST_SUITE_P(Ways, FilteredProgram, testing::Values("errno", "trap", "zero"));

TEST(ProgramWithAFilter, WhoseFilterAsksSomebodyWhoDoesNotAnswerGoesOn) {
  StartedProgram program("unanswered");
  zx::Thread made;
  EXPECT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_ERR_TIMED_OUT);
  EXPECT_NE(std::string(zxl_last_error()).find("does not answer"), std::string::npos) << zxl_last_error();
  EXPECT_EQ(program.Ask().counter, 0);
  program.ExpectEnd();
}

TEST(ProgramWithAFilter, WhoseFilterKillsIsKilledAndTheSentenceSaysSo) {
  StartedProgram program("kill");
  zx::Thread made;
  EXPECT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_ERR_BAD_STATE);
  EXPECT_NE(std::string(zxl_last_error()).find("SIGSYS"), std::string::npos) << zxl_last_error();
  AwaitEnd(program.process);
}

// ---- threads that cannot -----------------------------------------------------------------------------------------------

TEST(LentThread, InAVforkIsPassedOver) {
  StartedProgram program("vfork");
  ASSERT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'D'; }));
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 6, 7), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 42);
  EXPECT_EQ(StateOf(program.pid()), 'D');
  ASSERT_EQ(program.process.kill(), ZX_OK);
}

TEST(LentThread, ThatIsTheOnlyOneAndInAVforkIsTheReason) {
  StartedProgram program("vfork-alone");
  ASSERT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'D'; }));
  zx::Thread thread;
  EXPECT_EQ(zx::Thread::create(program.process, "made", 4, 0, &thread), ZX_ERR_BAD_STATE);
  EXPECT_NE(std::string(zxl_last_error()).find("vfork"), std::string::npos) << zxl_last_error();
  ASSERT_EQ(program.process.kill(), ZX_OK);
}

// ---- the tracer's end --------------------------------------------------------------------------------------------------

// Wherever it is killed: the program goes with it, or goes on as if nothing had been. It never runs what was not its own.
TEST(LentThread, WhoseTracerIsKilledIsAsItWasOrDead) {
  std::mt19937 random(20250);
  int survivors = 0;
  for (int round = 0; round < 30; ++round) {
    StartedProgram program;
    const pid_t tracer = TracerOf(program.pid());
    std::atomic<int> made = 0;
    std::thread maker([&] {
      zx::Thread thread;
      while (zx::Thread::create(program.process, "made", 4, 0, &thread) == ZX_OK) ++made;
    });
    while (made.load() < 3) continue;
    const int64_t until = zx_clock_get_monotonic() + static_cast<int64_t>(random() % 300'000);
    while (zx_clock_get_monotonic() < until) continue;
    EXPECT_EQ(kill(tracer, SIGKILL), 0);
    maker.join();
    EXPECT_TRUE(WaitUntil([&] { return TracerOf(program.pid()) != tracer; }));
    program.child().Send("p");
    const auto line = program.child().ReadLine();
    program.child().CloseStdin();
    const Outcome outcome = program.child().Finish();
    survivors += line ? 1 : 0;
    EXPECT_EQ(DescribeStatus(outcome.status), line ? "exit 0" : "signal 9") << "round " << round << ": " << outcome.err;
  }
  RecordProperty("survivors", survivors);
}

}  // namespace
}  // namespace zxctl::test
