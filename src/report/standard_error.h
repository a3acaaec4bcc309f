// Where people look for a report: the standard error that the program was started with. The tracer holds none of the
// program's descriptors, so it borrows one when there is something to say.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/timer_queue.h"
#include "base/unique_fd.h"

namespace zxctl::report {

struct FileIdentity {
  uint64_t dev = 0;
  uint64_t ino = 0;
};

// A duplicate of the descriptor 2 that is `wanted`, from the first of `tids` (threads of any process) that still has it;
// otherwise the descriptor 2 of the first of `tids`, unless it may be a file of data or `wanted` is none; invalid when there is neither. Needs ptrace rights over them.
[[nodiscard]] UniqueFd BorrowStandardError(FileIdentity wanted, std::span<const pid_t> tids);

// Writes a line, or what of it fits at once, without ever waiting for a reader. False when nothing fits now.
bool SayWithoutWaiting(int fd, std::string_view text);

// Lines for readers that are slow: each is said as soon as it fits, and given up after a while. Nobody waits for them.
class PatientSpeaker {
 public:
  PatientSpeaker(TimerQueue& timers, const Clock& clock) : timers_(timers), clock_(clock) {}

  void Say(UniqueFd fd, std::string text);
  // True while a line may still be said.
  [[nodiscard]] bool busy() const { return !lines_.empty(); }

 private:
  struct Line {
    UniqueFd fd;
    std::string text;
    int64_t give_up_ns = 0;
  };
  void SayAll();

  TimerQueue& timers_;
  const Clock& clock_;
  std::deque<Line> lines_;
};

}  // namespace zxctl::report
