#include "support/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"

namespace zxctl::test {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    std::perror("pipe2");
    std::abort();
  }
  return Pipe{.read = UniqueFd(fds[0]), .write = UniqueFd(fds[1])};
}

void SetNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// A program that ends before it has read its input must not end the test.
void IgnoreBrokenPipes() { signal(SIGPIPE, SIG_IGN); }

UniqueFd OpenTerminal(UniqueFd& program_side) {
  int ours = -1;
  int theirs = -1;
  winsize size{.ws_row = 40, .ws_col = 120, .ws_xpixel = 0, .ws_ypixel = 0};
  if (openpty(&ours, &theirs, nullptr, nullptr, &size) != 0) {
    std::perror("openpty");
    std::abort();
  }
  fcntl(ours, F_SETFD, FD_CLOEXEC);
  fcntl(theirs, F_SETFD, FD_CLOEXEC);
  program_side.Reset(theirs);
  return UniqueFd(ours);
}

void BecomeUser(uid_t uid) {
  if (setgroups(0, nullptr) != 0 || setgid(uid) != 0 || setuid(uid) != 0) _exit(124);
}

// Puts `from` at its number even when that number is the home of another source; sources above 600 do not collide.
int MoveUp(int fd) {
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 600);
  return moved >= 0 ? moved : fd;
}

}  // namespace

std::string DescribeStatus(int status) {
  if (WIFEXITED(status)) return "exit " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) {
    return "signal " + std::to_string(WTERMSIG(status)) + (WCOREDUMP(status) ? " (core)" : "");
  }
  if (WIFSTOPPED(status)) return "stopped " + std::to_string(WSTOPSIG(status));
  return WIFCONTINUED(status) ? "continued" : "status " + std::to_string(status);
}

ChildProcess::ChildProcess(Argv argv, RunOptions options) : argv_(std::move(argv)), options_(std::move(options)) {
  IgnoreBrokenPipes();
  pending_input_ = options_.stdin_text;
  if (options_.pty) {
    UniqueFd theirs;
    out_fd_ = OpenTerminal(theirs);
    in_.Reset(fcntl(out_fd_.get(), F_DUPFD_CLOEXEC, 0));
    StartChild(theirs.get(), theirs.get(), theirs.get());
  } else {
    Pipe in = MakePipe();
    Pipe out = MakePipe();
    Pipe err = MakePipe();
    in_ = std::move(in.write);
    out_fd_ = std::move(out.read);
    err_fd_ = std::move(err.read);
    StartChild(in.read.get(), out.write.get(), err.write.get());
  }
  SetNonBlocking(in_.get());
  SetNonBlocking(out_fd_.get());
  if (err_fd_.valid()) SetNonBlocking(err_fd_.get());
  WritePending();
}

ChildProcess::~ChildProcess() {
  if (reaped_ || pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void ChildProcess::StartChild(int in, int out, int err) {
  std::fflush(nullptr);
  pid_ = fork();
  if (pid_ == 0) RunInChild(in, out, err);
  if (pid_ < 0) {
    std::perror("fork");
    std::abort();
  }
  pidfd_.Reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
}

void ChildProcess::RunInChild(int in, int out, int err) {
  signal(SIGPIPE, SIG_DFL);
  if (options_.pty) {
    setsid();
    ioctl(in, TIOCSCTTY, 0);
  }
  std::vector<std::pair<int, int>> moves = {{MoveUp(in), 0}, {MoveUp(out), 1}, {MoveUp(err), 2}};
  for (const auto& [ours, theirs] : options_.fds) moves.emplace_back(MoveUp(ours), theirs);
  for (const auto& [from, to] : moves) dup2(from, to);
  for (const int fd : options_.closed_fds) close(fd);
  for (const std::string& entry : options_.env) putenv(strdup(entry.c_str()));
  if (!options_.cwd.empty() && chdir(options_.cwd.c_str()) != 0) _exit(124);
  if (options_.uid) BecomeUser(*options_.uid);
  if (options_.before_exec) options_.before_exec();
  std::vector<char*> words;
  for (std::string& word : argv_) words.push_back(word.data());
  words.push_back(nullptr);
  // execvp would hand a file that is no program to the shell.
  if (argv_[0].find('/') != std::string::npos) {
    execv(words[0], words.data());
  } else {
    execvp(words[0], words.data());
  }
  _exit(errno == ENOENT ? 127 : 126);
}

bool ChildProcess::ReadSome(UniqueFd& fd, std::string& text) {
  char buffer[65536];
  const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
  if (got > 0) {
    text.append(buffer, static_cast<size_t>(got));
    return true;
  }
  // A terminal whose last user is gone reads as EIO.
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) fd.Reset();
  return false;
}

void ChildProcess::WritePending() {
  while (in_.valid() && !pending_input_.empty()) {
    const ssize_t put = write(in_.get(), pending_input_.data(), pending_input_.size());
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) {
      in_.Reset();
      return;
    }
    pending_input_.erase(0, static_cast<size_t>(put));
  }
  if (!options_.pty && !options_.keep_stdin_open) in_.Reset();
}

