// Attaching to programs that run, letting them go, and what is left when a client or the tracer dies.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zircon/syscalls/port.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

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

// A program of target_held that is ready.
class Program {
 public:
  explicit Program(const std::string& mode)
      : child_({TargetPath("target_held"), mode}, {.keep_stdin_open = true}), pidfd_(OpenPidfd(child_.pid())) {
    EXPECT_TRUE(child_.Expect("ready")) << child_.err();
    static_cast<void>(child_.ReadLine());
  }
  [[nodiscard]] ChildProcess& child() { return child_; }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  void Go() { child_.Send("g"); }
  // It is alive and moves.
  void ExpectAnswer(const std::string& text = "alive") {
    Go();
    EXPECT_TRUE(child_.Expect(text)) << child_.out();
  }
  void ExpectEnd(const std::string& status = "exit 0") {
    child_.CloseStdin();
    const Outcome outcome = child_.Finish();
    EXPECT_EQ(DescribeStatus(outcome.status), status) << outcome.out << outcome.err;
  }
  // Nobody traces it, and none of its threads is stopped.
  void ExpectFree() const {
    EXPECT_TRUE(WaitUntil([this] { return IsFree(); })) << "process " << pid();
  }

 private:
  [[nodiscard]] bool IsFree() const {
    const std::vector<pid_t> tids = TidsOf(pid());
    return std::all_of(tids.begin(), tids.end(), [](pid_t tid) {
      const char state = StateOf(tid);
      return TracerOf(tid) == 0 && state != 't' && state != 'T';
    });
  }

  ChildProcess child_;
  UniqueFd pidfd_;
};

// ---- attach ----------------------------------------------------------------------------------------------------------

TEST(Attach, FindsEveryThreadOfAProgramThatMakesThemAsFastAsItCan) {
  for (int round = 0; round < 10; ++round) {
    Program storm("storm");
    const TaskHandle process = Attach(storm.pid());
    // While it stands, what is there and what is known are the same.
    TaskHandle token = Suspend(process);
    const auto all_are_ours = [&] {
      const std::vector<pid_t> tids = TidsOf(storm.pid());
      return std::all_of(tids.begin(), tids.end(), [](pid_t tid) { return StateOf(tid) == 't'; });
    };
    ASSERT_TRUE(WaitUntil(all_are_ours));
    // One that has just been born is known as soon as the news of it is taken in.
    const auto all_are_known = [&] {
      std::set<pid_t> known;
      for (const zx_koid_t koid : ThreadKoids(process)) {
        const TaskHandle thread = ChildOf(process, koid);
        if (thread.get() != ZX_HANDLE_INVALID) known.insert(PidOf(thread));
      }
      const std::vector<pid_t> tids = TidsOf(storm.pid());
      return std::all_of(tids.begin(), tids.end(), [&](pid_t tid) { return known.contains(tid); });
    };
    EXPECT_TRUE(WaitUntil(all_are_known));
    token.Close();
    storm.ExpectAnswer("made ");
    storm.child().CloseStdin();
    EXPECT_TRUE(storm.child().Expect("lost threads 0 processes 0")) << storm.child().out();
    EXPECT_NE(Await(process, ZX_PROCESS_TERMINATED), 0U);
    int32_t status = -1;
    EXPECT_EQ(zxl_process_get_wait_status(process.get(), &status), ZX_OK);
    EXPECT_EQ(status, 0);
    storm.ExpectEnd();
  }
}

TEST(Attach, TakesUpAStoppedProgramAndLeavesItStopped) {
  Program program("wait");
  program.child().Signal(SIGSTOP);
  ASSERT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'T'; }));
  const TaskHandle process = Attach(program.pid());
  const TaskHandle leader = LeaderOf(process);
  SuspendAndAwait(leader).Close();
  EXPECT_EQ(zxl_process_detach(process.get()), ZX_OK) << zxl_last_error();
  EXPECT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'T' && TracerOf(program.pid()) == 0; }));
  program.child().Signal(SIGCONT);
  program.ExpectFree();
  program.ExpectAnswer();
  program.ExpectEnd();
}

zx_status_t TryAttach(pid_t pid) {
  zx_handle_t process = ZX_HANDLE_INVALID;
  const zx_status_t status = zxl_process_attach(zx_job_default(), pid, 0, &process);
  zx_handle_close(process);
  return status;
}

