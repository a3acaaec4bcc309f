// What a client asks for, one function a command.
#include <zircon/syscalls/exception.h>
#include <zircon/syscalls/object.h>
#include <zxtask/linux.h>

#include <algorithm>
#include <cstring>

#include "service/client.h"
#include "service/task_records.h"

namespace zxctl::service {
namespace {

constexpr size_t kListKoids = ring::kMaxBytes / sizeof(Koid);
// A client is served with so many jobs and so many bound ports at a time; of further ones nothing is known here.
constexpr size_t kMaxJobs = size_t{1} << 16;
constexpr size_t kMaxPorts = size_t{1} << 16;
constexpr const char* kTooManyJobs = "65536 jobs are in use, which is all there can be: close some, and use a new one";
constexpr const char* kTooManyPorts = "65536 ports are bound, which is all there can be: unbind or close some";
static_assert(kMaxJobs == 65536 && kMaxPorts == 65536, "as the sentences say");

constexpr const char* kDiedNew = "the process was killed before its program's first instruction";

HandlerAnswer AnswerOf(uint32_t verdict) {
  return verdict == static_cast<uint32_t>(ring::Verdict::kResume) ? HandlerAnswer::kResume : HandlerAnswer::kTryNext;
}

Status Dead() { return {.zx = ZX_ERR_NOT_FOUND, .what = "the task is dead: nothing can be bound to it any more"}; }
// The client knows which of both.
Status Gone() { return {.zx = ZX_ERR_BAD_STATE, .what = "the task is dead, or was let go"}; }

// A thread that the process's memory can be had through: a leader that has ended before the others has none.
pid_t MemoryThread(const Process& process) {
  for (const Thread* thread : process.threads) {
    if (thread->state.life == Lifecycle::kAlive) return thread->tid;
  }
  return process.pid;
}

}  // namespace

void Client::Dispatch(const ring::Message& message) {
  ring::Command command;
  if (!ring::UnpackHead(message, command)) {
    broken_ = true;
    return;
  }
  const auto bytes = std::span(message.payload).subspan(sizeof(command));
  last_seq_ = command.seq;
  switch (static_cast<ring::CommandType>(message.type)) {
    case ring::CommandType::kNewJob:
      return DoNewJob(command);
    case ring::CommandType::kEndJob:
      return DoEndJob(command);
    case ring::CommandType::kSpawn:
      return DoSpawnOrAttach(command, false);
    case ring::CommandType::kAwaitExec:
      return DoAwaitExec(command);
    case ring::CommandType::kAttach:
      return DoSpawnOrAttach(command, true);
    case ring::CommandType::kDetach:
      return DoDetach(command);
    case ring::CommandType::kCreateThread:
      return DoCreateThread(command);
    case ring::CommandType::kStartThread:
      return DoStartThread(command, bytes);
    case ring::CommandType::kStart:
      return DoStart(command);
    case ring::CommandType::kEndNewborn:
      return DoEndNewborn(command);
    case ring::CommandType::kBind:
      return DoBind(command);
    case ring::CommandType::kUnbind:
      return DoUnbind(command);
    case ring::CommandType::kEndPort:
      return DoEndPort(command.other);
    case ring::CommandType::kAnswer:
      return DoAnswer(command);
    case ring::CommandType::kAnswerFor:
      return DoAnswerFor(command);
    case ring::CommandType::kSuspend:
      return DoSuspend(command);
    case ring::CommandType::kKill:
      return DoKill(command);
    case ring::CommandType::kUnwatch:
      return Unwatch(command.task, command.other);
    case ring::CommandType::kFind:
      return DoFind(command);
    case ring::CommandType::kList:
      return DoList(command);
    case ring::CommandType::kThreadInfo:
      return DoThreadInfo(command);
    case ring::CommandType::kProcessInfo:
      return DoProcessInfo(command);
    case ring::CommandType::kExceptionInfo:
      return DoExceptionInfo(command);
    case ring::CommandType::kReadState:
      return DoReadState(command);
    case ring::CommandType::kWriteState:
      return DoWriteState(command, bytes);
    case ring::CommandType::kReadMemory:
      return DoReadMemory(command);
    case ring::CommandType::kWriteMemory:
      return DoWriteMemory(command, bytes);
    case ring::CommandType::kHello:
      break;
  }
  broken_ = true;
}

// ---- answers ---------------------------------------------------------------------------------------------------------

void Client::Send(uint64_t seq, int32_t zx, int sys_errno, const ring::TaskRecord& task,
                  std::span<const std::byte> bytes) {
  const ring::Reply reply{.seq = seq, .zx = zx, .sys_errno = sys_errno, .task = task};
  Put(ring::NoticeType::kReply, std::as_bytes(std::span(&reply, 1)), bytes);
}

void Client::Answer(const ring::Command& command, int32_t zx, std::string_view what, int sys_errno) {
  Send(command.seq, zx, sys_errno, {}, std::as_bytes(std::span(what)).first(std::min(what.size(), ring::kMaxBytes)));
}

void Client::Answer(const ring::Command& command, const Status& status) {
  Answer(command, status.zx, status.ToString(), status.sys_errno);
}

void Client::AnswerBytes(const ring::Command& command, std::span<const std::byte> bytes, uint64_t count) {
  Send(command.seq, ZX_OK, 0, {.koid = count}, bytes);
}

void Client::AnswerTask(const ring::Command& command, ring::TaskRecord task, std::span<const std::byte> bytes) {
  Send(command.seq, ZX_OK, 0, ForClient(task), bytes);
}

// ---- jobs ------------------------------------------------------------------------------------------------------------

void Client::DoNewJob(const ring::Command& command) {
  if (jobs_.contains(command.task)) {
    broken_ = true;
    return;
  }
  const auto parent = jobs_.find(command.other);
  if (parent == jobs_.end() || jobs_.size() >= kMaxJobs) return;
  Job& job = tracer_.tree().AddJob(*parent->second);
  jobs_[command.task] = &job;
  job_koids_[job.koid] = command.task;
}

void Client::DoEndJob(const ring::Command& command) {
  const auto found = jobs_.find(command.task);
  if (found == jobs_.end() || found->second->parent == nullptr) return;
  Job& job = *found->second;
  router_.bindings().ForgetTask(job.koid);
  jobs_.erase(found);
  job_koids_.erase(job.koid);
  tracer_.tree().RemoveJob(job);
}

// ---- processes -------------------------------------------------------------------------------------------------------

void Client::DoSpawnOrAttach(const ring::Command& command, bool attach) {
  const auto job = jobs_.find(command.task);
  if (job == jobs_.end()) return Answer(command, ZX_ERR_BAD_STATE, kTooManyJobs);
  if (job->second->killed) {
    return Answer(command, ZX_ERR_BAD_STATE,
                  "the job was killed, and nothing can be made in it any more: use another job");
  }
  const bool exact = (command.options & ring::kTakeUpExactTimeouts) != 0;
  if (exact && !TellsSleep()) {
    return Answer(command, ZX_ERR_NOT_SUPPORTED,
                  "exact timeouts need a kernel that has /proc/PID/sched (CONFIG_SCHED_DEBUG): leave out that option");
  }
  const bool park = (command.options & ring::kTakeUpParked) != 0;
  const auto taken =
      attach ? tracer_.AttachProcess(command.pid, *job->second) : tracer_.SeizeNewborn(command.pid, *job->second, park);
  if (!taken) return Refuse(command, taken.error());
  Process& process = **taken;
  process.exact_timeouts = exact;
  const Thread& leader = *process.threads.front();
  WatchTask(process.koid);
  WatchTask(leader.koid);
  const ring::TaskRecord thread = ForClient(RecordOf(leader));
  AnswerTask(command, RecordOf(process), std::as_bytes(std::span(&thread, 1)));
}

// What has been taken up of the process by then is let go first: afterwards it is as it was.
void Client::Refuse(const ring::Command& command, const Status& status) {
  const Process* process = tracer_.tree().FindProcess(command.pid);
  if (process == nullptr || !process->detaching || refused_.contains(process->koid)) return Answer(command, status);
  refused_.try_emplace(process->koid, command, status);
}

void Client::DoDetach(const ring::Command& command) {
  Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process == nullptr) return Answer(command, Gone());
  if (process->detaching) return Answer(command, ZX_ERR_BAD_STATE, "the process is being let go already");
  if (process->waits_for_start()) {
    return Answer(command, ZX_ERR_BAD_STATE, "the process has not been started: start it first, or kill it");
  }
  waiting_[command.task] = command;
  tracer_.DetachProcess(*process);
}

