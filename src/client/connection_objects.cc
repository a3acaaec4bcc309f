// The objects of this program that the tracer knows of, by their numbers.
#include <cstring>

#include "client/connection.h"
#include "client/detached_watcher.h"
#include "client/task.h"

namespace zxctl::client {

template <typename T>
RefPtr<T> Connection::FindOrMake(const ring::TaskRecord& record) {
  const std::lock_guard lock(tables_lock_);
  Task*& entry = tasks_[record.koid];
  if (entry != nullptr && entry->TryAddRef()) {
    RefPtr<T> found = DownCast<T>(RefPtr<Dispatcher>(RefPtr<Task>::Adopt(entry)));
    if (found) found->AddGrant();
    return found;
  }
  RefPtr<T> made = MakeRefCounted<T>(*this, record);
  if (!made) return {};
  made->AddGrant();
  entry = made.get();
  return made;
}

RefPtr<Process> Connection::ProcessOf(const ring::TaskRecord& record) { return FindOrMake<Process>(record); }
RefPtr<Thread> Connection::ThreadOf(const ring::TaskRecord& record) { return FindOrMake<Thread>(record); }

RefPtr<Task> Connection::FindTask(zx_koid_t koid) {
  if (IsForked()) return {};
  const std::lock_guard lock(tables_lock_);
  const auto found = tasks_.find(koid);
  return found != tasks_.end() && found->second->TryAddRef() ? RefPtr<Task>::Adopt(found->second) : RefPtr<Task>();
}

void Connection::Forget(Task& task) {
  if (IsForked()) return;
  {
    const std::lock_guard lock(tables_lock_);
    if (const auto found = tasks_.find(task.koid()); found != tasks_.end() && found->second == &task)
      tasks_.erase(found);
  }
  PostLater(ring::CommandType::kUnwatch, {.task = task.koid(), .other = task.grants()});
}

void Connection::EndThreadsOf(zx_koid_t process) {
  std::vector<RefPtr<Task>> threads;
  {
    const std::lock_guard lock(tables_lock_);
    for (const auto& [koid, task] : tasks_) {
      const bool ours = task->type() == ZX_OBJ_TYPE_THREAD && task->related_koid() == process;
      if (ours && task->TryAddRef()) threads.push_back(RefPtr<Task>::Adopt(task));
    }
  }
  for (const auto& thread : threads) {
    thread->Update({.koid = thread->koid(), .life = ring::TaskLife::kDead, .is_thread = 1});
  }
}

void Connection::DropException(zx_koid_t thread) {
  if (IsForked()) return;
  RefPtr<Thread> released;
  const std::lock_guard lock(tables_lock_);
  const auto found = excepted_.find(thread);
  if (found == excepted_.end()) return;
  released = std::move(found->second);
  excepted_.erase(found);
}

void Connection::Publish(const RefPtr<Job>& job) {
  const std::lock_guard lock(publish_lock_);
  PublishLocked(job);
}

void Connection::PublishLocked(const RefPtr<Job>& job) {
  if (!job) return;
  {
    const std::lock_guard lock(tables_lock_);
    if (jobs_.contains(job->koid())) return;
  }
  PublishLocked(job->parent());
  Post(ring::CommandType::kNewJob, {.task = job->koid(), .other = job->parent()->koid()});
  {
    const std::lock_guard lock(tables_lock_);
    jobs_.try_emplace(job->koid(), PublishedJob{.job = job.get(), .keeps = {}});
  }
  // Whoever kills a job that is not among them yet tells only the job.
  if (job->killed()) KillJob(job->koid());
}

void Connection::Publish(const RefPtr<Port>& port) {
  port->Mend();
  const std::lock_guard lock(tables_lock_);
  ports_.try_emplace(port->koid(), port);
}

void Connection::WatchDetached(const RefPtr<Process>& process) { DetachedWatcher::Get().Add(process); }

void Connection::EndJob(zx_koid_t job) {
  if (IsForked()) return;
  {
    const std::lock_guard lock(tables_lock_);
    if (jobs_.erase(job) == 0) return;
  }
  PostLater(ring::CommandType::kEndJob, {.task = job});
}

void Connection::EndPort(zx_koid_t port) {
  if (IsForked()) return;
  RefPtr<Port> released;
  std::vector<RefPtr<Thread>> excepted;
  {
    const std::lock_guard lock(tables_lock_);
    const auto found = ports_.find(port);
    if (found == ports_.end()) return;
    released = std::move(found->second);
    ports_.erase(found);
    for (const auto& [koid, thread] : excepted_) excepted.push_back(thread);
  }
  for (const auto& thread : excepted) thread->ForgetExceptionOf(port);
  PostLater(ring::CommandType::kEndPort, {.other = port});
}

void Connection::KillJob(zx_koid_t job) {
  if (IsForked()) return;
  {
    const std::lock_guard lock(tables_lock_);
    if (!jobs_.contains(job)) return;
  }
  static_cast<void>(Request(ring::CommandType::kKill, {.task = job}));
}

zx_status_t Connection::List(zx_koid_t task, std::vector<zx_koid_t>* out) {
  for (;;) {
    const Answer answer = Request(ring::CommandType::kList, {.task = task, .key = out->size()});
    const size_t count = answer.bytes.size() / sizeof(zx_koid_t);
    if (answer.status != ZX_OK || count == 0) return answer.status;
    const size_t before = out->size();
    out->resize(before + count);
    std::memcpy(out->data() + before, answer.bytes.data(), count * sizeof(zx_koid_t));
    if (out->size() >= answer.task.koid) return ZX_OK;
  }
}

RefPtr<Dispatcher> Connection::FindProcess(zx_koid_t job, zx_koid_t process) {
  const Answer answer = Request(ring::CommandType::kFind, {.task = job, .other = process});
  if (answer.status != ZX_OK) return {};
  RefPtr<Process> found = DownCast<Process>(answer.object);
  if (found) found->ReadName();
  return found;
}

}  // namespace zxctl::client
