// The doctor's judgement, fed with texts of /proc and facts made up here.
#include "supervisor/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

namespace zxctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kAllCapabilities = 0x1FFFFFFFFFF;

constexpr std::string_view kUserStatus =
    "Name:\tredis-server\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t812\nNgid:\t0\nPid:\t815\nPPid:\t1\n"
    "TracerPid:\t4242\nUid:\t1000\t1001\t1002\t1001\nGid:\t100\t101\t102\t101\nNStgid:\t812\t7\nNSpid:\t815\t9\n"
    "Kthread:\t0\nVmSize:\t  1234 kB\nCapPrm:\t0000000000080000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n"
    "Seccomp:\t2\n";
constexpr std::string_view kKernelStatus =
    "Name:\tkthreadd\nState:\tS (sleeping)\nTgid:\t2\nPid:\t2\nPPid:\t0\nTracerPid:\t0\nUid:\t0\t0\t0\t0\n"
    "Gid:\t0\t0\t0\t0\nThreads:\t1\n";
constexpr std::string_view kZombieStatus =
    "Name:\tgone\nState:\tZ (zombie)\nTgid:\t9\nPid:\t9\nPPid:\t3\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n";

TaskFacts Task(pid_t pid, uint32_t uid) {
  TaskFacts task;
  task.tid = task.process = pid;
  task.parent = 1;
  task.name = "prog";
  task.state = 'S';
  task.uid = task.gid = {uid, uid, uid};
  return task;
}

TaskFacts Root() {
  TaskFacts self = Task(100, 0);
  self.permitted_capabilities = self.effective_capabilities = kAllCapabilities;
  return self;
}

TaskFacts User() { return Task(100, 1000); }

AttachFacts Target(TaskFacts task) {
  AttachFacts facts;
  facts.pid = task.tid;
  facts.task = std::move(task);
  return facts;
}

HostFacts Yama(int scope) {
  HostFacts host;
  host.yama_scope = scope;
  return host;
}

const SeizeTrial kAllowed = {.ran = true};
const SeizeTrial kRefused = {.ran = true, .error = EPERM};

const Finding* Find(const Diagnosis& diagnosis, std::string_view topic, FindingKind kind) {
  for (const Finding& finding : diagnosis.findings) {
    if (finding.topic == topic && finding.kind == kind) return &finding;
  }
  return nullptr;
}

bool Blocks(const Diagnosis& diagnosis, std::string_view topic) {
  return Find(diagnosis, topic, FindingKind::kBlocker) != nullptr;
}

TEST(ParseTaskStatus, ReadsEveryField) {
  const auto task = ParseTaskStatus(kUserStatus);
  ASSERT_TRUE(task);
  EXPECT_EQ(task->name, "redis-server");
  EXPECT_EQ(task->state, 'S');
  EXPECT_EQ(task->tid, 815);
  EXPECT_EQ(task->process, 812);
  EXPECT_EQ(task->parent, 1);
  EXPECT_EQ(task->tracer, 4242);
  EXPECT_EQ(task->uid.real, 1000u);
  EXPECT_EQ(task->uid.effective, 1001u);
  EXPECT_EQ(task->uid.saved, 1002u);
  EXPECT_EQ(task->gid.saved, 102u);
  EXPECT_EQ(task->permitted_capabilities, 0x80000u);
  EXPECT_TRUE(HasCapability(task->permitted_capabilities, kCapSysPtrace));
  EXPECT_FALSE(HasCapability(task->effective_capabilities, kCapSysPtrace));
  EXPECT_EQ(task->seccomp_mode, 2);
  EXPECT_TRUE(task->no_new_privileges);
  EXPECT_FALSE(task->kernel_thread);
  EXPECT_THAT(task->namespace_pids, ElementsAre(815, 9));
}

TEST(ParseTaskStatus, KernelThreadIsKnownWithAndWithoutItsLine) {
  EXPECT_TRUE(ParseTaskStatus(kKernelStatus)->kernel_thread);
  EXPECT_TRUE(ParseTaskStatus(std::string(kKernelStatus) + "Kthread:\t1\n")->kernel_thread);
}

TEST(ParseTaskStatus, ZombieIsNoKernelThreadAlthoughItHasNoMemory) {
  const auto task = ParseTaskStatus(kZombieStatus);
  EXPECT_TRUE(task->IsZombie());
  EXPECT_FALSE(task->kernel_thread);
}

