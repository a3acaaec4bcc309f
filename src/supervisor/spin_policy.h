// Whether to spin after a stop: only while a CPU would be idle otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace zxctl {

// The number of running tasks from a /proc/loadavg line ("0.1 0.2 0.3 2/345 678"). Nothing if it is not one.
[[nodiscard]] std::optional<int> ParseRunningTasks(std::string_view loadavg);

class SpinPolicy {
 public:
  SpinPolicy();
  virtual ~SpinPolicy() = default;

  // Until when to spin for a stop that is waited for from now on; 0 for not at all.
  [[nodiscard]] virtual int64_t SpinUntilNs(const Clock& clock);

 private:
  [[nodiscard]] bool CpuIsIdle() const;

  UniqueFd loadavg_;
  int cpus_;
  int64_t checked_ns_ = 0;
  bool idle_ = false;
};

}  // namespace zxctl
