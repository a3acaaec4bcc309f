// Who is asked about an exception, and what happens when nobody answers.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "general_registers.h"
#include "live/zx_tasks.h"
#include "machine_faults.h"
#include "support/child_process.h"
#include "support/handles.h"
#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

constexpr uint32_t kTryNext = ZX_RESUME_EXCEPTION | ZX_RESUME_TRY_NEXT;
constexpr int64_t kShortLeaseNs = 20 * 1000 * 1000;

std::vector<std::string> Shell(const std::string& script) { return {"/bin/sh", "-c", script}; }
std::vector<std::string> Fault(const std::string& kind) { return {TargetPath("target_fault"), kind}; }

int WaitStatusOf(const zx::Process& process) {
  int32_t status = -1;
  EXPECT_EQ(process.get_wait_status(&status), ZX_OK) << zxl_last_error();
  return status;
}

// What waits in the port now.
std::vector<uint64_t> KeysIn(const zx::Port& port) {
  std::vector<uint64_t> keys;
  zx_port_packet_t packet = {};
  while (port.wait(0, &packet) == ZX_OK) keys.push_back(packet.key);
  return keys;
}

uint32_t AskedLevel(const zx::Thread& thread) {
  zx_info_thread_t info = {};
  EXPECT_EQ(thread.get_info(ZX_INFO_THREAD, &info, sizeof(info)), ZX_OK) << zxl_last_error();
  return info.wait_exception_port_type;
}

// ---- the order -------------------------------------------------------------------------------------------------------

