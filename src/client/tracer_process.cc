#include "client/tracer_process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include "base/unique_fd.h"
#include "client/orphan.h"

namespace zxctl {
namespace {

// Where the descriptors that are handed over stand in the tracer, and how many there are at most; the pipe that carries a
// failed exec's errno stands behind them.
constexpr int kFirstFd = 3;
constexpr size_t kMaxFds = 2;

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
[[noreturn]] void BecomeTracer(char* const* argv, std::span<const int> fds, int error_fd) {
  const int null = open("/dev/null", O_RDWR);
  const int behind = kFirstFd + static_cast<int>(fds.size());
  // Out of the way of the numbers they end up with.
  std::array<int, kMaxFds> copies{};
  for (size_t i = 0; i < fds.size(); ++i) copies[i] = fcntl(fds[i], F_DUPFD, behind + 1);
  const int error = fcntl(error_fd, F_DUPFD, behind + 1);
  for (int fd = 0; fd < kFirstFd; ++fd) dup2(null, fd);
  for (size_t i = 0; i < fds.size(); ++i) dup2(copies[i], kFirstFd + static_cast<int>(i));
  dup3(error, behind, O_CLOEXEC);
  syscall(SYS_close_range, behind + 1, ~0U, 0);
  (void)!chdir("/");
  signal(SIGCHLD, SIG_DFL);
  execv(argv[0], argv);
  const int failure = errno;
  (void)!write(behind, &failure, sizeof(failure));
  _exit(EXIT_FAILURE);
}

// The child of zxctl: leaves the session and the family, and goes away.
[[noreturn]] void ForkTracer(char* const* argv, int ring_fd, int error_fd) {
  setsid();
  const pid_t pid = fork();
  if (pid == 0) BecomeTracer(argv, std::span(&ring_fd, 1), error_fd);
  if (pid < 0) {
    const int failure = errno;
    (void)!write(error_fd, &failure, sizeof(failure));
  }
  _exit(EXIT_SUCCESS);
}

// Where a helper may be, for a program or a library in this folder: beside it, in a build tree, in an installation.
void AddFoldersAround(const std::filesystem::path& folder, std::vector<std::filesystem::path>& out) {
  out.push_back(folder);
  out.push_back(folder / ".." / "bin");
  out.push_back(folder / ".." / "libexec" / "zxctl");
  out.push_back(folder / ".." / ".." / "libexec" / "zxctl");
}

std::vector<char*> Pointers(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  return argv;
}

// Waits until the new process has executed its program: then the pipe is at its end.
Result<void> AwaitExec(int error_fd, const std::string& program) {
  int failure = 0;
  if (read(error_fd, &failure, sizeof(failure)) != sizeof(failure)) return {};
  return Fail(Status::FromErrno("cannot start " + program, failure));
}

}  // namespace

Result<std::string> FindHelper(const std::string& name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Fail(Status::FromErrno("cannot read /proc/self/exe; is /proc mounted", error.value()));
  const auto folder = self.parent_path();
  std::vector<std::filesystem::path> folders;
  if (const char* told = secure_getenv("ZXTASK_TRACER_DIR"); told != nullptr) folders.emplace_back(told);
  AddFoldersAround(folder, folders);
  // Where this code is: in a shared library, that is not the program's folder.
  if (Dl_info here{}; dladdr(reinterpret_cast<const void*>(&FindHelper), &here) != 0 && here.dli_fname != nullptr) {
    AddFoldersAround(std::filesystem::absolute(here.dli_fname, error).parent_path(), folders);
  }
  folders.emplace_back(ZX_LIBEXEC_DIR);
  for (const auto& candidate : folders) {
    if (access((candidate / name).c_str(), X_OK) == 0) return (candidate / name).string();
  }
  return Fail(Status{.zx = ZX_ERR_NOT_FOUND,
                     .what = fmt::format("{} is neither in {} nor in {}; build or install zxctl anew, or name "
                                         "its folder in ZXTASK_TRACER_DIR",
                                         name, folder.string(), ZX_LIBEXEC_DIR)});
}

Result<void> StartDetached(const std::vector<std::string>& arguments, int ring_fd) {
  const std::vector<char*> argv = Pointers(arguments);
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
  return AwaitExec(reader.get(), arguments[0]);
}

Result<UniqueFd> StartOrphan(const std::vector<std::string>& arguments, std::span<const int> fds) {
  const std::vector<char*> argv = Pointers(arguments);
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return FailErrno("cannot create a pipe");
  UniqueFd reader(pipe_fds[0]);
  const UniqueFd writer(pipe_fds[1]);
  const auto forked = client::ForkOrphan([&] {
    setsid();
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
    BecomeTracer(argv.data(), fds, writer.get());
  });
  if (!forked) return Fail(forked.error());
  return reader;
}

}  // namespace zxctl
