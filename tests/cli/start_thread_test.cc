// `zxctl start-thread` on programs that run.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <sstream>

#include "cli/verbs.h"
#include "support/programs32.h"

namespace zxctl::test {
namespace {

// target_start, which says where its pieces are and what its threads have counted.
class Startable {
 public:
  static constexpr uint64_t kStackBytes = 64 * 1024;

  explicit Startable(const std::string& mode = "plain")
      : child_({TargetPath("target_start"), mode}, {.keep_stdin_open = true}) {
    std::istringstream words(child_.ReadLine().value_or(""));
    for (std::string name, value; words >> name >> value;) places_[name] = std::stoull(value, nullptr, 16);
  }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  [[nodiscard]] std::string id() const { return std::to_string(child_.pid()); }
  [[nodiscard]] std::string at(const std::string& name) const { return std::to_string(places_.at(name)); }
  // The end of a stack.
  [[nodiscard]] std::string Stack() const { return at("stacks") + "+" + std::to_string(kStackBytes); }
  ChildProcess& child() { return child_; }

  Outcome Start(const std::string& pc, const Argv& more = {}) {
    Argv words = {"start-thread", id(), "--pc", pc, "--sp", Stack()};
    words.insert(words.end(), more.begin(), more.end());
    return Zxctl(words);
  }
  // The id that was reported, of a thread that is there or has been.
  pid_t StartedTid(const Outcome& outcome) {
    ExpectDone(outcome);
    EXPECT_EQ(Replaced(outcome.out, "^thread [0-9]+", "thread TID"),
              "thread TID started in target_start (process " + id() + ")\n");
    EXPECT_TRUE(IsFree(pid()));
    pid_t tid = 0;
    std::istringstream(outcome.out.substr(std::string("thread").size())) >> tid;
    return tid;
  }
  [[nodiscard]] bool Has(pid_t tid) const {
    const std::vector<pid_t> tids = ReadThreadIds(pid());
    return std::find(tids.begin(), tids.end(), tid) != tids.end();
  }
  // The line behind "seen", and the number behind "counter".
  std::pair<std::string, long> Ask() {
    child_.Send("p");
    const std::string seen = child_.ReadLine().value_or("");
    std::istringstream second(child_.ReadLine().value_or(""));
    std::string word;
    long counter = -1;
    second >> word >> counter;
    return {seen, counter};
  }
  void ExpectUnhurt() {
    EXPECT_TRUE(IsFree(pid()));
    EXPECT_EQ(Ask().second, 0);
    EXPECT_EQ(ReadThreadIds(pid()).size(), 1U);
    ExpectEnd();
  }
  void ExpectEnd() {
    child_.CloseStdin();
    EXPECT_EQ(DescribeStatus(child_.Finish().status), "exit 0");
  }

 private:
  ChildProcess child_;
  std::map<std::string, uint64_t> places_;
};

// ---- what is started -------------------------------------------------------------------------------------------------

TEST(StartThread, RunsAFunctionByItsNameWithItsArguments) {
  Startable program;
  program.StartedTid(program.Start("thread_entry", {"--arg1", "6", "--arg2", "0x7"}));
  EXPECT_TRUE(WaitUntil([&] { return program.Ask().second == 42; }));
  EXPECT_TRUE(WaitUntil([&] { return ReadThreadIds(program.pid()).size() == 1; }));
  program.ExpectEnd();
}

TEST(StartThread, ReportsTheIdOfAThreadThatRunsOn) {
  Startable program;
  const pid_t tid = program.StartedTid(program.Start("spinner"));
  EXPECT_TRUE(program.Has(tid));
  EXPECT_EQ(StateOf(tid), 'R');
  EXPECT_EQ(program.Ask().second, 0) << "the others run on too";
  program.child().Send("s");
  EXPECT_TRUE(WaitUntil([&] { return !program.Has(tid); }));
  program.ExpectEnd();
}

TEST(StartThread, TakesEveryWayToWriteAnAddress) {
  Startable program;
  const Argv ways = {"exiter",     "exiter+0",           "target_start!exiter",
                     "exiter-0x0", program.at("exiter"), program.at("exiter") + "+0x0"};
  for (const std::string& pc : ways) {
    SCOPED_TRACE(pc);
    const pid_t tid = program.StartedTid(program.Start(pc));
    EXPECT_TRUE(WaitUntil([&] { return !program.Has(tid); }));
  }
  program.ExpectEnd();
}

TEST(StartThread, TakesTheIdOfAnyThreadForItsProcess) {
  Startable program("crowd");
  EXPECT_TRUE(WaitUntil([&] { return ReadThreadIds(program.pid()).size() == 4; }));
  const std::string tid = std::to_string(ReadThreadIds(program.pid()).back());
  const Outcome outcome =
      Zxctl({"start-thread", tid, "--pc", "thread_entry", "--sp", program.Stack(), "--arg1", "3", "--arg2", "5"});
  program.StartedTid(outcome);
  EXPECT_TRUE(WaitUntil([&] { return program.Ask().second == 15; }));
  program.ExpectEnd();
}

// Its files in /proc are empty.
TEST(StartThread, InAProcessWhoseFirstThreadHasExited) {
  Startable program("headless");
  ASSERT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'Z'; }));
  program.StartedTid(program.Start("thread_entry", {"--arg1", "3", "--arg2", "7"}));
  EXPECT_TRUE(WaitUntil([&] { return program.Ask().second == 21; }));
  program.ExpectEnd();
}

