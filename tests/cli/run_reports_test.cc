// Crash reports from end to end: who gets one, where, when, in which form.
#include <elf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

using Json = nlohmann::json;

Outcome CrashUnder(const Argv& flags, const Argv& way, const RunOptions& options = {}) {
  Argv argv = {TargetPath("target_crash")};
  argv.insert(argv.end(), way.begin(), way.end());
  return RunCommand(Supervised(argv, flags), options);
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) count++;
  return count;
}

// The public schema accepts the document.
void ExpectValid(const std::string& path) {
  const std::string script =
      "import json, sys, jsonschema\n"
      "jsonschema.validate(json.load(open(sys.argv[2])), json.load(open(sys.argv[1])))\n";
  const Outcome outcome =
      RunCommand({"/usr/bin/python3", "-c", script, SourcePath("docs/crash-report.schema.json"), path});
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0") << outcome.err;
}

TEST(ReportText, SaysWhatWhyAndWhereOnStandardError) {
  const Outcome outcome = CrashUnder({}, {"null"});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  EXPECT_EQ(outcome.out, "");
  for (const char* part :
       {"fatal-page-fault", "SIGSEGV", "SEGV_MAPERR", "0x10", "Fault", "target_crash.c", "mov", "rip"}) {
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part;
  }
}

TEST(ReportText, StandsInThePipeBeforeTheParentLearnsOfTheDeath) {
  for (int i = 0; i < 5; i++) {
    const Outcome outcome = CrashUnder({}, {"null"});
    EXPECT_GT(outcome.err.size(), 0U);
    EXPECT_EQ(outcome.err_size_at_exit, outcome.err.size());
  }
}

TEST(ReportText, StandsBeforeTheShellGoesOn) {
  const std::string script = TargetPath("target_crash") + " null; echo next command >&2";
  const Outcome outcome = RunCommand(Supervised({"bash", "-c", script}));
  const size_t last = outcome.err.rfind("SIGSEGV");
  EXPECT_NE(last, std::string::npos);
  EXPECT_LT(last, outcome.err.find("next command"));
}

TEST(ReportText, ExceptionOfAnAbortIsGeneral) {
  const Outcome outcome = CrashUnder({}, {"abort"});
  EXPECT_EQ(WTERMSIG(outcome.status), SIGABRT);
  EXPECT_NE(outcome.err.find("general"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("SIGABRT"), std::string::npos) << outcome.err;
}

TEST(ReportText, CrashOfAGrandchildIsReportedAndTheProgramGoesOn) {
  const Outcome outcome = CrashUnder({}, {"grandchild"});
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 3");
  EXPECT_EQ(outcome.out, "grandchild died of 11\nchild exit 7\nthe program goes on\n");
  EXPECT_NE(outcome.err.find("fatal-page-fault"), std::string::npos) << outcome.err;
}

TEST(ReportNone, IsSilent) {
  const TempDir dir;
  const Outcome outcome = CrashUnder({"--report=none"}, {"grandchild"}, {.cwd = dir.path()});
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 3");
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(dir.List().empty());
}

TEST(ReportJson, IsOneLineThatTheSchemaAccepts) {
  for (const char* way : {"null", "abort"}) {
    const TempDir dir;
    const Outcome outcome = CrashUnder({"--report=json"}, {way});
    ASSERT_EQ(SplitLines(outcome.err).size(), 1U) << outcome.err;
    ExpectValid(dir.Write("report.json", outcome.err));
  }
}

TEST(ReportJson, HoldsTheFactsOfTheCrash) {
  ChildProcess child(Supervised({TargetPath("target_crash"), "null"}, {"--report=json"}));
  const Outcome outcome = child.Finish();
  const Json report = Json::parse(outcome.err);
  EXPECT_EQ(report["process"]["pid"], child.pid());
  EXPECT_EQ(report["process"]["name"], "target_crash");
  EXPECT_EQ(report["process"]["command_line"], Json({TargetPath("target_crash"), "null"}));
  EXPECT_EQ(report["exception"]["type"], "fatal-page-fault");
  EXPECT_EQ(report["exception"]["access"], "read");
  EXPECT_EQ(report["thread"]["tid"], child.pid());
  bool named = false;
  for (const Json& frame : report["frames"]) named = named || frame.value("function", Json("")) == "Fault";
  EXPECT_TRUE(named) << report["frames"].dump(1);
}

TEST(ReportFile, IsAppendedToBesideStandardError) {
  const TempDir dir;
  const std::string file = dir.Write("reports", "what was there\n");
  for (int i = 0; i < 2; i++) {
    const Outcome outcome = CrashUnder({"--report=json", "--report-file", file}, {"null"});
    EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
    EXPECT_EQ(SplitLines(outcome.err).size(), 1U);
  }
  const std::vector<std::string> lines = SplitLines(FileText(file));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "what was there");
  for (int i = 1; i < 3; i++) ExpectValid(dir.Write("one.json", lines[static_cast<size_t>(i)]));
}

