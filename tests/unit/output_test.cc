#include "report/output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/unique_fd.h"
#include "report/render_json.h"
#include "support/temp_dir.h"
#include "support/tiny_disk.h"
#include "unit/report_sample.h"

namespace zxctl::report::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using zxctl::test::FileText;
using zxctl::test::MountTinyDisk;
using zxctl::test::SplitLines;
using zxctl::test::TempDir;

// Standard error of a delivery is a file here.
class DeliverTest : public ::testing::Test {
 protected:
  DeliverTest() : stderr_(open(dir_.Path("stderr").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    options_.stderr_fd = stderr_.get();
    options_.deadline_ns = MonotonicNs() + 30 * kNsPerSec;
    mkdir(dir_.Path("reports").c_str(), 0700);
  }

  [[nodiscard]] std::string Stderr() const { return FileText(dir_.Path("stderr")); }
  [[nodiscard]] std::string File() const { return FileText(dir_.Path("file")); }
  [[nodiscard]] std::string ReportsDir() const { return dir_.Path("reports"); }
  // The names in the reports' directory, hidden ones too.
  [[nodiscard]] std::vector<std::string> Reports() const;

  TempDir dir_;
  UniqueFd stderr_;
  OutputOptions options_;
};

std::vector<std::string> ListDirectory(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> DeliverTest::Reports() const { return ListDirectory(ReportsDir()); }

int WaitFor(pid_t pid) {
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  return WaitFor(pid);
}

TEST_F(DeliverTest, WritesTextToStandardError) {
  EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  EXPECT_THAT(Stderr(), HasSubstr("zx| server[4711], thread worker-3[4714] crashed"));
  EXPECT_EQ(Stderr().find('\x1b'), std::string::npos);
}

TEST_F(DeliverTest, TextStartsOnALineOfItsOwn) {
  ASSERT_EQ(write(stderr_.get(), "unfinished", 10), 10);
  EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  EXPECT_TRUE(Stderr().starts_with("unfinished\nzx| server[4711]"));
}

TEST_F(DeliverTest, WritesOneLineOfJsonToStandardError) {
  options_.format = Format::kJson;
  EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  ASSERT_EQ(SplitLines(Stderr()).size(), 1u);
  EXPECT_TRUE(FromJson(SplitLines(Stderr())[0]).has_value());
}

TEST_F(DeliverTest, NoneWritesNothingToStandardErrorAndJsonToFiles) {
  options_.format = Format::kNone;
  options_.report_file = dir_.Path("file");
  EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  EXPECT_EQ(Stderr(), "");
  EXPECT_TRUE(FromJson(SplitLines(File())[0]).has_value());
}

TEST_F(DeliverTest, AppendsToTheReportFile) {
  options_.format = Format::kJson;
  options_.report_file = dir_.Write("file", "there before\n");
  EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  const std::vector<std::string> lines = SplitLines(File());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "there before");
  EXPECT_TRUE(FromJson(lines[1]).has_value());
  EXPECT_TRUE(FromJson(lines[2]).has_value());
}

TEST_F(DeliverTest, TextInFilesHasNoColour) {
  options_.color = ColorMode::kAlways;
  options_.report_file = dir_.Path("file");
  EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  EXPECT_EQ(File().find('\x1b'), std::string::npos);
  EXPECT_NE(Stderr().find('\x1b'), std::string::npos);
}

TEST_F(DeliverTest, ConcurrentAppendsStayWhole) {
  constexpr int kWriters = 8;
  constexpr int kReports = 20;
  options_.format = Format::kNone;
  options_.report_file = dir_.Path("file");
  std::vector<pid_t> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.push_back(fork());
    if (writers.back() != 0) continue;
    int failures = 0;
    for (int i = 0; i < kReports; ++i) failures += Deliver(options_, SampleReport()) ? 0 : 1;
    _exit(failures);
  }
  for (const pid_t writer : writers) EXPECT_EQ(WaitFor(writer), 0);
  const std::vector<std::string> lines = SplitLines(File());
  EXPECT_EQ(lines.size(), static_cast<size_t>(kWriters * kReports));
  for (const std::string& line : lines) EXPECT_TRUE(FromJson(line).has_value());
}

