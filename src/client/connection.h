// This program's way to its tracer: commands out, replies, exceptions and changes of tasks in.
//
// Nobody serves it: whoever waits for anything takes in what comes, for everybody. A thread sleeps on its own word and on
// the ring's at once, so that an exception costs one change of process. Any thread; locks are held for a few instructions
// and never while anything outside of this folder is called, but for ports and signals of objects, which lock below.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"
#include "object/job.h"
#include "object/port.h"
#include "object/tracer_link.h"
#include "ring/channel.h"
#include "ring/task_protocol.h"

namespace zxctl::client {

class Process;
class Task;
class Thread;

// Why nothing of this can be used in a forked process.
inline constexpr const char* kForkedSentence =
    "this process was forked from the one that has the tasks: it can have its own after exec";

// What came for a command.
struct Answer {
  zx_status_t status = ZX_ERR_PEER_CLOSED;
  ring::TaskRecord task;
  std::vector<std::byte> bytes;
  // The objects of the tasks that it gives: of a process or a thread, and of a process's first thread.
  RefPtr<Dispatcher> object;
  RefPtr<Dispatcher> first_thread;

  // Why it failed, for people; empty if it did not, or nothing is known.
  [[nodiscard]] std::string Sentence() const;
  // The bytes as a T; zeros if they are none.
  template <typename T>
  [[nodiscard]] T As() const {
    T value{};
    if (bytes.size() == sizeof(T)) __builtin_memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
};

class Connection final : public TracerLink {
 public:
  // The one of this process; starts the tracer at the first call, and again when it has died.
  [[nodiscard]] static Result<Connection*> Get();

  // Sends a command and waits for its answer: PEER_CLOSED when the tracer is gone.
  [[nodiscard]] Answer Request(ring::CommandType type, ring::Command command, std::span<const std::byte> bytes = {});
  // Sends one that has no answer. Its number.
  uint64_t Post(ring::CommandType type, ring::Command command);
  // The same for who holds a lock: the tracer is not woken before WakeTracer(), which comes without it. What the tracer
  // does at once may be wanted by a thread that needs the lock.
  uint64_t PostQuietly(ring::CommandType type, ring::Command command);
  void WakeTracer();
  // Grows with every command that can let a suspended thread go on, or change its registers: only such commands can.
  [[nodiscard]] uint64_t changes() const { return changes_.load(std::memory_order_acquire); }
  // Before a thread's registers are asked for: how many messages of those of further threads of its process are to come with
  // them. None for the first that is asked for, and more when those that came have been used up and nothing has changed since.
  [[nodiscard]] uint64_t AsksForMore(zx_koid_t process);
  // RegistersRecords that came when changes() was this.
  void NoteRegisters(std::span<const std::byte> records, uint64_t changes);
  // Behind an answer so many messages of registers come by themselves.
  void ExpectFurther(uint64_t messages) { further_.fetch_add(static_cast<uint32_t>(messages)); }
  // Some of them were asked for.
  void UseFurther() { further_used_.store(true, std::memory_order_relaxed); }
  // Waits for the next of them, if it may have those of a thread of this process. False when none is to come.
  bool AwaitFurther(zx_koid_t process);

  // Also in a process that was forked from the one that has the tracer: nothing of it can be used there.
  [[nodiscard]] bool dead() const { return dead_.load(std::memory_order_acquire) || IsForked(); }
  // True in such a process.
  [[nodiscard]] static bool IsForked();
  [[nodiscard]] pid_t tracer_pid() const { return tracer_pid_; }
  // True while an exception that the tracer has told of waits for an answer.
  [[nodiscard]] bool IsOffered(const ring::ExceptionNotice& notice);
  // Answers it, which counts from here on; false when somebody was first. kAnswer tells the tracer to look.
  [[nodiscard]] bool Claim(const ring::ExceptionNotice& notice, ring::Verdict verdict);

  // The object of a task that a record tells of; made if there is none. Null when there is no memory.
  [[nodiscard]] RefPtr<Process> ProcessOf(const ring::TaskRecord& record);
  [[nodiscard]] RefPtr<Thread> ThreadOf(const ring::TaskRecord& record);
  // The object with this number, if there is one here.
  [[nodiscard]] RefPtr<Task> FindTask(zx_koid_t koid);
  // For the destructor of a task.
  void Forget(Task& task);
  // The process is dead, and its threads with it.
  void EndThreadsOf(zx_koid_t process);
  // The thread's exception is answered: nothing has to keep its object.
  void DropException(zx_koid_t thread);