class Chain : public testing::Test {
 protected:
  Chain() {
    EXPECT_EQ(zx::Job::create(outer, 0, &inner), ZX_OK);
    program = Spawn(Fault("null_write"), 0, inner);
  }
  // The next packet is of this binding; the thread goes on to the next.
  void ExpectAskedAndPass(uint64_t key, uint32_t level) {
    const zx_port_packet_t packet = NextPacket(port);
    EXPECT_EQ(packet.key, key);
    EXPECT_EQ(packet.type, ZX_EXCP_FATAL_PAGE_FAULT);
    EXPECT_EQ(AskedLevel(program.thread), level);
    EXPECT_EQ(program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  }
  void ExpectDeathByTheFault() {
    AwaitEnd(program.process);
    EXPECT_EQ(InfoOf(program.process).return_code, ZX_TASK_RETCODE_EXCEPTION_KILL);
    EXPECT_EQ(WTERMSIG(WaitStatusOf(program.process)), SIGSEGV);
  }

  const zx::Port port = MakePort();
  const zx::Job outer = MakeJob();
  zx::Job inner;
  Program program;
};

TEST_F(Chain, GoesFromDebuggerToRootJobAndThenTheSignalTakesItsCourse) {
  const zx::Unowned<zx::Job> root = zx::Job::default_job();
  ASSERT_EQ(root->bind_exception_port(port, 6, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(outer.bind_exception_port(port, 5, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(inner.bind_exception_port(port, 4, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.bind_exception_port(port, 2, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  ASSERT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_STARTING);
  ASSERT_EQ(program.thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  ExpectAskedAndPass(1, ZX_EXCEPTION_PORT_TYPE_DEBUGGER);
  ExpectAskedAndPass(2, ZX_EXCEPTION_PORT_TYPE_THREAD);
  ExpectAskedAndPass(3, ZX_EXCEPTION_PORT_TYPE_PROCESS);
  ExpectAskedAndPass(4, ZX_EXCEPTION_PORT_TYPE_JOB);
  ExpectAskedAndPass(5, ZX_EXCEPTION_PORT_TYPE_JOB);
  ExpectAskedAndPass(6, ZX_EXCEPTION_PORT_TYPE_JOB);
  ExpectDeathByTheFault();
}

TEST_F(Chain, LooksHandlersUpAtEachStep) {
  ASSERT_EQ(program.thread.bind_exception_port(port, 2, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  EXPECT_EQ(NextPacket(port).key, 2U);
  // While the thread waits, one that would have been next goes and another comes behind it.
  ASSERT_EQ(program.process.unbind_exception_port(0), ZX_OK);
  ASSERT_EQ(outer.bind_exception_port(port, 5, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  ExpectAskedAndPass(5, ZX_EXCEPTION_PORT_TYPE_JOB);
  ExpectDeathByTheFault();
}

TEST_F(Chain, WithNobodyBoundTheProgramDiesAsItWouldAlone) {
  ASSERT_EQ(program.process.start(), ZX_OK);
  ExpectDeathByTheFault();
}

// ---- how processes end -----------------------------------------------------------------------------------------------

TEST(ReturnCode, TellsAnExceptionFromOtherSignalsAndFromAnExit) {
  const std::vector<std::pair<std::string, int64_t>> kEnds = {{"kill -SEGV $$", ZX_TASK_RETCODE_EXCEPTION_KILL},
                                                              {"kill -QUIT $$", ZX_TASK_RETCODE_EXCEPTION_KILL},
                                                              {"kill -TERM $$", ZX_TASK_RETCODE_SYSCALL_KILL},
                                                              {"kill -KILL $$", ZX_TASK_RETCODE_SYSCALL_KILL},
                                                              {"exit 9", 9}};
  for (const auto& [script, code] : kEnds) {
    const Program program = Spawn(Shell(script), ZXL_SPAWN_START);
    AwaitEnd(program.process);
    EXPECT_EQ(InfoOf(program.process).return_code, code) << script;
  }
  EXPECT_EQ(ZX_TASK_RETCODE_EXCEPTION_KILL, -1028);
  EXPECT_EQ(ZX_TASK_RETCODE_SYSCALL_KILL, -1024);
}

// ---- fork and exec ---------------------------------------------------------------------------------------------------

TEST(ForkedChild, HasTheHandlersOfItsJobAndNotThoseOfItsParent) {
  const zx::Job job = MakeJob();
  const zx::Port port = MakePort();
  const Program program = Spawn(Shell("(kill -SEGV $(exec sh -c 'echo $PPID')); exit 4"), 0, job);
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.bind_exception_port(port, 2, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(job.bind_exception_port(port, 4, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  const zx_port_packet_t packet = NextPacket(port);
  EXPECT_EQ(packet.key, 4U);
  EXPECT_NE(packet.exception.pid, KoidOf(program.process.get()));
  zx::Process child;
  ASSERT_EQ(job.get_child(packet.exception.pid, ZX_RIGHT_SAME_RIGHTS, &child), ZX_OK) << zxl_last_error();
  zx::Thread thread;
  ASSERT_EQ(child.get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK) << zxl_last_error();
  EXPECT_EQ(thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 4);
  EXPECT_TRUE(KeysIn(port).empty());
}

TEST(ExecutedProgram, KeepsTheKoidsAndTheHandlersOfTheOneBefore) {
  const zx::Port port = MakePort();
  const Program program = Spawn(Shell("exec " + TargetPath("target_fault") + " null_write"));
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.thread.bind_exception_port(port, 2, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  for (const uint64_t key : {2U, 3U}) {
    const zx_port_packet_t packet = NextPacket(port);
    EXPECT_EQ(packet.key, key);
    EXPECT_EQ(packet.exception.pid, KoidOf(program.process.get()));
    EXPECT_EQ(packet.exception.tid, KoidOf(program.thread.get()));
    EXPECT_EQ(program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  }
  AwaitEnd(program.process);
}

TEST(ExecutedProgram, ByAnotherThreadKeepsThatThreadsKoidAndTheOthersAreDead) {
  ChildProcess child({TargetPath("target_held"), "exec"}, {.keep_stdin_open = true});
  ASSERT_TRUE(child.Expect("ready"));
  zx::Process process;
  ASSERT_EQ(zx::Process::attach(*zx::Job::default_job(), child.pid(), 0, &process), ZX_OK) << zxl_last_error();
  const zx_koid_t koid = KoidOf(process.get());
  std::vector<zx_koid_t> before(16);
  size_t count = 0;
  ASSERT_EQ(process.get_info(ZX_INFO_PROCESS_THREADS, before.data(), before.size() * sizeof(zx_koid_t), &count), ZX_OK);
  ASSERT_EQ(count, 6U);
  std::vector<zx::Thread> threads(count);
  for (size_t i = 0; i < count; ++i) {
    ASSERT_EQ(process.get_child(before[i], ZX_RIGHT_SAME_RIGHTS, &threads[i]), ZX_OK) << zxl_last_error();
  }
  child.Send("g");
  ASSERT_TRUE(child.Expect("ready"));
  // The one that made the exec was made last.
  for (size_t i = 0; i + 1 < count; ++i) EXPECT_EQ(threads[i].wait_one(ZX_THREAD_TERMINATED, Soon()), ZX_OK) << i;
  EXPECT_EQ(SignalsOf(threads.back()), ZX_THREAD_RUNNING);
  int32_t tid = 0;
  EXPECT_EQ(threads.back().get_pid(&tid), ZX_OK);
  EXPECT_EQ(tid, child.pid());
  EXPECT_EQ(KoidOf(process.get()), koid);
  EXPECT_EQ(PidOf(process), child.pid());
  child.CloseStdin();
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

// ---- the program's own handlers --------------------------------------------------------------------------------------

TEST(ProgramsHandler, RunsWithoutABindingBeingAsked) {
  const zx::Port port = MakePort();
  const Program program = Spawn(Shell("trap 'exit 7' SEGV; kill -SEGV $$; exit 1"));
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(zx::Job::default_job()->bind_exception_port(port, 4, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 7);
  EXPECT_TRUE(KeysIn(port).empty());
}

TEST(ProgramsHandler, ComesAfterTheDebuggerAndThoseWhoAskToGoFirst) {
  const zx::Port port = MakePort();
  const Program program = Spawn(Shell("trap 'exit 7' SEGV; kill -SEGV $$; exit 1"));
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(zx::Job::default_job()->bind_exception_port(port, 4, ZXL_EXCEPTION_PORT_FIRST_CHANCE, 0), ZX_OK)
      << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  EXPECT_EQ(NextPacket(port).key, 4U);
  EXPECT_EQ(program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 7) << "its own handler ran then";
  EXPECT_TRUE(KeysIn(port).empty());
}

TEST(ProgramsHandler, DoesNotRunWhenTheFirstChanceHasDealtWithIt) {
  const zx::Port port = MakePort();
  const Program program = Spawn(Shell("trap 'exit 7' SEGV; kill -SEGV $$; exit 1"));
  ASSERT_EQ(program.process.bind_exception_port(port, 4, ZXL_EXCEPTION_PORT_FIRST_CHANCE, 0), ZX_OK);
  ASSERT_EQ(program.process.start(), ZX_OK);
  EXPECT_EQ(NextPacket(port).key, 4U);
  EXPECT_EQ(program.thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(InfoOf(program.process).return_code, 1);
}

// The handler gives up: it raises the signal again, or there is no stack for it.
class GivesUp : public testing::TestWithParam<const char*> {};

TEST_P(GivesUp, AndTheExceptionIsAboutTheFirstFault) {
  const zx::Port port = MakePort();
  const Program program = Spawn(Fault(GetParam()));
  ASSERT_EQ(program.process.bind_exception_port(port, 3, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.start(), ZX_OK);
  EXPECT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT);
  zxl_exception_info_t info = {};
  ASSERT_EQ(program.thread.get_exception(&info), ZX_OK) << zxl_last_error();
  EXPECT_EQ(info.signo, SIGSEGV);
  EXPECT_EQ(info.first_signo, SIGSEGV);
  EXPECT_GT(info.first_code, 0);
  EXPECT_NE(info.first_address, 0U);
  zx_exception_report_t report = {};
  ASSERT_EQ(program.thread.get_info(ZX_INFO_THREAD_EXCEPTION_REPORT, &report, sizeof(report)), ZX_OK);
  EXPECT_EQ(report.header.type, ZX_EXCP_FATAL_PAGE_FAULT);
  EXPECT_EQ(FaultAddressOf(report.context.arch), info.first_address);
  EXPECT_EQ(program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(WTERMSIG(WaitStatusOf(program.process)), SIGSEGV);
}

INSTANTIATE_TEST_SUITE_P(Handler, GivesUp, testing::Values("handled_and_raised", "handled_overflow"));

// ---- which signal is which exception ---------------------------------------------------------------------------------

struct SignalCase {
  std::string name;
  std::vector<std::string> argv;
  uint32_t type;  // 0: it is none
  int signo;
  bool has_address = false;
  bool is_sent = false;
};

void PrintTo(const SignalCase& c, std::ostream* out) { *out << c.name; }

class SignalIsException : public testing::TestWithParam<SignalCase> {};

TEST_P(SignalIsException, AsTheTableSays) {
  const SignalCase& expected = GetParam();
  const zx::Port port = MakePort();
  const Program program = Spawn(expected.argv);
  ASSERT_EQ(program.process.bind_exception_port(port, 1, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(program.process.wait_async(port, 2, ZX_PROCESS_TERMINATED, ZX_WAIT_ASYNC_ONCE), ZX_OK);
  ASSERT_EQ(program.process.start(), ZX_OK);
  const zx_port_packet_t packet = NextPacket(port);
  if (expected.type == 0) {
    EXPECT_EQ(packet.key, 2U) << "nobody is asked";
    EXPECT_EQ(WTERMSIG(WaitStatusOf(program.process)), expected.signo);
    return;
  }
  ASSERT_EQ(packet.key, 1U);
  EXPECT_EQ(packet.type, expected.type);
  zxl_exception_info_t info = {};
  ASSERT_EQ(program.thread.get_exception(&info), ZX_OK) << zxl_last_error();
  EXPECT_EQ(info.signo, expected.signo);
  EXPECT_EQ(info.code <= 0, expected.is_sent) << info.code;
  EXPECT_EQ(info.address != 0, expected.has_address) << info.address;
  EXPECT_EQ(info.pid != 0, expected.is_sent) << info.pid;
  EXPECT_EQ(program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
  EXPECT_EQ(WTERMSIG(WaitStatusOf(program.process)), expected.signo);
}

std::vector<SignalCase> SignalCases() {
  std::vector<SignalCase> cases = {
      {.name = "Unmapped",
       .argv = Fault("null_write"),
       .type = ZX_EXCP_FATAL_PAGE_FAULT,
       .signo = SIGSEGV,
       .has_address = true},
      {.name = "ReadOnly",
       .argv = Fault("write_rodata"),
       .type = ZX_EXCP_FATAL_PAGE_FAULT,
       .signo = SIGSEGV,
       .has_address = true},
      {.name = "PastTheEndOfAFile",
       .argv = Fault("past_eof"),
       .type = ZX_EXCP_FATAL_PAGE_FAULT,
       .signo = SIGBUS,
       .has_address = true},
      {.name = "SeccompTrap",
       .argv = {TargetPath("target_seccomp"), "trap-unhandled"},
       .type = ZX_EXCP_POLICY_ERROR,
       .signo = SIGSYS,
       .has_address = true},
      {.name = "Abort", .argv = Fault("do_abort"), .type = ZX_EXCP_GENERAL, .signo = SIGABRT, .is_sent = true},
  };
  for (const MachineFault& own : kMachineFaults) {
    cases.push_back({.name = own.name,
                     .argv = Fault(own.fault),
                     .type = own.type,
                     .signo = own.signo,
                     .has_address = own.has_address});
  }
  const std::vector<std::pair<const char*, int>> kSentThatDumpCore = {
      {"SEGV", SIGSEGV}, {"ILL", SIGILL},   {"BUS", SIGBUS},  {"FPE", SIGFPE},
      {"TRAP", SIGTRAP}, {"QUIT", SIGQUIT}, {"XCPU", SIGXCPU}};
  for (const auto& [name, signo] : kSentThatDumpCore) {
    cases.push_back({.name = std::string("Sent") + name,
                     .argv = Shell(std::string("kill -") + name + " $$; exit 1"),
                     .type = ZX_EXCP_GENERAL,
                     .signo = signo,
                     .is_sent = true});
  }
  const std::vector<std::pair<const char*, int>> kMerelyTerminate = {
      {"TERM", SIGTERM}, {"INT", SIGINT}, {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"HUP", SIGHUP}, {"USR1", SIGUSR1}};
  for (const auto& [name, signo] : kMerelyTerminate) {
    cases.push_back({.name = std::string("NotOf") + name,
                     .argv = Shell(std::string("kill -") + name + " $$; exit 1"),
                     .type = 0,
                     .signo = signo});
  }
  cases.push_back({.name = "SeccompKillsUnasked",
                   .argv = {TargetPath("target_seccomp"), "kill-process"},
                   .type = 0,
                   .signo = SIGSYS});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Of, SignalIsException, testing::ValuesIn(SignalCases()),
                         [](const auto& info) { return info.param.name; });

// ---- handlers that are in the way ------------------------------------------------------------------------------------

// A program that faults, and two handlers: the first is in the way.
class BadHandler : public testing::Test {
 protected:
  void FaultWith(int64_t lease_ns = 0) {
    program = Spawn(Fault("null_write"));
    ASSERT_EQ(program.process.bind_exception_port(bad, 1, 0, lease_ns), ZX_OK) << zxl_last_error();
    ASSERT_EQ(zx::Job::default_job()->bind_exception_port(next, 2, 0), ZX_OK) << zxl_last_error();
    ASSERT_EQ(program.process.start(), ZX_OK);
  }
  void ExpectTheNextIsAsked() {
    EXPECT_EQ(NextPacket(next).key, 2U);
    EXPECT_EQ(AskedLevel(program.thread), ZX_EXCEPTION_PORT_TYPE_JOB);
    EXPECT_EQ(program.thread.resume_from_exception(next, ZX_RESUME_TRY_NEXT), ZX_OK) << zxl_last_error();
    AwaitEnd(program.process);
    EXPECT_EQ(InfoOf(program.process).return_code, ZX_TASK_RETCODE_EXCEPTION_KILL);
  }

  Program program;
  zx::Port bad = MakePort();
  const zx::Port next = MakePort();
};

TEST_F(BadHandler, WhosePortIsClosedIsPassedOver) {
  FaultWith();
  EXPECT_EQ(NextPacket(bad).key, 1U);
  zx::Port second;
  ASSERT_EQ(bad.duplicate(ZX_RIGHT_SAME_RIGHTS, &second), ZX_OK);
  bad.reset();
  EXPECT_EQ(AskedLevel(program.thread), ZX_EXCEPTION_PORT_TYPE_PROCESS) << "that was not its last handle";
  second.reset();
  ExpectTheNextIsAsked();
}

TEST_F(BadHandler, WhosePortWasClosedBeforeTheFaultIsNotAsked) {
  program = Spawn(Fault("null_write"));
  ASSERT_EQ(program.process.bind_exception_port(bad, 1, 0), ZX_OK) << zxl_last_error();
  ASSERT_EQ(zx::Job::default_job()->bind_exception_port(next, 2, 0), ZX_OK) << zxl_last_error();
  bad.reset();
  ASSERT_EQ(program.process.start(), ZX_OK);
  ExpectTheNextIsAsked();
}

TEST_F(BadHandler, ThatNeverAnswersLosesItsLease) {
  FaultWith(kShortLeaseNs);
  EXPECT_EQ(NextPacket(bad).key, 1U);
  ExpectTheNextIsAsked();
  EXPECT_EQ(program.thread.resume_from_exception(bad, 0), ZX_ERR_BAD_STATE) << "too late";
}

TEST_F(BadHandler, MayHaveALeaseWithoutEnd) {
  FaultWith(INT64_MAX);
  EXPECT_EQ(NextPacket(bad).key, 1U);
  EXPECT_EQ(AskedLevel(program.thread), ZX_EXCEPTION_PORT_TYPE_PROCESS);
  EXPECT_EQ(program.thread.resume_from_exception(bad, ZX_RESUME_TRY_NEXT), ZX_OK) << zxl_last_error();
  ExpectTheNextIsAsked();
}

TEST_F(BadHandler, ThatAnswersTwiceHasAnsweredOnce) {
  FaultWith();
  EXPECT_EQ(NextPacket(bad).key, 1U);
  EXPECT_EQ(program.thread.resume_from_exception(bad, ZX_RESUME_TRY_NEXT), ZX_OK) << zxl_last_error();
  EXPECT_EQ(NextPacket(next).key, 2U);
  // The second answer is not one for the handler that is asked now.
  EXPECT_EQ(program.thread.resume_from_exception(bad, 0), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(AskedLevel(program.thread), ZX_EXCEPTION_PORT_TYPE_JOB);
  EXPECT_EQ(program.thread.resume_from_exception(next, ZX_RESUME_TRY_NEXT), ZX_OK) << zxl_last_error();
  AwaitEnd(program.process);
}

TEST_F(BadHandler, WithoutALeaseCanBeAnsweredForByAnybody) {
  FaultWith();
  EXPECT_EQ(NextPacket(bad).key, 1U);
  EXPECT_EQ(program.thread.resume(kTryNext), ZX_OK) << zxl_last_error();
  ExpectTheNextIsAsked();
}

// ---- a port that is full ---------------------------------------------------------------------------------------------

TEST_F(BadHandler, WhosePortIsFullIsPassedOver) {
  zx_port_packet_t packet = {};
  packet.type = ZX_PKT_TYPE_USER;
  while (bad.queue(&packet) == ZX_OK) {
  }
  FaultWith();
  ExpectTheNextIsAsked();
}

TEST(FullPort, IsCounted) {
  const TempDir dir;
  const std::string stats = dir.path() + "/stats";
  ChildProcess client({TargetPath("target_task_client"), "0", "full"},
                      {.keep_stdin_open = true, .env = {"ZXCTL_STATS=" + stats}});
  ASSERT_TRUE(client.Expect("ready ")) << client.err();
  const auto tracer = static_cast<pid_t>(std::atol(client.ReadLine().value_or("").c_str()));
  const UniqueFd end = OpenPidfd(tracer);
  client.Send("x");
  EXPECT_EQ(DescribeStatus(client.Finish().status), "exit 0");
  ASSERT_TRUE(ProcessGone(end));
  std::ifstream file(stats);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(text.find("\"lost_packets\":1}"), std::string::npos) << text;
}

}  // namespace
}  // namespace zxctl::test