TEST_F(DeliverTest, MakesAFileForEachCrashAndOverwritesNone) {
  options_.report_dir = ReportsDir();
  dir_.Write("reports/server.4711.20240131T120000Z.1.txt", "somebody else's");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  EXPECT_THAT(Reports(), ElementsAre("server.4711.20240131T120000Z.0.txt", "server.4711.20240131T120000Z.1.txt",
                                     "server.4711.20240131T120000Z.2.txt"));
  EXPECT_EQ(FileText(ReportsDir() + "/server.4711.20240131T120000Z.1.txt"), "somebody else's");
}

TEST_F(DeliverTest, ConcurrentCrashesGetFilesOfTheirOwn) {
  options_.format = Format::kJson;
  options_.report_dir = ReportsDir();
  std::vector<pid_t> writers;
  for (int writer = 0; writer < 8; ++writer) {
    writers.push_back(fork());
    if (writers.back() == 0) _exit(Deliver(options_, SampleReport()) ? 0 : 1);
  }
  for (const pid_t writer : writers) EXPECT_EQ(WaitFor(writer), 0);
  ASSERT_EQ(Reports().size(), 8u);
  for (const std::string& name : Reports()) {
    EXPECT_TRUE(name.ends_with(".json")) << name;
    EXPECT_TRUE(FromJson(FileText(ReportsDir() + "/" + name)).has_value()) << name;
  }
}

TEST_F(DeliverTest, ANameCannotLeaveTheDirectory) {
  options_.report_dir = ReportsDir();
  Report report = SampleReport();
  report.process.name = "../../evil\n";
  report.time = "../x";
  EXPECT_TRUE(Deliver(options_, report).has_value());
  ASSERT_EQ(Reports().size(), 1u);
  EXPECT_TRUE(Reports()[0].starts_with("_._.._evil_.4711.")) << Reports()[0];
}

