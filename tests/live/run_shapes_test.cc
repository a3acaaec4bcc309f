// Every shape of process and thread runs under `zxctl run` as it runs without.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <filesystem>

#include "support/proc_view.h"
#include "support/programs32.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

constexpr uid_t kNobody = 65534;

struct Shape {
  std::string name;
  int full = 0;   // how many times, with ZX_SOAK=1
  int quick = 0;  // and without
};

void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.name; }

std::string ShapeName(const ::testing::TestParamInfo<Shape>& info) { return Replaced(info.param.name, "-", "_"); }

class ShapeOf : public ::testing::TestWithParam<Shape> {
 protected:
  static void ExpectSameShape(const std::string& program) {
    AdoptOrphans();
    const int count = Scaled(GetParam().full, GetParam().quick);
    const Twins twins =
        ExpectSameAsBare({TargetPath(program), GetParam().name, std::to_string(count)}, {.timeout_s = Scaled(300, 90)});
    EXPECT_NE(twins.bare.out, "");
    EXPECT_TRUE(WIFEXITED(twins.bare.status));
    EXPECT_TRUE(NoDescendantIsLeft()) << "the tracer outlives the program";
  }
};

TEST_P(ShapeOf, ProcessesIsTheSameAsBare) { ExpectSameShape("target_shapes"); }

TEST_P(ShapeOf, ProcessesOfA32BitProgramIsTheSameAsBare) {
  ZX_NEEDS_PROGRAMS32();
  ExpectSameShape("target_shapes32");
}