TEST(ParseTaskStatus, RefusesWhatIsNoStatusFile) {
  EXPECT_FALSE(ParseTaskStatus(""));
  EXPECT_FALSE(ParseTaskStatus("Pid:\n"));
  EXPECT_FALSE(ParseTaskStatus("Pid:\tx\nName:\ty\n"));
  EXPECT_FALSE(ParseTaskStatus("no colon at all"));
}

TEST(ParseTaskStatus, SurvivesEveryTruncation) {
  for (size_t size = 0; size <= kUserStatus.size(); ++size) {
    const auto task = ParseTaskStatus(kUserStatus.substr(0, size));
    EXPECT_TRUE(!task || task->tid > 0) << size;
  }
}

TEST(YamaScope, IsANumberOrNothing) {
  EXPECT_EQ(ParseYamaScope("0\n"), 0);
  EXPECT_EQ(ParseYamaScope("3\n"), 3);
  EXPECT_FALSE(ParseYamaScope(""));
  EXPECT_FALSE(ParseYamaScope("1 2"));
  EXPECT_FALSE(ParseYamaScope("classic"));
}

TEST(UserNamespace, OnlyTheFullIdentityMapIsTheInitialOne) {
  EXPECT_FALSE(IsMappedUserNamespace("         0          0 4294967295\n"));
  EXPECT_TRUE(IsMappedUserNamespace("         0       1000          1\n"));
  EXPECT_TRUE(IsMappedUserNamespace("0 100000 65536\n1000 1000 1\n"));
  EXPECT_TRUE(IsMappedUserNamespace(""));
}

TEST(CommandLine, IsPrintableAndBounded) {
  EXPECT_EQ(PrintableCommandLine(std::string_view("sh\0-c\0a b\0", 10)), "sh -c a b");
  EXPECT_EQ(PrintableCommandLine("x\n\x1b[2Jy"), "x??[2Jy");
  EXPECT_EQ(PrintableCommandLine(std::string(500, 'a'), 10), "aaaaaaaaaa...");
  EXPECT_EQ(PrintableCommandLine(""), "");
}

TEST(JudgeLaunch, WorksWithoutYama) {
  const Diagnosis diagnosis = JudgeLaunch(HostFacts{}, User(), kAllowed);
  EXPECT_FALSE(diagnosis.Refused());
  EXPECT_EQ(diagnosis.Reason(), "");
}

TEST(JudgeLaunch, YamaZeroAndOneAllowIt) {
  EXPECT_FALSE(JudgeLaunch(Yama(0), User(), kAllowed).Refused());
  EXPECT_FALSE(JudgeLaunch(Yama(1), User(), kAllowed).Refused());
}

TEST(JudgeLaunch, YamaTwoNeedsTheCapability) {
  const Diagnosis user = JudgeLaunch(Yama(2), User(), kRefused);
  EXPECT_TRUE(Blocks(user, "yama"));
  EXPECT_THAT(user.Reason(), HasSubstr("kernel.yama.ptrace_scope=1"));
  EXPECT_FALSE(JudgeLaunch(Yama(2), Root(), kAllowed).Refused());
}

TEST(JudgeLaunch, YamaThreeRefusesRootToo) {
  const Diagnosis root = JudgeLaunch(Yama(3), Root(), kRefused);
  EXPECT_TRUE(Blocks(root, "yama"));
  EXPECT_THAT(root.Reason(), HasSubstr("boot again"));
}

TEST(JudgeLaunch, RefusalUnderSeccompPointsAtTheContainerProfile) {
  TaskFacts self = User();
  self.seccomp_mode = 2;
  const Diagnosis diagnosis = JudgeLaunch(HostFacts{}, self, kRefused);
  EXPECT_TRUE(Blocks(diagnosis, "seize"));
  EXPECT_THAT(diagnosis.Reason(), HasSubstr("seccomp profile"));
}

TEST(JudgeLaunch, DeathOfTheTrialIsBlamedOnSeccomp) {
  const Diagnosis diagnosis = JudgeLaunch(HostFacts{}, User(), {.ran = true, .death_signal = SIGSYS});
  EXPECT_TRUE(Blocks(diagnosis, "seccomp"));
  EXPECT_THAT(diagnosis.Reason(), HasSubstr("SIGSYS"));
}

