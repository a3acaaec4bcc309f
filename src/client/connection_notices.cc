// What the tracer tells this program.
#include <cstring>
#include <utility>

#include "client/connection.h"
#include "client/task.h"
#include "object/futex.h"

namespace zxctl::client {

void Connection::Handle(const ring::Message& message, std::vector<std::function<void()>>& afterwards) {
  ring::TaskRecord task;
  ring::JobRecord job;
  ring::ExceptionNotice exception;
  switch (static_cast<ring::NoticeType>(message.type)) {
    case ring::NoticeType::kReply:
      return HandleReply(message);
    case ring::NoticeType::kTask:
      if (ring::UnpackHead(message, task)) HandleTask(task);
      return;
    case ring::NoticeType::kJob:
      if (ring::UnpackHead(message, job)) HandleJob(job);
      return;
    case ring::NoticeType::kException:
      if (ring::UnpackHead(message, exception)) HandleException(exception, afterwards);
      return;
    case ring::NoticeType::kRegisters:
      return HandleRegisters(message);
    case ring::NoticeType::kReady:
      return;
  }
}

void Connection::HandleReply(const ring::Message& message) {
  ring::Reply reply;
  if (!ring::UnpackHead(message, reply)) return;
  bool gives_tasks = false;
  {
    const std::lock_guard lock(tables_lock_);
    const auto found = pending_.find(reply.seq);
    gives_tasks = found != pending_.end() && found->second->gives_tasks && reply.zx == ZX_OK;
  }
  Answer answer = {.status = reply.zx,
                   .task = reply.task,
                   .bytes = {message.payload.begin() + sizeof(reply), message.payload.end()}};
  if (gives_tasks) MakeObjects(answer);
  std::atomic<uint32_t>* word = nullptr;
  {
    const std::lock_guard lock(tables_lock_);
    const auto found = pending_.find(reply.seq);
    if (found == pending_.end()) return;
    Pending& pending = *found->second;
    pending_.erase(found);
    pending.answer = std::move(answer);
    word = &pending.done;
    word->store(1, std::memory_order_release);
  }
  // The thread may be gone with the word by now: a wake of what became something else is one that waits permit.
  WakeSleeper(word);
}

// Before the next message is looked at, which may tell of a task's end: nobody would hear of it.
void Connection::MakeObjects(Answer& answer) {
  if (answer.task.is_thread != 0) {
    answer.object = ThreadOf(answer.task);
    return;
  }
  answer.object = ProcessOf(answer.task);
  if (const auto thread = answer.As<ring::TaskRecord>(); thread.koid != 0) answer.first_thread = ThreadOf(thread);
}

void Connection::HandleTask(const ring::TaskRecord& record) {
  const RefPtr<Task> task = FindTask(record.koid);
  if (record.life == ring::TaskLife::kDead || record.life == ring::TaskLife::kDetached) DropException(record.koid);
  if (!task) return;
  task->Update(record);
  if (record.life == ring::TaskLife::kDetached && record.is_thread == 0) {
    if (RefPtr<Process> process = DownCast<Process>(task)) WatchDetached(process);
  }
}

void Connection::HandleJob(const ring::JobRecord& record) {
  RefPtr<Job> job;
  RefPtr<Job> released;
  {
    const std::lock_guard lock(tables_lock_);
    const auto found = jobs_.find(record.koid);
    if (found == jobs_.end()) return;
    PublishedJob& published = found->second;
    if (!published.keeps && !published.job->TryAddRef()) return;
    job = published.keeps ? published.keeps : RefPtr<Job>::Adopt(published.job);
    // It stays while it has processes, and the root for good.
    const bool stays = record.processes != 0 || !job->parent();
    released = std::exchange(published.keeps, stays ? job : RefPtr<Job>());
  }
  job->SetProcessCount(record.processes);
}

void Connection::HandleRegisters(const ring::Message& message) {
  ring::FurtherRegisters head;
  if (!ring::UnpackHead(message, head)) return;
  NoteRegisters(std::span(message.payload).subspan(sizeof(head)), head.other);
  further_.fetch_sub(1, std::memory_order_release);
  WakeSleeper(&further_);
}

void Connection::NoteRegisters(std::span<const std::byte> records, uint64_t changes) {
  for (; records.size() >= sizeof(ring::RegistersRecord); records = records.subspan(sizeof(ring::RegistersRecord))) {
    ring::RegistersRecord record;
    std::memcpy(&record, records.data(), sizeof(record));
    const RefPtr<Thread> thread = DownCast<Thread>(RefPtr<Dispatcher>(FindTask(record.thread)));
    if (thread) thread->NoteRegisters(record.registers, changes);
  }
}

void Connection::HandleException(const ring::ExceptionNotice& notice, std::vector<std::function<void()>>& afterwards) {
  RefPtr<Thread> thread = ThreadOf(notice.thread);
  RefPtr<Port> port;
  const bool wants_answer = notice.slot < ring::kSlots;
  {
    const std::lock_guard lock(tables_lock_);
    if (const auto found = ports_.find(notice.port); found != ports_.end()) port = found->second;
    if (thread && wants_answer) excepted_[notice.thread.koid] = thread;
  }
  if (!thread && wants_answer && Claim(notice, ring::Verdict::kNotQueued)) {
    const ring::Command command{
        .task = notice.slot, .other = notice.generation, .options = static_cast<uint32_t>(ring::Verdict::kNotQueued)};
    afterwards.emplace_back([this, command] { Post(ring::CommandType::kAnswer, command); });
  }
  if (!thread || !port) return;
  if (wants_answer) thread->TakeException(notice);
  const zx_status_t queued = port->QueueException(notice.key, ZX_PKT_TYPE_EXCEPTION(notice.exception.type),
                                                  notice.thread.process, notice.thread.koid);
  // A packet that cannot be queued is an exception that the next handler gets.
  if (queued == ZX_OK || !wants_answer) return;
  afterwards.emplace_back([thread] { thread->ResumeFromException(0, ring::Verdict::kNotQueued); });
}

}  // namespace zxctl::client
