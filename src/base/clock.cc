#include "base/clock.h"

#include <ctime>

namespace zxctl {

int64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerSec + now.tv_nsec;
}

}  // namespace zxctl