void Client::DoAwaitExec(const ring::Command& command) {
  const Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process == nullptr) return Answer(command, ZX_ERR_BAD_STATE, kDiedNew);
  if (process->at_exec == AtExec::kNothing) return Answer(command, ZX_OK);
  waiting_[command.task] = command;
}

void Client::AnswerWaiting(Koid process, int32_t zx) {
  if (const auto refused = refused_.extract(process); !refused.empty()) {
    Answer(refused.mapped().first, refused.mapped().second);
  }
  const auto waiting = waiting_.extract(process);
  if (waiting.empty()) return;
  Answer(waiting.mapped(), zx, zx == ZX_OK ? "" : kDiedNew);
}

void Client::DoStart(const ring::Command& command) {
  Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process == nullptr) return Answer(command, Gone());
  if (process->killed) return Answer(command, ZX_ERR_BAD_STATE, kDiedNew);
  if (!process->parked) return Answer(command, ZX_ERR_BAD_STATE, "the process has been started already");
  tracer_.StartProcess(*process);
  // Whoever has started it must not find it new.
  for (const Thread* thread : process->threads) SendTask(RecordOf(*thread));
  SendTask(RecordOf(*process));
  Answer(command, ZX_OK);
}

void Client::DoEndNewborn(const ring::Command& command) {
  Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process != nullptr && process->waits_for_start()) tracer_.KillProcess(*process);
  Thread* thread = tracer_.tree().FindThreadByKoid(command.task);
  if (thread != nullptr && thread->process != nullptr) tracer_.EndCreated(*thread);
}