TEST(StartThread, SetsEveryRegisterThatIsGiven) {
  Startable program;
  const pid_t tid = program.StartedTid(program.Start(
      "recorder", {"--arg1=-1", "--arg2", "0x8000000000000000", "--tp", "0x7ffffffff123", "--abi-reg", "77"}));
  EXPECT_TRUE(WaitUntil([&] { return !program.Has(tid); }));
  std::istringstream words(program.Ask().first);
  const std::vector<std::string> seen{std::istream_iterator<std::string>(words), {}};
  // The order of struct Seen.
  ASSERT_GT(seen.size(), 5U);
  EXPECT_EQ(seen[2], "ffffffffffffffff");
  EXPECT_EQ(seen[3], "8000000000000000");
  EXPECT_EQ(seen[4], "7ffffffff123");
  EXPECT_EQ(seen[5], "4d");
  program.ExpectEnd();
}

#if defined(__x86_64__)
TEST(StartThread, RefusesAThreadPointerAsTheLibraryDoes) {
  Startable program;
  ExpectRefused(program.Start("exiter", {"--tp", "0x1234567800000000"}), 1,
                {"zx_thread_start_regs", "tp 0x1234567800000000", "canonical"});
  program.ExpectUnhurt();
}
#endif

TEST(StartThread, UncheckedStartsWhatFaultsAndTheProcessDiesOfIt) {
  Startable program;
  ExpectRefused(program.Start("0x1230"), 1, {"--pc", "0x1230", "not executable", "--unchecked"});
  EXPECT_EQ(program.Ask().second, 0);
  // Where the process has died before it was let go, that is told as well.
  const Outcome started = program.Start("0x1230", {"--unchecked"});
  EXPECT_NE((started.out + started.err).find(" started in target_start"), std::string::npos) << started.err;
  EXPECT_EQ(DescribeStatus(program.child().Finish().status).substr(0, 9), "signal 11");
}

// ---- names -----------------------------------------------------------------------------------------------------------

class NamesProgram {
 public:
  NamesProgram() { EXPECT_TRUE(child_.Expect("ready")); }
  Outcome Start(const std::string& pc) {
    return Zxctl({"start-thread", std::to_string(child_.pid()), "--pc", pc, "--sp", "0", "--unchecked"});
  }
  [[nodiscard]] size_t threads() const { return ReadThreadIds(child_.pid()).size(); }
  void ExpectEnd() {
    EXPECT_TRUE(IsFree(child_.pid()));
    child_.CloseStdin();
    EXPECT_EQ(DescribeStatus(child_.Finish().status), "exit 0");
  }

 private:
  ChildProcess child_{{TargetPath("target_names")}, {.keep_stdin_open = true}};
};

TEST(StartThreadName, OfCxxIsItsSourceForm) {
  NamesProgram program;
  for (const char* pc : {"names::Spin", "names::Spin(int*)", "_ZN5names4SpinEPi", "target_names!names::Spin"}) {
    SCOPED_TRACE(pc);
    const size_t before = program.threads();
    ExpectDone(program.Start(pc));
    EXPECT_EQ(program.threads(), before + 1);
  }
  program.ExpectEnd();
}

TEST(StartThreadName, ThatIsUnknownSaysWhereToLook) {
  NamesProgram program;
  ExpectRefused(program.Start("no_such_function"), 1, {"--pc", "no_such_function", "nm -C"});
  ExpectRefused(program.Start("no_such.so!main"), 1, {"no_such.so", "main"});
  ExpectRefused(program.Start("names::Spin(long)"), 1, {"names::Spin(long)"});
  program.ExpectEnd();
}

TEST(StartThreadName, OfTwoFunctionsListsTheirAddresses) {
  NamesProgram program;
  const Outcome outcome = program.Start("twin");
  ExpectRefused(outcome, 1, {"twin", "2 things", " in target_names", "give the address"});
  ExpectRefused(program.Start("target_names!twin"), 1, {"2 things"});
  program.ExpectEnd();
}

TEST(StartThreadName, OfAFunctionThatIsChosenAtTheStartIsRefused) {
  NamesProgram program;
  ExpectRefused(program.Start("chosen"), 1, {"chosen", "not one function"});
  program.ExpectEnd();
}

TEST(StartThreadName, OfAVariableIsNotExecutable) {
  Startable program;
  ExpectRefused(program.Start("scratch_stack"), 1, {"--pc", "not executable"});
  program.ExpectUnhurt();
}

