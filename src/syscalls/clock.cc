#include "base/clock.h"

#include <sched.h>
#include <zircon/syscalls.h>

#include <cerrno>
#include <ctime>

using namespace zxctl;

zx_time_t zx_clock_get_monotonic() { return MonotonicNs(); }

zx_time_t zx_deadline_after(zx_duration_t nanoseconds) {
  zx_time_t deadline = 0;
  return __builtin_add_overflow(MonotonicNs(), nanoseconds, &deadline) ? ZX_TIME_INFINITE : deadline;
}

zx_status_t zx_nanosleep(zx_time_t deadline) {
  if (deadline <= 0) {
    sched_yield();
    return ZX_OK;
  }
  const timespec until = {.tv_sec = deadline / kNsPerSec, .tv_nsec = deadline % kNsPerSec};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
  return ZX_OK;
}
