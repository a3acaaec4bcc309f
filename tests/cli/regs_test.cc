// `zxctl regs` on programs that run.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "general_registers.h"
#include "support/programs32.h"

namespace zxctl::test {
namespace {

using Json = nlohmann::json;

// target_held with a thread whose registers are known, and which finds out whether they still are.
class KnownRegisters {
 public:
  KnownRegisters() {
    EXPECT_TRUE(child_.Expect("ready "));
    tid_ = std::stoi(child_.ReadLine().value_or("0"));
  }
  [[nodiscard]] std::string pid() const { return std::to_string(child_.pid()); }
  [[nodiscard]] std::string tid() const { return std::to_string(tid_); }
  // How many registers have changed, and nobody holds it any more.
  void ExpectChanged(int count) {
    EXPECT_TRUE(IsFree(child_.pid()));
    child_.CloseStdin();
    EXPECT_TRUE(child_.Expect("registers " + std::to_string(count) + " bytes 0")) << child_.out();
    EXPECT_EQ(DescribeStatus(child_.Finish().status), "exit 0");
  }

 private:
  ChildProcess child_{{TargetPath("target_held"), "registers"}, {.keep_stdin_open = true}};
  pid_t tid_ = 0;
};

// A process that answers, and then ends, as it would have.
class Answering {
 public:
  explicit Answering(const std::string& mode) : child_({TargetPath("target_held"), mode}, {.keep_stdin_open = true}) {
    EXPECT_TRUE(child_.Expect("ready"));
  }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  [[nodiscard]] std::string id() const { return std::to_string(child_.pid()); }
  ChildProcess& child() { return child_; }
  void ExpectAnswer() {
    child_.Send("g");
    EXPECT_TRUE(child_.Expect("alive"));
  }
  void ExpectEnd(const std::string& last = "") {
    child_.CloseStdin();
    if (!last.empty()) {
      EXPECT_TRUE(child_.Expect(last)) << child_.out();
    }
    EXPECT_EQ(DescribeStatus(child_.Finish().status), "exit 0");
  }