TEST(Attach, RefusesWhatCannotBeTraced) {
  EXPECT_EQ(TryAttach(0x3ffffffe), ZX_ERR_NOT_FOUND);
  EXPECT_NE(LastError(), "");
  EXPECT_EQ(TryAttach(0), ZX_ERR_NOT_FOUND);
  EXPECT_EQ(TryAttach(-1), ZX_ERR_NOT_FOUND);
  if (ProcText(2, "comm") == "kthreadd\n") {
    EXPECT_EQ(TryAttach(2), ZX_ERR_BAD_STATE);
  }
  const pid_t zombie = fork();
  if (zombie == 0) _exit(0);
  siginfo_t info = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(zombie), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(TryAttach(zombie), ZX_ERR_BAD_STATE);
  EXPECT_NE(LastError().find("zombie"), std::string::npos) << LastError();
  waitpid(zombie, nullptr, 0);
}

TEST(Attach, ASecondOneIsRefused) {
  Program program("wait");
  const TaskHandle process = Attach(program.pid());
  EXPECT_EQ(TryAttach(program.pid()), ZX_ERR_ALREADY_BOUND);
  program.ExpectAnswer();
  program.ExpectEnd();
}

// A child of ours that traces `pid` until the pipe closes.
class OtherTracer {
 public:
  explicit OtherTracer(pid_t pid) {
    int up[2];
    int down[2];
    EXPECT_EQ(pipe(up), 0);
    EXPECT_EQ(pipe(down), 0);
    child_ = fork();
    if (child_ == 0) {
      close(down[1]);
      char byte = ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0 ? 'y' : 'n';
      (void)!write(up[1], &byte, 1);
      (void)!read(down[0], &byte, 1);
      _exit(0);
    }
    close(up[1]);
    close(down[0]);
    char answer = 0;
    EXPECT_EQ(read(up[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    close(up[0]);
    end_.Reset(down[1]);
  }
  OtherTracer(const OtherTracer&) = delete;
  OtherTracer& operator=(const OtherTracer&) = delete;
  ~OtherTracer() {
    end_.Reset();
    waitpid(child_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return child_; }

 private:
  pid_t child_ = -1;
  UniqueFd end_;
};

TEST(Attach, NamesTheTracerThatIsThereAlready) {
  Program program("wait");
  {
    const OtherTracer other(program.pid());
    EXPECT_EQ(TryAttach(program.pid()), ZX_ERR_ALREADY_BOUND);
    EXPECT_NE(LastError().find(std::to_string(other.pid())), std::string::npos) << LastError();
  }
  const TaskHandle process = Attach(program.pid());
  program.ExpectAnswer();
  program.ExpectEnd();
}

TEST(Attach, ToAProgramThatExecutesAnotherJustThen) {
  for (int round = 0; round < 60; ++round) {
    Program program("exec");
    program.Go();
    const TaskHandle process = Attach(program.pid());
    EXPECT_TRUE(program.child().Expect("ready"));
    program.ExpectAnswer();
    EXPECT_EQ(ThreadKoids(process).size(), 1U);
    program.ExpectEnd();
    EXPECT_NE(Await(process, ZX_PROCESS_TERMINATED), 0U);
  }
}

TEST(Attach, ToAProgramWhoseFirstThreadHasEnded) {
  Program program("headless");
  program.Go();
  EXPECT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'Z'; }));
  const TaskHandle process = Attach(program.pid());
  const std::vector<zx_koid_t> koids = ThreadKoids(process);
  ASSERT_EQ(koids.size(), 1U);
  const TaskHandle thread = ChildOf(process, koids[0]);
  SuspendAndAwait(thread).Close();
  program.ExpectAnswer();
  program.ExpectEnd();
  EXPECT_NE(Await(process, ZX_PROCESS_TERMINATED), 0U);
}

// ---- detach ----------------------------------------------------------------------------------------------------------

TEST(Detach, LeavesNothingBehindInAStorm) {
  for (int round = 0; round < 20; ++round) {
    Program storm("storm");
    const TaskHandle process = Attach(storm.pid());
    if (round % 2 == 1) static_cast<void>(Suspend(process));
    EXPECT_EQ(zxl_process_detach(process.get()), ZX_OK) << zxl_last_error();
    storm.ExpectFree();
    EXPECT_EQ(SignalsOf(process) & ZX_PROCESS_TERMINATED, 0U);
    storm.ExpectAnswer("made ");
    storm.child().CloseStdin();
    EXPECT_TRUE(storm.child().Expect("lost threads 0 processes 0")) << storm.child().out();
    storm.ExpectEnd();
    EXPECT_NE(Await(process, ZX_PROCESS_TERMINATED), 0U);
  }
}

TEST(Detach, AndAttachAgainAndAgain) {
  Program storm("storm");
  for (int round = 0; round < 20; ++round) {
    const TaskHandle process = Attach(storm.pid());
    EXPECT_EQ(zxl_process_detach(process.get()), ZX_OK) << zxl_last_error();
    EXPECT_EQ(SignalsOf(process) & ZX_PROCESS_TERMINATED, 0U);
  }
  storm.ExpectFree();
  storm.child().CloseStdin();
  EXPECT_TRUE(storm.child().Expect("lost threads 0 processes 0")) << storm.child().out();
  storm.ExpectEnd();
}

TEST(Detach, HandlesOfTheProcessRefuseAndTellOfItsDeath) {
  Program program("sleep");
  const TaskHandle process = Attach(program.pid());
  const TaskHandle leader = LeaderOf(process);
  TaskHandle token = SuspendAndAwait(leader);
  EXPECT_EQ(zxl_process_detach(process.get()), ZX_OK) << zxl_last_error();
  program.ExpectFree();
  zx_handle_t other = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_task_suspend_token(process.get(), &other), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zx_task_suspend_token(leader.get(), &other), ZX_ERR_BAD_STATE);
  EXPECT_EQ(mx_task_suspend(leader.get()), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zx_task_resume(leader.get(), 0), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zx_task_kill(process.get()), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zx_task_kill(leader.get()), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zxl_process_detach(process.get()), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zxl_process_start(process.get()), ZX_ERR_BAD_STATE);
  const TaskHandle port(NewPort());
  EXPECT_EQ(zx_task_bind_exception_port(process.get(), port.get(), 0, 0), ZX_ERR_BAD_STATE);
  zx_info_process_t info = {};
  EXPECT_EQ(zx_object_get_info(process.get(), ZX_INFO_PROCESS, &info, sizeof(info), nullptr, nullptr),
            ZX_ERR_BAD_STATE);
  uint64_t word = 0;
  size_t actual = 0;
  EXPECT_EQ(zx_process_read_memory(process.get(), 0x1000, &word, sizeof(word), &actual), ZX_ERR_BAD_STATE);
  token.Close();
  EXPECT_EQ(SignalsOf(process) & ZX_PROCESS_TERMINATED, 0U);
  program.child().Signal(SIGKILL);
  EXPECT_NE(Await(process, ZX_PROCESS_TERMINATED), 0U);
  program.ExpectEnd("signal 9");
}

