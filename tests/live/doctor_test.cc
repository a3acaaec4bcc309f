// The doctor on this kernel: real processes, real tracers.
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "supervisor/diagnose.h"
#include "supervisor/kernel_probes.h"
#include "support/child_process.h"
#include "support/supervised.h"

namespace zxctl {
namespace {

using probe::Answer;
using probe::Gate;
using probe::Outcome;
using ::testing::HasSubstr;

constexpr uid_t kNobody = 65534;

bool Blocks(const Diagnosis& diagnosis, std::string_view topic) {
  for (const Finding& finding : diagnosis.findings) {
    if (finding.kind == FindingKind::kBlocker && finding.topic == topic) return true;
  }
  return false;
}

// A child that waits at a gate until the test is over.
class WaitingChild {
 public:
  WaitingChild() : pid_(probe::Fork([this] { return ready_.Open(), end_.Pass(), 0; })) { ready_.Pass(); }
  WaitingChild(const WaitingChild&) = delete;
  WaitingChild& operator=(const WaitingChild&) = delete;
  ~WaitingChild() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, __WALL);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  Gate ready_, end_;
  pid_t pid_;
};

// Starts a shell through `tracer`, which says its pid and waits for a line.
test::Argv ShellUnder(test::Argv tracer) {
  for (const char* word : {"/bin/sh", "-c", "echo $$; read line"}) tracer.emplace_back(word);
  return tracer;
}

void ExpectTracedBy(const test::Argv& tracer, std::string_view name) {
  test::RunOptions options;
  options.keep_stdin_open = true;
  test::ChildProcess child(ShellUnder(tracer), options);
  const auto line = child.ReadLine();
  ASSERT_TRUE(line) << child.err();
  const Diagnosis diagnosis = DiagnoseAttach(std::stoi(*line));
  EXPECT_TRUE(Blocks(diagnosis, "traced"));
  ASSERT_TRUE(diagnosis.tracer);
  EXPECT_THAT(diagnosis.tracer->name, HasSubstr(std::string(name)));
  EXPECT_THAT(diagnosis.Reason(), HasSubstr(diagnosis.tracer->ToString()));
  child.Send("go\n");
  child.CloseStdin();
  EXPECT_EQ(child.Finish().status, 0);
}

TEST(DoctorAttach, OrdinaryProcessMayBeTraced) {
  const WaitingChild child;
  const Diagnosis diagnosis = DiagnoseAttach(child.pid());
  EXPECT_FALSE(diagnosis.Refused()) << diagnosis.Reason();
  EXPECT_FALSE(diagnosis.tracer);
  EXPECT_TRUE(diagnosis.tracees.empty());
}

TEST(DoctorAttach, LookingAtAProcessDoesNotAttachToIt) {
  const WaitingChild child;
  (void)DiagnoseAttach(child.pid());
  EXPECT_EQ(ReadTaskFacts(child.pid())->tracer, 0);
}

TEST(DoctorAttach, PlainPtraceIsNamedAsTracer) {
  const WaitingChild child;
  ASSERT_EQ(ptrace(PTRACE_SEIZE, child.pid(), nullptr, nullptr), 0);
  const Diagnosis diagnosis = DiagnoseAttach(child.pid());
  EXPECT_TRUE(Blocks(diagnosis, "traced"));
  ASSERT_TRUE(diagnosis.tracer);
  EXPECT_EQ(diagnosis.tracer->process, getpid());
}

TEST(DoctorAttach, TraceesOfAProcessAreListed) {
  const WaitingChild first, second;
  ASSERT_EQ(ptrace(PTRACE_SEIZE, first.pid(), nullptr, nullptr), 0);
  ASSERT_EQ(ptrace(PTRACE_SEIZE, second.pid(), nullptr, nullptr), 0);
  const Diagnosis diagnosis = DiagnoseAttach(getpid());
  ASSERT_EQ(diagnosis.tracees.size(), 2u);
  std::vector<pid_t> pids = {diagnosis.tracees[0].tid, diagnosis.tracees[1].tid};
  EXPECT_THAT(pids, ::testing::UnorderedElementsAre(first.pid(), second.pid()));
}

TEST(DoctorAttach, SearchForTraceesIsBounded) {
  const TraceeScan scan = FindTracees(getpid(), 1);
  EXPECT_FALSE(scan.complete);
}

TEST(DoctorAttach, StraceIsNamedAsTracer) {
  if (access("/usr/bin/strace", X_OK) != 0) GTEST_SKIP() << "strace is not installed";
  ExpectTracedBy({"/usr/bin/strace", "-o", "/dev/null"}, "strace");
}

TEST(DoctorAttach, ZxctlIsNamedAsTracer) { ExpectTracedBy({test::ZxctlPath(), "run", "--"}, "zxtask-tracer"); }

TEST(DoctorAttach, ZombieIsCalledOne) {
  const pid_t child = probe::Fork([] { return 0; });
  siginfo_t info = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(Blocks(DiagnoseAttach(child), "zombie"));
  waitpid(child, nullptr, 0);
}

TEST(DoctorAttach, ReapedProcessIsMissing) {
  const pid_t child = probe::Fork([] { return 0; });
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(Blocks(DiagnoseAttach(child), "no-such-pid"));
}

TEST(DoctorAttach, KernelThreadIsCalledOne) {
  const auto second = ReadTaskFacts(2);
  if (!second || second->name != "kthreadd") GTEST_SKIP() << "no kernel thread can be seen here";
  EXPECT_TRUE(Blocks(DiagnoseAttach(2), "kernel-thread"));
}

TEST(DoctorAttach, ProcessCannotTraceItself) { EXPECT_TRUE(Blocks(DiagnoseAttach(getpid()), "self")); }

// What `question` answers as user nobody, in a process of its own.
Answer AsNobody(const probe::Body& question) {
  return probe::RunIsolated([&]() -> Answer {
    if (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0) return {Outcome::kFigure, ""};
    prctl(PR_SET_DUMPABLE, 1);
    return question();
  });
}

Answer ReasonOf(pid_t pid) {
  const Diagnosis diagnosis = DiagnoseAttach(pid);
  return {diagnosis.Refused() ? Outcome::kMissing : Outcome::kOk, diagnosis.Reason()};
}

TEST(DoctorAttach, NobodyMayNotTraceRootsProcess) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become nobody";
  const WaitingChild child;
  const Answer answer = AsNobody([&] { return ReasonOf(child.pid()); });
  EXPECT_EQ(answer.outcome, Outcome::kMissing);
  EXPECT_THAT(answer.detail, HasSubstr("runs as user 0"));
}

