#include "client/task.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/proc_file.h"
#include "object/koid.h"

namespace zxctl::client {
namespace {

constexpr zx_signals_t kThreadSignals = ZX_THREAD_RUNNING | ZX_THREAD_SUSPENDED | ZX_TASK_TERMINATED;
constexpr size_t kNameBytes = 64;

template <typename T>
void Put(std::span<std::byte> record, const T& value) {
  std::memcpy(record.data(), &value, sizeof(value));
}

}  // namespace

// ---- tasks -----------------------------------------------------------------------------------------------------------

bool Task::IsOver() const {
  const ring::TaskLife now = life();
  return now == ring::TaskLife::kDead || now == ring::TaskLife::kDetached;
}

void Task::AddToken() {
  const std::lock_guard lock(suspends_lock_);
  tokens_.fetch_add(1);
  connection_.Post(ring::CommandType::kSuspend,
                   {.task = koid(), .options = static_cast<uint32_t>(ring::SuspendKind::kAddToken)});
}

void Task::DropToken() {
  const std::lock_guard lock(suspends_lock_);
  const bool last = tokens_.fetch_sub(1) == 1;
  const uint64_t seq = connection_.Post(
      ring::CommandType::kSuspend, {.task = koid(), .options = static_cast<uint32_t>(ring::SuspendKind::kDropToken)});
  if (last) OnResumed(seq);
}

zx_status_t Task::Kill(std::string* out_sentence) {
  connection_.TakeIn();
  if (life() == ring::TaskLife::kDead) return ZX_OK;
  if (life() == ring::TaskLife::kDetached) return ZX_ERR_BAD_STATE;
  const Answer answer = connection_.Request(ring::CommandType::kKill, {.task = koid()});
  // It died meanwhile.
  if (life() == ring::TaskLife::kDead) return ZX_OK;
  if (answer.status != ZX_OK) *out_sentence = answer.Sentence();
  return answer.status;
}

void Task::ReadName() {
  const auto* thread = type() == ZX_OBJ_TYPE_THREAD ? static_cast<const Thread*>(this) : nullptr;
  const auto name =
      ReadFile(fmt::format("/proc/{}/task/{}/comm", pid_, thread != nullptr ? thread->tid() : pid_), kNameBytes);
  if (name) SetName(name->substr(0, name->find('\n')));
}

SuspendToken::SuspendToken(RefPtr<Task> task) : Dispatcher(kType, NewLocalKoid()), task_(std::move(task)) {
  task_->AddToken();
}

void SuspendToken::OnLastHandleClosed() { task_->DropToken(); }

// ---- processes -------------------------------------------------------------------------------------------------------

Process::Process(Connection& connection, const ring::TaskRecord& record)
    : Task(kType, connection, record),
      job_(record.job),
      pidfd_(static_cast<int>(syscall(SYS_pidfd_open, record.pid, 0))) {}

Process::~Process() { connection().Forget(*this); }

void Process::Update(const ring::TaskRecord& record) {
  if (life() == ring::TaskLife::kDead) return;
  if (record.life == ring::TaskLife::kDead) {
    start_ns_ = record.start_ns;
    return_code_ = record.return_code;
    wait_status_ = record.wait_status;
    end_is_known_ = life() != ring::TaskLife::kDetached;
  }
  SetLife(record.life);
  if (record.life != ring::TaskLife::kDead) return;
  // Of a process that was let go nobody tells what becomes of its threads.
  connection().EndThreadsOf(koid());
  UpdateSignals(0, ZX_PROCESS_TERMINATED);
}

RefPtr<Dispatcher> Process::FindChild(zx_koid_t koid) {
  connection().TakeIn();
  if (RefPtr<Thread> known = DownCast<Thread>(RefPtr<Dispatcher>(connection().FindTask(koid)));
      known && !known->IsOver()) {
    if (known->related_koid() == this->koid()) return known;
  }
  const Answer answer = connection().Request(ring::CommandType::kFind, {.task = this->koid(), .other = koid});
  if (answer.status != ZX_OK) return {};
  RefPtr<Thread> thread = DownCast<Thread>(answer.object);
  if (thread) thread->ReadName();
  return thread;
}

zx_status_t Process::ListKoids(uint32_t /*topic*/, std::vector<zx_koid_t>* out) {
  return IsOver() ? ZX_OK : connection().List(koid(), out);
}

zx_info_process_t Process::Info() {
  zx_info_process_t info = {};
  if (life() != ring::TaskLife::kDead) {
    const Answer answer = connection().Request(ring::CommandType::kProcessInfo, {.task = koid()});
    const auto told = answer.As<ring::ProcessInfo>();
    info.start_time = told.start_ns;
    if (told.started != 0) info.flags |= ZX_INFO_PROCESS_FLAG_STARTED;
    if (told.debugged != 0) info.flags |= ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED;
  }
  // It may have died meanwhile.
  if (life() != ring::TaskLife::kDead) return info;
  info.start_time = start_ns_;
  info.flags = ZX_INFO_PROCESS_FLAG_EXITED;
  if (info.start_time != 0) info.flags |= ZX_INFO_PROCESS_FLAG_STARTED;
  info.return_code = return_code_;
  return info;
}

zx_status_t Process::ReadRecord(uint32_t topic, std::span<std::byte> record) {
  if (topic != ZX_INFO_PROCESS) return ZX_ERR_NOT_SUPPORTED;
  connection().TakeIn();
  if (life() == ring::TaskLife::kDetached) return ZX_ERR_BAD_STATE;
  const zx_info_process_t info = Info();
  if (life() == ring::TaskLife::kDead && !end_is_known_) return ZX_ERR_BAD_STATE;
  if (connection().dead() && life() != ring::TaskLife::kDead) return ZX_ERR_PEER_CLOSED;
  Put(record, info);
  return ZX_OK;
}

void Process::OnLastHandleClosed() {
  // Nobody can ever start it.
  if (life() == ring::TaskLife::kNew) connection().Post(ring::CommandType::kEndNewborn, {.task = koid()});
}

zx_status_t Process::GetWaitStatus(int32_t* out) const {
  connection().TakeIn();
  if (!IsOver() && connection().dead()) return ZX_ERR_PEER_CLOSED;
  if (life() != ring::TaskLife::kDead || !end_is_known_) return ZX_ERR_BAD_STATE;
  *out = wait_status_;
  return ZX_OK;
}

bool Process::IsAlive() const { return syscall(SYS_pidfd_send_signal, pidfd_.get(), 0, nullptr, 0) == 0; }

zx_status_t Process::Transfer(uint64_t address, void* data, size_t size, bool write, size_t* out_actual) {
  connection().TakeIn();
  if (IsOver()) return ZX_ERR_BAD_STATE;
  if (connection().dead()) return ZX_ERR_PEER_CLOSED;
  const UniqueFd memory(open(fmt::format("/proc/{}/mem", pid()).c_str(), (write ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  // Once it was seen alive afterwards, the file is of this process and not of one that has its number now.
  if (!IsAlive()) return ZX_ERR_BAD_STATE;
  auto* bytes = static_cast<std::byte*>(data);
  size_t done = 0;
  while (memory.valid() && done < size) {
    const auto at = static_cast<off_t>(address + done);
    const ssize_t moved = write ? pwrite(memory.get(), bytes + done, size - done, at)
                                : pread(memory.get(), bytes + done, size - done, at);
    if (moved <= 0) break;
    done += static_cast<size_t>(moved);
  }
  // The file can't be opened here, or is that of a leader that has ended before its threads: the tracer knows another way.
  if (done == 0) done = TransferByTracer(address, bytes, size, write);
  *out_actual = done;
  if (done != 0 || size == 0) return ZX_OK;
  return IsAlive() ? ZX_ERR_NO_MEMORY : ZX_ERR_BAD_STATE;
}

size_t Process::TransferByTracer(uint64_t address, std::byte* data, size_t size, bool write) {
  size_t done = 0;
  while (done < size) {
    const size_t part = std::min(size - done, ring::kMaxBytes);
    const ring::Command command{.task = koid(), .other = address + done, .key = part};
    const Answer answer =
        write ? connection().Request(ring::CommandType::kWriteMemory, command, std::span(data + done, part))
              : connection().Request(ring::CommandType::kReadMemory, command);
    const size_t moved = answer.status == ZX_OK ? answer.task.koid : 0;
    if (!write) std::copy_n(answer.bytes.begin(), std::min(moved, answer.bytes.size()), data + done);
    done += moved;
    if (moved != part) break;
  }
  return done;
}

zx_status_t Process::ReadMemory(uint64_t address, void* out, size_t size, size_t* out_actual) {
  return Transfer(address, out, size, false, out_actual);
}

zx_status_t Process::WriteMemory(uint64_t address, const void* in, size_t size, size_t* out_actual) {
  return Transfer(address, const_cast<void*>(in), size, true, out_actual);
}

// ---- threads ---------------------------------------------------------------------------------------------------------

Thread::Thread(Connection& connection, const ring::TaskRecord& record)
    : Task(kType, connection, record), process_(record.process), tid_(record.tid) {
  // Also of one that is dead: nobody will tell of its end any more.
  const std::lock_guard lock(state_lock_);
  TakeLocked(record);
}

Thread::~Thread() { connection().Forget(*this); }

void Thread::Update(const ring::TaskRecord& record) {
  const std::lock_guard lock(state_lock_);
  if (life() != ring::TaskLife::kDead) TakeLocked(record);
}

void Thread::TakeLocked(const ring::TaskRecord& record) {
  SetLife(record.life);
  tid_ = record.tid != 0 ? record.tid : tid_.load();
  zx_signals_t now = 0;
  switch (record.life) {
    case ring::TaskLife::kNew:
      break;
    case ring::TaskLife::kAlive:
      // What was written before the tracer had heard of our resume says nothing about how it is now.
      if (record.seq < resumed_by_) return;
      told_after_ = record.seq;
      now = record.suspended != 0 ? ZX_THREAD_SUSPENDED : ZX_THREAD_RUNNING;
      break;
    case ring::TaskLife::kDying:
    case ring::TaskLife::kDetached:
      now = ZX_THREAD_RUNNING;
      break;
    case ring::TaskLife::kDead:
      now = ZX_THREAD_TERMINATED;
      break;
  }
  UpdateSignals(kThreadSignals & ~now, now);
}

void Thread::OnResumed(uint64_t seq) {
  const std::lock_guard lock(state_lock_);
  // The tracer has dealt with it already, and maybe with a suspend that came behind it.
  if (told_after_ >= seq) return;
  resumed_by_ = seq;
  if ((signals() & ZX_THREAD_SUSPENDED) == 0) return;
  UpdateSignals(ZX_THREAD_SUSPENDED, ZX_THREAD_RUNNING);
}

zx_status_t Thread::SetFlag() {
  connection().TakeIn();
  if (life() != ring::TaskLife::kAlive) return ZX_ERR_BAD_STATE;
  const std::lock_guard lock(suspends_lock());
  flag_ = true;
  connection().Post(ring::CommandType::kSuspend,
                    {.task = koid(), .options = static_cast<uint32_t>(ring::SuspendKind::kSetFlag)});
  return ZX_OK;
}

zx_status_t Thread::ClearFlag() {
  connection().TakeIn();
  if (life() != ring::TaskLife::kAlive) return ZX_ERR_BAD_STATE;
  const std::lock_guard lock(suspends_lock());
  const uint64_t seq = connection().Post(
      ring::CommandType::kSuspend, {.task = koid(), .options = static_cast<uint32_t>(ring::SuspendKind::kClearFlag)});
  if (std::exchange(flag_, false) && tokens() == 0) OnResumed(seq);
  return ZX_OK;
}

void Thread::TakeException(const ring::ExceptionNotice& notice) {
  const std::lock_guard lock(exception_lock_);
  exception_ = notice;
}

void Thread::ForgetExceptionOf(zx_koid_t port) {
  const std::lock_guard lock(exception_lock_);
  if (exception_ && exception_->port == port) exception_.reset();
}

bool Thread::AnswerHere(zx_koid_t port, ring::Verdict verdict, zx_status_t* out) {
  if (connection().dead()) return false;
  std::unique_lock lock(exception_lock_);
  if (!exception_) return false;
  if (port != 0 && port != exception_->port && connection().IsOffered(*exception_)) {
    *out = ZX_ERR_ACCESS_DENIED;
    return true;
  }
  const ring::Command command{
      .task = exception_->slot, .other = exception_->generation, .options = static_cast<uint32_t>(verdict)};
  const bool first = connection().Claim(*exception_, verdict);
  exception_.reset();
  if (!first) return false;
  lock.unlock();
  connection().PostQuietly(ring::CommandType::kAnswer, command);
  *out = ZX_OK;
  return true;
}

zx_status_t Thread::ResumeFromException(zx_koid_t port, ring::Verdict verdict) {
  connection().TakeIn();
  if (IsOver()) return ZX_ERR_BAD_STATE;
  zx_status_t status = ZX_OK;
  if (AnswerHere(port, verdict, &status)) {
    if (status != ZX_OK) return status;
    connection().DropException(koid());
    connection().WakeTracer();
    return status;
  }
  return connection()
      .Request(ring::CommandType::kAnswerFor,
               {.task = koid(), .other = port, .options = static_cast<uint32_t>(verdict)})
      .status;
}

zx_status_t Thread::GetException(ring::ExceptionRecord* out) {
  connection().TakeIn();
  if (IsOver()) return ZX_ERR_BAD_STATE;
  const Answer answer = connection().Request(ring::CommandType::kExceptionInfo, {.task = koid()});
  if (answer.status == ZX_OK) *out = answer.As<ring::ExceptionRecord>();
  return answer.status;
}

zx_status_t Thread::ReadRecord(uint32_t topic, std::span<std::byte> record) {
  connection().TakeIn();
  if (topic == ZX_INFO_THREAD) {
    zx_info_thread_t info = {};
    info.state = ZX_THREAD_STATE_DEAD;
    if (life() == ring::TaskLife::kDetached) return ZX_ERR_BAD_STATE;
    if (life() != ring::TaskLife::kDead) {
      const Answer answer = connection().Request(ring::CommandType::kThreadInfo, {.task = koid()});
      if (answer.status == ZX_ERR_PEER_CLOSED) return answer.status;
      // It may have died meanwhile.
      if (answer.status == ZX_OK) {
        const auto told = answer.As<ring::ThreadInfo>();
        info.state = told.state;
        info.wait_exception_port_type = told.wait_exception_port_type;
      }
    }
    Put(record, info);
    return ZX_OK;
  }
  if (topic != ZX_INFO_THREAD_EXCEPTION_REPORT) return ZX_ERR_NOT_SUPPORTED;
  ring::ExceptionRecord told;
  if (const zx_status_t status = GetException(&told); status != ZX_OK) return status;
  zx_exception_report_t report = {};
  report.header = {.size = sizeof(report), .type = ZX_PKT_TYPE_EXCEPTION(told.type)};
  const SignalRecord& signal = told.first.signo != 0 ? told.first : told.signal;
  arch::FillExceptionContext(signal.signo, signal.code, signal.address, report.context.arch);
  Put(record, report);
  return ZX_OK;
}

}  // namespace zxctl::client