TEST(JudgeLaunch, WithoutChildrenTheLimitIsNamed) {
  const Diagnosis diagnosis = JudgeLaunch(HostFacts{}, User(), {.ran = false, .error = EAGAIN});
  EXPECT_TRUE(Blocks(diagnosis, "fork"));
  EXPECT_THAT(diagnosis.Reason(), HasSubstr("EAGAIN"));
}

TEST(JudgeLaunch, UnderATracerItIsTheTracerThatIsNamed) {
  HostFacts host;
  host.our_tracer = TaskName{.tid = 77, .process = 77, .name = "strace", .command_line = ""};
  TaskFacts self = Root();
  self.tracer = 77;
  const Diagnosis refused = JudgeLaunch(host, self, kRefused);
  EXPECT_EQ(refused.findings.front().topic, "self-traced");
  EXPECT_THAT(refused.Reason(), HasSubstr("strace (process 77)"));
  // Not every tracer follows children.
  const Diagnosis allowed = JudgeLaunch(host, self, kAllowed);
  EXPECT_FALSE(allowed.Refused());
  EXPECT_NE(Find(allowed, "self-traced", FindingKind::kWarning), nullptr);
}

TEST(JudgeLaunch, BlockersComeFirst) {
  const Diagnosis diagnosis = JudgeLaunch(Yama(3), User(), kRefused);
  for (size_t i = 1; i < diagnosis.findings.size(); ++i) {
    EXPECT_GE(diagnosis.findings[i - 1].kind, diagnosis.findings[i].kind);
  }
}

TEST(JudgeAttach, MissingProcessIsNamed) {
  AttachFacts target;
  target.pid = 4711;
  target.signal_error = ESRCH;
  const Diagnosis diagnosis = JudgeAttach(HostFacts{}, Root(), target);
  EXPECT_TRUE(Blocks(diagnosis, "no-such-pid"));
  EXPECT_THAT(diagnosis.Reason(), HasSubstr("4711"));
}

TEST(JudgeAttach, MissingProcessMayBeInAnotherPidNamespace) {
  HostFacts host;
  host.pid_namespace = true;
  AttachFacts target;
  target.pid = 4711;
  target.signal_error = ESRCH;
  EXPECT_THAT(JudgeAttach(host, Root(), target).Reason(), HasSubstr("another PID namespace"));
}

TEST(JudgeAttach, ProcessHiddenByHidepidIsNotCalledMissing) {
  AttachFacts target;
  target.pid = 4711;
  target.signal_error = EPERM;
  const Diagnosis diagnosis = JudgeAttach(HostFacts{}, User(), target);
  EXPECT_TRUE(Blocks(diagnosis, "hidden"));
  EXPECT_FALSE(Blocks(diagnosis, "no-such-pid"));
}

TEST(JudgeAttach, KernelThreadZombieAndOurselvesAreRefusedForRoot) {
  EXPECT_TRUE(Blocks(JudgeAttach(HostFacts{}, Root(), Target(*ParseTaskStatus(kKernelStatus))), "kernel-thread"));
  const Diagnosis zombie = JudgeAttach(HostFacts{}, Root(), Target(*ParseTaskStatus(kZombieStatus)));
  EXPECT_TRUE(Blocks(zombie, "zombie"));
  EXPECT_THAT(zombie.Reason(), HasSubstr("process 3"));
  EXPECT_TRUE(Blocks(JudgeAttach(HostFacts{}, Root(), Target(Task(100, 0))), "self"));
}

TEST(JudgeAttach, TracerIsNamed) {
  AttachFacts target = Target(Task(200, 0));
  target.task->tracer = 301;
  target.tracer = TaskName{.tid = 301, .process = 300, .name = "gdb", .command_line = "gdb -p 200"};
  const Diagnosis diagnosis = JudgeAttach(HostFacts{}, Root(), target);
  EXPECT_TRUE(Blocks(diagnosis, "traced"));
  EXPECT_THAT(diagnosis.Reason(), HasSubstr("gdb (thread 301 of process 300)"));
}

