#include "report/standard_error.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace zxctl::report {
namespace {

// Descriptors that a child process gets under the numbers 0 to 4 stand above those here, so that none is overwritten.
constexpr int kFirstOwnFd = 10;

UniqueFd Duplicate(pid_t pid) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return {};
  const UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), STDERR_FILENO, 0)));
  if (!copy.valid()) return {};
  return UniqueFd(fcntl(copy.get(), F_DUPFD_CLOEXEC, kFirstOwnFd));
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

UniqueFd BorrowStandardError(FileIdentity wanted, std::span<const pid_t> pids) {
  UniqueFd first;
  for (const pid_t pid : pids) {
    UniqueFd fd = Duplicate(pid);
    if (Is(fd, wanted)) return fd;
    // Who starts the program without a standard error wants no report there; what has the number now is something else.
    if (pid == pids.front() && wanted.ino != 0 && !MayBeData(fd)) first = std::move(fd);
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