void Client::DoKill(const ring::Command& command) {
  TaskTree& tree = tracer_.tree();
  if (const auto job = jobs_.find(command.task); job != jobs_.end()) {
    tracer_.KillJob(*job->second);
  } else if (Process* process = tree.FindProcessByKoid(command.task); process != nullptr) {
    tracer_.KillProcess(*process);
  } else if (Thread* thread = tree.FindThreadByKoid(command.task); thread != nullptr && thread->process != nullptr) {
    if (const auto killed = tracer_.KillThread(*thread); !killed) return Answer(command, killed.error());
  } else {
    return Answer(command, Gone());
  }
  Answer(command, ZX_OK);
}

// ---- bindings --------------------------------------------------------------------------------------------------------

std::optional<Client::Place> Client::FindPlace(const ring::Command& command) {
  const bool debugger = (command.options & ZX_EXCEPTION_PORT_DEBUGGER) != 0;
  TaskTree& tree = tracer_.tree();
  if (const auto job = jobs_.find(command.task); job != jobs_.end()) {
    return Place{job->second->koid, debugger ? ChainLevel::kJobDebugger : ChainLevel::kJob};
  }
  if (tree.FindProcessByKoid(command.task) != nullptr) {
    return Place{command.task, debugger ? ChainLevel::kDebugger : ChainLevel::kProcess};
  }
  const Thread* thread = tree.FindThreadByKoid(command.task);
  if (thread == nullptr || thread->process == nullptr) return std::nullopt;
  // A leader that is dead stays with the kernel until its threads are.
  if (RecordOf(*thread).life == ring::TaskLife::kDead) return std::nullopt;
  return Place{command.task, ChainLevel::kThread};
}

PortHandler& Client::HandlerOf(uint64_t port) {
  auto& handler = ports_[port];
  if (handler == nullptr) handler = std::make_unique<PortHandler>(*this, port);
  return *handler;
}

