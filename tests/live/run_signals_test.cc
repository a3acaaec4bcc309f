// Job control and signals under `zxctl run` are those of an unsupervised run.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "support/proc_view.h"
#include "support/programs32.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

std::string UnderscoredName(const ::testing::TestParamInfo<const char*>& info) {
  return Replaced(info.param, "-", "_");
}

class JobControl : public ::testing::TestWithParam<const char*> {};

TEST_P(JobControl, GivesTheParentTheSameStatuses) {
  for (const std::string& program : BothWidths("target_jobs")) {
    SCOPED_TRACE(program);
    const Twins twins = ExpectSameAsBare({TargetPath(program), GetParam()});
    EXPECT_NE(twins.bare.out, "");
    EXPECT_EQ(DescribeStatus(twins.bare.status), "exit 0");
  }
}

INSTANTIATE_TEST_SUITE_P(All, JobControl,
                         ::testing::Values("sequence", "kill-stopped", "self-stop", "threads", "while-cloning",
                                           "handlers", "child-signals", "no-cldstop", "orphaned"),
                         UnderscoredName);

struct SignalCase {
  std::string name;
  int full = 0;
  int quick = 0;
};

void PrintTo(const SignalCase& signal_case, std::ostream* out) { *out << signal_case.name; }

class Signals : public ::testing::TestWithParam<SignalCase> {
 protected:
  static void ExpectSameSignals(const std::string& program) {
    constexpr int kEmulated = 5'000;
    const int quick = IsEmulated() ? std::min(GetParam().quick, kEmulated) : GetParam().quick;
    const std::string count = std::to_string(Scaled(GetParam().full, quick));
    const Twins twins = ExpectSameAsBare({TargetPath(program), GetParam().name, count}, {.timeout_s = Scaled(300, 90)});
    EXPECT_EQ(DescribeStatus(twins.bare.status), "exit 0");
    EXPECT_NE(twins.bare.out, "");
  }
};

TEST_P(Signals, AreTheSameAsBare) { ExpectSameSignals("target_signals"); }

TEST_P(Signals, Of32BitProgramsAreTheSameAsBare) {
  ZX_NEEDS_PROGRAMS32();
  ExpectSameSignals("target_signals32");
}

INSTANTIATE_TEST_SUITE_P(All, Signals,
                         ::testing::Values(SignalCase{"info"}, SignalCase{"faults"},
                                           SignalCase{"many-faults", 100'000, 5'000},
                                           SignalCase{"context", 100'000, 5'000}, SignalCase{"handlers"},
                                           SignalCase{"pending"}, SignalCase{"signalfd"},
                                           SignalCase{"storm", 100'000, 100'000}, SignalCase{"threads", 5'000, 300}),
                         [](const auto& info) { return Replaced(info.param.name, "-", "_"); });

class FatalSignal : public ::testing::TestWithParam<const char*> {};

TEST_P(FatalSignal, KillsAsBareAndIsReportedOnce) {
  for (const std::string& program : BothWidths("target_signals")) {
    SCOPED_TRACE(program);
    const Twins twins = RunTwins({TargetPath(program), GetParam()}, {}, {"--report=json"});
    EXPECT_EQ(DescribeStatus(twins.bare.status), DescribeStatus(twins.supervised.status));
    EXPECT_TRUE(WIFSIGNALED(twins.bare.status));
    EXPECT_EQ(SplitLines(twins.supervised.err).size(), 1U) << twins.supervised.err;
  }
}

INSTANTIATE_TEST_SUITE_P(All, FatalSignal,
                         ::testing::Values("blocked-fault", "ignored-fault", "reraise", "abort-caught", "overflow"),
                         UnderscoredName);

// ---- the program itself under job control, seen by the parent of zxctl -----------------------------------------------

int WaitFor(pid_t pid, int options) {
  int status = -1;
  return waitpid(pid, &status, options) == pid ? status : -1;
}

TEST(RunJobControl, ParentOfTheProgramSeesStopsAndContinuations) {
  for (const int signo : {SIGSTOP, SIGTTIN, SIGTTOU, SIGTSTP}) {
    ChildProcess child(Supervised({"cat"}), {.keep_stdin_open = true, .before_exec = [] { setpgid(0, 0); }});
    child.Send("up\n");
    ASSERT_TRUE(child.Expect("up\n"));
    child.Signal(signo);
    // The group is no orphan, since its parent is in another group of the same session.
    EXPECT_EQ(DescribeStatus(WaitFor(child.pid(), WUNTRACED)), "stopped " + std::to_string(signo));
    child.Signal(SIGCONT);
    EXPECT_TRUE(WIFCONTINUED(WaitFor(child.pid(), WCONTINUED)));
    child.Send("again\n");
    EXPECT_TRUE(child.Expect("again\n"));
    EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
  }
}

TEST(RunJobControl, StoppedProgramThatIsKilledDiesOfTheKill) {
  ChildProcess child(Supervised({"cat"}), {.keep_stdin_open = true});
  child.Send("up\n");
  ASSERT_TRUE(child.Expect("up\n"));
  child.Signal(SIGSTOP);
  EXPECT_EQ(DescribeStatus(WaitFor(child.pid(), WUNTRACED)), "stopped 19");
  child.Signal(SIGKILL);
  EXPECT_EQ(DescribeStatus(child.Finish().status), "signal 9");
}

TEST(RunJobControl, TerminalKeysReachTheProgram) {
  for (const char* key : {"\x03", "\x1c"}) {
    const auto press = [&](const Argv& argv) {
      ChildProcess child(argv, {.pty = true});
      child.Send("up\n");
      EXPECT_TRUE(child.Expect("up\r\nup\r\n"));
      child.Send(key);
      return DescribeStatus(child.Finish().status);
    };
    EXPECT_EQ(press({"cat"}), press(Supervised({"cat"}, {"--report=none"})));
  }
}

}  // namespace
}  // namespace zxctl::test