INSTANTIATE_TEST_SUITE_P(All, ShapeOf,
                         ::testing::Values(Shape{"exec-thread"}, Shape{"exec-storm", 500, 40}, Shape{"vfork", 500, 50},
                                           Shape{"clone-flags"}, Shape{"clone-parent"},
                                           Shape{"clone-thread", 10'000, 300}, Shape{"clone3"},
                                           Shape{"thread-storm", 100'000, 4'000}, Shape{"fork-storm", 5'000, 300},
                                           Shape{"many-threads", 4'000, 500}, Shape{"kill-storm", 2'000, 60},
                                           Shape{"leader-exits"}, Shape{"leader-exits-then-exec"}),
                         ShapeName);

// ---- seccomp ---------------------------------------------------------------------------------------------------------

class SeccompAction : public ::testing::TestWithParam<const char*> {};

TEST_P(SeccompAction, ActsAsWithoutSupervision) {
  for (const std::string& program : BothWidths("target_seccomp")) {
    SCOPED_TRACE(program);
    ExpectSameAsBare({TargetPath(program), GetParam()}, {}, {"--report=none"});
  }
}

INSTANTIATE_TEST_SUITE_P(All, SeccompAction,
                         ::testing::Values("errno", "trap", "trap-unhandled", "kill-process", "kill-thread", "trace"),
                         [](const auto& info) { return Replaced(info.param, "-", "_"); });

TEST(RunSeccomp, DeathByThePolicyIsReportedAsAPolicyError) {
  for (const char* way : {"trap-unhandled", "kill-process"}) {
    SCOPED_TRACE(way);
    const Outcome outcome = RunCommand(Supervised({TargetPath("target_seccomp"), way}, {"--report=json"}));
    EXPECT_EQ(WTERMSIG(outcome.status), SIGSYS);
    EXPECT_NE(outcome.err.find("\"policy-error\""), std::string::npos) << outcome.err;
  }
}

TEST(RunSeccomp, ProgramThatHandlesThePolicyIsNotReported) {
  for (const char* way : {"trap", "errno"}) {
    const Outcome outcome = RunCommand(Supervised({TargetPath("target_seccomp"), way}));
    EXPECT_EQ(outcome.err, "");
  }
}

// ---- io_uring --------------------------------------------------------------------------------------------------------

TEST(RunIoUring, WorkersWorkAsWithoutSupervision) { ExpectSameAsBare({TargetPath("target_uring")}); }

TEST(RunIoUring, ProgramWithWorkersThatCrashesIsReportedAndDiesAsBare) {
  const Twins twins = RunTwins({TargetPath("target_uring"), "crash"}, {}, {"--report=json"});
  EXPECT_EQ(twins.bare.status, twins.supervised.status);
  EXPECT_EQ(twins.bare.out, twins.supervised.out);
  EXPECT_NE(twins.supervised.err.find("\"fatal-page-fault\""), std::string::npos) << twins.supervised.err;
}

// ---- privileges, namespaces, roots ----------------------------------------------------------------------------------

// A directory with a copy of a target that everybody can reach.
std::string CopyOfTarget(const TempDir& dir, const std::string& name, unsigned mode) {
  chmod(dir.path().c_str(), 0755);
  const std::string copy = dir.Path(name);
  std::filesystem::copy_file(TargetPath(name), copy);
  chmod(copy.c_str(), mode);
  return copy;
}

TEST(RunPrivileges, SetuidProgramLosesItsPrivilegesAndIsToldSo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a setuid program";
  const TempDir dir;
  const std::string program = CopyOfTarget(dir, "target_identity", 04755);
  const RunOptions as_nobody{.cwd = "/", .uid = kNobody};
  const Outcome bare = RunCommand({program}, as_nobody);
  ASSERT_NE(bare.out.find("uid 65534 0 "), std::string::npos) << "this file system does not honour setuid";
  const Outcome supervised = RunCommand(Supervised({program}), as_nobody);
  EXPECT_NE(supervised.out.find("uid 65534 65534 "), std::string::npos);
  EXPECT_EQ(DescribeStatus(supervised.status), "exit 0");
  EXPECT_NE(supervised.err.find("privilege"), std::string::npos) << supervised.err;
}

TEST(RunPrivileges, SetuidProgramDeeperInTheTreeIsNamedToo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a setuid program";
  const TempDir dir;
  const std::string program = CopyOfTarget(dir, "target_identity", 04755);
  const Outcome supervised =
      RunCommand(Supervised({"sh", "-c", program + " > /dev/null; echo went on"}), {.cwd = "/", .uid = kNobody});
  EXPECT_EQ(supervised.out, "went on\n");
  EXPECT_NE(supervised.err.find("privilege"), std::string::npos) << supervised.err;
  EXPECT_NE(supervised.err.find("target_identity"), std::string::npos) << supervised.err;
}

TEST(RunPrivileges, SetuidProgramOfRootKeepsItsPrivilegesSilently) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a setuid program";
  const TempDir dir;
  const std::string program = CopyOfTarget(dir, "target_identity", 04755);
  ExpectSameAsBare({program}, {}, {}, [](const std::string& text) { return Replaced(text, "^pid [0-9]+\n", ""); });
}

TEST(RunPrivileges, OrdinaryUserSeesTheSameIdentity) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const TempDir dir;
  const std::string program = CopyOfTarget(dir, "target_identity", 0755);
  ExpectSameAsBare({program}, {.cwd = "/", .uid = kNobody}, {},
                   [](const std::string& text) { return Replaced(text, "^pid [0-9]+\n", ""); });
}

TEST(RunNamespaces, ProgramsInAPidNamespaceRunAsBare) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a PID namespace";
  ExpectSameAsBare({"unshare", "-pf", "--mount-proc", "sh", "-c", "echo $$; sh -c 'echo $$ $PPID; exit 4'; echo $?"});
  ExpectSameAsBare({"unshare", "-pf", TargetPath("target_shapes"), "fork-storm", "50"});
  ExpectSameAsBare({"unshare", "-pf", TargetPath("target_shapes"), "exec-storm", "10"});
}

TEST(RunNamespaces, CrashInAPidNamespaceIsReported) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a PID namespace";
  const Argv argv = {"unshare", "-pf", "sh", "-c", TargetPath("target_end") + " fault; echo status $?"};
  const Outcome outcome = RunCommand(Supervised(argv, {"--report=json"}));
  EXPECT_EQ(outcome.out, "status 139\n");
  EXPECT_NE(outcome.err.find("\"fatal-page-fault\""), std::string::npos) << outcome.err;
}