TEST(Detach, SignalsOnTheirWayArriveAllOfThem) {
  constexpr int kSignals = 200;
  Program program("signals");
  for (int i = 0; i < kSignals; ++i) {
    const TaskHandle process = i % 4 == 0 ? Attach(program.pid()) : TaskHandle();
    program.child().Signal(SIGRTMIN);
    if (i % 4 != 0) continue;
    EXPECT_EQ(zxl_process_detach(process.get()), ZX_OK) << zxl_last_error();
  }
  program.ExpectFree();
  program.child().CloseStdin();
  EXPECT_TRUE(program.child().Expect("caught " + std::to_string(kSignals))) << program.child().out();
  program.ExpectEnd();
}

class BlockedCallAtDetach : public ::testing::TestWithParam<const char*> {};

TEST_P(BlockedCallAtDetach, GoesOn) {
  ChildProcess child({TargetPath("target_blocking"), GetParam(), "80000", "ignore"}, {.keep_stdin_open = true});
  EXPECT_TRUE(child.Expect("blocked "));
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(WaitUntil([&] { return BlockedCallOf(child.pid()).has_value(); }));
    const TaskHandle process = Attach(child.pid());
    const TaskHandle leader = LeaderOf(process);
    // Watched, stopped or running when it is let go.
    if (i % 3 != 0) SuspendAndAwait(leader).Close();
    const TaskHandle token = i % 3 == 2 ? SuspendAndAwait(leader) : TaskHandle();
    EXPECT_EQ(zxl_process_detach(process.get()), ZX_OK) << zxl_last_error();
    EXPECT_EQ(TracerOf(child.pid()), 0);
  }
  // A futex that changes before its call has gone on is EAGAIN, as after any stop.
  EXPECT_TRUE(WaitUntil([&] { return BlockedCallOf(child.pid()).has_value(); }));
  child.Send("g");
  const Outcome outcome = child.Finish();
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0") << outcome.err;
  EXPECT_EQ(outcome.out.find("EINTR"), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find("EAGAIN"), std::string::npos) << outcome.out;
}