TEST_F(DeliverTest, FilesOfReportsArePrivate) {
  options_.report_dir = ReportsDir();
  EXPECT_TRUE(Deliver(options_, SampleReport()).has_value());
  struct stat info {};
  ASSERT_EQ(stat((ReportsDir() + "/" + Reports()[0]).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(DeliverTest, AFullDeviceIsToldOnStandardError) {
  options_.report_file = "/dev/full";
  const Delivery delivered = Deliver(options_, SampleReport());
  ASSERT_FALSE(delivered.has_value());
  EXPECT_EQ(delivered.error().sys_errno, ENOSPC);
  EXPECT_TRUE(delivered.told);
  EXPECT_THAT(Stderr(), HasSubstr("- the report could not be appended to /dev/full"));
}

TEST_F(DeliverTest, NoneStillSaysWhyAFileFailed) {
  options_.format = Format::kNone;
  options_.report_file = "/dev/full";
  EXPECT_FALSE(Deliver(options_, SampleReport()).has_value());
  EXPECT_THAT(Stderr(), HasSubstr("zx| the report could not be appended to /dev/full"));
}

TEST_F(DeliverTest, ADirectoryThatTakesNoFilesIsToldOnStandardError) {
  options_.report_dir = "/proc";
  EXPECT_FALSE(Deliver(options_, SampleReport()).has_value());
  EXPECT_THAT(Stderr(), HasSubstr("cannot make a file in /proc"));
}

TEST_F(DeliverTest, AMissingDirectoryCostsNothingElse) {
  options_.report_dir = dir_.Path("nowhere");
  options_.report_file = dir_.Path("file");
  const Delivery delivered = Deliver(options_, SampleReport());
  ASSERT_FALSE(delivered.has_value());
  EXPECT_EQ(delivered.error().sys_errno, ENOENT);
  EXPECT_THAT(File(), HasSubstr("crashed"));
  EXPECT_THAT(Stderr(), HasSubstr("cannot open the directory"));
}

TEST_F(DeliverTest, AFifoWithoutReaderIsAnErrorAndNotAWait) {
  options_.report_file = dir_.Path("fifo");
  ASSERT_EQ(mkfifo(options_.report_file.c_str(), 0600), 0);
  const Delivery delivered = Deliver(options_, SampleReport());
  ASSERT_FALSE(delivered.has_value());
  EXPECT_EQ(delivered.error().sys_errno, ENXIO);
}

TEST_F(DeliverTest, AReportFileThatNobodyReadsLeavesTimeForStandardError) {
  options_.report_file = dir_.Path("fifo");
  options_.deadline_ns = MonotonicNs() + kNsPerSec;
  ASSERT_EQ(mkfifo(options_.report_file.c_str(), 0600), 0);
  const UniqueFd reader(open(options_.report_file.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(fcntl(reader.get(), F_SETPIPE_SZ, 4096), 4096);
  Report report = SampleReport();
  report.process.command_line.assign(3, std::string(900, 'x'));
  const Delivery delivered = Deliver(options_, report);
  ASSERT_FALSE(delivered.has_value());
  EXPECT_EQ(delivered.error().zx, ZX_ERR_TIMED_OUT);
  EXPECT_THAT(Stderr(), HasSubstr("end of the report"));
}

TEST_F(DeliverTest, AClosedStandardErrorCostsNoFile) {
  options_.stderr_fd = 1000;
  options_.report_dir = ReportsDir();
  const Delivery delivered = Deliver(options_, SampleReport());
  ASSERT_FALSE(delivered.has_value());
  EXPECT_EQ(delivered.error().sys_errno, EBADF);
  EXPECT_FALSE(delivered.told);
  EXPECT_EQ(Reports().size(), 1u);
}

void FillDisk(const std::string& path, size_t bytes_free) {
  const std::string text((64u << 10) - bytes_free, 'x');
  const UniqueFd fd(open((path + "/filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd.get(), text.data() + done, text.size() - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
}

// What is wrong after reports to a disk that gets full under them; 0 for nothing.
int DeliverToAFullDisk(OutputOptions options, const std::string& path, const std::string& stderr_path) {
  if (!MountTinyDisk(path)) return 77;
  options.report_dir = path;
  options.report_file = path + "/log";
  UniqueFd(open(options.report_file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  FillDisk(path, 4096);
  Report report = SampleReport();
  report.exception.explanation = std::string(900, 'x');
  report.exception.consequence = std::string(900, 'x');
  for (int i = 0; i < 10; ++i) report.notes.limits.push_back(std::string(900, 'x'));
  if (Deliver(options, report)) return 1;
  if (ListDirectory(path) != std::vector<std::string>{"filler", "log"}) return 2;
  if (!FileText(options.report_file).empty()) return 3;
  const std::string said = FileText(stderr_path);
  if (said.find("No space left on device") == std::string::npos) return 4;
  return said.find("the partial file is removed") == std::string::npos ? 5 : 0;
}

TEST_F(DeliverTest, AFullDiskKeepsNoPartialReport) {
  const int wrong = InChild([this] { return DeliverToAFullDisk(options_, ReportsDir(), dir_.Path("stderr")); });
  if (wrong == 77) GTEST_SKIP() << "this user may not mount";
  EXPECT_EQ(wrong, 0);
}

// ---- colour -----------------------------------------------------------------------------------------------------------

class WantsColorTest : public ::testing::Test {
 protected:
  WantsColorTest() {
    int master = -1;
    int slave = -1;
    EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    master_.Reset(master);
    terminal_.Reset(slave);
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
  }
  ~WantsColorTest() override { unsetenv("NO_COLOR"); }

  UniqueFd master_;
  UniqueFd terminal_;
};

TEST_F(WantsColorTest, ATerminalGetsColourByItself) { EXPECT_TRUE(WantsColor(ColorMode::kAuto, terminal_.get())); }

TEST_F(WantsColorTest, AFileGetsNone) {
  const UniqueFd file(open("/dev/null", O_WRONLY | O_CLOEXEC));
  EXPECT_FALSE(WantsColor(ColorMode::kAuto, file.get()));
  EXPECT_TRUE(WantsColor(ColorMode::kAlways, file.get()));
}

TEST_F(WantsColorTest, NoColorIsHonouredUnlessTheOptionSaysAlways) {
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(WantsColor(ColorMode::kAuto, terminal_.get()));
  EXPECT_TRUE(WantsColor(ColorMode::kAlways, terminal_.get()));
  setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(WantsColor(ColorMode::kAuto, terminal_.get()));
}

TEST_F(WantsColorTest, ADumbTerminalGetsNone) {
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(WantsColor(ColorMode::kAuto, terminal_.get()));
}

TEST_F(WantsColorTest, NeverIsNever) { EXPECT_FALSE(WantsColor(ColorMode::kNever, terminal_.get())); }

}  // namespace
}  // namespace zxctl::report::test