TEST(DoctorAttach, ProcessThatIsNotDumpableIsExplained) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become nobody";
  const Answer answer = AsNobody([] {
    const Gate ready, end;
    const pid_t child = probe::Fork([&] { return prctl(PR_SET_DUMPABLE, 0), ready.Open(), end.Pass(), 0; });
    ready.Pass();
    return ReasonOf(child);
  });
  EXPECT_EQ(answer.outcome, Outcome::kMissing);
  EXPECT_THAT(answer.detail, HasSubstr("not dumpable"));
}

TEST(DoctorLaunch, WorksHere) {
  const Diagnosis diagnosis = DiagnoseLaunch();
  EXPECT_FALSE(diagnosis.Refused()) << diagnosis.Reason();
}

TEST(DoctorLaunch, SigchldOfTheCallerStaysAsItWas) {
  signal(SIGCHLD, SIG_IGN);
  const SeizeTrial trial = TrySeize();
  EXPECT_TRUE(trial.ran);
  EXPECT_EQ(trial.error, 0);
  EXPECT_EQ(signal(SIGCHLD, SIG_DFL), SIG_IGN);
}

TEST(DoctorLaunch, ProcessInsideAnotherTracerLearnsItsName) {
  const Answer answer = probe::RunIsolated([]() -> Answer {
    const Gate start;
    const pid_t child = probe::Fork([&]() -> int {
      start.Pass();
      return DiagnoseLaunch().Refused() ? 0 : 1;
    });
    probe::Tracee tracee(child);
    tracee.Seize(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
    start.Open();
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, __WALL)) > 0;) {
      if (pid == child && WIFEXITED(status)) break;
      const bool event = status >> 16 != 0;
      if (WIFSTOPPED(status)) ptrace(PTRACE_CONT, pid, nullptr, event ? 0L : static_cast<long>(WSTOPSIG(status)));
    }
    return {WIFEXITED(status) && WEXITSTATUS(status) == 0 ? Outcome::kOk : Outcome::kMissing, ""};
  });
  EXPECT_EQ(answer.outcome, Outcome::kOk);
}

