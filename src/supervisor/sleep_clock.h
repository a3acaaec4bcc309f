// Since when a thread has been asleep.
//
// The scheduler notes for each thread, on a clock of each CPU's own, when it last gave the CPU up
// (/proc/PID/task/TID/sched). What that is on CLOCK_MONOTONIC, which timeouts count by, is found by going to that CPU and
// looking at both. The answer is never early: what can be wrong about it makes the sleep look shorter.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace zxctl {

struct Sleep {
  int64_t since_ns = 0;   // CLOCK_MONOTONIC
  uint64_t switches = 0;  // how often the thread had given up its CPU by then
};

// What the scheduler says of a thread.
struct Schedule {
  int64_t exec_start_ns = 0;  // on the clock of its CPU
  uint64_t voluntary_switches = 0;
};

// From the text of a sched file; nothing when it says no such thing.
[[nodiscard]] std::optional<Schedule> ParseSchedule(std::string_view sched);

// True when this kernel says since when a thread sleeps.
[[nodiscard]] bool TellsSleep();
// Nothing when the thread does not sleep, or nobody can tell since when. Moves the calling thread to the CPU that the other
// one was on last, and back: some 50 us where nobody else wants that CPU.
[[nodiscard]] std::optional<Sleep> ReadSleep(pid_t tgid, pid_t tid);
// How often the thread has given up its CPU; nothing when it is gone.
[[nodiscard]] std::optional<uint64_t> ReadSwitches(pid_t tgid, pid_t tid);

}  // namespace zxctl
