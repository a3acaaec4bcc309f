// Time in nanoseconds, behind an interface so that tests can hold the clock still.
#pragma once

#include <cstdint>

namespace zxctl {

inline constexpr int64_t kNsPerUs = 1000;
inline constexpr int64_t kNsPerMs = 1000 * kNsPerUs;
inline constexpr int64_t kNsPerSec = 1000 * kNsPerMs;
// A deadline that never comes.
inline constexpr int64_t kNever = INT64_MAX;

// CLOCK_MONOTONIC now, in nanoseconds.
[[nodiscard]] int64_t MonotonicNs();

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual int64_t NowNs() const { return MonotonicNs(); }
};

}  // namespace zxctl
