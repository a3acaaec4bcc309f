// Cores that we write, in the hands of the tools that people open them with.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "live/core_subject.h"
#include "machine_registers.h"
#include "report/core_writer.h"
#include "support/child_process.h"
#include "support/programs32.h"
#include "support/supervised.h"
#include "support/temp_dir.h"
#include "support/tiny_disk.h"

namespace zxctl::report::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using zxctl::test::Argv;
using zxctl::test::FileText;
using zxctl::test::Replaced;
using zxctl::test::RunCommand;
using zxctl::test::Supervised;
using zxctl::test::TargetPath;
using zxctl::test::TempDir;

// What gdb says to `commands` about a core of target_core.
std::string Gdb(const std::string& core, const std::vector<std::string>& commands) {
  Argv argv = {"gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", TargetPath("target_core"), core};
  for (const std::string& command : commands) argv.insert(argv.end(), {"-ex", command});
  const auto outcome = RunCommand(argv);
  return outcome.out + outcome.err;
}

std::string Output(const Argv& argv) {
  const auto outcome = RunCommand(argv);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return outcome.out;
}

std::string Match(const std::string& text, const std::string& pattern) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? match.str(1) : "";
}

struct stat StatOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return info;
}

class CoreTest : public ::testing::Test {
 protected:
  // The core of a crash of this mode.
  std::string CoreOf(const std::string& mode) {
    const CoreSubject subject(mode);
    EXPECT_TRUE(subject.crashed());
    const Result<std::string> core = WriteCore(subject.Request(dir_.path()));
    EXPECT_TRUE(core.has_value()) << core.error().ToString();
    return core.value_or("");
  }

  TempDir dir_;
};

TEST_F(CoreTest, GdbShowsTheStackOfTheFault) {
  const std::string text = Gdb(CoreOf("plain"), {"bt"});
  EXPECT_THAT(text, ContainsRegex("Program terminated with signal SIGSEGV"));
  EXPECT_THAT(text, ContainsRegex("#0 .*crash_here \\(depth=7\\)"));
  EXPECT_THAT(text, ContainsRegex("#1 .*crash_middle \\(depth=6\\)"));
  EXPECT_THAT(text, ContainsRegex("#2 .*crash_outer \\(depth=5\\)"));
  EXPECT_THAT(text, ContainsRegex("#3 .*main "));
  // gdb 13 does not know every layout that PTRACE_GETREGSET has.
  EXPECT_THAT(Replaced(text, "warning: Unexpected size of section `.reg-xstate", ""), Not(HasSubstr("warning")));
}

TEST_F(CoreTest, GdbReadsMemoryOfEveryKind) {
  const std::string text = Gdb(CoreOf("plain"), {"p core_initialised", "p core_untouched", "p core_heap", "p local",
                                                 "x/s getenv", "info proc mappings"});
  EXPECT_THAT(text, HasSubstr("$1 = 1934"));
  EXPECT_THAT(text, HasSubstr("$2 = 0"));
  EXPECT_THAT(text, HasSubstr("\"text on the heap\""));
  EXPECT_THAT(text, HasSubstr("$4 = 700"));
  EXPECT_THAT(text, ContainsRegex("0x[0-9a-f]+ .*target_core *\n"));
}

TEST_F(CoreTest, GdbShowsTheSignalAndItsAddress) {
  const std::string text = Gdb(CoreOf("plain"), {"p $_siginfo.si_signo", "p $_siginfo._sifields._sigfault.si_addr"});
  EXPECT_THAT(text, HasSubstr("$1 = 11"));
  EXPECT_THAT(text, HasSubstr("$2 = (void *) 0x10"));
}

