// What becomes of programs when the tracer, the reporter or they themselves are killed at a bad moment.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "ring/channel.h"
#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

// Kills the tracer of `pid` and waits until it is gone.
void KillTracerOf(pid_t pid) {
  const pid_t tracer = TracerOf(pid);
  ASSERT_GT(tracer, 0);
  const UniqueFd pidfd = OpenPidfd(tracer);
  ASSERT_EQ(kill(tracer, SIGKILL), 0);
  ASSERT_TRUE(ProcessGone(pidfd));
}

bool Echoes(ChildProcess& child, const std::string& line) {
  child.Send(line + "\n");
  return child.Expect(line + "\n");
}

TEST(TracerDeath, RunningProgramRunsOn) {
  ChildProcess child(Supervised({"cat"}), {.keep_stdin_open = true});
  ASSERT_TRUE(Echoes(child, "before"));
  KillTracerOf(child.pid());
  EXPECT_EQ(TracerOf(child.pid()), 0);
  EXPECT_TRUE(Echoes(child, "after"));
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

TEST(TracerDeath, BusyThreadsAndChildrenRunOn) {
  const std::string script = "for i in 1 2 3 4 5 6 7 8 9 10; do " + TargetPath("target_shapes") +
                             " thread-storm 200; done; echo ready; read line; " + TargetPath("target_shapes") +
                             " fork-storm 50";
  ChildProcess child(Supervised({"sh", "-c", script}), {.keep_stdin_open = true});
  ASSERT_TRUE(child.Expect("threads: 200\n"));
  KillTracerOf(child.pid());
  ASSERT_TRUE(child.Expect("ready\n"));
  child.Send("go\n");
  EXPECT_TRUE(child.Expect("killed 10\n"));
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

TEST(TracerDeath, ProgramInAJobControlStopStaysStoppedAndContinues) {
  ChildProcess child(Supervised({"cat"}), {.keep_stdin_open = true});
  ASSERT_TRUE(Echoes(child, "before"));
  child.Signal(SIGSTOP);
  int status = 0;
  ASSERT_EQ(waitpid(child.pid(), &status, WUNTRACED), child.pid());
  EXPECT_EQ(DescribeStatus(status), "stopped 19");
  KillTracerOf(child.pid());
  EXPECT_TRUE(WaitUntil([&] { return StateOf(child.pid()) == 'T'; }));
  child.Signal(SIGCONT);
  ASSERT_EQ(waitpid(child.pid(), &status, WCONTINUED), child.pid());
  EXPECT_TRUE(WIFCONTINUED(status));
  EXPECT_TRUE(Echoes(child, "after"));
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

TEST(TracerDeath, KillModeKillsTheWholeTree) {
  ChildProcess child(Supervised({"sh", "-c", "sleep 1000 & sleep 1000 & echo ready; wait"}, {"--on-tracer-death=kill"}),
                     {.keep_stdin_open = true});
  ASSERT_TRUE(child.Expect("ready\n"));
  std::vector<UniqueFd> tree;
  for (const pid_t pid : ChildrenOf(child.pid())) tree.push_back(OpenPidfd(pid));
  ASSERT_EQ(tree.size(), 2U);
  KillTracerOf(child.pid());
  for (const UniqueFd& pidfd : tree) EXPECT_TRUE(ProcessGone(pidfd));
  EXPECT_EQ(DescribeStatus(child.Finish().status), "signal 9");
}

// ---- a crash that is held for its report ---------------------------------------------------------------------------

void FillStderr() {
  static char block[4096];
  const int flags = fcntl(2, F_GETFL);
  fcntl(2, F_SETFL, flags | O_NONBLOCK);
  while (write(2, block, sizeof(block)) > 0) {
  }
  while (write(2, block, 1) > 0) {
  }
  fcntl(2, F_SETFL, flags);
}

// A program that has crashed and whose reporter cannot get its report out.
class HeldCrash {
 public:
  explicit HeldCrash(const std::string& budget)
      : child_(Supervised({TargetPath("target_end"), "fault"}, {"--report-budget=" + budget}),
               {.read_stderr = false, .before_exec = FillStderr}) {}

  // True once the reporter runs.
  bool Await() {
    return WaitUntil([&] {
      const pid_t tracer = TracerOf(child_.pid());
      if (tracer == 0 || StateOf(child_.pid()) != 't') return false;
      const std::vector<pid_t> children = ChildrenOf(tracer);
      reporter_ = children.empty() ? 0 : children[0];
      return reporter_ != 0;
    });
  }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  [[nodiscard]] pid_t reporter() const { return reporter_; }
  // The status without anybody having read the report.
  std::string Status() {
    const UniqueFd pidfd = OpenPidfd(child_.pid());
    EXPECT_TRUE(ProcessGone(pidfd)) << "the dying process is still held";
    return DescribeStatus(child_.Finish().status);
  }

 private:
  ChildProcess child_;
  pid_t reporter_ = 0;
};

TEST(TracerDeath, ProgramHeldAtAFaultFaultsAgainAndDiesOfIt) {
  HeldCrash crash("600s");
  ASSERT_TRUE(crash.Await());
  KillTracerOf(crash.pid());
  EXPECT_EQ(crash.Status(), "signal 11");
}

TEST(ReporterDeath, ProgramDiesOfItsFault) {
  HeldCrash crash("600s");
  ASSERT_TRUE(crash.Await());
  ASSERT_EQ(kill(crash.reporter(), SIGKILL), 0);
  EXPECT_EQ(crash.Status(), "signal 11");
}

TEST(ReporterDeath, ReporterThatCannotGetItsReportOutIsEndedAtTheBudget) {
  HeldCrash crash("1s");
  EXPECT_EQ(crash.Status(), "signal 11");
}

// What is said when a script stands in for the reporter.
std::string SaidOfReporter(const std::string& script) {
  const TempDir dir;
  const std::filesystem::path bin = std::filesystem::path(ZxctlPath()).parent_path();
  for (const char* name : {"zxctl", "zxtask-tracer"}) std::filesystem::copy_file(bin / name, dir.Path(name));
  EXPECT_EQ(chmod(dir.Write("zxtask-report", "#!/bin/sh\n" + script + "\n").c_str(), 0755), 0);
  const Outcome outcome = RunCommand({dir.Path("zxctl"), "run", "--", TargetPath("target_end"), "fault"});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  return outcome.err;
}

TEST(ReporterDeath, IsSaidAsItWas) {
  EXPECT_NE(SaidOfReporter("kill -9 $$").find("no full report: the reporter died of signal 9"), std::string::npos);
  EXPECT_NE(SaidOfReporter("exit 7").find("no full report: the reporter ended with status 7"), std::string::npos);
  EXPECT_EQ(SaidOfReporter("exit 0"), "");
}

// ---- a front end that dies ------------------------------------------------------------------------------------------

TEST(FrontEndDeath, TracerThatItHasNotToldWhatToDoLeaves) {
  const pid_t front_end = fork();
  if (front_end == 0) _exit(0);
  ASSERT_EQ(waitpid(front_end, nullptr, 0), front_end);
  auto channel = ring::Channel::Create(4096);
  ASSERT_TRUE(channel.has_value());
  const std::string tracer = std::filesystem::path(ZxctlPath()).parent_path() / "zxtask-tracer";
  // It would wait ten seconds for a front end that lives.
  const Outcome outcome =
      RunCommand({tracer, "3", std::to_string(front_end), ""}, {.timeout_s = 8, .fds = {{channel->fd(), 3}}});
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 1");
}

TEST(HeldProgram, DiesOfAKillAtOnce) {
  HeldCrash crash("600s");
  ASSERT_TRUE(crash.Await());
  ASSERT_EQ(kill(crash.pid(), SIGKILL), 0);
  EXPECT_EQ(crash.Status(), "signal 9");
}

TEST(HeldProgram, DoesNotKeepOthersWaiting) {
  const std::string script = TargetPath("target_end") + " fault & echo ready; cat; echo the end";
  ChildProcess child(Supervised({"sh", "-c", script}, {"--report-budget=600s"}),
                     {.keep_stdin_open = true, .read_stderr = false, .before_exec = FillStderr});
  ASSERT_TRUE(child.Expect("ready\n"));
  const pid_t tracer = TracerOf(child.pid());
  ASSERT_TRUE(WaitUntil([&] { return !ChildrenOf(tracer).empty(); }));
  EXPECT_TRUE(Echoes(child, "still alive"));
  const pid_t reporter = ChildrenOf(tracer).empty() ? 0 : ChildrenOf(tracer)[0];
  ASSERT_GT(reporter, 0);
  kill(reporter, SIGKILL);
  child.CloseStdin();
  EXPECT_TRUE(child.Expect("the end\n"));
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

}  // namespace
}  // namespace zxctl::test