INSTANTIATE_TEST_SUITE_P(Calls, BlockedCallAtDetach,
                         ::testing::Values("epoll_wait", "epoll_pwait2", "recv", "semtimedop", "io_getevents",
                                           "io_uring_enter", "rt_sigtimedwait", "poll", "futex_wait", "accept"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Detach, OfAProgramThatExecutesAnother) {
  for (int round = 0; round < 20; ++round) {
    Program program("exec");
    const TaskHandle process = Attach(program.pid());
    program.Go();
    EXPECT_EQ(zxl_process_detach(process.get()), ZX_OK) << zxl_last_error();
    EXPECT_TRUE(program.child().Expect("ready"));
    program.ExpectFree();
    EXPECT_EQ(SignalsOf(process) & ZX_PROCESS_TERMINATED, 0U);
    program.ExpectAnswer();
    program.ExpectEnd();
    EXPECT_NE(Await(process, ZX_PROCESS_TERMINATED), 0U);
  }
}

TEST(Detach, OfAProgramWhoseFirstThreadHasEnded) {
  Program program("headless");
  const TaskHandle process = Attach(program.pid());
  program.Go();
  EXPECT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'Z'; }));
  EXPECT_EQ(zxl_process_detach(process.get()), ZX_OK) << zxl_last_error();
  EXPECT_EQ(SignalsOf(process) & ZX_PROCESS_TERMINATED, 0U);
  program.ExpectAnswer();
  program.ExpectEnd();
  EXPECT_NE(Await(process, ZX_PROCESS_TERMINATED), 0U);
}

// ---- the end of a client ---------------------------------------------------------------------------------------------

// A client in a process of its own, which holds something of a program.
class ClientProcess {
 public:
  ClientProcess(pid_t pid, const std::string& what)
      : child_({TargetPath("target_task_client"), std::to_string(pid), what}, {.keep_stdin_open = true}) {}
  void AwaitReady() {
    EXPECT_TRUE(child_.Expect("ready ")) << child_.err();
    number_ = std::atol(child_.ReadLine().value_or("").c_str());
  }
  [[nodiscard]] ChildProcess& child() { return child_; }
  [[nodiscard]] long number() const { return number_; }
  // 'k' SIGKILL, 'x' exit, 'e' exec.
  void End(char how) {
    if (how == 'k') return child_.Signal(SIGKILL);
    child_.Send(std::string(1, how));
  }

 private:
  ChildProcess child_;
  long number_ = 0;
};

struct Ending {
  std::string what;
  char how;
};

void PrintTo(const Ending& ending, std::ostream* out) { *out << ending.what << " " << ending.how; }

class ClientsEnd : public ::testing::TestWithParam<Ending> {};

TEST_P(ClientsEnd, LetsTheProgramsGoOnAndTheTracerEnd) {
  const bool excepts = GetParam().what == "exception";
  const bool steps = GetParam().what == "step";
  if (steps && !kStepsThreads) GTEST_SKIP() << "Linux cannot step a thread on this machine";
  Program program(excepts ? "break" : "wait");
  ClientProcess client(program.pid(), GetParam().what);
  if (excepts || steps) {
    EXPECT_TRUE(client.child().Expect("bound"));
    program.Go();
  }
  client.AwaitReady();
  const pid_t tracer = TracerOf(program.pid());
  EXPECT_NE(tracer, 0);
  const UniqueFd tracer_end = OpenPidfd(tracer);
  client.End(GetParam().how);
  EXPECT_TRUE(ProcessGone(tracer_end)) << "the tracer is there still";
  program.ExpectFree();
  if (excepts) {
    EXPECT_TRUE(program.child().Expect("joined, caught 1")) << program.child().out();
  } else if (steps) {
    EXPECT_TRUE(program.child().Expect("alive")) << program.child().out();
  } else {
    program.ExpectAnswer();
  }
  program.ExpectEnd();
}

std::vector<Ending> Endings() {
  std::vector<Ending> endings;
  for (const char* what : {"suspend", "flag", "bind", "debug", "exception", "step"}) {
    for (const char how : {'k', 'x', 'e'}) endings.push_back({what, how});
  }
  return endings;
}

std::string EndingName(const ::testing::TestParamInfo<Ending>& info) { return info.param.what + "_" + info.param.how; }

INSTANTIATE_TEST_SUITE_P(Holding, ClientsEnd, ::testing::ValuesIn(Endings()), EndingName);

class ClientsEndWithAParkedProcess : public ::testing::TestWithParam<char> {};

