// Suspends and kills of threads and processes that do all kinds of things meanwhile.
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zircon/syscalls/exception.h>
#include <zircon/syscalls/port.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/clock.h"
#include "general_registers.h"
#include "support/child_process.h"
#include "support/handles.h"
#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/tasks.h"

namespace zxctl::test {
namespace {

std::vector<pid_t> TidsOf(pid_t pid) {
  std::vector<pid_t> tids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", error)) {
    tids.push_back(std::atoi(entry.path().filename().c_str()));
  }
  return tids;
}

// A program of target_held, attached to once it is ready.
class Held {
 public:
  explicit Held(const std::string& mode)
      : child_({TargetPath("target_held"), mode}, {.keep_stdin_open = true}), pidfd_(OpenPidfd(child_.pid())) {
    EXPECT_TRUE(child_.Expect("ready")) << child_.err();
    const std::string line = child_.ReadLine().value_or("");
    number_ = std::atol(line.c_str());
    process_ = Attach(child_.pid());
    leader_ = LeaderOf(process_);
  }

  [[nodiscard]] ChildProcess& child() { return child_; }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  [[nodiscard]] const TaskHandle& process() const { return process_; }
  [[nodiscard]] const TaskHandle& leader() const { return leader_; }
  // What it told: a tid or an address.
  [[nodiscard]] long number() const { return number_; }
  [[nodiscard]] TaskHandle Victim() const { return ThreadOf(process_, static_cast<pid_t>(number_)); }
  void Go() { child_.Send("g"); }
  [[nodiscard]] bool IsGone(int timeout_s) const { return ProcessGone(pidfd_, timeout_s); }
  // It ends as it would by itself.
  void ExpectEnd(const std::string& status = "exit 0") {
    child_.CloseStdin();
    const Outcome outcome = child_.Finish();
    EXPECT_EQ(DescribeStatus(outcome.status), status) << outcome.out << outcome.err;
  }

 private:
  ChildProcess child_;
  UniqueFd pidfd_;
  long number_ = 0;
  TaskHandle process_;
  TaskHandle leader_;
};

// True when a thread stays where it is: a call on standard input that has its answer does not return.
bool Answers(Held& held) {
  held.Go();
  return held.child().Expect("alive");
}

// ---- what a suspend leaves as it was ---------------------------------------------------------------------------------

TEST(Suspend, LeavesRegistersAndMemoryAsTheyWere) {
  Held held("registers");
  const TaskHandle spinner = held.Victim();
  for (int i = 0; i < 200; ++i) {
    const TaskHandle token = SuspendAndAwait(spinner);
    const auto registers = RegistersOf(spinner);
    EXPECT_EQ(SecondKnown(registers), 0x2222U);
    EXPECT_EQ(LastKnown(registers), 0xffffU);
  }
  held.Go();
  EXPECT_TRUE(held.child().Expect("registers 0 bytes 0")) << held.child().out();
  held.ExpectEnd();
}

TEST(Suspend, OfABlockedThreadShowsTheSameRegistersEachTime) {
  Held held("sleep");
  const TaskHandle victim = held.Victim();
  const auto read = [&] {
    EXPECT_TRUE(WaitUntil([&] { return BlockedCallOf(static_cast<pid_t>(held.number())).has_value(); }));
    const TaskHandle token = SuspendAndAwait(victim);
    return RegistersOf(victim);
  };
  const auto first = read();
  for (int i = 0; i < 20; ++i) {
    const auto again = read();
    EXPECT_EQ(std::memcmp(&first, &again, sizeof(first)), 0);
  }
}

TEST(Suspend, WrittenRegistersAreWhereABlockedThreadGoesOn) {
  Held held("sleep");
  const TaskHandle victim = held.Victim();
  EXPECT_TRUE(WaitUntil([&] { return BlockedCallOf(static_cast<pid_t>(held.number())).has_value(); }));
  TaskHandle token = SuspendAndAwait(victim);
  auto registers = RegistersOf(victim);
  // The call returns at once, with this result.
  SetReturned(registers, 1);
  EXPECT_EQ(zx_thread_write_state(victim.get(), ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK);
  const auto pc = PcOf(registers);
  token = SuspendAndAwait(victim);
  auto now = RegistersOf(victim);
  EXPECT_EQ(PcOf(now), pc);
  token.Close();
  held.Go();
  EXPECT_TRUE(held.child().Expect("joined"));
  held.ExpectEnd();
}

// ---- tokens and flags ------------------------------------------------------------------------------------------------

TEST(Suspend, EachTokenIsClosedForItself) {
  Held held("wait");
  TaskHandle first = SuspendAndAwait(held.leader());
  TaskHandle second = Suspend(held.leader());
  first.Close();
  EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_SUSPENDED);
  second.Close();
  EXPECT_TRUE(Answers(held));
  held.ExpectEnd();
}

TEST(Suspend, FlagsCoalesceAndOneResumeClearsThem) {
  Held held("wait");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(mx_task_suspend(held.leader().get()), ZX_OK);
  EXPECT_NE(Await(held.leader(), ZX_THREAD_SUSPENDED), 0U);
  EXPECT_EQ(mx_task_resume(held.leader().get(), 0), ZX_OK);
  EXPECT_TRUE(Answers(held));
  held.ExpectEnd();
}

TEST(Suspend, AResumeReleasesNoToken) {
  Held held("wait");
  TaskHandle token = SuspendAndAwait(held.leader());
  EXPECT_EQ(mx_task_suspend(held.leader().get()), ZX_OK);
  EXPECT_EQ(zx_task_resume(held.leader().get(), 0), ZX_OK);
  EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_SUSPENDED);
  EXPECT_EQ(StateOf(held.pid()), 't');
  token.Close();
  EXPECT_TRUE(Answers(held));
  held.ExpectEnd();
}

