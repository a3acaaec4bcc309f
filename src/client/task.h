// Processes and threads as a program sees them: what the tracer has told of them, and what can be asked of it.
#pragma once

#include <zircon/rights.h>
#include <zircon/syscalls/exception.h>
#include <zircon/types.h>

#include <atomic>
#include <mutex>
#include <optional>

#include "base/unique_fd.h"
#include "client/connection.h"
#include "object/dispatcher.h"

namespace zxctl::client {

class Task : public Dispatcher {
 public:
  [[nodiscard]] bool is_waitable() const override { return true; }
  [[nodiscard]] bool has_name() const override { return true; }

  [[nodiscard]] Connection& connection() const { return connection_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] ring::TaskLife life() const { return life_.load(std::memory_order_acquire); }
  [[nodiscard]] bool IsOver() const;

  // Takes in what the tracer says of it.
  virtual void Update(const ring::TaskRecord& record) = 0;
  // The tracer counts what it was asked to watch for this object.
  void AddGrant() { grants_.fetch_add(1); }
  [[nodiscard]] uint32_t grants() const { return grants_.load(); }

  // ---- suspends by tokens: the number of those of this program ----
  void AddToken();
  void DropToken();
  [[nodiscard]] uint32_t tokens() const { return tokens_.load(); }

  zx_status_t Kill(std::string* out_sentence);
  // Takes its name from the kernel's.
  void ReadName();

 protected:
  Task(zx_obj_type_t type, Connection& connection, const ring::TaskRecord& record)
      : Dispatcher(type, record.koid), connection_(connection), pid_(record.pid), life_(record.life) {}
  ~Task() override = default;

  // Suspends and their ends are written in the order in which they are counted, and whoever asks for the next one finds no
  // signal of the last. Before all locks of the connection.
  [[nodiscard]] std::mutex& suspends_lock() { return suspends_lock_; }
  // Called with it, when the last token of this program was dropped by the command `seq`.
  virtual void OnResumed(uint64_t /*seq*/) {}
  void SetLife(ring::TaskLife life) { life_.store(life, std::memory_order_release); }

 private:
  Connection& connection_;
  const pid_t pid_;
  std::atomic<ring::TaskLife> life_;
  std::atomic<uint32_t> grants_ = 0;
  std::mutex suspends_lock_;
  std::atomic<uint32_t> tokens_ = 0;  // changed with suspends_lock_
};

class Process final : public Task {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_PROCESS;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_PROCESS_RIGHTS;

  Process(Connection& connection, const ring::TaskRecord& record);
  ~Process() override;

  [[nodiscard]] bool has_children() const override { return true; }
  [[nodiscard]] zx_koid_t related_koid() const override { return job_; }
  [[nodiscard]] RefPtr<Dispatcher> FindChild(zx_koid_t koid) override;
  zx_status_t ListKoids(uint32_t topic, std::vector<zx_koid_t>* out) override;
  zx_status_t ReadRecord(uint32_t topic, std::span<std::byte> record) override;
  void OnLastHandleClosed() override;

  // A thread that runs nothing until it is started. NO_MEMORY, NO_RESOURCES, ACCESS_DENIED, NOT_SUPPORTED, BAD_STATE,
  // PEER_CLOSED.
  Result<RefPtr<class Thread>> CreateThread();

  void Update(const ring::TaskRecord& record) override;
  // BAD_STATE while it lives, and when nobody told what it died of; PEER_CLOSED.
  zx_status_t GetWaitStatus(int32_t* out) const;
  // The bytes that were transferred; NO_MEMORY when there were none, BAD_STATE when the process is gone, PEER_CLOSED.
  zx_status_t ReadMemory(uint64_t address, void* out, size_t size, size_t* out_actual);
  zx_status_t WriteMemory(uint64_t address, const void* in, size_t size, size_t* out_actual);
  // Poll it for the process's end.
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }

 private:
  [[nodiscard]] bool IsAlive() const;
  zx_status_t Transfer(uint64_t address, void* data, size_t size, bool write, size_t* out_actual);
  size_t TransferByTracer(uint64_t address, std::byte* data, size_t size, bool write);
  zx_info_process_t Info();