using Json = nlohmann::json;

TEST(DoctorCommand, JsonHasEveryProbeAndSaysThatItWorks) {
  const test::Outcome outcome = test::RunCommand({test::ZxctlPath(), "doctor", "--json"});
  EXPECT_EQ(outcome.status, 0);
  const Json document = Json::parse(outcome.out);
  EXPECT_EQ(document.at("schema_version"), 1);
  EXPECT_EQ(document.at("works"), true);
  EXPECT_EQ(document.at("launch").at("refused"), false);
  ASSERT_EQ(document.at("probes").size(), KernelProbes().size());
  for (size_t i = 0; i < KernelProbes().size(); ++i) EXPECT_EQ(document["probes"][i]["id"], KernelProbes()[i].id);
}

TEST(DoctorCommand, TextEndsWithTheVerdict) {
  const test::Outcome outcome = test::RunCommand({test::ZxctlPath(), "doctor"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, ::testing::EndsWith("Supervision works here.\n"));
  EXPECT_EQ(outcome.err, "");
}

TEST(DoctorCommand, InsideSupervisionItFailsAndNamesTheTracer) {
  const test::Outcome outcome = test::RunCommand(test::Supervised({test::ZxctlPath(), "doctor"}));
  EXPECT_EQ(test::DescribeStatus(outcome.status), "exit 1");
  EXPECT_THAT(outcome.out, HasSubstr("traced ourselves, by zxtask-tracer"));
  EXPECT_EQ(outcome.err, "");
}

TEST(DoctorCommand, TracerAndTraceeAreToldInJson) {
  const WaitingChild child;
  ASSERT_EQ(ptrace(PTRACE_SEIZE, child.pid(), nullptr, nullptr), 0);
  const test::Argv doctor = {test::ZxctlPath(), "doctor", "--json"};
  const auto ask = [&](pid_t pid) {
    test::Argv argv = doctor;
    argv.push_back(std::to_string(pid));
    return test::RunCommand(argv);
  };
  const test::Outcome of_tracee = ask(child.pid());
  EXPECT_EQ(test::DescribeStatus(of_tracee.status), "exit 1");
  EXPECT_EQ(Json::parse(of_tracee.out).at("traced_by").at("pid"), getpid());
  const test::Outcome of_tracer = ask(getpid());
  EXPECT_EQ(of_tracer.status, 0);
  EXPECT_EQ(Json::parse(of_tracer.out).at("traces").at(0).at("pid"), child.pid());
  EXPECT_EQ(Json::parse(of_tracer.out).at("traced_by"), nullptr);
}

TEST(DoctorCommand, MissingProcessIsAnAnswerAndNoCrash) {
  const pid_t child = probe::Fork([] { return 0; });
  waitpid(child, nullptr, 0);
  const test::Outcome outcome = test::RunCommand({test::ZxctlPath(), "doctor", std::to_string(child)});
  EXPECT_EQ(test::DescribeStatus(outcome.status), "exit 1");
  EXPECT_THAT(outcome.out, HasSubstr("There is no process"));
}

TEST(KernelProbes, EverythingThatRunNeedsIsHere) {
  for (const KernelProbeResult& result : RunKernelProbes()) {
    EXPECT_FALSE(result.Fatal()) << result.probe.name << ": " << result.answer.detail;
  }
}

TEST(KernelProbes, LeaveNoChildrenBehind) {
  (void)RunKernelProbes();
  EXPECT_EQ(waitpid(-1, nullptr, __WALL | WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(KernelProbes, OneThatHangsIsEnded) {
  const Answer answer = probe::RunIsolated([]() -> Answer { return pause(), Answer{Outcome::kOk, ""}; }, kNsPerMs);
  EXPECT_EQ(answer.outcome, Outcome::kMissing);
  EXPECT_THAT(answer.detail, HasSubstr("in time"));
}

TEST(KernelProbes, OneThatDiesIsMissing) {
  const Answer answer = probe::RunIsolated([]() -> Answer { return raise(SIGKILL), Answer{Outcome::kOk, ""}; });
  EXPECT_EQ(answer.outcome, Outcome::kMissing);
  EXPECT_THAT(answer.detail, HasSubstr("died"));
}

}  // namespace
}  // namespace zxctl