  // Tells the tracer of a job, and of those above it, before any command that names them.
  void Publish(const RefPtr<Job>& job);
  // From now on packets for this port find it.
  void Publish(const RefPtr<Port>& port);
  // Ends a job's and a process's stay here once it is known by other means that the process is dead.
  void WatchDetached(const RefPtr<Process>& process);

  // TracerLink:
  [[nodiscard]] bool is_there() const override { return !dead(); }
  bool Sleep(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns, zx_koid_t port) override;
  void TakeIn() override;
  void KeepTakingIn() override;
  zx_status_t ListProcesses(zx_koid_t job, std::vector<zx_koid_t>* out) override { return List(job, out); }
  RefPtr<Dispatcher> FindProcess(zx_koid_t job, zx_koid_t process) override;
  void KillJob(zx_koid_t job) override;
  void EndJob(zx_koid_t job) override;
  void EndPort(zx_koid_t port) override;

  // The koids of a list, which may come in several parts. PEER_CLOSED.
  zx_status_t List(zx_koid_t task, std::vector<zx_koid_t>* out);

 private:
  // A thread that waits for an answer; on its stack.
  struct Pending {
    Answer answer;
    bool gives_tasks = false;
    std::atomic<uint32_t> done = 0;
  };
  struct PublishedJob {
    Job* job;           // it takes itself out before it goes
    RefPtr<Job> keeps;  // while it has processes
  };

  explicit Connection(ring::Channel channel);
  [[nodiscard]] Result<void> Start(uint64_t next_koid);
  [[nodiscard]] Result<void> AwaitHello(int errors, const std::string& tracer);
  [[nodiscard]] Result<void> AwaitNotice(uint32_t type);

  void PublishLocked(const RefPtr<Job>& job);
  // Posts a command when no lock is held any more: objects end wherever the last reference to them does.
  void PostLater(ring::CommandType type, const ring::Command& command);

  uint64_t Write(ring::CommandType type, ring::Command command, std::span<const std::byte> bytes, Pending* pending);
  void WriteOrWait(std::unique_lock<std::mutex>& lock, ring::CommandType type, const ring::Command& command,
                   std::span<const std::byte> bytes);

  void ReadAll(std::vector<std::function<void()>>& afterwards);
  void Handle(const ring::Message& message, std::vector<std::function<void()>>& afterwards);
  void HandleReply(const ring::Message& message);
  void MakeObjects(Answer& answer);
  void HandleException(const ring::ExceptionNotice& notice, std::vector<std::function<void()>>& afterwards);
  void HandleTask(const ring::TaskRecord& record);
  void HandleJob(const ring::JobRecord& record);
  void HandleRegisters(const ring::Message& message);
  template <typename T>
  RefPtr<T> FindOrMake(const ring::TaskRecord& record);
  // The word that decides who answers an exception.
  [[nodiscard]] std::atomic<uint64_t>& slot(uint64_t index);
  static void OnForkInChild();
  [[nodiscard]] bool IsAlive();
  [[nodiscard]] bool TracerHasDied();
  void Die();
  void ServeForever();

  ring::Channel channel_;
  Connection* before_ = nullptr;  // the one whose tracer died; kept, since threads may be in it
  UniqueFd alive_;                // the tracer sees it close when this process ends
  UniqueFd tracer_pidfd_;
  pid_t tracer_pid_ = 0;
  std::atomic<bool> dead_ = false;
  std::atomic<bool> served_ = false;

  // Taken in this order, before all locks of objects.
  std::mutex publish_lock_;  // while a job is made known
  std::mutex send_lock_;
  uint64_t last_seq_ = 0;  // send_lock_
  std::atomic<uint64_t> changes_ = 0;
  std::mutex asked_lock_;
  zx_koid_t asked_process_ = ZX_KOID_INVALID;  // asked_lock_
  uint64_t asked_changes_ = 0;                 // asked_lock_
  uint64_t asked_messages_ = 0;                // asked_lock_; 0: for no others so far
  // Messages of registers that are to come, modulo 2^32: below zero while one has come before the answer was taken.
  std::atomic<uint32_t> further_ = 0;
  std::atomic<bool> further_used_ = false;
  std::mutex read_lock_;
  ring::Message incoming_;  // read_lock_; kept for its memory

  std::mutex tables_lock_;  // guards what follows
  std::unordered_map<uint64_t, Pending*> pending_;
  std::unordered_map<zx_koid_t, Task*> tasks_;  // holds no reference
  std::unordered_map<zx_koid_t, RefPtr<Thread>> excepted_;
  std::unordered_map<zx_koid_t, PublishedJob> jobs_;
  std::unordered_map<zx_koid_t, RefPtr<Port>> ports_;
};

}  // namespace zxctl::client
