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
constexpr int64_t kRetryNs = 10 * kNsPerMs;
constexpr int64_t kPatienceNs = 2 * kNsPerSec;

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

bool SayWithoutWaiting(int fd, std::string_view text) {
  pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
  if (fd < 0 || poll(&ready, 1, 0) < 0) return true;
  if (ready.revents == 0) return false;
  // A pipe that polls writable takes this much without blocking; one that nobody reads any more takes nothing, ever.
  if ((ready.revents & POLLOUT) != 0) (void)!write(fd, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
  return true;
}

void PatientSpeaker::Say(UniqueFd fd, std::string text) {
  if (lines_.empty() && SayWithoutWaiting(fd.get(), text)) return;
  if (lines_.empty()) timers_.Add(clock_.NowNs() + kRetryNs, [this] { SayAll(); });
  lines_.push_back({std::move(fd), std::move(text), clock_.NowNs() + kPatienceNs});
}

void PatientSpeaker::SayAll() {
  std::erase_if(lines_, [this](const Line& line) {
    return SayWithoutWaiting(line.fd.get(), line.text) || clock_.NowNs() >= line.give_up_ns;
  });
  if (!lines_.empty()) timers_.Add(clock_.NowNs() + kRetryNs, [this] { SayAll(); });
}

}  // namespace zxctl::report
