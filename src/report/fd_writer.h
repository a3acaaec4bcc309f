// Writing to a descriptor that others share, without waiting longer than a deadline and without changing anything that
// the others could see: O_NONBLOCK belongs to the open file description, so it is never set.
#pragma once

#include <csignal>
#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace zxctl::report {

// While it lives, SIGPIPE, SIGTTOU (a background process that writes to its terminal) and SIGXFSZ are ignored and become
// errors of write(). Process-wide: one at a time.
class ScopedWriteSignals {
 public:
  ScopedWriteSignals();
  ~ScopedWriteSignals();
  ScopedWriteSignals(const ScopedWriteSignals&) = delete;
  ScopedWriteSignals& operator=(const ScopedWriteSignals&) = delete;

 private:
  struct sigaction pipe_;
  struct sigaction terminal_;
  struct sigaction size_;
};

// Writes all of `bytes` with as few calls as the file takes: one for files and terminals, as much as fits for pipes and
// sockets. A full pipe, a socket that nobody reads and a terminal stopped by ^S are waited for until `deadline_ns`
// (CLOCK_MONOTONIC); then TIMED_OUT, and what was written stays. `written`, if given, is how much got out. SIGALRM is used
// while it runs. Callers hold a ScopedWriteSignals.
Result<void> WriteAll(int fd, std::string_view bytes, int64_t deadline_ns, size_t* written = nullptr);

}  // namespace zxctl::report
