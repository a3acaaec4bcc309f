#include "report/standard_error.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <utility>

namespace zxctl::report {
namespace {

// Descriptors that a child process gets under the numbers 0 to 4 stand above those here, so that none is overwritten.
constexpr int kFirstOwnFd = 10;

// Of threads that lead no process: since Linux 6.9.
constexpr unsigned kPidfdThread = O_EXCL;

UniqueFd OpenPidfd(pid_t tid) {
  UniqueFd leader(static_cast<int>(syscall(SYS_pidfd_open, tid, 0)));
  return leader.valid() ? std::move(leader) : UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, tid, kPidfdThread)));
}

UniqueFd Duplicate(pid_t tid) {
  const UniqueFd task = OpenPidfd(tid);
  UniqueFd copy(task.valid() ? static_cast<int>(syscall(SYS_pidfd_getfd, task.get(), STDERR_FILENO, 0)) : -1);
  // Without a descriptor for the thread, the same file, opened anew.
  if (!task.valid()) {
    copy.Reset(
        open(fmt::format("/proc/{}/fd/2", tid).c_str(), O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  }
  return copy.valid() ? UniqueFd(fcntl(copy.get(), F_DUPFD_CLOEXEC, kFirstOwnFd)) : UniqueFd();
}

bool Is(const UniqueFd& fd, FileIdentity wanted) {
  struct stat info {};
  return fd.valid() && fstat(fd.get(), &info) == 0 && info.st_dev == wanted.dev && info.st_ino == wanted.ino;
}

// A program that closed its standard error may have opened a file of data under that number, which a report would damage.
// Shells and daemons open what they redirect to for writing only; what is opened for reading too is data.
bool MayBeData(const UniqueFd& fd) {
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return true;
  const bool file = S_ISREG(info.st_mode) || S_ISBLK(info.st_mode);
  return file && (fcntl(fd.get(), F_GETFL) & O_ACCMODE) != O_WRONLY;
}

}  // namespace

UniqueFd BorrowStandardError(FileIdentity wanted, std::span<const pid_t> tids) {
  UniqueFd first;
  for (const pid_t tid : tids) {
    UniqueFd fd = Duplicate(tid);
    if (Is(fd, wanted)) return fd;
    // Who starts the program without a standard error wants no report there; what has the number now is something else.
    if (tid == tids.front() && wanted.ino != 0 && !MayBeData(fd)) first = std::move(fd);
  }
  return first;
}

void SayWithoutWaiting(int fd, std::string_view text) {
  pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
  if (fd < 0 || poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
  // A pipe that polls writable takes this much without blocking.
  (void)!write(fd, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
}

}  // namespace zxctl::report