TEST(RunNamespaces, CrashInAChrootIsReportedAndDiesAsBare) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to change the root";
  const TempDir dir;
  CopyOfTarget(dir, "target_end_static", 0755);
  const Argv argv = {"chroot", dir.path(), "/target_end_static", "fault"};
  const Twins twins = RunTwins(argv, {}, {"--report=json"});
  EXPECT_EQ(twins.bare.status, twins.supervised.status);
  EXPECT_NE(twins.supervised.err.find("\"fatal-page-fault\""), std::string::npos) << twins.supervised.err;
}

// ---- a crowd ---------------------------------------------------------------------------------------------------------

// What bench_events says of `hot` threads among `threads` that raise signals at their heart's content.
struct CrowdFigures {
  long raised = 0;
  long handled = -1;
  long longest_ns = 0;
};

CrowdFigures MeasureCrowd(const Argv& prefix, int threads, int hot, int events) {
  Argv argv = prefix;
  for (const std::string& word :
       {TargetPath("../bench/bench_events"), std::to_string(threads), std::to_string(hot), std::to_string(events)}) {
    argv.push_back(word);
  }
  const Outcome outcome = RunCommand(argv);
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0") << outcome.err;
  CrowdFigures figures;
  for (const std::string& line : SplitLines(outcome.out)) {
    const size_t equals = line.find('=');
    const std::string name = line.substr(0, equals);
    const long value = equals == std::string::npos ? 0 : std::stol(line.substr(equals + 1));
    if (name == "raised") figures.raised = value;
    if (name == "handled") figures.handled = value;
    if (name == "max") figures.longest_ns = value;
  }
  return figures;
}

// Lateness counts the time a thread waits for a CPU, too. On a busy machine the bare follower, which looks at every tracee
// at every stop, says how long that is.
TEST(RunCrowd, SixtyFourHotThreadsAmongFourThousandLoseNoStopAndNoneIsLate) {
  if (IsEmulated())
    GTEST_SKIP() << "how late a stop is taken up is the emulator's there, and the follower is not built";
  constexpr long kLateNs = 5'000'000;
  long least = LONG_MAX;
  long bare = 0;
  for (int round = 0; round < 3; round++) {
    const CrowdFigures ours = MeasureCrowd(Supervised({}), 4000, 64, 100);
    EXPECT_EQ(ours.raised, 6400);
    EXPECT_EQ(ours.handled, ours.raised);
    least = std::min(least, ours.longest_ns);
    bare = std::max(bare, MeasureCrowd({TargetPath("../bench/bare_follower")}, 4000, 64, 100).longest_ns);
  }
  EXPECT_LE(least, std::max(kLateNs, bare));
}

// ---- programs that trace ---------------------------------------------------------------------------------------------

TEST(RunTracing, ProgramThatTracesGetsTheKernelsOwnRefusal) {
  const Outcome outcome = RunCommand(Supervised({TargetPath("target_ptrace")}));
  EXPECT_EQ(outcome.out, "ATTACH EPERM\nSEIZE EPERM\nTRACEME EPERM\n");
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0");
}

TEST(RunTracing, StraceAndGdbInsideFailAndEndByThemselves) {
  const std::vector<Argv> tracers = {{"strace", "-o", "/dev/null", "true"},
                                     {"gdb", "-nx", "-batch", "-ex", "run", "true"}};
  for (const Argv& argv : tracers) {
    const Outcome outcome =
        RunCommand(Supervised({"sh", "-c", "\"$@\" 2>&1; echo; echo alive", "sh", argv[0], argv[1], argv[2], argv[3]}));
    EXPECT_FALSE(outcome.timed_out) << argv[0];
    EXPECT_NE(outcome.out.find("alive"), std::string::npos) << outcome.out;
  }
  const Outcome strace = RunCommand(Supervised(tracers[0]));
  EXPECT_NE(strace.status, 0);
  EXPECT_NE(strace.err.find("Operation not permitted"), std::string::npos) << strace.err;
}

}  // namespace
}  // namespace zxctl::test
