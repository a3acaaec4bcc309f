#include "client/orphan.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace zxctl::client {
namespace {

thread_local sigset_t t_callers_mask;

class ScopedBlockSignals {
 public:
  ScopedBlockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &t_callers_mask);
  }
  ScopedBlockSignals(const ScopedBlockSignals&) = delete;
  ScopedBlockSignals& operator=(const ScopedBlockSignals&) = delete;
  ~ScopedBlockSignals() { pthread_sigmask(SIG_SETMASK, &t_callers_mask, nullptr); }
};

// A subreaper would become the parent of what is to be nobody's child here.
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

// fork() without what the C library does around it; `exit_signal` 0: the parent is not told of the end. Whoever traces this
// process does not follow: a tracer that we start, or that takes up what we start, has to be the only one.
pid_t RawFork(int exit_signal) {
  const auto flags = static_cast<unsigned long>(CLONE_UNTRACED | exit_signal);
  return static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0));
}

[[noreturn]] void ForkAgain(const std::function<void()>& body, int pid_fd) {
  const pid_t pid = RawFork(SIGCHLD);
  if (pid == 0) {
    body();
    _exit(EXIT_FAILURE);
  }
  const int32_t answer = pid < 0 ? -errno : pid;
  (void)!write(pid_fd, &answer, sizeof(answer));
  _exit(EXIT_SUCCESS);
}

}  // namespace

Result<pid_t> ForkOrphan(const std::function<void()>& body) {
  int pipe_fds[2];
  // One that was killed has written nothing, and its end may be held by a child that the program has forked meanwhile.
  if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) return FailErrno("cannot create a pipe");
  const UniqueFd reader(pipe_fds[0]);
  const UniqueFd writer(pipe_fds[1]);
  const ScopedBlockSignals block_signals;
  const ScopedNoSubreaper no_subreaper;
  const pid_t child = RawFork(0);
  if (child == 0) ForkAgain(body, writer.get());
  if (child < 0) return FailErrno("cannot fork; the limits of processes (`ulimit -u`) or memory are reached");
  while (waitpid(child, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  int32_t answer = -EIO;
  (void)!read(reader.get(), &answer, sizeof(answer));
  if (answer < 0) return Fail(Status::FromErrno("cannot fork", -answer));
  return answer;
}

void RestoreCallersSignalMask() { pthread_sigmask(SIG_SETMASK, &t_callers_mask, nullptr); }

}  // namespace zxctl::client