TEST_P(ClientsEndWithAParkedProcess, TakesItAlong) {
  ClientProcess client(0, "park");
  client.AwaitReady();
  const auto parked = static_cast<pid_t>(client.number());
  const UniqueFd parked_end = OpenPidfd(parked);
  const UniqueFd tracer_end = OpenPidfd(TracerOf(parked));
  EXPECT_TRUE(tracer_end.valid());
  client.End(GetParam());
  EXPECT_TRUE(ProcessGone(parked_end));
  EXPECT_TRUE(ProcessGone(tracer_end)) << "the tracer is there still";
}

INSTANTIATE_TEST_SUITE_P(By, ClientsEndWithAParkedProcess, ::testing::Values('k', 'x', 'e'));

TEST(ClientsEndInAStorm, LeavesNobodyTraced) {
  for (int round = 0; round < 10; ++round) {
    Program storm("storm");
    ClientProcess client(storm.pid(), round % 2 == 0 ? "bind" : "suspend");
    client.AwaitReady();
    const UniqueFd tracer_end = OpenPidfd(TracerOf(storm.pid()));
    client.End('k');
    EXPECT_TRUE(ProcessGone(tracer_end)) << "the tracer is there still";
    storm.ExpectFree();
    storm.child().CloseStdin();
    EXPECT_TRUE(storm.child().Expect("lost threads 0 processes 0")) << storm.child().out();
    storm.ExpectEnd();
  }
}

// ---- the end of a tracer ---------------------------------------------------------------------------------------------

TEST(TracersEnd, ClosesWhatHungOnItAndTheNextSpawnStartsAnother) {
  Program program("wait");
  Program held("wait");
  const TaskHandle process = Attach(program.pid());
  const TaskHandle leader = LeaderOf(process);
  const TaskHandle held_process = Attach(held.pid());
  const TaskHandle held_leader = LeaderOf(held_process);
  const TaskHandle token = SuspendAndAwait(held_leader);
  const TaskHandle port(NewPort());
  EXPECT_EQ(zx_task_bind_exception_port(process.get(), port.get(), 0, 0), ZX_OK) << zxl_last_error();
  const pid_t tracer = TracerOf(program.pid());
  ASSERT_NE(tracer, 0);
  std::thread killer([&] {
    // The wait below is on its way into its sleep, or sleeps.
    kill(tracer, SIGKILL);
  });
  zx_signals_t observed = 0;
  EXPECT_EQ(zx_object_wait_one(leader.get(), ZX_THREAD_TERMINATED, zx_deadline_after(kPatienceNs), &observed),
            ZX_ERR_PEER_CLOSED);
  killer.join();
  zx_handle_t other = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_task_suspend_token(leader.get(), &other), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(mx_task_suspend(leader.get()), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(zx_task_resume(leader.get(), 0), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(zx_task_kill(process.get()), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(zxl_process_detach(process.get()), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(zx_task_bind_exception_port(process.get(), port.get(), 0, 0), ZX_ERR_PEER_CLOSED);
  zx_info_process_t info = {};
  EXPECT_EQ(zx_object_get_info(process.get(), ZX_INFO_PROCESS, &info, sizeof(info), nullptr, nullptr),
            ZX_ERR_PEER_CLOSED);
  zx_thread_state_general_regs_t registers = {};
  EXPECT_EQ(zx_thread_read_state(leader.get(), ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)),
            ZX_ERR_PEER_CLOSED);
  // The port lives.
  zx_port_packet_t packet = {};
  packet.key = 3;
  packet.type = ZX_PKT_TYPE_USER;
  EXPECT_EQ(zx_port_queue(port.get(), &packet), ZX_OK);
  EXPECT_EQ(zx_port_wait(port.get(), zx_deadline_after(kPatienceNs), &packet), ZX_OK);
  // The programs run on.
  program.ExpectFree();
  held.ExpectFree();
  program.ExpectAnswer();
  held.ExpectAnswer();
  program.ExpectEnd();
  held.ExpectEnd();
  // The next has a tracer of its own.
  const Spawned cat = SpawnTask({"cat", "/dev/null"});
  EXPECT_NE(TracerOf(PidOf(cat.process)), tracer);
  EXPECT_EQ(zxl_process_start(cat.process.get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(Await(cat.process, ZX_PROCESS_TERMINATED), 0U);
  // What is new can be bound where the old was.
  Program again("wait");
  const TaskHandle again_process = Attach(again.pid());
  EXPECT_EQ(zx_task_bind_exception_port(again_process.get(), port.get(), 0, 0), ZX_OK) << zxl_last_error();
  again.ExpectAnswer();
  again.ExpectEnd();
}

}  // namespace
}  // namespace zxctl::test
