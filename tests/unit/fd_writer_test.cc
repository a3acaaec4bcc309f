#include "report/fd_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "support/temp_dir.h"

namespace zxctl::report {
namespace {

using zxctl::test::FileText;
using zxctl::test::TempDir;

struct Pair {
  UniqueFd read;
  UniqueFd write;
};

Pair MakePipe() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Pair MakeSockets() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Pair MakeTerminal() {
  int master = -1;
  int slave = -1;
  EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  return {UniqueFd(master), UniqueFd(slave)};
}

int64_t Soon() { return MonotonicNs() + 100 * kNsPerMs; }

const std::string& Large() {
  static const std::string text(4u << 20, 'x');
  return text;
}

// Runs `body` in a child process; its value is the exit status.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class WriteAllTest : public ::testing::Test {
 private:
  ScopedWriteSignals quiet_;
};

TEST_F(WriteAllTest, WritesAFile) {
  const TempDir dir;
  const UniqueFd fd(open(dir.Path("f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_TRUE(WriteAll(fd.get(), Large(), kNever).has_value());
  EXPECT_EQ(FileText(dir.Path("f")), Large());
}

TEST_F(WriteAllTest, FillsAPipeAsFastAsItIsRead) {
  Pair pipe = MakePipe();
  std::string got;
  std::thread reader([&] {
    char buffer[65536];
    for (ssize_t n = 0; (n = read(pipe.read.get(), buffer, sizeof buffer)) > 0;)
      got.append(buffer, static_cast<size_t>(n));
  });
  const Result<void> written = WriteAll(pipe.write.get(), Large(), kNever);
  pipe.write.Reset();
  reader.join();
  EXPECT_TRUE(written.has_value());
  EXPECT_EQ(got, Large());
}

TEST_F(WriteAllTest, APipeThatNobodyReadsEndsAtTheDeadline) {
  const Pair pipe = MakePipe();
  size_t done = 0;
  const Result<void> written = WriteAll(pipe.write.get(), Large(), Soon(), &done);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().zx, ZX_ERR_TIMED_OUT);
  EXPECT_EQ(done, static_cast<size_t>(fcntl(pipe.write.get(), F_GETPIPE_SZ)));
}

TEST_F(WriteAllTest, AFullPipeEndsAtOnceWhenTheDeadlineIsOver) {
  const Pair pipe = MakePipe();
  (void)WriteAll(pipe.write.get(), Large(), Soon());
  size_t done = 1;
  EXPECT_FALSE(WriteAll(pipe.write.get(), "more", MonotonicNs() - 1, &done).has_value());
  EXPECT_EQ(done, 0u);
}

TEST_F(WriteAllTest, ASocketThatNobodyReadsEndsAtTheDeadline) {
  const Pair sockets = MakeSockets();
  const Result<void> written = WriteAll(sockets.write.get(), Large(), Soon());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().zx, ZX_ERR_TIMED_OUT);
}

TEST_F(WriteAllTest, LeavesTheSharedFlagsAlone) {
  const Pair pipe = MakePipe();
  const int before = fcntl(pipe.write.get(), F_GETFL);
  (void)WriteAll(pipe.write.get(), Large(), Soon());
  EXPECT_EQ(fcntl(pipe.write.get(), F_GETFL), before);
  EXPECT_EQ(before & O_NONBLOCK, 0);
}

TEST_F(WriteAllTest, APipeThatIsNonBlockingAlreadyIsWaitedFor) {
  Pair pipe = MakePipe();
  ASSERT_EQ(fcntl(pipe.write.get(), F_SETFL, O_NONBLOCK), 0);
  std::thread reader([&] {
    char buffer[65536];
    while (read(pipe.read.get(), buffer, sizeof buffer) > 0) continue;
  });
  EXPECT_TRUE(WriteAll(pipe.write.get(), Large(), kNever).has_value());
  pipe.write.Reset();
  reader.join();
}

TEST_F(WriteAllTest, ATerminalThatNobodyReadsEndsAtTheDeadline) {
  const Pair terminal = MakeTerminal();
  const Result<void> written = WriteAll(terminal.write.get(), Large(), Soon());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().zx, ZX_ERR_TIMED_OUT);
}

TEST_F(WriteAllTest, ATerminalStoppedByControlSEndsAtTheDeadline) {
  const Pair terminal = MakeTerminal();
  ASSERT_EQ(tcflow(terminal.write.get(), TCOOFF), 0);
  const Result<void> written = WriteAll(terminal.write.get(), "text", Soon());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().zx, ZX_ERR_TIMED_OUT);
}

TEST_F(WriteAllTest, ABrokenPipeIsAnErrorAndNotASignal) {
  Pair pipe = MakePipe();
  pipe.read.Reset();
  const Result<void> written = WriteAll(pipe.write.get(), "text", kNever);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().sys_errno, EPIPE);
}

TEST_F(WriteAllTest, AClosedDescriptorIsAnError) {
  const Result<void> written = WriteAll(-1, "text", Soon());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().sys_errno, EBADF);
}

TEST_F(WriteAllTest, AFullDeviceIsAnError) {
  const UniqueFd fd(open("/dev/full", O_WRONLY | O_CLOEXEC));
  const Result<void> written = WriteAll(fd.get(), "text", Soon());
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().sys_errno, ENOSPC);
}

TEST_F(WriteAllTest, AFileSizeLimitIsAnErrorAndNotASignal) {
  const TempDir dir;
  const UniqueFd fd(open(dir.Path("f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_EQ(InChild([&fd] {
              const rlimit limit{1000, 1000};
              setrlimit(RLIMIT_FSIZE, &limit);
              size_t done = 0;
              const Result<void> written = WriteAll(fd.get(), Large(), kNever, &done);
              return !written && written.error().sys_errno == EFBIG && done == 1000 ? 0 : 1;
            }),
            0);
}

// A new session whose terminal stops background writers, and a background process in it that writes.
int WriteFromTheBackground(int slave) {
  setsid();
  if (ioctl(slave, TIOCSCTTY, 0) != 0) return 2;
  termios modes{};
  tcgetattr(slave, &modes);
  modes.c_lflag |= TOSTOP;
  tcsetattr(slave, TCSANOW, &modes);
  return InChild([slave] {
    setpgid(0, 0);
    const ScopedWriteSignals quiet;
    return WriteAll(slave, "report\n", kNever).has_value() ? 0 : 1;
  });
}

TEST(WriteAll, ABackgroundProcessMayWriteToATerminalWithTostop) {
  const Pair terminal = MakeTerminal();
  EXPECT_EQ(InChild([&terminal] { return WriteFromTheBackground(terminal.write.get()); }), 0);
  char buffer[64] = {};
  EXPECT_GT(read(terminal.read.get(), buffer, sizeof buffer - 1), 0);
  EXPECT_STREQ(buffer, "report\r\n");
}

void CountAlarm(int) {}

TEST(WriteAll, PutsSignalDispositionsBack) {
  struct sigaction mine {};
  mine.sa_handler = CountAlarm;
  sigaction(SIGALRM, &mine, nullptr);
  sigaction(SIGPIPE, &mine, nullptr);
  {
    const ScopedWriteSignals quiet;
    const Pair pipe = MakePipe();
    EXPECT_TRUE(WriteAll(pipe.write.get(), "text", Soon()).has_value());
  }
  for (const int signo : {SIGALRM, SIGPIPE}) {
    struct sigaction now {};
    sigaction(signo, nullptr, &now);
    EXPECT_EQ(now.sa_handler, CountAlarm);
    signal(signo, SIG_DFL);
  }
}

}  // namespace
}  // namespace zxctl::report
