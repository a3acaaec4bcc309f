#include "base/timer_queue.h"

namespace zxctl {

TimerQueue::Id TimerQueue::Add(int64_t deadline_ns, std::function<void()> action) {
  const Id id = ++last_id_;
  queue_.emplace(Key{deadline_ns, id}, std::move(action));
  deadlines_.emplace(id, deadline_ns);
  return id;
}

void TimerQueue::Cancel(Id id) {
  const auto found = deadlines_.find(id);
  if (found == deadlines_.end()) return;
  queue_.erase(Key{found->second, id});
  deadlines_.erase(found);
}

void TimerQueue::RunDue(int64_t now_ns) {
  while (!queue_.empty() && queue_.begin()->first.first <= now_ns) {
    auto node = queue_.extract(queue_.begin());
    deadlines_.erase(node.key().second);
    node.mapped()();
  }
}

}  // namespace zxctl
