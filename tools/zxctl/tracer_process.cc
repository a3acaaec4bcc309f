#include "tracer_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include "base/unique_fd.h"

namespace zxctl {
namespace {

// Where the ring stands in the tracer; the pipe that carries a failed exec's errno stands after it.
constexpr int kRingFd = 3;
constexpr int kErrorFd = 4;

// A program may have become a subreaper before it executed zxctl; the tracer must not become its child by that.
class ScopedNoSubreaper {
 public:
  ScopedNoSubreaper() {
    prctl(PR_GET_CHILD_SUBREAPER, &was_, 0, 0, 0);
    if (was_ != 0) prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
  }
  ScopedNoSubreaper(const ScopedNoSubreaper&) = delete;
  ScopedNoSubreaper& operator=(const ScopedNoSubreaper&) = delete;
  ~ScopedNoSubreaper() {
    if (was_ != 0) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  }

 private:
  int was_ = 0;
};

// While SIGCHLD is ignored, a child that ends leaves neither a zombie nor its resource usage behind: the program's
// RUSAGE_CHILDREN starts at zero. Only for a process without other children, whose ends would be lost.
class ScopedIgnoreChildren {
 public:
  ScopedIgnoreChildren() {
    siginfo_t info;
    alone_ = waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
    if (!alone_) return;
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGCHLD, &ignore, &old_);
  }
  ScopedIgnoreChildren(const ScopedIgnoreChildren&) = delete;
  ScopedIgnoreChildren& operator=(const ScopedIgnoreChildren&) = delete;
  ~ScopedIgnoreChildren() {
    if (alone_) sigaction(SIGCHLD, &old_, nullptr);
  }

 private:
  bool alone_ = false;
  struct sigaction old_ {};
};

// In the new process: only async-signal-safe calls from here.
[[noreturn]] void BecomeTracer(char* const* argv, int ring_fd, int error_fd) {
  const int null = open("/dev/null", O_RDWR);
  // Out of the way of the numbers they end up with.
  const int ring = fcntl(ring_fd, F_DUPFD, kErrorFd + 1);
  const int error = fcntl(error_fd, F_DUPFD, kErrorFd + 1);
  for (int fd = 0; fd < kRingFd; ++fd) dup2(null, fd);
  dup2(ring, kRingFd);
  dup3(error, kErrorFd, O_CLOEXEC);
  syscall(SYS_close_range, kErrorFd + 1, ~0U, 0);
  (void)!chdir("/");
  signal(SIGCHLD, SIG_DFL);
  execv(argv[0], argv);
  const int failure = errno;
  (void)!write(kErrorFd, &failure, sizeof(failure));
  _exit(EXIT_FAILURE);
}

// The child of zxctl: leaves the session and the family, and goes away.
[[noreturn]] void ForkTracer(char* const* argv, int ring_fd, int error_fd) {
  setsid();
  const pid_t pid = fork();
  if (pid == 0) BecomeTracer(argv, ring_fd, error_fd);
  if (pid < 0) {
    const int failure = errno;
    (void)!write(error_fd, &failure, sizeof(failure));
  }
  _exit(EXIT_SUCCESS);
}

}  // namespace

Result<std::string> FindHelper(const std::string& name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Fail(Status::FromErrno("cannot read /proc/self/exe; is /proc mounted", error.value()));
  const auto folder = self.parent_path();
  const auto installed = folder.parent_path() / "libexec" / "zxctl";
  for (const auto& candidate : {folder / name, installed / name}) {
    if (access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  return Fail(Status{.zx = ZX_ERR_NOT_FOUND,
                     .what = fmt::format("{} is neither in {} nor in {}; build or install zxctl anew", name,
                                         folder.string(), installed.string())});
}

Result<void> StartDetached(const std::vector<std::string>& arguments, int ring_fd) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return FailErrno("cannot create a pipe");
  const UniqueFd reader(pipe_fds[0]);
  UniqueFd writer(pipe_fds[1]);
  {
    const ScopedNoSubreaper no_subreaper;
    const ScopedIgnoreChildren ignore_children;
    const pid_t child = fork();
    if (child == 0) ForkTracer(argv.data(), ring_fd, writer.get());
    if (child < 0) return FailErrno("cannot fork; the limits of processes (`ulimit -u`) or memory are reached");
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  writer.Reset();
  int failure = 0;
  if (read(reader.get(), &failure, sizeof(failure)) == sizeof(failure)) {
    return Fail(Status::FromErrno("cannot start " + arguments[0], failure));
  }
  return {};
}

}  // namespace zxctl
