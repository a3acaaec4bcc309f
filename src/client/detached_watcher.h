// Hears of the end of processes that were let go, of which no tracer tells any more. Its thread exists once there is one.
#pragma once

#include <mutex>
#include <vector>

#include "base/unique_fd.h"
#include "object/ref_counted.h"

namespace zxctl::client {

class Process;

class DetachedWatcher {
 public:
  [[nodiscard]] static DetachedWatcher& Get();
  // Any thread.
  void Add(const RefPtr<Process>& process);

 private:
  void Watch();

  std::mutex lock_;
  std::vector<RefPtr<Process>> added_;  // lock_
  UniqueFd bell_;                       // lock_; invalid until the thread runs
};

}  // namespace zxctl::client