TEST_F(CoreTest, OfASupervisedProgramHasTheFloatingPointRegisters) {
  const auto outcome =
      RunCommand(Supervised({TargetPath("target_core"), "threads"}, {"--core=" + dir_.path(), "--report=none"}));
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(dir_.List().size(), 1U);
  const std::string text = Gdb(dir_.Path(dir_.List()[0]), {"info threads", "thread apply all info float"});
  EXPECT_THAT(text, HasSubstr("(LWP"));
  EXPECT_THAT(text, Not(HasSubstr("Unable to find")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '*'), 1) << text;
  const std::string plain_dir = dir_.Path("plain");
  ASSERT_TRUE(std::filesystem::create_directory(plain_dir));
  (void)RunCommand(Supervised({TargetPath("target_core"), "plain"}, {"--core=" + plain_dir, "--report=none"}));
  const auto file = std::filesystem::directory_iterator(plain_dir)->path();
  EXPECT_THAT(Gdb(file, {std::string("p/x ") + zxctl::test::kFilledRegister}), HasSubstr(zxctl::test::kFilledValue));
}

TEST_F(CoreTest, OfA32BitProgramIsA32BitCore) {
  ZX_NEEDS_PROGRAMS32();
  const std::string program = TargetPath("target_fault_32");
  (void)RunCommand(Supervised({program, "null_write"}, {"--core=" + dir_.path(), "--report=none"}));
  ASSERT_EQ(dir_.List().size(), 1U);
  const std::string core = dir_.Path(dir_.List()[0]);
  const std::string text = Output({"gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", program, core,  //
                                   "-ex", "bt", "-ex", "p $_siginfo._sifields._sigfault.si_addr", "-ex", "info float"});
  EXPECT_THAT(text, ContainsRegex("#0 .*null_write \\(\\)"));
  EXPECT_THAT(text, ContainsRegex("#[1-9] .*main \\(argc=2"));
  EXPECT_THAT(text, HasSubstr("$1 = (void *) 0x8"));
  EXPECT_THAT(text, HasSubstr("Control Word:"));
  EXPECT_THAT(Output({"eu-stack", "--core=" + core, "-e", program}), ContainsRegex("#0 .*null_write"));
  EXPECT_THAT(Output({"eu-readelf", "-h", core}), HasSubstr("ELF32"));
}

TEST_F(CoreTest, GdbShowsRegistersFloatingPointIncluded) {
  const CoreSubject subject("plain");
  ASSERT_TRUE(subject.crashed());
  const Result<std::string> core = WriteCore(subject.Request(dir_.path()));
  ASSERT_TRUE(core.has_value()) << core.error().ToString();
  const std::string text =
      Gdb(*core, {"p/x (long)$pc", "p/x (long)$sp", std::string("p/x ") + zxctl::test::kFilledRegister, "info float"});
  const auto& registers = subject.threads()[0].registers;
  EXPECT_EQ(Match(text, "\\$1 = 0x([0-9a-f]+)"), fmt::format("{:x}", arch::Pc(registers)));
  EXPECT_EQ(Match(text, "\\$2 = 0x([0-9a-f]+)"), fmt::format("{:x}", arch::Sp(registers)));
  EXPECT_THAT(text, HasSubstr(zxctl::test::kFilledValue));
  EXPECT_THAT(text, HasSubstr(zxctl::test::kFloatText));
}

TEST_F(CoreTest, GdbFindsTheLibraries) {
  const std::string text = Gdb(CoreOf("plain"), {"info sharedlibrary"});
  EXPECT_THAT(text, ContainsRegex("0x[0-9a-f]+ +0x[0-9a-f]+ +Yes.*libc\\.so"));
  EXPECT_THAT(text, ContainsRegex("Yes.*ld-linux"));
}

TEST_F(CoreTest, GdbShowsEveryThreadTheFaultingFirst) {
  const std::string text = Gdb(CoreOf("threads"), {"info threads", "thread apply all bt"});
  EXPECT_THAT(text, ContainsRegex("\\* 1 .*crash_here"));
  for (const char* function : {"park_one", "park_two", "park_three", "crash_outer"}) {
    EXPECT_THAT(text, HasSubstr(function));
  }
  EXPECT_THAT(text, HasSubstr("Thread 4 ("));
  EXPECT_THAT(text, Not(HasSubstr("Thread 5 (")));
}

