#include "exceptions/router.h"

#include "component/tracer_fixture.h"

namespace zxctl {
namespace {

class ScriptedHandler final : public ExceptionHandler {
 public:
  explicit ScriptedHandler(HandlerAnswer answer) : answer(answer) {}
  HandlerAnswer Offer(const ExceptionPacket& packet) override {
    offered.push_back(packet);
    return answer;
  }
  HandlerAnswer Withdraw(pid_t tid) override {
    withdrawn.push_back(tid);
    return given;
  }
  void OnSilentDeath(pid_t pid, int /*wait_status*/) override { silent.push_back(pid); }

  HandlerAnswer answer;
  std::vector<ExceptionPacket> offered;
  std::vector<pid_t> withdrawn;
  HandlerAnswer given = HandlerAnswer::kPending;  // what it has answered when it is withdrawn
  std::vector<pid_t> silent;
};

class RouterTest : public testing::Test {
 protected:
  static constexpr pid_t kRoot = 100;

  RouterTest() : router(timers, clock), tracer(ops, router, observer, timers, clock, {}) {
    router.Attach(tracer);
    EXPECT_TRUE(tracer.SeizeRoot(kRoot));
  }

  void BindJob(ExceptionHandler& handler, Binding binding = {}) {
    binding.handler = &handler;
    ASSERT_TRUE(router.bindings().Bind(tracer.tree().root_job().koid, ChainLevel::kJob, binding));
  }
  void BindProcess(ExceptionHandler& handler, ChainLevel level = ChainLevel::kProcess, Binding binding = {}) {
    binding.handler = &handler;
    ASSERT_TRUE(router.bindings().Bind(tracer.tree().FindProcess(kRoot)->koid, level, binding));
  }

  void Fault(int signo = SIGSEGV, int code = SEGV_MAPERR) {
    siginfo_t& info = ops.tracees[kRoot].siginfo;
    info = {};
    info.si_signo = signo;
    info.si_code = code;
    if (code <= 0) info.si_pid = kRoot;
    ops.calls.clear();
    tracer.OnWait({.tid = kRoot, .status = SignalStop(signo)});
  }
  void Catches(int signo) { ops.tracees[kRoot].stat_line = FakeStatLine(SignalBit(signo)); }
  [[nodiscard]] std::string last() const { return ops.calls.empty() ? "" : ops.calls.back(); }