TEST(JudgeAttach, TracerThatIsOutOfSightStillHasANumber) {
  AttachFacts target = Target(Task(200, 0));
  target.task->tracer = 301;
  EXPECT_THAT(JudgeAttach(HostFacts{}, Root(), target).Reason(), HasSubstr("process 301"));
}

TEST(JudgeAttach, OtherUsersProgramsNeedTheCapability) {
  const Diagnosis user = JudgeAttach(HostFacts{}, User(), Target(Task(200, 1001)));
  EXPECT_TRUE(Blocks(user, "uid"));
  EXPECT_THAT(user.Reason(), HasSubstr("1001"));
  EXPECT_FALSE(JudgeAttach(HostFacts{}, Root(), Target(Task(200, 1001))).Refused());
}

TEST(JudgeAttach, EachOfTheSixIdsMustBeOurs) {
  for (Ids TaskFacts::*ids : {&TaskFacts::uid, &TaskFacts::gid}) {
    for (uint32_t Ids::*id : {&Ids::real, &Ids::effective, &Ids::saved}) {
      TaskFacts task = Task(200, 1000);
      task.*ids.*id = 0;
      EXPECT_TRUE(Blocks(JudgeAttach(HostFacts{}, User(), Target(task)), "uid"));
    }
  }
}

TEST(JudgeAttach, NotDumpableIsExplained) {
  AttachFacts target = Target(Task(200, 1000));
  target.not_dumpable = true;
  target.access_error = EACCES;
  EXPECT_TRUE(Blocks(JudgeAttach(HostFacts{}, User(), target), "dumpable"));
}

TEST(JudgeAttach, CapabilitiesThatWeHaveNotProtectAProgram) {
  TaskFacts task = Task(200, 1000);
  task.permitted_capabilities = 1 << 10;
  EXPECT_TRUE(Blocks(JudgeAttach(HostFacts{}, User(), Target(task)), "capability"));
}

TEST(JudgeAttach, YamaOneIsBlamedOnlyWhenTheKernelRefuses) {
  AttachFacts target = Target(Task(200, 1000));
  EXPECT_FALSE(JudgeAttach(Yama(1), User(), target).Refused());
  target.access_error = EPERM;
  const Diagnosis refused = JudgeAttach(Yama(1), User(), target);
  EXPECT_TRUE(Blocks(refused, "yama"));
  EXPECT_THAT(refused.Reason(), HasSubstr("zxctl run"));
}

TEST(JudgeAttach, YamaTwoAndThreeNeedNoTrial) {
  EXPECT_TRUE(Blocks(JudgeAttach(Yama(2), User(), Target(Task(200, 1000))), "yama"));
  EXPECT_TRUE(Blocks(JudgeAttach(Yama(3), Root(), Target(Task(200, 1000))), "yama"));
}

TEST(JudgeAttach, UnexplainedRefusalIsReportedWithItsErrno) {
  AttachFacts target = Target(Task(200, 0));
  target.access_error = EACCES;
  const Diagnosis diagnosis = JudgeAttach(HostFacts{}, Root(), target);
  EXPECT_TRUE(Blocks(diagnosis, "access"));
  EXPECT_THAT(diagnosis.Reason(), HasSubstr("EACCES"));
  EXPECT_THAT(diagnosis.Reason(), HasSubstr("security module"));
}

TEST(JudgeAttach, CapabilityOfAUserNamespaceIsCalledSo) {
  HostFacts host;
  host.user_namespace = true;
  AttachFacts target = Target(Task(200, 65534));
  target.access_error = EACCES;
  EXPECT_THAT(JudgeAttach(host, Root(), target).Reason(), HasSubstr("user namespace"));
}

TEST(JudgeAttach, ThreadsAndInnerNamespacesAreNoted) {
  TaskFacts task = Task(200, 0);
  task.process = 199;
  task.namespace_pids = {200, 17};
  const Diagnosis diagnosis = JudgeAttach(HostFacts{}, Root(), Target(task));
  EXPECT_FALSE(diagnosis.Refused());
  EXPECT_NE(Find(diagnosis, "thread", FindingKind::kNote), nullptr);
  const Finding* inner = Find(diagnosis, "pid-namespace", FindingKind::kNote);
  ASSERT_NE(inner, nullptr);
  EXPECT_THAT(inner->text, HasSubstr("17"));
}

}  // namespace
}  // namespace zxctl