TEST(Suspend, ATokenReleasesNoFlag) {
  Held held("wait");
  TaskHandle token = SuspendAndAwait(held.leader());
  EXPECT_EQ(mx_task_suspend(held.leader().get()), ZX_OK);
  token.Close();
  EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_SUSPENDED);
  EXPECT_EQ(StateOf(held.pid()), 't');
  EXPECT_EQ(zx_task_resume(held.leader().get(), 0), ZX_OK);
  EXPECT_TRUE(Answers(held));
  held.ExpectEnd();
}

TEST(Suspend, OneThatIsTakenBackAtOnceLeavesNothingBehind) {
  Held held("wait");
  for (int i = 0; i < 500; ++i) Suspend(held.leader()).Close();
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(mx_task_suspend(held.leader().get()), ZX_OK);
    EXPECT_EQ(zx_task_resume(held.leader().get(), 0), ZX_OK);
  }
  EXPECT_TRUE(Answers(held));
  EXPECT_EQ(SignalsOf(held.leader()) & (ZX_THREAD_RUNNING | ZX_THREAD_SUSPENDED), ZX_THREAD_RUNNING);
  EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_RUNNING);
  held.ExpectEnd();
}

TEST(Suspend, OfAThreadAndOfItsProcessAddUp) {
  Held held("wait");
  TaskHandle on_process = Suspend(held.process());
  TaskHandle on_thread = SuspendAndAwait(held.leader());
  on_process.Close();
  EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_SUSPENDED);
  EXPECT_EQ(StateOf(held.pid()), 't');
  on_thread.Close();
  EXPECT_TRUE(Answers(held));
  held.ExpectEnd();
}

// ---- processes -------------------------------------------------------------------------------------------------------

uint64_t ReadWord(const TaskHandle& process, long address) {
  uint64_t word = 0;
  size_t actual = 0;
  EXPECT_EQ(zx_process_read_memory(process.get(), static_cast<uint64_t>(address), &word, sizeof(word), &actual), ZX_OK)
      << zxl_last_error();
  return word;
}

TEST(SuspendProcess, HoldsThreadsThatAreBornMeanwhile) {
  Held held("births");
  for (int round = 0; round < 20; ++round) {
    const uint64_t before = ReadWord(held.process(), held.number());
    ASSERT_TRUE(WaitUntil([&] { return ReadWord(held.process(), held.number()) > before; }));
    const TaskHandle token = Suspend(held.process());
    const auto all_stand = [&] {
      const std::vector<pid_t> tids = TidsOf(held.pid());
      return std::all_of(tids.begin(), tids.end(), [](pid_t tid) { return StateOf(tid) == 't'; });
    };
    ASSERT_TRUE(WaitUntil(all_stand));
    // All of them say so. One that stands in a clone goes on to the end of its call before it does.
    for (const zx_koid_t koid : ThreadKoids(held.process())) {
      const TaskHandle thread = ChildOf(held.process(), koid);
      if (thread.get() == ZX_HANDLE_INVALID) continue;
      EXPECT_NE(Await(thread, ZX_THREAD_SUSPENDED), 0U);
    }
    ASSERT_TRUE(WaitUntil(all_stand));
    const uint64_t standing = ReadWord(held.process(), held.number());
    EXPECT_TRUE(all_stand());
    EXPECT_EQ(ReadWord(held.process(), held.number()), standing);
  }
  held.child().CloseStdin();
  EXPECT_TRUE(held.child().Expect("lost threads 0 processes 0"));
  held.ExpectEnd();
}