  const zx_koid_t job_;
  const UniqueFd pidfd_;
  // What is known of one that is dead. Of one that had been let go before, nothing is.
  std::atomic<bool> end_is_known_ = false;
  std::atomic<int64_t> start_ns_ = 0;
  std::atomic<int64_t> return_code_ = 0;
  std::atomic<int32_t> wait_status_ = 0;
};

class Thread final : public Task {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_THREAD;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_THREAD_RIGHTS;

  Thread(Connection& connection, const ring::TaskRecord& record);
  ~Thread() override;

  [[nodiscard]] zx_koid_t related_koid() const override { return process_; }
  zx_status_t ReadRecord(uint32_t topic, std::span<std::byte> record) override;
  void Update(const ring::TaskRecord& record) override;
  void OnLastHandleClosed() override;
  // INVALID_ARGS, NOT_SUPPORTED, BAD_STATE, PEER_CLOSED.
  zx_status_t Start(const arch::StartRegs& regs, bool must_be_first, std::string* out_sentence);
  [[nodiscard]] pid_t tid() const { return tid_.load(); }

  // The suspend without a token. BAD_STATE for a thread that is new, dying or dead.
  zx_status_t SetFlag();
  zx_status_t ClearFlag();

  // An exception of it was offered to a port of this program.
  void TakeException(const ring::ExceptionNotice& notice);
  // The port is closed: only the tracer knows who is asked now.
  void ForgetExceptionOf(zx_koid_t port);
  // `port` 0: whoever was asked. BAD_STATE when the thread waits for no answer, ACCESS_DENIED for another port.
  zx_status_t ResumeFromException(zx_koid_t port, ring::Verdict verdict);
  zx_status_t GetException(ring::ExceptionRecord* out);
  // One kind of registers; `out` and `in` have its size. Errors have a sentence: BAD_STATE, NOT_SUPPORTED, PEER_CLOSED, and of
  // writes INVALID_ARGS.
  zx_status_t ReadState(const arch::StateLayout& layout, std::span<std::byte> out, std::string* out_sentence);
  zx_status_t WriteState(const arch::StateLayout& layout, std::span<const std::byte> in, std::string* out_sentence);
  // They are its general ones while the connection's changes() is what it was when they were asked for.
  void NoteRegisters(const arch::GeneralRegs& registers, uint64_t changes);

 protected:
  void OnResumed(uint64_t seq) override;

 private:
  void TakeLocked(const ring::TaskRecord& record);

  // True when this call decided; false when the tracer has to be asked.
  bool AnswerHere(zx_koid_t port, ring::Verdict verdict, zx_status_t* out);

  const zx_koid_t process_;
  std::atomic<pid_t> tid_;
  std::mutex exception_lock_;
  // The general registers, if they have come with an exception that is still to be answered, or were asked for in this suspend.
  bool KnowsRegisters(arch::GeneralRegs* out);

  struct KnownRegisters {
    uint64_t changes;  // of the connection, when they were asked for
    arch::GeneralRegs registers;
  };
  std::unique_ptr<KnownRegisters> known_;  // exception_lock_

  std::optional<ring::ExceptionNotice> exception_;  // exception_lock_
  std::mutex state_lock_;
  uint64_t resumed_by_ = 0;  // state_lock_; what the tracer said before it dealt with this command is out of date
  uint64_t told_after_ = 0;  // state_lock_; the last command that the tracer had dealt with when it told of this thread
  bool flag_ = false;        // suspends_lock()
};

// Keeps a task suspended as long as it has a handle.
class SuspendToken final : public Dispatcher {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_SUSPEND_TOKEN;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_SUSPEND_TOKEN_RIGHTS;

  explicit SuspendToken(RefPtr<Task> task);
  void OnLastHandleClosed() override;

 private:
  const RefPtr<Task> task_;
};

// ---- making processes ----

struct SpawnRequest {
  const char* path = nullptr;
  const char* const* argv = nullptr;
  const char* const* envp = nullptr;
  const char* cwd = nullptr;
  std::array<int, 3> stdio = {-1, -1, -1};
  bool start = false;
  bool new_group = false;
  bool exact_timeouts = false;
};

struct Made {
  RefPtr<Process> process;
  RefPtr<Thread> thread;
};

[[nodiscard]] Result<Made> Spawn(const RefPtr<Job>& job, const SpawnRequest& request);
[[nodiscard]] Result<Made> Attach(const RefPtr<Job>& job, pid_t pid, bool exact_timeouts);

}  // namespace zxctl::client