  FakeClock clock;
  FakePtraceOps ops;
  TimerQueue timers;
  TracerObserver observer;
  ExceptionRouter router;
  Tracer tracer;
};

TEST_F(RouterTest, WithoutHandlersTheSignalTakesItsCourse) {
  Fault();
  EXPECT_EQ(last(), "cont 100 11");
}

TEST_F(RouterTest, TryNextGoesToTheNextHandlerAndThenDelivers) {
  ScriptedHandler process(HandlerAnswer::kTryNext);
  ScriptedHandler job(HandlerAnswer::kTryNext);
  BindProcess(process);
  BindJob(job);
  Fault();
  ASSERT_EQ(process.offered.size(), 1U);
  ASSERT_EQ(job.offered.size(), 1U);
  EXPECT_EQ(process.offered[0].level, ChainLevel::kProcess);
  EXPECT_EQ(job.offered[0].level, ChainLevel::kJob);
  EXPECT_EQ(job.offered[0].type, ExceptionType::kFatalPageFault);
  EXPECT_EQ(last(), "cont 100 11");
}

TEST_F(RouterTest, ResumeEndsTheWalk) {
  ScriptedHandler process(HandlerAnswer::kResume);
  ScriptedHandler job(HandlerAnswer::kTryNext);
  BindProcess(process);
  BindJob(job);
  Fault();
  EXPECT_TRUE(job.offered.empty());
  EXPECT_EQ(last(), "cont 100 0");
}

TEST_F(RouterTest, AHandlerMayAnswerLaterAndOnlyOnce) {
  ScriptedHandler job(HandlerAnswer::kPending);
  BindJob(job);
  Fault();
  EXPECT_EQ(ops.Count("cont 100 11"), 0);
  EXPECT_TRUE(router.AnswerOf(job, kRoot, HandlerAnswer::kTryNext));
  EXPECT_EQ(last(), "cont 100 11");
  EXPECT_FALSE(router.AnswerOf(job, kRoot, HandlerAnswer::kResume));
}

TEST_F(RouterTest, OnlyTheHandlerThatWasAskedCanAnswer) {
  ScriptedHandler process(HandlerAnswer::kPending);
  ScriptedHandler job(HandlerAnswer::kPending);
  BindProcess(process);
  BindJob(job);
  Fault();
  EXPECT_FALSE(router.AnswerOf(job, kRoot, HandlerAnswer::kResume));
  EXPECT_TRUE(router.AnswerOf(process, kRoot, HandlerAnswer::kTryNext));
  EXPECT_TRUE(router.AnswerOf(job, kRoot, HandlerAnswer::kResume));
  EXPECT_EQ(last(), "cont 100 0");
}

TEST_F(RouterTest, AnOverdueAnswerCountsAsTryNext) {
  ScriptedHandler process(HandlerAnswer::kPending);
  BindProcess(process, ChainLevel::kProcess, {.lease_ns = 1000});
  Fault();
  timers.RunDue(clock.now_ns + 2000);
  EXPECT_EQ(process.withdrawn, std::vector<pid_t>{kRoot});
  EXPECT_EQ(last(), "cont 100 11");
  EXPECT_FALSE(router.AnswerOf(process, kRoot, HandlerAnswer::kResume));
}

TEST_F(RouterTest, AnAnswerThatIsThereAtTheEndOfTheLeaseCounts) {
  ScriptedHandler process(HandlerAnswer::kPending);
  ScriptedHandler job(HandlerAnswer::kPending);
  BindProcess(process, ChainLevel::kProcess, {.lease_ns = 1000});
  BindJob(job);
  process.given = HandlerAnswer::kResume;
  Fault();
  timers.RunDue(clock.now_ns + 2000);
  EXPECT_TRUE(job.offered.empty());
  EXPECT_EQ(last(), "cont 100 0");
}

TEST_F(RouterTest, AnAnswerThatIsThereWhenItsHandlerIsUnboundOrGoneCounts) {
  for (const bool gone : {false, true}) {
    ScriptedHandler process(HandlerAnswer::kPending);
    BindProcess(process);
    process.given = HandlerAnswer::kResume;
    Fault();
    if (gone) {
      router.RemoveHandler(process);
    } else {
      EXPECT_TRUE(router.Unbind(tracer.tree().FindProcess(kRoot)->koid, ChainLevel::kProcess, false));
    }
    EXPECT_EQ(last(), "cont 100 0");
  }
}

TEST_F(RouterTest, WhoAnswersForAHandlerThatHasAnsweredIsTooLate) {
  ScriptedHandler process(HandlerAnswer::kPending);
  ScriptedHandler job(HandlerAnswer::kPending);
  BindProcess(process);
  BindJob(job);
  process.given = HandlerAnswer::kTryNext;
  Fault();
  EXPECT_FALSE(router.AnswerFor(kRoot, HandlerAnswer::kResume));
  EXPECT_EQ(job.offered.size(), 1U);
  EXPECT_TRUE(router.AnswerFor(kRoot, HandlerAnswer::kResume));
  EXPECT_EQ(job.withdrawn, std::vector<pid_t>{kRoot});
  EXPECT_EQ(last(), "cont 100 0");
}

TEST_F(RouterTest, TheProgramsOwnHandlerGoesFirst) {
  ScriptedHandler job(HandlerAnswer::kResume);
  BindJob(job);
  Catches(SIGSEGV);
  Fault();
  EXPECT_TRUE(job.offered.empty());
  EXPECT_EQ(last(), "cont 100 11");
}

TEST_F(RouterTest, ADebuggerSeesAFaultBeforeTheProgram) {
  ScriptedHandler debugger(HandlerAnswer::kTryNext);
  BindProcess(debugger, ChainLevel::kDebugger);
  Catches(SIGSEGV);
  Fault();
  ASSERT_EQ(debugger.offered.size(), 1U);
  EXPECT_TRUE(debugger.offered[0].first_chance);
  EXPECT_EQ(last(), "cont 100 11");
}

TEST_F(RouterTest, ABindingCanAskForTheFirstChance) {
  ScriptedHandler job(HandlerAnswer::kResume);
  BindJob(job, {.first_chance = true});
  Catches(SIGSEGV);
  Fault();
  ASSERT_EQ(job.offered.size(), 1U);
  EXPECT_EQ(last(), "cont 100 0");
}

TEST_F(RouterTest, TheSecondChanceIsForThoseWhoDidNotHaveTheFirst) {
  ScriptedHandler debugger(HandlerAnswer::kTryNext);
  ScriptedHandler process(HandlerAnswer::kTryNext);
  ScriptedHandler job(HandlerAnswer::kTryNext);
  BindProcess(debugger, ChainLevel::kDebugger);
  BindProcess(process, ChainLevel::kProcess, {.first_chance = true});
  BindJob(job);
  Catches(SIGSEGV);
  Fault(SIGSEGV, SEGV_ACCERR);
  ops.tracees[kRoot].stat_line = FakeStatLine(0);
  Fault(SIGSEGV, SI_TKILL);
  EXPECT_EQ(debugger.offered.size(), 1U);
  EXPECT_EQ(process.offered.size(), 1U);
  ASSERT_EQ(job.offered.size(), 1U);
  EXPECT_FALSE(job.offered[0].first_chance);
  ASSERT_TRUE(job.offered[0].first);
  EXPECT_EQ(job.offered[0].first->signal.code, SEGV_ACCERR);
  EXPECT_EQ(last(), "cont 100 11");
}

TEST_F(RouterTest, AfterASecondChanceThatItSurvivesAThreadBeginsAnew) {
  ScriptedHandler debugger(HandlerAnswer::kTryNext);
  ScriptedHandler job(HandlerAnswer::kResume);
  BindProcess(debugger, ChainLevel::kDebugger);
  BindJob(job);
  Catches(SIGSEGV);
  Fault(SIGSEGV, SEGV_ACCERR);
  ops.tracees[kRoot].stat_line = FakeStatLine(0);
  Fault(SIGSEGV, SI_TKILL);
  EXPECT_EQ(last(), "cont 100 0");
  Fault(SIGSEGV, SI_TKILL);
  EXPECT_EQ(debugger.offered.size(), 2U);
}

TEST_F(RouterTest, ASignalThatTheProgramCatchesAgainHasAFirstChanceAgain) {
  ScriptedHandler debugger(HandlerAnswer::kTryNext);
  ScriptedHandler job(HandlerAnswer::kTryNext);
  BindProcess(debugger, ChainLevel::kDebugger);
  BindJob(job);
  Catches(SIGSEGV);
  Fault(SIGSEGV, SEGV_ACCERR);
  Fault(SIGSEGV, SI_TKILL);
  ASSERT_EQ(debugger.offered.size(), 2U);
  EXPECT_TRUE(debugger.offered[1].first_chance);
  EXPECT_TRUE(job.offered.empty());
}

TEST_F(RouterTest, AHandlerThatCouldNotBePushedIsReportedWithTheFirstFault) {
  ScriptedHandler job(HandlerAnswer::kTryNext);
  BindJob(job);
  Catches(SIGSEGV);
  Fault(SIGSEGV, SEGV_ACCERR);
  ops.tracees[kRoot].stat_line = FakeStatLine(0);
  Fault(SIGSEGV, SI_KERNEL);
  ASSERT_EQ(job.offered.size(), 1U);
  ASSERT_TRUE(job.offered[0].first);
  EXPECT_EQ(job.offered[0].first->signal.code, SEGV_ACCERR);
  EXPECT_EQ(job.offered[0].type, ExceptionType::kFatalPageFault);
}

TEST_F(RouterTest, AHandlerThatRaisesAgainIsReportedWithTheFirstFault) {
  ScriptedHandler job(HandlerAnswer::kTryNext);
  BindJob(job);
  Catches(SIGSEGV);
  Fault(SIGSEGV, SEGV_MAPERR);
  ops.tracees[kRoot].stat_line = FakeStatLine(0);
  Fault(SIGSEGV, SI_TKILL);
  ASSERT_EQ(job.offered.size(), 1U);
  EXPECT_TRUE(job.offered[0].first);
}

TEST_F(RouterTest, TerminatingSignalsAreNoExceptions) {
  ScriptedHandler job(HandlerAnswer::kResume);
  BindJob(job);
  Fault(SIGTERM, SI_USER);
  EXPECT_TRUE(job.offered.empty());
  EXPECT_EQ(last(), "cont 100 15");
}

TEST_F(RouterTest, ARemovedHandlersExceptionsGoToTheNext) {
  ScriptedHandler process(HandlerAnswer::kPending);
  ScriptedHandler job(HandlerAnswer::kResume);
  BindProcess(process);
  BindJob(job);
  Fault();
  router.RemoveHandler(process);
  EXPECT_EQ(process.withdrawn, std::vector<pid_t>{kRoot});
  EXPECT_EQ(job.offered.size(), 1U);
  EXPECT_EQ(last(), "cont 100 0");
}

TEST_F(RouterTest, AKilledThreadIsWithdrawnFromItsHandler) {
  ScriptedHandler job(HandlerAnswer::kPending);
  BindJob(job);
  Fault();
  tracer.OnWait({.tid = kRoot, .status = Killed(SIGKILL)});
  EXPECT_EQ(job.withdrawn, std::vector<pid_t>{kRoot});
  EXPECT_FALSE(router.AnswerOf(job, kRoot, HandlerAnswer::kResume));
}

TEST_F(RouterTest, TheRootJobHearsOfSilentDeaths) {
  ScriptedHandler job(HandlerAnswer::kPending);
  BindJob(job);
  tracer.OnWait({.tid = kRoot, .status = Killed(SIGSYS)});
  EXPECT_EQ(job.silent, std::vector<pid_t>{kRoot});
}

}  // namespace
}  // namespace zxctl