void Client::DoBind(const ring::Command& command) {
  const auto place = FindPlace(command);
  if (!place) return Answer(command, Dead());
  const bool is_new = !ports_.contains(command.other);
  if (is_new && ports_.size() >= kMaxPorts) return Answer(command, ZX_ERR_NO_RESOURCES, kTooManyPorts);
  const Binding binding{.handler = &HandlerOf(command.other),
                        .key = command.key,
                        .first_chance = (command.options & ZXL_EXCEPTION_PORT_FIRST_CHANCE) != 0,
                        .lease_ns = std::max<int64_t>(command.lease_ns, 0)};
  if (const auto bound = router_.bindings().Bind(place->task, place->level, binding); !bound) {
    // A port that is bound nowhere would stay until it is closed.
    if (is_new) ports_.erase(command.other);
    return Answer(command, bound.error());
  }
  Process* process = tracer_.tree().FindProcessByKoid(place->task);
  if (place->level != ChainLevel::kDebugger || process == nullptr) return Answer(command, ZX_OK);
  tracer_.WatchExits(*process, [this, command] { Answer(command, ZX_OK); });
}

void Client::DoUnbind(const ring::Command& command) {
  const bool debugger = (command.options & ZX_EXCEPTION_PORT_DEBUGGER) != 0;
  // What was bound to a task that is dead by now can be unbound as well.
  const std::array<Place, 2> dead = {Place{command.task, debugger ? ChainLevel::kDebugger : ChainLevel::kProcess},
                                     Place{command.task, ChainLevel::kThread}};
  const auto living = FindPlace(command);
  const bool quietly = (command.options & ZX_EXCEPTION_PORT_UNBIND_QUIETLY) != 0;
  auto unbound = router_.Unbind(living ? living->task : dead[0].task, living ? living->level : dead[0].level, quietly);
  if (!unbound && !living) unbound = router_.Unbind(dead[1].task, dead[1].level, quietly);
  if (!unbound) return Answer(command, unbound.error());
  Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process != nullptr && debugger) process->debugged = false;
  Answer(command, ZX_OK);
}

void Client::DoEndPort(uint64_t port) {
  const auto found = ports_.find(port);
  if (found == ports_.end()) return;
  router_.RemoveHandler(*found->second);
  ports_.erase(port);
}

// ---- exceptions ------------------------------------------------------------------------------------------------------

void Client::DoAnswer(const ring::Command& command) {
  const uint64_t index = command.task;
  if (command.options == static_cast<uint32_t>(ring::Verdict::kNotQueued)) tracer_.CountLostPacket();
  if (index >= slots_.size() || slots_[index].tid == 0 || slots_[index].generation != command.other) return;
  const HandlerAnswer answer = AnswerIn(static_cast<uint32_t>(index));
  if (answer == HandlerAnswer::kPending) return;
  const pid_t tid = slots_[index].tid;
  PortHandler& handler = *slots_[index].handler;
  FreeSlot(static_cast<uint32_t>(index));
  router_.AnswerOf(handler, tid, answer);
}

void Client::DoAnswerFor(const ring::Command& command) {
  const Thread* thread = tracer_.tree().FindThreadByKoid(command.task);
  const ExceptionHandler* asked = thread == nullptr ? nullptr : router_.AskedNow(thread->tid);
  if (asked == nullptr) return Answer(command, ZX_ERR_BAD_STATE, "the thread is in no exception");
  const auto port = ports_.find(command.other);
  if (command.other != 0 && (port == ports_.end() || port->second.get() != asked)) {
    return Answer(command, ZX_ERR_ACCESS_DENIED, "the exception was sent to another port");
  }
  if (!router_.AnswerFor(thread->tid, AnswerOf(command.options))) {
    return Answer(command, ZX_ERR_BAD_STATE, "the exception has been answered already");
  }
  Answer(command, ZX_OK);
}

void Client::DoExceptionInfo(const ring::Command& command) {
  const Thread* thread = tracer_.tree().FindThreadByKoid(command.task);
  const ExceptionPacket* packet = thread == nullptr ? nullptr : router_.Find(thread->tid);
  if (packet == nullptr) return Answer(command, ZX_ERR_BAD_STATE, "the thread is in no exception");
  AnswerWith(command, RecordOf(*packet));
}

// ---- suspends --------------------------------------------------------------------------------------------------------