TEST(SuspendProcess, HoldsAParkedProcessOnceItIsStarted) {
  Spawned cat = SpawnTask({"cat", "/dev/null"});
  TaskHandle token = Suspend(cat.process);
  TaskHandle on_thread = Suspend(cat.thread);
  EXPECT_EQ(mx_task_suspend(cat.thread.get()), ZX_ERR_BAD_STATE);
  EXPECT_EQ(StateOfThread(cat.thread), ZX_THREAD_STATE_NEW);
  EXPECT_EQ(zxl_process_start(cat.process.get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(cat.thread, ZX_THREAD_SUSPENDED), 0U);
  on_thread.Close();
  EXPECT_EQ(StateOfThread(cat.thread), ZX_THREAD_STATE_SUSPENDED);
  EXPECT_EQ(StateOf(PidOf(cat.process)), 't');
  token.Close();
  EXPECT_NE(Await(cat.process, ZX_PROCESS_TERMINATED), 0U);
  int32_t status = -1;
  EXPECT_EQ(zxl_process_get_wait_status(cat.process.get(), &status), ZX_OK);
  EXPECT_EQ(status, 0);
}

TEST(SuspendProcess, ATokenOfAParkedProcessThatIsClosedBeforeTheStartHoldsNothing) {
  Spawned cat = SpawnTask({"cat", "/dev/null"});
  Suspend(cat.process).Close();
  EXPECT_EQ(StateOfThread(cat.thread), ZX_THREAD_STATE_NEW);
  EXPECT_EQ(zxl_process_start(cat.process.get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(cat.process, ZX_PROCESS_TERMINATED), 0U);
}

// ---- with exceptions -------------------------------------------------------------------------------------------------

class SuspendAndException : public ::testing::Test {
 protected:
  SuspendAndException() : held_("break"), victim_(held_.Victim()), port_(NewPort()) {
    EXPECT_EQ(zxl_task_bind_exception_port(held_.process().get(), port_.get(), 1, ZXL_EXCEPTION_PORT_FIRST_CHANCE, 0),
              ZX_OK)
        << zxl_last_error();
  }
  void Raise() {
    held_.Go();
    zx_port_packet_t packet = {};
    ASSERT_EQ(zx_port_wait(port_.get(), zx_deadline_after(kPatienceNs), &packet), ZX_OK);
    EXPECT_EQ(StateOfThread(victim_), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  }
  void Answer() { EXPECT_EQ(zx_task_resume(victim_.get(), ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error(); }
  void ExpectRunsOn() {
    EXPECT_TRUE(held_.child().Expect("joined, caught 0"));
    held_.ExpectEnd();
  }

  Held held_;
  TaskHandle victim_;
  TaskHandle port_;
};

TEST_F(SuspendAndException, SuspendedFollowsWhenTheExceptionIsReleased) {
  Raise();
  TaskHandle token = Suspend(victim_);
  EXPECT_EQ(StateOfThread(victim_), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  EXPECT_EQ(SignalsOf(victim_) & (ZX_THREAD_RUNNING | ZX_THREAD_SUSPENDED), ZX_THREAD_RUNNING);
  Answer();
  EXPECT_NE(Await(victim_, ZX_THREAD_SUSPENDED), 0U);
  EXPECT_EQ(StateOfThread(victim_), ZX_THREAD_STATE_SUSPENDED);
  token.Close();
  ExpectRunsOn();
}

TEST_F(SuspendAndException, TheExceptionStaysWhenTheSuspendIsReleased) {
  Raise();
  TaskHandle token = Suspend(victim_);
  EXPECT_EQ(StateOfThread(victim_), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  token.Close();
  EXPECT_EQ(StateOfThread(victim_), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  EXPECT_EQ(StateOf(static_cast<pid_t>(held_.number())), 't');
  Answer();
  ExpectRunsOn();
}

TEST_F(SuspendAndException, ASuspendedThreadIsInNoException) {
  TaskHandle token = SuspendAndAwait(victim_);
  EXPECT_EQ(zx_task_resume(victim_.get(), ZX_RESUME_EXCEPTION), ZX_ERR_BAD_STATE);
  token.Close();
  Raise();
  Answer();
  ExpectRunsOn();
}

TEST_F(SuspendAndException, TheProcessesSuspendCounts) {
  TaskHandle token = Suspend(held_.process());
  EXPECT_NE(Await(victim_, ZX_THREAD_SUSPENDED), 0U);
  token.Close();
  Raise();
  token = Suspend(held_.process());
  Answer();
  EXPECT_NE(Await(victim_, ZX_THREAD_SUSPENDED), 0U);
  token.Close();
  ExpectRunsOn();
}

// ---- with job control ------------------------------------------------------------------------------------------------

// What the parent hears, as waitid gives it; 0 if there is nothing.
int HeardCode(pid_t pid, int options) {
  siginfo_t info = {};
  EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, options), 0);
  return info.si_pid == pid ? info.si_code : 0;
}

bool IsPending(pid_t pid, int signo) {
  const uint64_t set = std::strtoull(ProcStatusField(pid, "ShdPnd").c_str(), nullptr, 16);
  return (set >> (signo - 1) & 1) != 0;
}

TEST(SuspendAndJobControl, AStoppedThreadCanBeSuspendedAndStaysStoppedAfterwards) {
  Held held("wait");
  held.child().Signal(SIGSTOP);
  EXPECT_EQ(HeardCode(held.pid(), WSTOPPED), CLD_STOPPED);
  for (int i = 0; i < 5; ++i) {
    TaskHandle token = SuspendAndAwait(held.leader());
    token.Close();
    EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_RUNNING);
  }
  // It was stopped once.
  EXPECT_EQ(HeardCode(held.pid(), WSTOPPED | WNOHANG), 0);
  held.Go();
  held.child().Signal(SIGCONT);
  EXPECT_EQ(HeardCode(held.pid(), WCONTINUED), CLD_CONTINUED);
  EXPECT_TRUE(held.child().Expect("alive"));
  held.ExpectEnd();
}

TEST(SuspendAndJobControl, SigcontDoesNotEndASuspendOfAStoppedThread) {
  Held held("wait");
  held.child().Signal(SIGTSTP);
  EXPECT_EQ(HeardCode(held.pid(), WSTOPPED), CLD_STOPPED);
  TaskHandle token = SuspendAndAwait(held.leader());
  held.Go();
  held.child().Signal(SIGCONT);
  EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_SUSPENDED);
  EXPECT_EQ(StateOf(held.pid()), 't');
  token.Close();
  EXPECT_TRUE(held.child().Expect("alive"));
  held.ExpectEnd();
}

TEST(SuspendAndJobControl, AStopThatComesMeanwhileCompletesAtTheRelease) {
  Held held("wait");
  TaskHandle token = SuspendAndAwait(held.leader());
  held.child().Signal(SIGSTOP);
  EXPECT_TRUE(WaitUntil([&] { return IsPending(held.pid(), SIGSTOP); }));
  EXPECT_EQ(HeardCode(held.pid(), WSTOPPED | WNOHANG), 0);
  held.Go();
  token.Close();
  EXPECT_EQ(HeardCode(held.pid(), WSTOPPED), CLD_STOPPED);
  EXPECT_TRUE(held.child().out().find("alive") == std::string::npos);
  held.child().Signal(SIGCONT);
  EXPECT_TRUE(held.child().Expect("alive"));
  held.ExpectEnd();
}

TEST(SuspendAndJobControl, StopAndContinueMeanwhileLeaveNothingBehind) {
  Held held("wait");
  TaskHandle token = SuspendAndAwait(held.leader());
  held.child().Signal(SIGSTOP);
  held.child().Signal(SIGCONT);
  token.Close();
  EXPECT_TRUE(Answers(held));
  held.ExpectEnd();
}

TEST(SuspendAndJobControl, AProcessWithOneSuspendedThreadStopsAtItsRelease) {
  Held held("spin");
  TaskHandle token = SuspendAndAwait(held.Victim());
  held.child().Signal(SIGSTOP);
  EXPECT_TRUE(WaitUntil([&] { return !IsPending(held.pid(), SIGSTOP); }));
  token.Close();
  EXPECT_EQ(HeardCode(held.pid(), WSTOPPED), CLD_STOPPED);
  held.child().Signal(SIGCONT);
  EXPECT_EQ(HeardCode(held.pid(), WCONTINUED), CLD_CONTINUED);
  EXPECT_EQ(zx_task_kill(held.Victim().get()), ZX_OK) << zxl_last_error();
  EXPECT_TRUE(held.child().Expect("joined"));
  held.ExpectEnd();
}

// ---- with exec and vfork ---------------------------------------------------------------------------------------------

TEST(SuspendAndExec, OfOtherThreadsDoesNotHinderIt) {
  Held held("exec");
  std::vector<TaskHandle> tokens;
  std::vector<TaskHandle> threads;
  for (const zx_koid_t koid : ThreadKoids(held.process())) {
    threads.push_back(ChildOf(held.process(), koid));
    // The last made is the one that executes.
    const bool executes = koid == ThreadKoids(held.process()).back();
    if (!executes) tokens.push_back(SuspendAndAwait(threads.back()));
  }
  held.Go();
  EXPECT_TRUE(held.child().Expect("ready"));
  // It is the process's one thread now, under its old number; the others are gone, the leader with them.
  for (size_t i = 0; i + 1 < threads.size(); ++i) EXPECT_NE(Await(threads[i], ZX_THREAD_TERMINATED), 0U);
  EXPECT_TRUE(WaitUntil([&] { return PidOf(threads.back()) == held.pid(); }));
  EXPECT_EQ(StateOfThread(threads.back()), ZX_THREAD_STATE_RUNNING);
  EXPECT_TRUE(Answers(held));
  held.ExpectEnd();
}

TEST(SuspendAndExec, TheProcessesSuspendHoldsTheNewProgram) {
  Held held("exec");
  held.Go();
  TaskHandle token = Suspend(held.process());
  // Whatever it has come to by now, it stands; and goes on from there.
  ASSERT_TRUE(WaitUntil([&] {
    const std::vector<pid_t> tids = TidsOf(held.pid());
    return std::all_of(tids.begin(), tids.end(), [](pid_t tid) { return StateOf(tid) == 't'; });
  }));
  token.Close();
  EXPECT_TRUE(held.child().Expect("ready"));
  EXPECT_TRUE(Answers(held));
  const std::vector<zx_koid_t> koids = ThreadKoids(held.process());
  ASSERT_EQ(koids.size(), 1U);
  TaskHandle thread = ChildOf(held.process(), koids[0]);
  EXPECT_EQ(PidOf(thread), held.pid());
  token = SuspendAndAwait(thread);
  token.Close();
  EXPECT_TRUE(Answers(held));
  held.ExpectEnd();
}

TEST(SuspendAndExec, ASuspendOfTheOneThatExecutesStays) {
  for (int round = 0; round < 20; ++round) {
    Held held("exec");
    const zx_koid_t last = ThreadKoids(held.process()).back();
    const TaskHandle thread = ChildOf(held.process(), last);
    held.Go();
    // Before the exec, in it, or after it.
    TaskHandle token = SuspendAndAwait(thread);
    token.Close();
    EXPECT_TRUE(held.child().Expect("ready"));
    EXPECT_TRUE(WaitUntil([&] { return PidOf(thread) == held.pid(); }));
    EXPECT_TRUE(Answers(held));
    held.ExpectEnd();
  }
}

TEST(SuspendAndVfork, TakesEffectWhenTheChildIsOut) {
  Held held("vfork");
  TaskHandle token = Suspend(held.leader());
  EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_RUNNING);
  held.Go();
  EXPECT_NE(Await(held.leader(), ZX_THREAD_SUSPENDED), 0U);
  token.Close();
  EXPECT_TRUE(held.child().Expect("child 0"));
  held.ExpectEnd();
}

// ---- kills -----------------------------------------------------------------------------------------------------------

TEST(Kill, OfASuspendedProcessEndsIt) {
  Held held("sleep");
  const TaskHandle victim = held.Victim();
  TaskHandle token = Suspend(held.process());
  EXPECT_NE(Await(victim, ZX_THREAD_SUSPENDED), 0U);
  EXPECT_EQ(zx_task_kill(held.process().get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(held.process(), ZX_PROCESS_TERMINATED), 0U);
  EXPECT_NE(Await(victim, ZX_THREAD_TERMINATED), 0U);
  EXPECT_EQ(SignalsOf(victim) & (ZX_THREAD_SUSPENDED | ZX_THREAD_RUNNING), 0U);
  token.Close();
  held.ExpectEnd("signal 9");
}

// Each way to be of a thread that is killed alone; its process lives on.
class KillThread : public ::testing::TestWithParam<const char*> {};

TEST_P(KillThread, EndsItAloneWhateverItDoes) {
  Held held(GetParam());
  const TaskHandle victim = held.Victim();
  EXPECT_EQ(zx_task_kill(victim.get()), ZX_OK) << zxl_last_error();
  EXPECT_TRUE(held.child().Expect("joined"));
  EXPECT_NE(Await(victim, ZX_THREAD_TERMINATED), 0U);
  EXPECT_EQ(StateOfThread(victim), ZX_THREAD_STATE_DEAD);
  EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_RUNNING);
  held.ExpectEnd();
}

TEST_P(KillThread, EndsItWhileItIsSuspended) {
  Held held(GetParam());
  const TaskHandle victim = held.Victim();
  const TaskHandle token = SuspendAndAwait(victim);
  EXPECT_EQ(mx_task_suspend(victim.get()), ZX_OK);
  EXPECT_EQ(zx_task_kill(victim.get()), ZX_OK) << zxl_last_error();
  EXPECT_TRUE(held.child().Expect("joined"));
  EXPECT_NE(Await(victim, ZX_THREAD_TERMINATED), 0U);
  held.ExpectEnd();
}

TEST_P(KillThread, EndsItWhileItsProcessIsSuspended) {
  Held held(GetParam());
  const TaskHandle victim = held.Victim();
  TaskHandle token = Suspend(held.process());
  EXPECT_NE(Await(victim, ZX_THREAD_SUSPENDED), 0U);
  EXPECT_EQ(zx_task_kill(victim.get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(victim, ZX_THREAD_TERMINATED), 0U);
  token.Close();
  EXPECT_TRUE(held.child().Expect("joined"));
  held.ExpectEnd();
}

TEST_P(KillThread, EndsItWhileItIsStopped) {
  Held held(GetParam());
  const TaskHandle victim = held.Victim();
  held.child().Signal(SIGSTOP);
  EXPECT_EQ(HeardCode(held.pid(), WSTOPPED), CLD_STOPPED);
  EXPECT_EQ(zx_task_kill(victim.get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(victim, ZX_THREAD_TERMINATED), 0U);
  held.child().Signal(SIGCONT);
  EXPECT_TRUE(held.child().Expect("joined"));
  held.ExpectEnd();
}

INSTANTIATE_TEST_SUITE_P(In, KillThread, ::testing::Values("spin", "sleep", "handler"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(SuspendAndException, AThreadIsKilledInItsException) {
  Raise();
  EXPECT_EQ(zx_task_kill(victim_.get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(victim_, ZX_THREAD_TERMINATED), 0U);
  EXPECT_EQ(zx_task_resume(victim_.get(), ZX_RESUME_EXCEPTION), ZX_ERR_BAD_STATE);
  ExpectRunsOn();
}

TEST_F(SuspendAndException, AThreadIsKilledInItsExceptionWhileItIsSuspended) {
  Raise();
  const TaskHandle token = Suspend(victim_);
  EXPECT_EQ(zx_task_kill(victim_.get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(victim_, ZX_THREAD_TERMINATED), 0U);
  ExpectRunsOn();
}

TEST_F(SuspendAndException, AProcessIsKilledInAnExceptionOfItsThread) {
  Raise();
  EXPECT_EQ(zx_task_kill(held_.process().get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(held_.process(), ZX_PROCESS_TERMINATED), 0U);
  EXPECT_EQ(zx_task_resume(victim_.get(), ZX_RESUME_EXCEPTION), ZX_ERR_BAD_STATE);
  held_.ExpectEnd("signal 9");
}

TEST(KillThreads, OfThreadsThatAreMakingThreadsNeverRunsThemAstray) {
  for (int round = 0; round < 10; ++round) {
    Held held("births");
    // Makers are killed between two instructions of their making; what they made lives, and the process with it.
    for (const zx_koid_t koid : ThreadKoids(held.process())) {
      const TaskHandle thread = ChildOf(held.process(), koid);
      if (thread.get() == ZX_HANDLE_INVALID || PidOf(thread) == held.pid()) continue;
      EXPECT_EQ(zx_task_kill(thread.get()), ZX_OK) << zxl_last_error();
      EXPECT_NE(Await(thread, ZX_THREAD_TERMINATED), 0U);
    }
    EXPECT_EQ(StateOfThread(held.leader()), ZX_THREAD_STATE_RUNNING);
    EXPECT_EQ(zx_task_kill(held.process().get()), ZX_OK);
    held.ExpectEnd("signal 9");
  }
}

}  // namespace
}  // namespace zxctl::test