void ChildProcess::PumpOnce(int timeout_ms, bool with_exit) {
  std::vector<pollfd> polls;
  const bool stderr_too = err_fd_.valid() && options_.read_stderr;
  polls.push_back({.fd = out_fd_.valid() ? out_fd_.get() : -1, .events = POLLIN, .revents = 0});
  polls.push_back({.fd = stderr_too ? err_fd_.get() : -1, .events = POLLIN, .revents = 0});
  polls.push_back({.fd = pending_input_.empty() ? -1 : in_.get(), .events = POLLOUT, .revents = 0});
  polls.push_back({.fd = with_exit ? pidfd_.get() : -1, .events = POLLIN, .revents = 0});
  if (poll(polls.data(), polls.size(), timeout_ms) <= 0) return;
  if (polls[0].revents != 0) ReadSome(out_fd_, out_);
  if (polls[1].revents != 0) ReadSome(err_fd_, err_);
  if (polls[2].revents != 0) WritePending();
}

bool ChildProcess::PumpUntil(const std::function<bool()>& done, int timeout_s) {
  const int64_t end = MonotonicNs() + timeout_s * kNsPerSec;
  while (!done()) {
    const int64_t left_ms = (end - MonotonicNs()) / kNsPerMs;
    if (left_ms <= 0) return false;
    if (!out_fd_.valid() && !(err_fd_.valid() && options_.read_stderr)) return false;
    PumpOnce(static_cast<int>(left_ms), false);
  }
  return true;
}

void ChildProcess::Send(std::string_view text) {
  pending_input_ += text;
  WritePending();
}

void ChildProcess::CloseStdin() { in_.Reset(); }

void ChildProcess::Signal(int signo) const { kill(pid_, signo); }

bool ChildProcess::Expect(std::string_view text, int timeout_s) {
  size_t found = std::string::npos;
  const auto seen = [&] { return (found = out_.find(text, cursor_)) != std::string::npos; };
  if (!PumpUntil([&] { return seen() || !out_fd_.valid(); }, timeout_s)) return false;
  if (!seen()) return false;
  cursor_ = found + text.size();
  return true;
}

std::optional<std::string> ChildProcess::ReadLine(int timeout_s) {
  const size_t start = cursor_;
  if (!Expect("\n", timeout_s)) return std::nullopt;
  return out_.substr(start, cursor_ - start - 1);
}

bool ChildProcess::ExpectErr(std::string_view text, int timeout_s) {
  const auto seen = [&] { return err_.find(text) != std::string::npos; };
  return PumpUntil([&] { return seen() || !err_fd_.valid(); }, timeout_s) && seen();
}

bool ChildProcess::Reap(int timeout_s) {
  const int64_t end = MonotonicNs() + timeout_s * kNsPerSec;
  while (true) {
    const pid_t got = wait4(pid_, &outcome_.status, WNOHANG, &outcome_.usage);
    if (got == pid_) return true;
    const int64_t left_ms = (end - MonotonicNs()) / kNsPerMs;
    if (left_ms <= 0) return false;
    PumpOnce(static_cast<int>(left_ms), true);
  }
}

Outcome ChildProcess::Finish() {
  if (!options_.pty && pending_input_.empty()) in_.Reset();
  if (!Reap(options_.timeout_s)) {
    outcome_.timed_out = true;
    kill(pid_, SIGKILL);
    wait4(pid_, &outcome_.status, 0, &outcome_.usage);
  }
  reaped_ = true;
  while (err_fd_.valid() && ReadSome(err_fd_, err_)) {
  }
  outcome_.err_size_at_exit = err_.size();
  options_.read_stderr = true;
  const auto ended = [&] { return !out_fd_.valid() && !err_fd_.valid(); };
  while (out_fd_.valid() && ReadSome(out_fd_, out_)) {
  }
  if (options_.wait_for_eof && !ended() && !PumpUntil(ended, options_.timeout_s)) {
    outcome_.timed_out = outcome_.timed_out || !ended();
  }
  outcome_.out = out_;
  outcome_.err = err_;
  return outcome_;
}

Outcome RunCommand(const Argv& argv, const RunOptions& options) {
  ChildProcess child(argv, options);
  return child.Finish();
}

}  // namespace zxctl::test