 private:
  ChildProcess child_;
};

Json ParseJson(const Outcome& outcome) {
  Json document = Json::parse(outcome.out, nullptr, false);
  EXPECT_TRUE(document.is_object()) << outcome.out << outcome.err;
  return document;
}

uint64_t ValueOf(const Json& thread, const std::string& name) {
  return std::stoull(thread.at("general").at(name).get<std::string>(), nullptr, 16);
}

// ---- reading ---------------------------------------------------------------------------------------------------------

TEST(Regs, OfAThreadAreTheOnesItHas) {
  KnownRegisters program;
  const Outcome outcome = Zxctl({"regs", program.tid()});
  ExpectDone(outcome);
  const std::vector<std::string> lines = SplitLines(outcome.out);
  ASSERT_GT(lines.size(), 2U);
  EXPECT_EQ(lines[0], "thread " + program.tid() + " (target_held)");
  const auto has_line = [&](const std::string& name, const std::string& value) {
    return std::find_if(lines.begin(), lines.end(), [&](const std::string& line) {
             return line.find("  " + name + " ") == 0 && line.ends_with(" " + value);
           }) != lines.end();
  };
  EXPECT_TRUE(has_line(kSecondKnownName, "0x0000000000002222")) << outcome.out;
  EXPECT_TRUE(has_line(kLastKnownName, "0x000000000000ffff")) << outcome.out;
  program.ExpectChanged(0);
}

TEST(Regs, OfAProcessAreThoseOfAllItsThreads) {
  KnownRegisters program;
  const Outcome outcome = Zxctl({"regs", program.pid(), "--json"});
  ExpectDone(outcome);
  const Json document = ParseJson(outcome);
  EXPECT_EQ(document["schema_version"], 1);
  EXPECT_EQ(document["pid"], std::stoi(program.pid()));
  ASSERT_EQ(document["threads"].size(), 2U);
  EXPECT_EQ(document["threads"][0]["tid"], std::stoi(program.pid()));
  EXPECT_EQ(document["threads"][1]["tid"], std::stoi(program.tid()));
  EXPECT_EQ(document["threads"][1]["name"], "target_held");
  EXPECT_EQ(ValueOf(document["threads"][1], kSecondKnownName), 0x2222U);
  const Json first = ParseJson(Zxctl({"regs", program.pid(), "--thread", "--json"}));
  ASSERT_EQ(first["threads"].size(), 1U);
  EXPECT_EQ(first["threads"][0]["tid"], std::stoi(program.pid()));
  program.ExpectChanged(0);
}

TEST(Regs, OfAShellThatWaitsForALine) {
  ChildProcess shell({"/bin/sh", "-c", "echo ready; read line; echo \"got $line\""}, {.keep_stdin_open = true});
  EXPECT_TRUE(shell.Expect("ready"));
  for (int i = 0; i < 5; ++i) ExpectDone(Zxctl({"regs", std::to_string(shell.pid())}));
  EXPECT_TRUE(IsFree(shell.pid()));
  shell.Send("a line\n");
  EXPECT_TRUE(shell.Expect("got a line"));
  EXPECT_EQ(DescribeStatus(shell.Finish().status), "exit 0");
}

TEST(Regs, OfAllThreadsOfPython) {
  const std::string script = R"(
import sys, threading
gate = threading.Event()
threads = [threading.Thread(target=gate.wait) for _ in range(5)]
for thread in threads: thread.start()
print('ready', flush=True)
sys.stdin.readline()
gate.set()
for thread in threads: thread.join()
print('joined')
)";
  ChildProcess python({"/usr/bin/python3", "-c", script}, {.keep_stdin_open = true});
  ASSERT_TRUE(python.Expect("ready")) << python.err();
  const Json document = ParseJson(Zxctl({"regs", std::to_string(python.pid()), "--json"}));
  ASSERT_EQ(document["threads"].size(), 6U);
  for (const Json& thread : document["threads"]) EXPECT_NE(ValueOf(thread, kPcName), 0U);
  EXPECT_TRUE(IsFree(python.pid()));
  python.Send("go\n");
  EXPECT_TRUE(python.Expect("joined")) << python.err();
  EXPECT_EQ(DescribeStatus(python.Finish().status), "exit 0");
}

TEST(Regs, OfAProcessThatIsStoppedLeaveItStopped) {
  Answering program("wait");
  program.child().Signal(SIGSTOP);
  EXPECT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'T'; }));
  ExpectDone(Zxctl({"regs", program.id()}));
  EXPECT_EQ(TracerOf(program.pid()), 0);
  // A thread that is let go in a group stop runs a moment, to stop again.
  EXPECT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 'T'; }));
  program.child().Signal(SIGCONT);
  program.ExpectAnswer();
  program.ExpectEnd();
}

class RegsOfABlockedCall : public testing::TestWithParam<const char*> {};

TEST_P(RegsOfABlockedCall, DoNotEndIt) {
  ChildProcess child({TargetPath("target_blocking"), GetParam(), "80000", "ignore"}, {.keep_stdin_open = true});
  EXPECT_TRUE(child.Expect("blocked "));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(WaitUntil([&] { return BlockedCallOf(child.pid()).has_value(); }));
    ExpectDone(Zxctl({"regs", std::to_string(child.pid())}));
    EXPECT_TRUE(IsFree(child.pid()));
  }
  child.Send("g");
  const Outcome outcome = child.Finish();
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0") << outcome.err;
  EXPECT_EQ(outcome.out.find("EINTR"), std::string::npos) << outcome.out;
}

INSTANTIATE_TEST_SUITE_P(Calls, RegsOfABlockedCall,
                         testing::Values("epoll_wait", "recv", "rt_sigtimedwait", "poll", "futex_wait"));

