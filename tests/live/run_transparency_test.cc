// What a program and its parent see is the same with and without `zxctl run`.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "support/proc_view.h"
#include "support/programs32.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

void ExpectExit(const Outcome& outcome, int code) {
  EXPECT_EQ(DescribeStatus(outcome.status), "exit " + std::to_string(code)) << outcome.err;
}

std::string WithoutPid(const std::string& text) { return Replaced(text, "^pid [0-9]+\r?\n", ""); }

class IdentityOf : public ::testing::TestWithParam<std::string> {};

TEST_P(IdentityOf, ProgramWithPipesIsTheSameAsBare) {
  const Twins twins = ExpectSameAsBare({TargetPath(GetParam())}, {}, {}, WithoutPid);
  ExpectExit(twins.supervised, 0);
  EXPECT_NE(twins.supervised.out.find("waitpid -1 ECHILD\nchildren cpu 0 0 faults 0 0 switches 0\n"),
            std::string::npos);
}

TEST_P(IdentityOf, ProgramOnATerminalIsTheSameAsBare) {
  const Twins twins = ExpectSameAsBare({TargetPath(GetParam())}, {.pty = true}, {}, WithoutPid);
  EXPECT_NE(twins.supervised.out.find("foreground self"), std::string::npos);
}

// Everything that a shell or a service manager can set before it starts a program.
void SetUnusualAttributes() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signo : {SIGUSR1, SIGCHLD, SIGRTMIN + 3, SIGTRAP, SIGSEGV}) sigaddset(&set, signo);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGHUP, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  raise(SIGUSR1);
  sigqueue(getpid(), SIGRTMIN + 3, {.sival_int = 7});
  umask(027);
  setpriority(PRIO_PROCESS, 0, 5);
  const rlimit files{.rlim_cur = 300, .rlim_max = 400};
  const rlimit core{.rlim_cur = 0, .rlim_max = 4096};
  setrlimit(RLIMIT_NOFILE, &files);
  setrlimit(RLIMIT_CORE, &core);
  const itimerval timer{.it_interval = {}, .it_value = {.tv_sec = 1000, .tv_usec = 0}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  personality(ADDR_NO_RANDOMIZE);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_TIMERSLACK, 70000);
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
}

