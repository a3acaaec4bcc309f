#include "report/fd_writer.h"

#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>

#include "base/clock.h"

namespace zxctl::report {
namespace {

constexpr int64_t kAlarmPeriodNs = 20 * kNsPerMs;

struct sigaction Replace(int signo, void (*handler)(int)) {
  struct sigaction wanted {};
  struct sigaction before {};
  wanted.sa_handler = handler;
  sigaction(signo, &wanted, &before);
  return before;
}

timespec ToTimespec(int64_t ns) { return {.tv_sec = ns / kNsPerSec, .tv_nsec = ns % kNsPerSec}; }

// From the deadline on, interrupts a write() that blocks although poll() promised that it would not (another writer was
// faster). It goes on firing, because a signal just before the call would be lost.
class ScopedAlarm {
 public:
  explicit ScopedAlarm(int64_t deadline_ns) : before_(Replace(SIGALRM, [](int) {})) {
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm, &mask_);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = gettid();
    armed_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
    if (armed_) Arm(deadline_ns);
  }
  ~ScopedAlarm() {
    if (armed_) timer_delete(timer_);
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  ScopedAlarm(const ScopedAlarm&) = delete;
  ScopedAlarm& operator=(const ScopedAlarm&) = delete;

 private:
  void Arm(int64_t deadline_ns) {
    const itimerspec when{.it_interval = ToTimespec(kAlarmPeriodNs),
                          .it_value = ToTimespec(std::max<int64_t>(deadline_ns, 1))};
    timer_settime(timer_, TIMER_ABSTIME, &when, nullptr);
  }

  struct sigaction before_;
  sigset_t mask_;
  timer_t timer_{};
  bool armed_ = false;
};

bool IsTime(int64_t deadline_ns) { return deadline_ns != kNever && MonotonicNs() >= deadline_ns; }

tl::unexpected<Status> FailTimedOut() {
  return Fail(Status{.zx = ZX_ERR_TIMED_OUT, .what = "writing the report did not end in time: nobody reads"});
}

// Waits until `fd` takes bytes. False when time is up. An error condition counts as ready: write() names it.
bool WaitWritable(int fd, int64_t deadline_ns) {
  while (!IsTime(deadline_ns)) {
    pollfd item{.fd = fd, .events = POLLOUT, .revents = 0};
    const timespec left = ToTimespec(deadline_ns == kNever ? 0 : std::max<int64_t>(deadline_ns - MonotonicNs(), 0));
    if (ppoll(&item, 1, deadline_ns == kNever ? nullptr : &left, nullptr) > 0) return true;
  }
  return false;
}

enum class Sink { kFile, kTerminal, kStream };

Sink Classify(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return Sink::kFile;
  if (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)) return Sink::kStream;
  return S_ISCHR(info.st_mode) ? Sink::kTerminal : Sink::kFile;
}

// One write to a pipe or socket that poll() called ready. Without RWF_NOWAIT (pipes before Linux 6.4), at most PIPE_BUF
// bytes: a pipe that is ready has room for so many.
ssize_t WriteStream(int fd, std::string_view bytes) {
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  const ssize_t n = pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
  if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)) return n;
  return write(fd, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
}

ssize_t WriteOnce(int fd, Sink sink, std::string_view bytes) {
  return sink == Sink::kStream ? WriteStream(fd, bytes) : write(fd, bytes.data(), bytes.size());
}

bool IsPassing(int error) { return error == EINTR || error == EAGAIN; }

}  // namespace

ScopedWriteSignals::ScopedWriteSignals()
    : pipe_(Replace(SIGPIPE, SIG_IGN)), terminal_(Replace(SIGTTOU, SIG_IGN)), size_(Replace(SIGXFSZ, SIG_IGN)) {}

ScopedWriteSignals::~ScopedWriteSignals() {
  sigaction(SIGPIPE, &pipe_, nullptr);
  sigaction(SIGTTOU, &terminal_, nullptr);
  sigaction(SIGXFSZ, &size_, nullptr);
}

Result<void> WriteAll(int fd, std::string_view bytes, int64_t deadline_ns, size_t* written) {
  size_t unused = 0;
  size_t& done = written != nullptr ? *written : unused;
  done = 0;
  const Sink sink = Classify(fd);
  std::optional<ScopedAlarm> alarm;
  if (deadline_ns != kNever && sink != Sink::kFile) alarm.emplace(deadline_ns);
  while (done < bytes.size()) {
    if (sink != Sink::kFile && !WaitWritable(fd, deadline_ns)) return FailTimedOut();
    const ssize_t n = WriteOnce(fd, sink, bytes.substr(done));
    if (n < 0 && !IsPassing(errno)) return FailErrno("writing failed");
    if (n > 0) done += static_cast<size_t>(n);
    if (n <= 0 && IsTime(deadline_ns)) return FailTimedOut();
  }
  return {};
}

}  // namespace zxctl::report
