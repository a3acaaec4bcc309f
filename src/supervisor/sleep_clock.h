// Since when a thread has been asleep.
//
// The scheduler notes for each thread, on a clock of each CPU's own, when it last gave the CPU up
// (/proc/PID/task/TID/sched). A thread is looked at while it sleeps, and again when it has been stopped: the difference is
// how long it slept, if both notes are of one CPU. If it was woken on another one, what the reader knows of the first CPU's
// clock helps, should the reader itself be there at one of the two looks; else nobody can tell. The answer is never early:
// what can be wrong about it makes the sleep look shorter.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace zxctl {

// What the scheduler says of a thread.
struct Schedule {
  int64_t exec_start_ns = 0;  // when it got or gave up its CPU, on the clock of that CPU
  uint64_t voluntary_switches = 0;
};

// From the text of a sched file; nothing when it says no such thing.
[[nodiscard]] std::optional<Schedule> ParseSchedule(std::string_view sched);

// A look at a thread that sleeps, or stands.
struct SleepLook {
  size_t cpu = 0;
  Schedule schedule;
  int64_t now_ns = 0;  // CLOCK_MONOTONIC, after the look
  // By how much CLOCK_MONOTONIC is ahead of that CPU's clock, or more; nothing when the reader was on another CPU.
  std::optional<int64_t> ahead_ns;
};

// True when this kernel says since when a thread sleeps.
[[nodiscard]] bool TellsSleep();
// Nothing when the thread runs, or is gone. Some 50 us.
[[nodiscard]] std::optional<SleepLook> LookAtSleep(pid_t tgid, pid_t tid);

// When the sleep began that `before` saw and that was over when the thread came to where `after` sees it, on CLOCK_MONOTONIC;
// nothing when it was in more than one sleep meanwhile, or when that cannot be told. Pure.
[[nodiscard]] std::optional<int64_t> SleptSince(const SleepLook& before, const SleepLook& after);

}  // namespace zxctl