TEST(ReportFile, MayBeNamedRelativeToTheDirectoryOfTheStart) {
  const TempDir dir;
  const Argv argv = {"sh", "-c", "cd /; exec " + TargetPath("target_crash") + " null"};
  const Outcome outcome = RunCommand(Supervised(argv, {"--report-file", "here"}), {.cwd = dir.path()});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  EXPECT_NE(FileText(dir.Path("here")).find("SIGSEGV"), std::string::npos);
}

TEST(ReportDir, GetsOneFileForEachOfTwentyCrashesAtOnce) {
  const TempDir dir;
  const Argv flags = {"--report=json", "--report-dir", dir.path(), "--report-budget=80s"};
  const Outcome outcome = CrashUnder(flags, {"children", "20"});
  EXPECT_EQ(outcome.out, "crashed 20\n");
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0");
  ASSERT_EQ(dir.List().size(), 20U);
  std::vector<int> pids;
  for (const std::string& name : dir.List()) {
    pids.push_back(Json::parse(FileText(dir.Path(name)))["process"]["pid"]);
  }
  std::sort(pids.begin(), pids.end());
  EXPECT_EQ(std::unique(pids.begin(), pids.end()), pids.end());
}

TEST(ReportDir, NeverOverwrites) {
  const TempDir dir;
  for (int i = 0; i < 3; i++) (void)CrashUnder({"--report-dir", dir.path()}, {"null"});
  EXPECT_EQ(dir.List().size(), 3U);
}

// ---- colour --------------------------------------------------------------------------------------------------------

constexpr const char* kEscape = "\x1b[";

TEST(ReportColor, IsThereOnATerminalOnly) {
  EXPECT_NE(CrashUnder({}, {"null"}, {.pty = true}).out.find(kEscape), std::string::npos);
  EXPECT_EQ(CrashUnder({}, {"null"}).err.find(kEscape), std::string::npos);
}

TEST(ReportColor, FollowsNoColorAndTheFlag) {
  EXPECT_EQ(CrashUnder({}, {"null"}, {.pty = true, .env = {"NO_COLOR=1"}}).out.find(kEscape), std::string::npos);
  EXPECT_EQ(CrashUnder({"--color=never"}, {"null"}, {.pty = true}).out.find(kEscape), std::string::npos);
  EXPECT_NE(CrashUnder({"--color=always"}, {"null"}).err.find(kEscape), std::string::npos);
}

// ---- memory, cores, hangs --------------------------------------------------------------------------------------------

TEST(ReportMemory, EnvironmentIsShownOnlyOnRequest) {
  const RunOptions options{.env = {"ZX_SECRET=do-not-tell"}};
  EXPECT_EQ(CrashUnder({}, {"null"}, options).err.find("do-not-tell"), std::string::npos);
  EXPECT_EQ(CrashUnder({"--report=json"}, {"null"}, options).err.find("do-not-tell"), std::string::npos);
  EXPECT_NE(CrashUnder({"--with-memory"}, {"null"}, options).err.find("do-not-tell"), std::string::npos);
}