TEST_P(IdentityOf, ProgramWithUnusualAttributesIsTheSameAsBare) {
  const TempDir dir;
  const UniqueFd file(open(dir.Write("data", "x").c_str(), O_RDWR | O_APPEND));
  const RunOptions options{.env = {"ZX_SOMETHING=with = signs", "LD_BIND_NOW=1"},
                           .cwd = dir.path(),
                           .fds = {{file.get(), 7}, {file.get(), 200}},
                           .before_exec = SetUnusualAttributes};
  const Argv argv = {TargetPath(GetParam()), dir.Path("out")};
  ExpectExit(RunCommand(argv, options), 0);
  const std::string bare = FileText(dir.Path("out"));
  ExpectExit(RunCommand(Supervised(argv), options), 0);
  const std::string supervised = FileText(dir.Path("out"));
  EXPECT_EQ(LineDifferences(WithoutPid(bare), WithoutPid(supervised)), "");
  EXPECT_NE(supervised.find("signal 10 ignored 0 flags 0 blocked 1 pending 1"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Machine, IdentityOf, ::testing::ValuesIn(BothWidths("target_identity")));

TEST(RunTransparency, ProgramRunsInThePidOfZxctl) {
  ChildProcess child(Supervised({TargetPath("target_identity")}));
  EXPECT_EQ(child.ReadLine().value_or(""), "pid " + std::to_string(child.pid()));
  ExpectExit(child.Finish(), 0);
}

TEST(RunTransparency, EveryExitCodeIsTheProgramsOwn) {
  const int step = IsEmulated() ? 15 : 1;
  for (int code = 0; code < 256; code += step) {
    const Outcome outcome = RunCommand(Supervised({TargetPath("target_end"), "exit", std::to_string(code)}));
    ExpectExit(outcome, code);
    EXPECT_EQ(outcome.err, "");
  }
}

std::vector<int> TerminatingSignals() {
  std::vector<int> signals;
  const std::vector<int> harmless = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, 32, 33};
  for (int signo = 1; signo <= 64; signo++) {
    if (std::find(harmless.begin(), harmless.end(), signo) == harmless.end()) signals.push_back(signo);
  }
  return signals;
}

void AllowCores() {
  const rlimit unlimited{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  setrlimit(RLIMIT_CORE, &unlimited);
}

void ForbidCores() {
  const rlimit none{.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
  setrlimit(RLIMIT_CORE, &none);
}

std::vector<std::string> WithoutNumbers(std::vector<std::string> names) {
  for (std::string& name : names) name = Replaced(name, "[0-9]+", "N");
  return names;
}

void ExpectSameDeath(const Argv& argv, void (*limits)()) {
  const TempDir bare_dir;
  const TempDir supervised_dir;
  const Outcome bare = RunCommand(argv, {.cwd = bare_dir.path(), .before_exec = limits});
  const Outcome supervised =
      RunCommand(Supervised(argv, {"--report=none"}), {.cwd = supervised_dir.path(), .before_exec = limits});
  EXPECT_EQ(DescribeStatus(supervised.status), DescribeStatus(bare.status));
  EXPECT_EQ(supervised.status, bare.status);
  EXPECT_EQ(WithoutNumbers(supervised_dir.List()), WithoutNumbers(bare_dir.List())) << "core files differ";
  EXPECT_EQ(supervised.err, "");
}

TEST(RunTransparency, DeathByEverySignalLeavesTheSameStatusWithoutCores) {
  for (const int signo : TerminatingSignals()) {
    SCOPED_TRACE(strsignal(signo));
    ExpectSameDeath({TargetPath("target_end"), "signal", std::to_string(signo)}, ForbidCores);
  }
}

TEST(RunTransparency, DeathByEverySignalLeavesTheSameStatusAndCoreFile) {
  for (const int signo : TerminatingSignals()) {
    SCOPED_TRACE(strsignal(signo));
    ExpectSameDeath({TargetPath("target_end"), "signal", std::to_string(signo)}, AllowCores);
  }
}

class WayToEnd : public ::testing::TestWithParam<const char*> {};

TEST_P(WayToEnd, LeavesTheSameStatus) {
  for (const std::string& program : BothWidths("target_end")) {
    Argv argv = {TargetPath(program)};
    for (const std::string& word : SplitLines(Replaced(GetParam(), " ", "\n"))) argv.push_back(word);
    SCOPED_TRACE(program);
    ExpectSameDeath(argv, AllowCores);
  }
}

INSTANTIATE_TEST_SUITE_P(All, WayToEnd,
                         ::testing::Values("quick-exit 3", "thread-exit 7", "leader-exit 9", "queue 10", "queue 11",
                                           "thread-signal 15", "thread-signal 11", "thread-signal 64", "fault",
                                           "abort"));

class FamilyOf : public ::testing::TestWithParam<const char*> {};

TEST_P(FamilyOf, SupervisedProcessesIsTheSameAsBare) {
  const Twins twins = ExpectSameAsBare({TargetPath("target_family"), GetParam()});
  ExpectExit(twins.supervised, 0);
  EXPECT_NE(twins.supervised.out, "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, FamilyOf, ::testing::Values("subreaper", "death-signal", "orphan", "zombie", "usage"),
                         [](const auto& info) { return Replaced(info.param, "-", "_"); });

TEST(RunTransparency, UsageOfTheProgramIncludesItsChildren) {
  const Outcome outcome = RunCommand(Supervised({TargetPath("target_family"), "usage"}));
  const auto total = outcome.usage.ru_utime.tv_sec * 1'000'000 + outcome.usage.ru_utime.tv_usec +
                     outcome.usage.ru_stime.tv_sec * 1'000'000 + outcome.usage.ru_stime.tv_usec;
  EXPECT_GE(total, 20'000);
}

// ---- the tracer --------------------------------------------------------------------------------------------------

TEST(RunTracer, EndsWithTheProgram) {
  ChildProcess child(Supervised({"cat"}), {.keep_stdin_open = true});
  child.Send("up\n");
  ASSERT_TRUE(child.Expect("up\n"));
  const pid_t tracer = TracerOf(child.pid());
  ASSERT_GT(tracer, 0);
  const UniqueFd pidfd = OpenPidfd(tracer);
  ASSERT_TRUE(pidfd.valid());
  EXPECT_FALSE(ProcessGone(pidfd, 0));
  ExpectExit(child.Finish(), 0);
  EXPECT_TRUE(ProcessGone(pidfd));
}

TEST(RunTracer, IsNoChildOfTheProgramAndHasASessionOfItsOwn) {
  ChildProcess child(Supervised({"cat"}), {.keep_stdin_open = true});
  child.Send("up\n");
  ASSERT_TRUE(child.Expect("up\n"));
  const pid_t tracer = TracerOf(child.pid());
  ASSERT_GT(tracer, 0);
  EXPECT_TRUE(ChildrenOf(child.pid()).empty());
  EXPECT_NE(getsid(tracer), getsid(child.pid()));
  EXPECT_NE(getpgid(tracer), getpgid(child.pid()));
  ExpectExit(child.Finish(), 0);
}

std::string Link(const std::string& path) {
  std::error_code error;
  return std::filesystem::read_symlink(path, error).string();
}

TEST(RunTracer, HoldsNoDescriptorOfTheProgram) {
  const TempDir dir;
  const UniqueFd file(open(dir.Write("data", "x").c_str(), O_RDWR));
  ChildProcess child(Supervised({"cat"}), {.keep_stdin_open = true, .cwd = dir.path(), .fds = {{file.get(), 9}}});
  child.Send("up\n");
  ASSERT_TRUE(child.Expect("up\n"));
  const std::string tracer = "/proc/" + std::to_string(TracerOf(child.pid()));
  const std::string program = "/proc/" + std::to_string(child.pid());
  ASSERT_NE(tracer, "/proc/0");
  for (const auto& entry : std::filesystem::directory_iterator(tracer + "/fd")) {
    for (const int fd : {0, 1, 2, 9}) {
      EXPECT_NE(Link(entry.path()), Link(program + "/fd/" + std::to_string(fd)));
    }
  }
  EXPECT_EQ(Link(tracer + "/cwd"), "/");
  ExpectExit(child.Finish(), 0);
}

// The daemon of target_family: it waits in open() for a writer of its FIFO.
class Daemon {
 public:
  explicit Daemon(const TempDir& dir) : fifo_(dir.Path("fifo")) { mkfifo(fifo_.c_str(), 0600); }
  [[nodiscard]] const std::string& fifo() const { return fifo_; }
  void Adopt(const std::string& output) { pid_ = std::atoi(output.c_str() + output.find("daemon ") + 7); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void End() const {
    int fd = -1;
    EXPECT_TRUE(WaitUntil([&] { return (fd = open(fifo_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0; }));
    close(fd);
  }

 private:
  std::string fifo_;
  pid_t pid_ = 0;
};

TEST(RunTracer, LetsAPipeReachItsEndWhileADaemonLivesAndEndsAfterTheDaemon) {
  const TempDir dir;
  Daemon daemon(dir);
  const Outcome outcome = RunCommand(Supervised({TargetPath("target_family"), "daemon", daemon.fifo()}));
  ExpectExit(outcome, 0);
  EXPECT_FALSE(outcome.timed_out) << "somebody holds the output open";
  daemon.Adopt(outcome.out);
  const pid_t tracer = TracerOf(daemon.pid());
  ASSERT_GT(tracer, 0) << "the daemon is not supervised any more";
  const UniqueFd daemon_fd = OpenPidfd(daemon.pid());
  const UniqueFd tracer_fd = OpenPidfd(tracer);
  EXPECT_FALSE(ProcessGone(tracer_fd, 0));
  daemon.End();
  EXPECT_TRUE(ProcessGone(daemon_fd));
  EXPECT_TRUE(ProcessGone(tracer_fd));
}

TEST(RunTracer, LeavesADaemonThatKeepsItsOutputAlone) {
  const TempDir dir;
  Daemon daemon(dir);
  ChildProcess child(Supervised({TargetPath("target_family"), "chatty-daemon", daemon.fifo()}));
  ASSERT_TRUE(child.Expect("\n"));
  daemon.Adopt(child.out());
  daemon.End();
  EXPECT_TRUE(child.Expect("bye\n"));
  ExpectExit(child.Finish(), 0);
}

TEST(RunTracer, KeepsNoMountBusy) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  const TempDir dir;
  Daemon daemon(dir);
  const std::string point = dir.Path("mount");
  mkdir(point.c_str(), 0700);
  ASSERT_EQ(unshare(CLONE_NEWNS), 0);
  ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(mount("tmpfs", point.c_str(), "tmpfs", 0, "size=1m"), 0);
  const Argv argv = Supervised({TargetPath("target_family"), "daemon", daemon.fifo()});
  const Outcome outcome = RunCommand(argv, {.cwd = point});
  daemon.Adopt(outcome.out);
  EXPECT_GT(TracerOf(daemon.pid()), 0);
  EXPECT_EQ(umount(point.c_str()), 0) << strerror(errno);
  daemon.End();
}

TEST(RunFollow, AllSupervisesChildrenAndThreadsSupervisesTheProgramOnly) {
  for (const std::string follow : {"all", "threads"}) {
    ChildProcess child(Supervised({"sh", "-c", "sleep 1000 & echo $!; read line; kill $!"}, {"--follow=" + follow}),
                       {.keep_stdin_open = true});
    const pid_t grandchild = std::atoi(child.ReadLine().value_or("0").c_str());
    ASSERT_GT(grandchild, 0);
    EXPECT_GT(TracerOf(child.pid()), 0);
    EXPECT_EQ(TracerOf(grandchild), follow == "all" ? TracerOf(child.pid()) : 0);
    child.Send("\n");
    ExpectExit(child.Finish(), 0);
  }
}

}  // namespace
}  // namespace zxctl::test