void Client::DoSuspend(const ring::Command& command) {
  Thread* thread = tracer_.tree().FindThreadByKoid(command.task);
  Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (thread == nullptr && process == nullptr) return;
  Tokens& tokens = tokens_[command.task];
  const auto change = [&](int by) {
    tokens.count += static_cast<uint32_t>(by);
    if (thread != nullptr) return tracer_.ChangeSuspends(*thread, by);
    tracer_.ChangeSuspends(*process, by);
  };
  MarkDirty(command.task);
  if (process != nullptr) {
    for (const Thread* each : process->threads) MarkDirty(each->koid);
  }
  switch (static_cast<ring::SuspendKind>(command.options)) {
    case ring::SuspendKind::kAddToken:
      return change(1);
    case ring::SuspendKind::kDropToken:
      if (tokens.count > 0) change(-1);
      return;
    case ring::SuspendKind::kSetFlag:
    case ring::SuspendKind::kClearFlag:
      if (thread == nullptr) return;
      tokens.flag = static_cast<ring::SuspendKind>(command.options) == ring::SuspendKind::kSetFlag;
      return tracer_.SetSuspendFlag(*thread, tokens.flag);
  }
}

// ---- what is asked of tasks ------------------------------------------------------------------------------------------

void Client::DoFind(const ring::Command& command) {
  TaskTree& tree = tracer_.tree();
  const auto job = jobs_.find(command.task);
  const Process* process = tree.FindProcessByKoid(command.other);
  if (job != jobs_.end() && process != nullptr && process->job == job->second) {
    WatchTask(process->koid);
    return AnswerTask(command, RecordOf(*process));
  }
  const Thread* thread = tree.FindThreadByKoid(command.other);
  if (thread == nullptr || thread->process == nullptr || thread->process->koid != command.task) {
    return Answer(command, ZX_ERR_NOT_FOUND, "there is no such task");
  }
  WatchTask(thread->koid);
  AnswerTask(command, RecordOf(*thread));
}

void Client::DoList(const ring::Command& command) {
  std::vector<Koid> koids;
  if (const auto job = jobs_.find(command.task); job != jobs_.end()) {
    for (const pid_t pid : tracer_.tree().ProcessIdsIn(*job->second)) {
      const Process* process = tracer_.tree().FindProcess(pid);
      if (process->job == job->second) koids.push_back(process->koid);
    }
  } else if (const Process* process = tracer_.tree().FindProcessByKoid(command.task); process != nullptr) {
    for (const Thread* thread : process->threads) {
      const auto life = RecordOf(*thread).life;
      if (life == ring::TaskLife::kAlive || life == ring::TaskLife::kDying) koids.push_back(thread->koid);
    }
  }
  // As they were born.
  std::sort(koids.begin(), koids.end());
  const size_t from = std::min<size_t>(command.key, koids.size());
  const auto part = std::span(koids).subspan(from, std::min(koids.size() - from, kListKoids));
  AnswerBytes(command, std::as_bytes(part), koids.size());
}

void Client::DoThreadInfo(const ring::Command& command) {
  const Thread* thread = tracer_.tree().FindThreadByKoid(command.task);
  if (thread == nullptr || thread->process == nullptr) return Answer(command, Gone());
  AnswerWith(command, InfoOf(*thread, router_.Find(thread->tid), router_.AskedNow(thread->tid) != nullptr));
}

void Client::DoProcessInfo(const ring::Command& command) {
  const Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process == nullptr) return Answer(command, Gone());
  ring::ProcessInfo info = InfoOf(*process);
  info.debugged = router_.bindings().Find(process->koid, ChainLevel::kDebugger) != nullptr;
  AnswerWith(command, info);
}

void Client::DoReadMemory(const ring::Command& command) {
  const Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process == nullptr) return Answer(command, Gone());
  std::vector<std::byte> bytes(std::min<uint64_t>(command.key, ring::kMaxBytes));
  bytes.resize(tracer_.ops().ReadMemory(MemoryThread(*process), command.other, bytes.data(), bytes.size()));
  AnswerBytes(command, bytes, bytes.size());
}

void Client::DoWriteMemory(const ring::Command& command, std::span<const std::byte> bytes) {
  const Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process == nullptr) return Answer(command, Gone());
  AnswerBytes(command, {},
              tracer_.ops().WriteMemory(MemoryThread(*process), command.other, bytes.data(), bytes.size()));
}

}  // namespace zxctl::service