// ---- what is refused -------------------------------------------------------------------------------------------------

TEST(StartThreadUsage, NamesWhatIsWrong) {
  const std::string self = std::to_string(getpid());
  ExpectRefused(Zxctl({"start-thread"}), 125, {"zxctl start-thread --help"});
  ExpectRefused(Zxctl({"start-thread", self, "--sp", "1"}), 125, {"--pc"});
  ExpectRefused(Zxctl({"start-thread", self, "--pc", "main"}), 125, {"--sp"});
  ExpectRefused(Zxctl({"start-thread", self, "--pc", "1main", "--sp", "1"}), 125,
                {"--pc", "1main", "libc.so.6!getpid"});
  ExpectRefused(Zxctl({"start-thread", self, "--pc", "", "--sp", "1"}), 125, {"--pc"});
  ExpectRefused(Zxctl({"start-thread", self, "--pc", "main", "--sp", "1", "--arg1", "0xg"}), 125, {"--arg1", "0xg"});
}

TEST(StartThreadRefused, WhereSpIsNoStack) {
  Startable program;
  ExpectRefused(Zxctl({"start-thread", program.id(), "--pc", "exiter", "--sp", "0x100"}), 1,
                {"--sp", "0x100", "writable", "--unchecked"});
  // Code is mapped, and cannot be written.
  ExpectRefused(Zxctl({"start-thread", program.id(), "--pc", "exiter", "--sp", "spinner"}), 1, {"--sp", "writable"});
  program.ExpectUnhurt();
}

TEST(StartThreadRefused, WithAPcOfTheKernelInTheLibrarysWords) {
  Startable program;
  ExpectRefused(program.Start("0xffffffff80000000"), 1, {"zx_thread_start_regs", "pc 0xffffffff80000000"});
  program.ExpectUnhurt();
}

TEST(StartThreadRefused, WhereTheProgramMayMakeNone) {
  Startable program("errno");
  ExpectRefused(program.Start("exiter"), 1, {"zx_thread_create", "seccomp"});
  program.ExpectUnhurt();
}

TEST(StartThreadRefused, OfAProcessThatIsTracedAlready) {
  ChildProcess child(Supervised({TargetPath("target_start")}), {.keep_stdin_open = true});
  ASSERT_TRUE(child.ReadLine());
  const pid_t tracer = TracerOf(child.pid());
  const Outcome outcome =
      Zxctl({"start-thread", std::to_string(child.pid()), "--pc", "exiter", "--sp", "scratch_stack+512"});
  ExpectRefused(outcome, 1, {"traced by", std::to_string(tracer)});
  EXPECT_EQ(TracerOf(child.pid()), tracer);
  child.CloseStdin();
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

TEST(StartThreadRefused, WithoutPermission) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  Startable program;
  const RunOptions as_nobody{.cwd = "/", .uid = kNobody};
  const Argv words = {"start-thread", program.id(), "--pc", "exiter", "--sp", program.Stack()};
  ExpectRefused(Zxctl(words, as_nobody), 1, {"cannot trace process " + program.id(), "zxctl doctor " + program.id()});
  program.ExpectUnhurt();
}

TEST(StartThreadRefused, InA32BitProgram) {
  ZX_NEEDS_PROGRAMS32();
  ChildProcess child({TargetPath("target_blocking32"), "poll", "80000", "ignore"}, {.keep_stdin_open = true});
  EXPECT_TRUE(child.Expect("blocked "));
  const Outcome outcome =
      Zxctl({"start-thread", std::to_string(child.pid()), "--pc", "main", "--sp", "0", "--unchecked"});
  ExpectRefused(outcome, 1, {"32-bit"});
  EXPECT_TRUE(IsFree(child.pid()));
  child.Send("g");
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

// ---- the end of zxctl ------------------------------------------------------------------------------------------------

TEST(StartThreadKilled, AtAnyMomentLeavesTheProgramRunningUntraced) {
  Startable program;
  for (int round = 0; round < Scaled(500, 25); ++round) {
    ChildProcess zxctl(
        ZxctlWords({"start-thread", program.id(), "--pc", program.at("exiter"), "--sp", program.Stack()}));
    const UniqueFd end = OpenPidfd(zxctl.pid());
    // From the moment at which it traces the process; some rounds are over before that is seen.
    EXPECT_TRUE(WaitUntil([&] { return TracerOf(program.pid()) != 0 || ProcessGone(end, 0); }));
    zxctl.Signal(SIGKILL);
    (void)zxctl.Finish();
    EXPECT_TRUE(WaitUntil([&] { return IsFree(program.pid()); }));
    EXPECT_TRUE(WaitUntil([&] { return ReadThreadIds(program.pid()).size() == 1; })) << "a thread was left behind";
  }
  EXPECT_EQ(program.Ask().second, 0);
  program.ExpectEnd();
}

}  // namespace
}  // namespace zxctl::test
