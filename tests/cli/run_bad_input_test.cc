// `zxctl run` with bad input: the right exit status, one line that helps, no crash.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/supervised.h"
#include "support/temp_dir.h"

namespace zxctl::test {
namespace {

constexpr uid_t kNobody = 65534;

Outcome ZxctlRun(const Argv& words, const RunOptions& options = {}) {
  Argv argv = {ZxctlPath(), "run"};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunCommand(argv, options);
}

// The message is one line, begins with the program's name and holds every one of `parts`.
void ExpectMessage(const Outcome& outcome, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(DescribeStatus(outcome.status), "exit " + std::to_string(code)) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(SplitLines(outcome.err).size(), 1U) << outcome.err;
  EXPECT_EQ(outcome.err.find("zxctl"), 0U) << outcome.err;
  for (const std::string& part : parts) {
    EXPECT_NE(outcome.err.find(part), std::string::npos) << "no '" << part << "' in: " << outcome.err;
  }
}

TEST(BadOption, UnknownFlagIsNamed) {
  const Outcome outcome = ZxctlRun({"--no-such-flag", "--", "true"});
  ExpectMessage(outcome, 125, {"--no-such-flag", "--help"});
}

TEST(BadOption, BadValuesAreNamedWithWhatIsAllowed) {
  ExpectMessage(ZxctlRun({"--follow=some", "--", "true"}), 125, {"--follow", "all", "threads"});
  ExpectMessage(ZxctlRun({"--report=xml", "--", "true"}), 125, {"--report", "json"});
  ExpectMessage(ZxctlRun({"--color=red", "--", "true"}), 125, {"--color", "auto"});
  ExpectMessage(ZxctlRun({"--on-tracer-death=x", "--", "true"}), 125, {"--on-tracer-death", "continue"});
  ExpectMessage(ZxctlRun({"--on-timeout=x", "--timeout=9", "--", "true"}), 125, {"--on-timeout", "kill"});
}

TEST(BadOption, BadDurationsAreNamedWithTheForm) {
  for (const std::string bad : {"", "x", "-1", "5parsecs", "1e99", "99999999999999999999s", "1h2"}) {
    SCOPED_TRACE("'" + bad + "'");
    ExpectMessage(ZxctlRun({"--timeout=" + bad, "--", "true"}), 125, {"--timeout"});
    ExpectMessage(ZxctlRun({"--report-budget=" + bad, "--", "true"}), 125, {"--report-budget"});
  }
}

TEST(BadProgram, NoneAtAllIsAUsageError) {
  ExpectMessage(ZxctlRun({}), 125, {"program"});
  ExpectMessage(ZxctlRun({"--"}), 125, {"program"});
}

TEST(BadProgram, MissingIs127) {
  ExpectMessage(ZxctlRun({"--", "no-such-program-anywhere"}), 127, {"no-such-program-anywhere", "PATH"});
  ExpectMessage(ZxctlRun({"--", "/no/such/program"}), 127, {"/no/such/program"});
  ExpectMessage(ZxctlRun({"--", ""}), 127, {"zxctl"});
}

TEST(BadProgram, WhatIsNotExecutableIs126) {
  const TempDir dir;
  ExpectMessage(ZxctlRun({"--", dir.path()}), 126, {dir.path(), "directory"});
  const std::string plain = dir.Write("plain", "no program\n");
  ExpectMessage(ZxctlRun({"--", plain}), 126, {plain, "chmod"});
  const std::string text = dir.Write("text", "echo no first line\n", 0755);
  ExpectMessage(ZxctlRun({"--", text}), 126, {text, "#!"});
  const std::string empty = dir.Write("empty", "", 0755);
  ExpectMessage(ZxctlRun({"--", empty}), 126, {empty, "empty"});
}

TEST(BadProgram, ScriptWithAMissingInterpreterNamesTheInterpreter) {
  const TempDir dir;
  const Outcome outcome = ZxctlRun({"--", dir.Write("script", "#!/no/such/interpreter\n", 0755)});
  ExpectMessage(outcome, 126, {"script", "/no/such/interpreter"});
}

TEST(BadProgram, TruncatedElfIs126OrDiesAsBare) {
  const TempDir dir;
  const std::string whole = FileText(TargetPath("target_end"));
  const Outcome header = ZxctlRun({"--", dir.Write("cut40", whole.substr(0, 40), 0755)});
  ExpectMessage(header, 126, {"cut40"});
  for (const size_t size : {64UL, 200UL, 1000UL, 5000UL, whole.size() / 2}) {
    SCOPED_TRACE(size);
    const std::string program = dir.Write("cut" + std::to_string(size), whole.substr(0, size), 0755);
    const Outcome bare = RunCommand({program, "exit", "3"}, {.cwd = dir.path()});
    const Outcome supervised = ZxctlRun({"--report=none", "--", program, "exit", "3"}, {.cwd = dir.path()});
    EXPECT_FALSE(supervised.timed_out);
    EXPECT_EQ(DescribeStatus(bare.status), DescribeStatus(supervised.status));
  }
}

TEST(BadProgram, UnreachableForAnOrdinaryUserIs126) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const TempDir dir;
  const std::string program = dir.Write("private", "#!/bin/sh\n", 0700);
  const Outcome outcome = ZxctlRun({"--", program}, {.cwd = "/", .uid = kNobody});
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 126") << outcome.err;
  EXPECT_NE(outcome.err.find(program), std::string::npos);
}

TEST(BadReportPlace, IsRefusedBeforeTheProgramRuns) {
  const TempDir dir;
  const std::string file = dir.Write("file", "");
  ExpectMessage(ZxctlRun({"--report-dir", dir.Path("missing"), "--", "echo", "ran"}), 125, {dir.Path("missing")});
  ExpectMessage(ZxctlRun({"--report-dir", file, "--", "echo", "ran"}), 125, {file});
  ExpectMessage(ZxctlRun({"--report-file", dir.Path("missing/report"), "--", "echo", "ran"}), 125, {"missing/report"});
  ExpectMessage(ZxctlRun({"--report-file", dir.path(), "--", "echo", "ran"}), 125, {dir.path()});
  ExpectMessage(ZxctlRun({"--core=" + dir.Path("missing"), "--", "echo", "ran"}), 125, {dir.Path("missing")});
}

TEST(BadReportPlace, UnwritableForAnOrdinaryUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const TempDir dir;
  chmod(dir.path().c_str(), 0755);
  const RunOptions as_nobody{.cwd = "/", .uid = kNobody};
  ExpectMessage(ZxctlRun({"--report-dir", dir.path(), "--", "echo", "ran"}, as_nobody), 125, {dir.path()});
  ExpectMessage(ZxctlRun({"--report-file", dir.Path("f"), "--", "echo", "ran"}, as_nobody), 125, {dir.Path("f")});
}

TEST(FullDisk, ProgramDiesOfItsFaultAndTheLossIsSaid) {
  const Outcome outcome = ZxctlRun({"--report-file", "/dev/full", "--", TargetPath("target_end"), "fault"});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  EXPECT_NE(outcome.err.find("/dev/full"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("No space left"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("end of the report"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("no full report"), std::string::npos) << "the report stands there: " << outcome.err;
}

TEST(FullDisk, StderrThatIsFullDoesNotStopAnything) {
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  const Outcome outcome = ZxctlRun({"--", TargetPath("target_end"), "fault"}, {.fds = {{full.get(), 2}}});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
}

class ClosedDescriptors : public ::testing::TestWithParam<std::vector<int>> {};

TEST_P(ClosedDescriptors, ProgramStartsWithTheSameOnesAsBare) {
  const TempDir dir;
  const auto identity = [&](const Argv& argv) {
    const Outcome outcome = RunCommand(argv, {.closed_fds = GetParam()});
    EXPECT_EQ(DescribeStatus(outcome.status), "exit 0") << outcome.err;
    return Replaced(FileText(dir.Path("out")), "^pid [0-9]+\n", "");
  };
  const Argv argv = {TargetPath("target_identity"), dir.Path("out")};
  const std::string bare = identity(argv);
  EXPECT_EQ(LineDifferences(bare, identity(Supervised(argv))), "");
  EXPECT_NE(bare, "");
}

TEST_P(ClosedDescriptors, CrashIsReportedToAFileAndDiesAsBare) {
  const TempDir dir;
  const Outcome outcome = ZxctlRun({"--report-file", dir.Path("report"), "--", TargetPath("target_end"), "fault"},
                                   {.closed_fds = GetParam()});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  EXPECT_NE(FileText(dir.Path("report")).find("SIGSEGV"), std::string::npos);
}

TEST_P(ClosedDescriptors, OwnFailuresKeepTheirStatus) {
  EXPECT_EQ(DescribeStatus(ZxctlRun({"--", "/no/such/program"}, {.closed_fds = GetParam()}).status), "exit 127");
  EXPECT_EQ(DescribeStatus(ZxctlRun({"--no-such-flag"}, {.closed_fds = GetParam()}).status), "exit 125");
}

INSTANTIATE_TEST_SUITE_P(Some, ClosedDescriptors,
                         ::testing::Values(std::vector<int>{0}, std::vector<int>{1}, std::vector<int>{2},
                                           std::vector<int>{0, 1}, std::vector<int>{1, 2}, std::vector<int>{0, 1, 2}));

// A program without a standard error opens its data as descriptor 2.
TEST(ClosedStderr, ReportDoesNotGoIntoDataThatTookItsNumber) {
  const TempDir dir;
  const Outcome at_start = ZxctlRun({"--", TargetPath("target_crash"), "opens", dir.Path("a")}, {.closed_fds = {2}});
  EXPECT_EQ(DescribeStatus(at_start.status), "signal 11");
  EXPECT_EQ(FileText(dir.Path("a")), "data");
  const Outcome later = ZxctlRun({"--", TargetPath("target_crash"), "data", dir.Path("b")});
  EXPECT_EQ(DescribeStatus(later.status), "signal 11");
  EXPECT_EQ(FileText(dir.Path("b")), "data");
}

TEST(RedirectedStderr, OfAProgramDeeperInTheTreeGetsItsReport) {
  const TempDir dir;
  const std::string script = TargetPath("target_crash") + " null 2> " + dir.Path("log") + "; echo $?";
  const Outcome outcome = ZxctlRun({"--", "sh", "-c", script});
  EXPECT_EQ(outcome.out, "139\n");
  EXPECT_NE(FileText(dir.Path("log")).find("SIGSEGV"), std::string::npos) << outcome.err;
}

TEST(DeletedProgram, ThatCrashesIsReported) {
  const TempDir dir;
  const std::string program = dir.Path("target_crash");
  std::filesystem::copy_file(TargetPath("target_crash"), program);
  const Outcome outcome = ZxctlRun({"--report=json", "--", program, "delete-self"});
  EXPECT_EQ(DescribeStatus(outcome.status), "signal 11");
  EXPECT_NE(outcome.err.find("\"fatal-page-fault\""), std::string::npos) << outcome.err;
}

TEST(NestedRun, NamesTheTracerThatIsThereAlready) {
  const Outcome outcome = ZxctlRun({"--", ZxctlPath(), "run", "--", "true"});
  ExpectMessage(outcome, 125, {"trac"});
}

}  // namespace
}  // namespace zxctl::test