TEST_F(CoreTest, EuStackShowsEveryThread) {
  const std::string text = Output({"eu-stack", "--core=" + CoreOf("threads"), "-e", TargetPath("target_core")});
  for (const char* function :
       {"crash_here", "crash_middle", "crash_outer", "main", "park_one", "park_two", "park_three"}) {
    EXPECT_THAT(text, HasSubstr(function));
  }
}

TEST_F(CoreTest, EuReadelfReadsTheNotes) {
  const std::string text = Output({"eu-readelf", "-n", CoreOf("threads")});
  for (const char* note : {"PRSTATUS", "PRPSINFO", "SIGINFO", "AUXV", "FILE", "FPREGSET", zxctl::test::kOwnNote}) {
    EXPECT_THAT(text, HasSubstr(note));
  }
  EXPECT_THAT(text, HasSubstr("target_core threads"));
}

TEST_F(CoreTest, TheBuildIdsOfAllModulesAreInTheCore) {
  const std::string core = CoreOf("plain");
  const std::string id = Match(Output({"eu-readelf", "-n", TargetPath("target_core")}), "Build ID: ([0-9a-f]+)");
  ASSERT_FALSE(id.empty());
  const std::string modules = Output({"eu-unstrip", "-n", "--core=" + core});
  EXPECT_THAT(modules, HasSubstr(id));
  EXPECT_THAT(modules, ContainsRegex("[0-9a-f]{40}@[^\n]*libc\\.so"));
}

TEST_F(CoreTest, AThreadThatOutlivedItsLeaderHasACore) {
  const std::string text = Gdb(CoreOf("leaderless"), {"bt", "p core_heap"});
  EXPECT_THAT(text, ContainsRegex("#0 .*crash_here"));
  EXPECT_THAT(text, HasSubstr("crash_after_leader"));
  EXPECT_THAT(text, HasSubstr("\"text on the heap\""));
}

TEST_F(CoreTest, LargeMappingsAreHolesWhereNothingIs) {
  const std::string core = CoreOf("large");
  EXPECT_GT(StatOf(core).st_size, 6ll << 30);
  EXPECT_LT(StatOf(core).st_blocks * 512, 64ll << 20);
  const std::string text =
      Gdb(core, {"p core_large", "x/s core_large + 6442450944 - 4096", "x/8xb core_large + 3221225472"});
  EXPECT_THAT(text, HasSubstr("\"first page\""));
  EXPECT_THAT(text, HasSubstr("\"last page\""));
  EXPECT_THAT(text, HasSubstr("0x00\t0x00"));
}

TEST_F(CoreTest, MemoryThatTheProgramExcludedIsNotThere) {
  const std::string core = CoreOf("plain");
  EXPECT_THAT(Gdb(core, {"p core_excluded"}), ContainsRegex("\\$1 = 0x[0-9a-f]+"));
  const std::string secret = "the secret that is not dumped";
  EXPECT_EQ(RunCommand({"grep", "-q", "-a", "text on the heap", core}).status, 0);
  EXPECT_NE(RunCommand({"grep", "-q", "-a", secret, core}).status, 0);
}

TEST_F(CoreTest, WithoutFloatingPointTheCoreSaysSo) {
  const CoreSubject subject("plain");
  CoreRequest request = subject.Request(dir_.path());
  request.register_sets = {};
  const Result<std::string> core = WriteCore(request);
  ASSERT_TRUE(core.has_value()) << core.error().ToString();
  const std::string text = Gdb(*core, {"bt", "p $xmm7"});
  EXPECT_THAT(text, HasSubstr("crash_here"));
  EXPECT_THAT(text, Not(HasSubstr("0x1122334455667788")));
  EXPECT_THAT(Output({"eu-readelf", "-n", *core}), Not(HasSubstr("FPREGSET")));
}

