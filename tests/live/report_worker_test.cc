// The report's worker: what its sandbox refuses, and what is left of a report when the worker dies, hangs or writes
// nonsense.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/clock.h"
#include "report/sandbox.h"
#include "report/worker.h"
#include "support/temp_dir.h"

namespace zxctl::report::test {
namespace {

using zxctl::test::TempDir;

constexpr int64_t kBudgetNs = 5 * kNsPerSec;

CrashInput Input() {
  CrashInput input;
  input.report.process.name = "known";
  input.report.exception.reason = ring::CrashReason::kException;
  return input;
}

Report WithProgress(const CrashInput& input, uint64_t pc) {
  Report report = input.report;
  report.thread.frames = {{.pc = pc}};
  return report;
}

bool Notes(const Report& report, const std::string& text) {
  return std::any_of(report.notes.limits.begin(), report.notes.limits.end(),
                     [&](const std::string& note) { return note.find(text) != std::string::npos; });
}

TEST(ReportWorker, LastOfItsReportsCounts) {
  const Report report =
      RunInWorker(Input(), MonotonicNs() + kBudgetNs, [](const auto& input, int64_t, const Emit& emit) {
        for (uint64_t pc = 1; pc <= 100; ++pc) emit(WithProgress(input, pc));
      });
  ASSERT_EQ(report.thread.frames.size(), 1U);
  EXPECT_EQ(report.thread.frames[0].pc, 100U);
  EXPECT_TRUE(report.notes.limits.empty());
}

TEST(ReportWorker, ThatCrashesLeavesWhatItHadFound) {
  const Report report =
      RunInWorker(Input(), MonotonicNs() + kBudgetNs, [](const auto& input, int64_t, const Emit& emit) {
        emit(WithProgress(input, 7));
        signal(SIGSEGV, SIG_DFL);  // a sanitizer may have taken it
        raise(SIGSEGV);
      });
  ASSERT_EQ(report.thread.frames.size(), 1U);
  EXPECT_EQ(report.thread.frames[0].pc, 7U);
  EXPECT_TRUE(Notes(report, "crashed (SIGSEGV)"));
}

TEST(ReportWorker, ThatCrashesAtOnceLeavesTheKnownFacts) {
  const Report report =
      RunInWorker(Input(), MonotonicNs() + kBudgetNs, [](const auto&, int64_t, const Emit&) { abort(); });
  EXPECT_EQ(report.process.name, "known");
  EXPECT_TRUE(Notes(report, "crashed (SIGABRT)"));
}

TEST(ReportWorker, ThatHangsIsStoppedAtTheDeadlineAndKeepsWhatItHadFound) {
  const int64_t started = MonotonicNs();
  const int64_t budget = 300 * kNsPerMs;
  const Report report = RunInWorker(Input(), started + budget, [](const auto& input, int64_t, const Emit& emit) {
    emit(WithProgress(input, 9));
    for (volatile bool forever = true; forever;) {
    }
  });
  EXPECT_GE(MonotonicNs() - started, budget);
  ASSERT_EQ(report.thread.frames.size(), 1U);
  EXPECT_TRUE(Notes(report, "took too long"));
}

TEST(ReportWorker, ThatClaimsToBeAnotherCrashIsNotBelieved) {
  const Report report =
      RunInWorker(Input(), MonotonicNs() + kBudgetNs, [](const auto& input, int64_t, const Emit& emit) {
        Report lie = input.report;
        lie.process.name = "another";
        lie.process.pid = 1;
        emit(lie);
      });
  EXPECT_EQ(report.process.name, "known");
  EXPECT_EQ(report.process.pid, 0);
}

TEST(ReportWorker, EndsWithItsStatusInANote) {
  const Report report =
      RunInWorker(Input(), MonotonicNs() + kBudgetNs, [](const auto&, int64_t, const Emit&) { _exit(42); });
  EXPECT_TRUE(Notes(report, "status 42"));
}

// ---- the sandbox ----------------------------------------------------------------------------------------------------

// True when `attempt` fails with EPERM inside the sandbox.
bool IsRefused(const std::function<bool()>& attempt) {
  const pid_t child = fork();
  if (child == 0) {
    if (!EnterSandbox({})) _exit(2);
    errno = 0;
    const bool worked = attempt();
    _exit(worked ? 1 : errno == EPERM ? 0 : 3);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_NE(WEXITSTATUS(status), 2) << "no sandbox";
  return WEXITSTATUS(status) == 0;
}

TEST(ReportSandbox, RefusesEveryWayOut) {
  const TempDir dir;
  const std::string path = dir.Path("file");
  ASSERT_GE(UniqueFd(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)).get(), 0);
  const pid_t parent = getpid();
  EXPECT_TRUE(IsRefused([&] { return open(path.c_str(), O_WRONLY) >= 0; }));
  EXPECT_TRUE(IsRefused([&] { return open(path.c_str(), O_RDWR) >= 0; }));
  EXPECT_TRUE(IsRefused([&] { return open(path.c_str(), O_RDONLY | O_TRUNC) >= 0; }));
  EXPECT_TRUE(IsRefused([&] { return open(dir.Path("new").c_str(), O_RDONLY | O_CREAT, 0600) >= 0; }));
  EXPECT_TRUE(IsRefused([&] { return unlink(path.c_str()) == 0; }));
  EXPECT_TRUE(IsRefused([] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }));
  EXPECT_TRUE(IsRefused([] { return fork() >= 0; }));
  EXPECT_TRUE(IsRefused([] { return execl("/bin/true", "true", nullptr) == 0; }));
  EXPECT_TRUE(IsRefused([parent] { return kill(parent, 0) == 0; }));
  EXPECT_TRUE(IsRefused([parent] { return syscall(SYS_pidfd_open, parent, 0) >= 0; }));
  EXPECT_TRUE(IsRefused([parent] { return syscall(SYS_ptrace, 16, parent, 0, 0) >= 0; }));
  EXPECT_TRUE(IsRefused([] {
    return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
  }));
  EXPECT_TRUE(IsRefused([] {
    void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
  }));
  EXPECT_EQ(std::filesystem::file_size(path), 0U);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(ReportSandbox, AllowsToReadFiles) {
  EXPECT_FALSE(IsRefused([] {
    char byte = 0;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &byte, 1) == 1 && byte == 0x7f;
  }));
}

}  // namespace
}  // namespace zxctl::report::test
