// Deadlines and what to do at them. Not thread-safe; whoever owns it runs it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>

#include "base/clock.h"

namespace zxctl {

class TimerQueue {
 public:
  using Id = uint64_t;  // 0 is no timer

  // Runs `action` once at the first RunDue() at or after `deadline_ns`.
  Id Add(int64_t deadline_ns, std::function<void()> action);
  // Forgets a timer; one that has run, or 0, is fine.
  void Cancel(Id id);
  // Runs what is due at `now_ns`, oldest first; actions may add and cancel.
  void RunDue(int64_t now_ns);
  // When the next one is due; kNever if there is none.
  [[nodiscard]] int64_t next_deadline() const { return queue_.empty() ? kNever : queue_.begin()->first.first; }

 private:
  using Key = std::pair<int64_t, Id>;
  std::map<Key, std::function<void()>> queue_;
  std::unordered_map<Id, int64_t> deadlines_;
  Id last_id_ = 0;
};

}  // namespace zxctl