TEST_F(CoreTest, ACoreIsPrivateAndOverwritesNone) {
  const CoreSubject subject("plain");
  const Result<std::string> first = WriteCore(subject.Request(dir_.path()));
  const Result<std::string> second = WriteCore(subject.Request(dir_.path() + "/"));
  ASSERT_TRUE(first && second);
  const std::string stem = "core.target_core." + std::to_string(subject.threads()[0].tid);
  EXPECT_EQ(*first, dir_.Path(stem + ".0"));
  EXPECT_EQ(*second, dir_.Path(stem + ".1"));
  EXPECT_EQ(StatOf(*first).st_mode & 0777, 0600u);
}

TEST_F(CoreTest, ANameCannotLeaveTheDirectory) {
  const CoreSubject subject("plain");
  CoreRequest request = subject.Request(dir_.path());
  request.name = "../../evil name";
  const Result<std::string> core = WriteCore(request);
  ASSERT_TRUE(core.has_value());
  EXPECT_EQ(std::filesystem::path(*core).parent_path(), dir_.path());
}

TEST_F(CoreTest, WithLittleRoomTheStackComesFirstAndTheNameSaysIncomplete) {
  const CoreSubject subject("large");
  CoreRequest request = subject.Request(dir_.path());
  request.max_bytes = 400u << 10;
  const Result<std::string> core = WriteCore(request);
  ASSERT_TRUE(core.has_value()) << core.error().ToString();
  EXPECT_TRUE(core->ends_with(kIncompleteSuffix)) << *core;
  const std::string text = Gdb(*core, {"bt", "p core_heap"});
  EXPECT_THAT(text, HasSubstr("crash_outer"));
  EXPECT_THAT(text, HasSubstr("\"text on the heap\""));
}

TEST_F(CoreTest, PastTheDeadlineThereIsAnIncompleteCoreWithItsNotes) {
  const CoreSubject subject("plain");
  CoreRequest request = subject.Request(dir_.path());
  request.deadline_ns = MonotonicNs() - 1;
  const Result<std::string> core = WriteCore(request);
  ASSERT_TRUE(core.has_value()) << core.error().ToString();
  EXPECT_TRUE(core->ends_with(kIncompleteSuffix)) << *core;
  EXPECT_THAT(Output({"eu-readelf", "-n", *core}), HasSubstr("PRSTATUS"));
}

int WriteToAFullDisk(const CoreRequest& request) {
  if (!zxctl::test::MountTinyDisk(request.directory)) return 77;
  const Result<std::string> core = WriteCore(request);
  if (core || core.error().sys_errno != ENOSPC) return 1;
  return std::filesystem::is_empty(request.directory) ? 0 : 2;
}

TEST_F(CoreTest, AFullDiskKeepsNoPartialCore) {
  const CoreSubject subject("plain");
  const CoreRequest request = subject.Request(dir_.path());
  const pid_t child = fork();
  if (child == 0) _exit(WriteToAFullDisk(request));
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "this user may not mount";
  EXPECT_EQ(status, 0);
}

TEST_F(CoreTest, ADirectoryThatIsNotThereIsAnError) {
  const CoreSubject subject("plain");
  const Result<std::string> core = WriteCore(subject.Request(dir_.Path("nowhere")));
  ASSERT_FALSE(core.has_value());
  EXPECT_EQ(core.error().sys_errno, ENOENT);
}

TEST_F(CoreTest, AProcessThatIsGoneHasNoCore) {
  CoreSubject subject("plain");
  const CoreRequest request = subject.Request(dir_.path());
  subject.Kill();
  const Result<std::string> core = WriteCore(request);
  ASSERT_FALSE(core.has_value());
  EXPECT_EQ(core.error().zx, ZX_ERR_BAD_STATE);
  EXPECT_TRUE(dir_.List().empty());
}

TEST_F(CoreTest, WithoutRegistersOrMemoryThereIsNoCore) {
  const CoreSubject subject("plain");
  CoreRequest request = subject.Request(dir_.path());
  request.mem_fd = -1;
  EXPECT_FALSE(WriteCore(request).has_value());
  request = subject.Request(dir_.path());
  request.threads = {};
  EXPECT_FALSE(WriteCore(request).has_value());
  EXPECT_TRUE(dir_.List().empty());
}

}  // namespace
}  // namespace zxctl::report::test