void ExpectCoreThatGdbOpens(const std::string& core) {
  const std::string head = FileText(core).substr(0, sizeof(Elf64_Ehdr));
  ASSERT_EQ(head.size(), sizeof(Elf64_Ehdr));
  Elf64_Ehdr header{};
  std::memcpy(&header, head.data(), sizeof(header));
  EXPECT_EQ(std::memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(header.e_type, ET_CORE);
  const Outcome gdb = RunCommand(
      {"gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "bt", TargetPath("target_crash"), core});
  EXPECT_NE(gdb.out.find("Fault"), std::string::npos) << gdb.out << gdb.err;
  EXPECT_NE(gdb.out.find("SIGSEGV"), std::string::npos) << gdb.out;
}

TEST(ReportCore, IsWrittenToTheDirectoryAndGdbOpensIt) {
  const TempDir dir;
  const Outcome outcome = CrashUnder({"--core=" + dir.path()}, {"null"});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  ASSERT_EQ(dir.List().size(), 1U) << outcome.err;
  ExpectCoreThatGdbOpens(dir.Path(dir.List()[0]));
}

TEST(ReportCore, IsWrittenToTheCurrentDirectoryByDefault) {
  const TempDir dir;
  const Outcome outcome = CrashUnder({"--core", "--report=none"}, {"null"}, {.cwd = dir.path()});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  ASSERT_EQ(dir.List().size(), 1U) << outcome.err;
  ExpectCoreThatGdbOpens(dir.Path(dir.List()[0]));
}

TEST(ReportThreads, ThatCrashTogetherLeaveOneReport) {
  const TempDir dir;
  constexpr size_t kRounds = 30;
  for (size_t i = 0; i < kRounds; i++) {
    const Outcome outcome =
        CrashUnder({"--report=none", "--report-dir=" + dir.path()}, {"together", i % 2 ? "2" : "8"});
    EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
    EXPECT_EQ(outcome.err, "");
  }
  EXPECT_EQ(dir.List().size(), kRounds);
}

TEST(ReportThreads, ThatCrashTogetherAreMarkedInTheReport) {
  bool marked = false;
  for (int round = 0; round < 50 && !marked; round++) {
    const Outcome outcome = CrashUnder({"--report=json"}, {"together", "8"});
    const Json report = Json::parse(outcome.err);
    for (const Json& thread : report["threads"]) {
      const auto state = thread["state"].get<std::string>();
      marked |= state.find("crashed too: SIGSEGV SEGV_MAPERR, address 0x10") == 0;
    }
  }
  EXPECT_TRUE(marked);
}

TEST(ReportThreads, ThatOutliveTheirLeaderHaveAWholeReport) {
  const Outcome outcome = CrashUnder({}, {"leaderless"});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  for (const char* part : {"FaultAfterLeader", "read of 0x10", "target_crash.c", "source:", "modules", "command"}) {
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part << "\n" << outcome.err;
  }
}

TEST(ReportCrowd, OfMoreCrashesThanTheBudgetAllowsEachIsTold) {
  AdoptOrphans();
  const Outcome outcome = CrashUnder({"--report-budget=200ms"}, {"children", "60"});
  EXPECT_EQ(outcome.out, "crashed 60\n");
  const size_t whole = CountOf(outcome.err, "zx| end of the report");
  EXPECT_GE(whole + CountOf(outcome.err, "no full report: "), 60U) << outcome.err;
  EXPECT_TRUE(NoDescendantIsLeft()) << "the tracer outlives the program";
}

TEST(ReportHang, OfAllThreadsComesAtTheTimeoutAndTheProgramGoesOn) {
  const TempDir dir;
  const std::string file = dir.Path("report");
  ChildProcess child(
      Supervised({TargetPath("target_crash"), "hang"}, {"--timeout=500ms", "--report=json", "--report-file", file}));
  ASSERT_TRUE(child.Expect("hanging\n"));
  ASSERT_TRUE(WaitUntil([&] { return !FileText(file).empty() && FileText(file).back() == '\n'; }));
  ExpectValid(file);
  const Json report = Json::parse(FileText(file));
  EXPECT_EQ(report["threads"].size(), 2U) << report["threads"].dump(1);
  EXPECT_TRUE(WaitUntil([&] { return StateOf(child.pid()) == 'S'; }));
  child.Signal(SIGTERM);
  EXPECT_EQ(DescribeStatus(child.Finish().status), "signal 15");
}

TEST(ReportHang, KillsAfterTheReportIfAskedTo) {
  const Outcome outcome = CrashUnder({"--timeout=500ms", "--on-timeout=kill"}, {"hang"});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 9");
  EXPECT_NE(outcome.err.find("sleep"), std::string::npos) << outcome.err;
  EXPECT_GE(CountOf(outcome.err, "thread"), 3U);
}

TEST(ReportHang, OfEveryProcessStandsThereBeforeTheFirstIsKilled) {
  const Outcome outcome = RunCommand(
      Supervised({"sh", "-c", "sleep 1001 & sleep 1002 & sleep 1003; true"}, {"--timeout=500ms", "--on-timeout=kill"}));
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 9");
  EXPECT_EQ(CountOf(outcome.err.substr(0, outcome.err_size_at_exit), "zx| end of the report"), 4U) << outcome.err;
  EXPECT_EQ(CountOf(outcome.err, "the process is killed, as --on-timeout=kill asks"), 4U);
}

TEST(ReportHang, DoesNotComeWhenTheProgramEndsInTime) {
  const Outcome outcome = RunCommand(Supervised({"echo", "done"}, {"--timeout=60s"}));
  EXPECT_EQ(outcome.out, "done\n");
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace zxctl::test