TEST(RegsKind, OfVectorsAreReadAndSetInTheirWholeLength) {
  KnownRegisters program;
  const std::string name = kSecondVectorName;
  const Argv words = {"regs", program.tid(), "--kind", kVectorKind, "--json"};
  const Json before = ParseJson(Zxctl(words));
  const auto value = before["threads"][0][kVectorKind][name].get<std::string>();
  EXPECT_TRUE(value.ends_with("00002222")) << value;
  Argv set = words;
  // The digits of the whole register.
  const std::string wide = "0x" + std::string(value.size() - 4, '0') + "77";
  set.insert(set.end(), {"--set", name + "=" + wide});
  const Json after = ParseJson(Zxctl(set));
  EXPECT_EQ(after["threads"][0][kVectorKind][name], wide);
  program.ExpectChanged(1);
}

#if defined(__x86_64__)
TEST(RegsKind, OfTheFpuAreNamedAndBounded) {
  KnownRegisters program;
  const Outcome outcome = Zxctl({"regs", program.tid(), "--kind", "fp"});
  ExpectDone(outcome);
  EXPECT_NE(outcome.out.find("  fcw      0x037f\n"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("  st7      0x00000000000000000000\n"), std::string::npos) << outcome.out;
  ExpectRefused(Zxctl({"regs", program.tid(), "--kind", "fp", "--set", "fcw=0x10000"}), 125,
                {"fcw", "16 bits", "0x10000"});
  ExpectRefused(Zxctl({"regs", program.tid(), "--kind", "fp", "--set", "fcw=65536"}), 125, {"fcw", "16 bits", "65536"});
  ExpectRefused(Zxctl({"regs", program.tid(), "--kind", "vector", "--set", "mxcsr=0xffffffff"}), 1,
                {"zx_thread_write_state", "mxcsr"});
  program.ExpectChanged(0);
}

TEST(RegsKind, OfDebugRegistersAreForReadingOnly) {
  KnownRegisters program;
  const Outcome outcome = Zxctl({"regs", program.tid(), "--kind", "debug"});
  ExpectDone(outcome);
  EXPECT_NE(outcome.out.find("  dr0      0x0000000000000000\n"), std::string::npos) << outcome.out;
  ExpectRefused(Zxctl({"regs", program.tid(), "--kind", "debug", "--set", "dr0=1"}), 125, {"breakpoints"});
  program.ExpectChanged(0);
}
#endif

// ---- setting ---------------------------------------------------------------------------------------------------------

TEST(RegsSet, ChangesWhatTheThreadHas) {
  KnownRegisters program;
  const std::string set = std::string(kSecondKnownName) + "=0x1234";
  const std::string other = std::string(kLastKnownName) + "=-2";
  const Outcome outcome = Zxctl({"regs", "--set", set, "--set", other, program.tid(), "--json"});
  ExpectDone(outcome);
  const Json document = ParseJson(outcome);
  EXPECT_EQ(ValueOf(document["threads"][0], kSecondKnownName), 0x1234U);
  EXPECT_EQ(ValueOf(document["threads"][0], kLastKnownName), ~uint64_t{1});
  program.ExpectChanged(2);
}

TEST(RegsSet, OfATrapAfterTheNextInstructionEndsAsTheProcessIsLetGo) {
  if (kTrapAfterNext == nullptr) GTEST_SKIP() << "no register of a program's has it";
  for (const bool alone : {false, true}) {
    Answering program("wait");
    Argv words = {"regs", "--set", kTrapAfterNext, program.id()};
    if (alone) words.emplace_back("--thread");
    ExpectDone(Zxctl(words));
    program.ExpectAnswer();
    program.ExpectEnd();
  }
}

TEST(RegsSet, MovesAThreadToAFunctionByItsName) {
  ChildProcess child({TargetPath("target_start")}, {.keep_stdin_open = true});
  ASSERT_TRUE(child.ReadLine());
  const std::string pid = std::to_string(child.pid());
  const Outcome started = Zxctl({"start-thread", pid, "--pc", "spinner", "--sp", "scratch_stack+512"});
  ExpectDone(started);
  std::vector<pid_t> tids = ReadThreadIds(child.pid());
  std::erase(tids, child.pid());
  ASSERT_EQ(tids.size(), 1U);
  ExpectDone(Zxctl({"regs", std::to_string(tids[0]), "--set", std::string(kPcName) + "=target_start!exiter+0"}));
  EXPECT_TRUE(WaitUntil([&] { return ReadThreadIds(child.pid()).size() == 1; })) << "it spins on";
  child.CloseStdin();
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

TEST(RegsSet, IsAllOrNothing) {
  if (!kRefusesKernelPc) GTEST_SKIP() << "this machine refuses no value";
  KnownRegisters program;
  const std::string good = std::string(kSecondKnownName) + "=7";
  const std::string bad = std::string(kPcName) + "=0x8000000000000000";
  ExpectRefused(Zxctl({"regs", program.tid(), "--set", good, "--set", bad}), 1,
                {"zx_thread_write_state", kPcName, "user half"});
  const std::string unknown = std::string(kPcName) + "=no_such_function";
  ExpectRefused(Zxctl({"regs", program.tid(), "--set", good, "--set", unknown}), 1, {"no_such_function", "nm"});
  program.ExpectChanged(0);
}

TEST(RegsSet, OfSeveralThreadsAsksWhich) {
  KnownRegisters program;
  const std::string set = std::string(kSecondKnownName) + "=7";
  ExpectRefused(Zxctl({"regs", program.pid(), "--set", set}), 1, {"2 threads", "/task", "--thread"});
  program.ExpectChanged(0);
}

// ---- what is refused -------------------------------------------------------------------------------------------------

TEST(RegsUsage, NamesWhatIsWrong) {
  const std::string self = std::to_string(getpid());
  ExpectRefused(Zxctl({"regs"}), 125, {"TASK", "zxctl regs --help"});
  ExpectRefused(Zxctl({"regs", "sh"}), 125, {"TASK", "sh", "id of a process"});
  ExpectRefused(Zxctl({"regs", "0"}), 125, {"TASK"});
  ExpectRefused(Zxctl({"regs", self, "--set", "no_register=1"}), 125, {"no_register", kPcName, kLastKnownName});
  ExpectRefused(Zxctl({"regs", self, "--set", kPcName}), 125, {kPcName, "NAME=VALUE"});
  ExpectRefused(Zxctl({"regs", self, "--set", std::string(kPcName) + "=12q"}), 125, {"12q", "0x1f"});
  ExpectRefused(Zxctl({"regs", self, "--set", std::string(kPcName) + "=0x10000000000000000"}), 125, {"64 bits"});
  const std::string set = std::string(kPcName) + "=1";
  ExpectRefused(Zxctl({"regs", self, "--set", set, "--set", set}), 125, {kPcName, "twice"});
  ExpectRefused(Zxctl({"regs", self, "--timeout", "soon"}), 125, {"--timeout", "soon"});
  ExpectRefused(Zxctl({"regs", self, "--kind", "all"}), 125, {"--kind", "general", "vector"});
  ExpectRefused(Zxctl({"regs", self, "--kind", "fp", "--set", std::string(kPcName) + "=1"}), 125,
                {kPcName, "--kind fp"});
}

TEST(RegsRefused, WhereThereIsNoSuchTask) {
  // Above any pid_max.
  ExpectRefused(Zxctl({"regs", "4194304"}), 1, {"4194304", "no process or thread"});
}

TEST(RegsRefused, OfAProcessThatIsTracedAlready) {
  ChildProcess child(Supervised({TargetPath("target_held"), "wait"}), {.keep_stdin_open = true});
  EXPECT_TRUE(child.Expect("ready"));
  const pid_t tracer = TracerOf(child.pid());
  ExpectRefused(Zxctl({"regs", std::to_string(child.pid())}), 1, {"traced by", std::to_string(tracer)});
  EXPECT_EQ(TracerOf(child.pid()), tracer);
  child.Send("g");
  EXPECT_TRUE(child.Expect("alive"));
  child.CloseStdin();
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

TEST(RegsRefused, WithoutPermission) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  Answering program("wait");
  const Outcome outcome = Zxctl({"regs", program.id()}, {.cwd = "/", .uid = kNobody});
  ExpectRefused(outcome, 1, {"cannot trace process " + program.id(), "zxctl doctor " + program.id(), "EPERM"});
  EXPECT_TRUE(IsFree(program.pid()));
  program.ExpectEnd();
}

TEST(RegsRefused, OfA32BitProgram) {
  ZX_NEEDS_PROGRAMS32();
  ChildProcess child({TargetPath("target_blocking32"), "poll", "80000", "ignore"}, {.keep_stdin_open = true});
  EXPECT_TRUE(child.Expect("blocked "));
  const std::string pid = std::to_string(child.pid());
  ExpectRefused(Zxctl({"regs", pid}), 1, {"thread " + pid, "zx_thread_read_state", "32-bit"});
  const Outcome json = Zxctl({"regs", pid, "--json"});
  EXPECT_EQ(DescribeStatus(json.status), "exit 1");
  EXPECT_NE(ParseJson(json)["threads"][0]["error"].get<std::string>().find("32-bit"), std::string::npos);
  EXPECT_TRUE(IsFree(child.pid()));
  child.Send("g");
  EXPECT_EQ(DescribeStatus(child.Finish().status), "exit 0");
}

TEST(RegsRefused, OfAThreadThatCannotBeStoppedWithThoseOfTheOthers) {
  Answering program("vforker");
  const Outcome outcome = Zxctl({"regs", program.id(), "--timeout", "100ms"});
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 1");
  EXPECT_EQ(outcome.out.find("thread " + program.id() + " (target_held)\n"), 0U) << outcome.out;
  EXPECT_EQ(SplitLines(outcome.err).size(), 1U) << outcome.err;
  EXPECT_NE(outcome.err.find("does not stop"), std::string::npos) << outcome.err;
  EXPECT_TRUE(WaitUntil([&] { return !IsTracedOrStopped(program.pid()); }));
  program.ExpectAnswer();
  program.ExpectEnd("child 0");
}

// ---- the end of zxctl ------------------------------------------------------------------------------------------------

class RegsInterrupted : public testing::TestWithParam<int> {};

// A thread that does not stop holds it while another one is stopped.
TEST_P(RegsInterrupted, LetsEverybodyGo) {
  Answering program("vforker");
  ChildProcess zxctl(ZxctlWords({"regs", program.id(), "--timeout", "1h"}));
  EXPECT_TRUE(WaitUntil([&] { return StateOf(program.pid()) == 't'; })) << "it was never stopped";
  const UniqueFd tracer = OpenPidfd(TracerOf(program.pid()));
  zxctl.Signal(GetParam());
  EXPECT_EQ(DescribeStatus(zxctl.Finish().status), "signal " + std::to_string(GetParam()));
  // The other one cannot be let go before it gets on; it is traced, but not stopped, until then.
  EXPECT_TRUE(WaitUntil([&] { return !IsTracedOrStopped(program.pid()); }));
  program.ExpectAnswer();
  program.ExpectEnd("child 0");
  EXPECT_TRUE(ProcessGone(tracer)) << "the tracer is there still";
}

INSTANTIATE_TEST_SUITE_P(By, RegsInterrupted, testing::Values(SIGINT, SIGTERM, SIGHUP, SIGKILL));

}  // namespace
}  // namespace zxctl::test
