#include "support/task_model.h"

#include <algorithm>

namespace zxctl::test {
namespace {

using Life = ModelProcess::Life;
using Kind = ModelException::Kind;

template <typename T>
auto& At(T& values, int index) {
  return values[static_cast<size_t>(index)];
}

uint32_t TypeAt(Kind kind, Level level) {
  switch (kind) {
    case Kind::kFault:
      return ZX_EXCP_GENERAL;
    case Kind::kExit:
      return ZX_EXCP_THREAD_EXITING;
    case Kind::kStart:
      break;
  }
  return level == Level::kJobDebugger ? ZX_EXCP_PROCESS_STARTING : ZX_EXCP_THREAD_STARTING;
}

}  // namespace

// ---- jobs and processes ----------------------------------------------------------------------------------------------

zx_status_t TaskModel::CreateJob(int parent, int* out) {
  if (parent != kNone && At(jobs, parent).killed) return ZX_ERR_BAD_STATE;
  jobs.push_back({.parent = parent});
  *out = static_cast<int>(jobs.size()) - 1;
  return ZX_OK;
}

bool TaskModel::IsIn(int job, int above) const {
  for (; job != kNone; job = At(jobs, job).parent) {
    if (job == above) return true;
  }
  return false;
}

zx_status_t TaskModel::Spawn(int job, int* out_process) {
  if (At(jobs, job).killed) return ZX_ERR_BAD_STATE;
  processes.push_back({.job = job});
  *out_process = static_cast<int>(processes.size()) - 1;
  AddThread(*out_process);
  return ZX_OK;
}

int TaskModel::AddThread(int process) {
  threads.push_back({.process = process});
  const int thread = static_cast<int>(threads.size()) - 1;
  ModelProcess& owner = At(processes, process);
  owner.threads.push_back(thread);
  if (owner.life == Life::kAlive && owner.threads.size() > 1) Raise(thread, StartException(process, false));
  return thread;
}

ModelException TaskModel::StartException(int process, bool first_thread) const {
  ModelException exception{.kind = Kind::kStart};
  if (first_thread) {
    for (int job = At(processes, process).job; job != kNone; job = At(jobs, job).parent) {
      exception.places.push_back({Level::kJobDebugger, job});
    }
  }
  exception.places.push_back({Level::kDebugger, process});
  return exception;
}

zx_status_t TaskModel::Start(int process) {
  ModelProcess& started = At(processes, process);
  if (started.life != Life::kNew) return ZX_ERR_BAD_STATE;
  started.life = Life::kAlive;
  started.started = true;
  started.waits_to_begin = true;
  Raise(started.threads.front(), StartException(process, true));
  Begin(process);
  return ZX_OK;
}

// Its first thread makes the others as soon as it runs.
void TaskModel::Begin(int process) {
  ModelProcess& owner = At(processes, process);
  if (!owner.waits_to_begin || !Runs(owner.threads.front())) return;
  owner.waits_to_begin = false;
  begun.push_back(process);
}

int TaskModel::Fork(int process) {
  const int job = At(processes, process).job;
  processes.push_back({.job = job, .life = Life::kAlive, .started = true});
  const int child = static_cast<int>(processes.size()) - 1;
  threads.push_back({.process = child});
  const int thread = static_cast<int>(threads.size()) - 1;
  At(processes, child).threads.push_back(thread);
  Raise(thread, StartException(child, true));
  return child;
}

void TaskModel::EndThread(int thread) {
  ModelThread& ended = At(threads, thread);
  ended.dead = true;
  ended.exception.reset();
}

void TaskModel::EndProcess(int process, int64_t code) {
  ModelProcess& ended = At(processes, process);
  if (ended.life == Life::kDead) return;
  ended.life = Life::kDead;
  ended.waits_to_begin = false;
  ended.return_code = code;
  for (const int thread : ended.threads) EndThread(thread);
}

zx_status_t TaskModel::KillProcess(int process) {
  if (At(processes, process).life == Life::kDetached) return ZX_ERR_BAD_STATE;
  EndProcess(process, ZX_TASK_RETCODE_SYSCALL_KILL);
  return ZX_OK;
}

void TaskModel::KillJob(int job) {
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (IsIn(static_cast<int>(i), job)) jobs[i].killed = true;
  }
  for (size_t i = 0; i < processes.size(); ++i) {
    const bool inside = IsIn(processes[i].job, job);
    if (inside && processes[i].life != Life::kDetached) EndProcess(static_cast<int>(i), ZX_TASK_RETCODE_SYSCALL_KILL);
  }
}

zx_status_t TaskModel::Detach(int process) {
  ModelProcess& leaving = At(processes, process);
  if (leaving.life != Life::kAlive) return ZX_ERR_BAD_STATE;
  const auto stands_at_a_fault = [&](int thread) {
    const auto& exception = At(threads, thread).exception;
    return exception && exception->kind == Kind::kFault;
  };
  // The signal that a thread stands at is delivered, and the program dies of it as it would have.
  if (std::any_of(leaving.threads.begin(), leaving.threads.end(), stands_at_a_fault)) {
    EndProcess(process, 0);
    leaving.life = Life::kDetached;
    return ZX_OK;
  }
  leaving.life = Life::kDetached;
  leaving.waits_to_begin = false;
  for (const int thread : leaving.threads) {
    auto& exception = At(threads, thread).exception;
    // One that stands at its exit comes to its end.
    if (exception && exception->kind == Kind::kExit) EndThread(thread);
    exception.reset();
  }
  return ZX_OK;
}

// ---- threads ---------------------------------------------------------------------------------------------------------

void TaskModel::ExitThread(int thread) {
  const int process = At(threads, thread).process;
  Raise(thread, {.kind = Kind::kExit, .places = {{Level::kDebugger, process}}});
  if (!At(threads, thread).exception) EndException(thread);
}

zx_status_t TaskModel::KillThread(int thread) {
  ModelThread& killed = At(threads, thread);
  if (killed.dead) return ZX_OK;
  ModelProcess& owner = At(processes, killed.process);
  if (owner.life == Life::kDetached) return ZX_ERR_BAD_STATE;
  if (owner.life == Life::kNew) return KillProcess(killed.process);
  EndThread(thread);
  const auto lives = [&](int other) { return !At(threads, other).dead; };
  if (std::none_of(owner.threads.begin(), owner.threads.end(), lives)) EndProcess(killed.process, 0);
  return ZX_OK;
}

void TaskModel::Exec(int thread) {
  ModelProcess& owner = At(processes, At(threads, thread).process);
  for (const int other : owner.threads) {
    if (other != thread) EndThread(other);
  }
  owner.threads = {thread};
  begun.push_back(At(threads, thread).process);
}

bool TaskModel::IsSuspended(int thread) const {
  const ModelThread& t = At(threads, thread);
  const ModelProcess& owner = At(processes, t.process);
  if (t.dead || t.exception || owner.life != Life::kAlive) return false;
  return t.flag || t.tokens > 0 || owner.tokens > 0;
}

bool TaskModel::Runs(int thread) const {
  const ModelThread& t = At(threads, thread);
  return !t.dead && !t.exception && At(processes, t.process).life == Life::kAlive && !IsSuspended(thread);
}

zx_status_t TaskModel::SuspendThread(int thread) {
  ModelThread& t = At(threads, thread);
  const Life life = At(processes, t.process).life;
  const bool dying = t.exception && t.exception->kind == Kind::kExit;
  if (t.dead || dying || life == Life::kDetached) return ZX_ERR_BAD_STATE;
  ++t.tokens;
  return ZX_OK;
}

zx_status_t TaskModel::SuspendProcess(int process) {
  ModelProcess& p = At(processes, process);
  if (p.life == Life::kDead || p.life == Life::kDetached) return ZX_ERR_BAD_STATE;
  ++p.tokens;
  return ZX_OK;
}

void TaskModel::CloseThreadToken(int thread) {
  --At(threads, thread).tokens;
  Begin(At(threads, thread).process);
}

void TaskModel::CloseProcessToken(int process) {
  --At(processes, process).tokens;
  Begin(process);
}

zx_status_t TaskModel::SetFlag(int thread) {
  ModelThread& t = At(threads, thread);
  const bool dying = t.exception && t.exception->kind == Kind::kExit;
  if (t.dead || dying || At(processes, t.process).life != Life::kAlive) return ZX_ERR_BAD_STATE;
  t.flag = true;
  return ZX_OK;
}

zx_status_t TaskModel::Resume(int thread) {
  ModelThread& t = At(threads, thread);
  const bool dying = t.exception && t.exception->kind == Kind::kExit;
  if (t.dead || dying || At(processes, t.process).life != Life::kAlive) return ZX_ERR_BAD_STATE;
  t.flag = false;
  Begin(t.process);
  return ZX_OK;
}

zx_signals_t TaskModel::ThreadSignals(int thread) const {
  const ModelThread& t = At(threads, thread);
  if (t.dead) return ZX_THREAD_TERMINATED;
  if (At(processes, t.process).life == Life::kNew) return 0;
  return IsSuspended(thread) ? ZX_THREAD_SUSPENDED : ZX_THREAD_RUNNING;
}

uint32_t TaskModel::ThreadState(int thread) const {
  const ModelThread& t = At(threads, thread);
  if (t.dead) return ZX_THREAD_STATE_DEAD;
  if (At(processes, t.process).life == Life::kNew) return ZX_THREAD_STATE_NEW;
  if (t.exception) return t.exception->kind == Kind::kExit ? ZX_THREAD_STATE_DYING : ZX_THREAD_STATE_BLOCKED_EXCEPTION;
  return IsSuspended(thread) ? ZX_THREAD_STATE_SUSPENDED : ZX_THREAD_STATE_RUNNING;
}

uint32_t TaskModel::WaitType(int thread) const {
  const ModelThread& t = At(threads, thread);
  return t.exception && t.exception->asked ? static_cast<uint32_t>(t.exception->asked->level) : 0;
}

zx_signals_t TaskModel::JobSignals(int job) const {
  const auto is_child = [&](const ModelJob& other) { return other.parent == job; };
  const auto lives_here = [&](const ModelProcess& process) {
    return process.job == job && process.life != Life::kDead && process.life != Life::kDetached;
  };
  zx_signals_t signals = 0;
  if (std::none_of(jobs.begin(), jobs.end(), is_child)) signals |= ZX_JOB_NO_JOBS;
  if (std::none_of(processes.begin(), processes.end(), lives_here)) signals |= ZX_JOB_NO_PROCESSES;
  const zx_signals_t empty = ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES;
  return At(jobs, job).killed && signals == empty ? signals | ZX_JOB_TERMINATED : signals;
}

// ---- bindings --------------------------------------------------------------------------------------------------------

ModelBinding& TaskModel::BindingAt(Level level, int task) {
  switch (level) {
    case Level::kDebugger:
      return At(processes, task).debugger;
    case Level::kProcess:
      return At(processes, task).binding;
    case Level::kThread:
      return At(threads, task).binding;
    case Level::kJob:
      return At(jobs, task).binding;
    case Level::kJobDebugger:
      break;
  }
  return At(jobs, task).debugger;
}

bool TaskModel::IsDead(Level level, int task) const {
  if (level == Level::kThread) return At(threads, task).dead;
  if (level == Level::kJob || level == Level::kJobDebugger) return false;
  return At(processes, task).life == Life::kDead;
}

zx_status_t TaskModel::Bind(Level level, int task, int port, uint64_t key) {
  if (IsDead(level, task)) return ZX_ERR_NOT_FOUND;
  ModelBinding& binding = BindingAt(level, task);
  if (binding.port != kNone) return ZX_ERR_ALREADY_BOUND;
  binding = {.port = port, .key = key};
  return ZX_OK;
}

zx_status_t TaskModel::Unbind(Level level, int task, bool quietly) {
  ModelBinding& binding = BindingAt(level, task);
  if (binding.port == kNone) return ZX_ERR_BAD_STATE;
  const int port = binding.port;
  binding = {};
  if (quietly) return ZX_OK;
  for (size_t i = 0; i < threads.size(); ++i) {
    const auto& exception = threads[i].exception;
    const bool waits_there = exception && exception->asked && exception->asked->level == level &&
                             exception->asked->task == task && exception->port == port;
    if (waits_there) PassOn(static_cast<int>(i));
  }
  return ZX_OK;
}

void TaskModel::ClosePort(int port) {
  port_open[static_cast<size_t>(port)] = false;
  const auto drop = [&](ModelBinding& binding) {
    if (binding.port == port) binding = {};
  };
  for (ModelJob& job : jobs) drop(job.binding), drop(job.debugger);
  for (ModelProcess& process : processes) drop(process.binding), drop(process.debugger);
  for (ModelThread& thread : threads) drop(thread.binding);
  std::erase_if(packets, [&](const ModelPacket& packet) { return packet.port == port; });
  for (size_t i = 0; i < threads.size(); ++i) {
    const auto& exception = threads[i].exception;
    if (exception && exception->asked && exception->port == port) PassOn(static_cast<int>(i));
  }
}

// ---- exceptions ------------------------------------------------------------------------------------------------------

void TaskModel::Fault(int thread) {
  const int process = At(threads, thread).process;
  ModelException exception{
      .places = {{Level::kDebugger, process}, {Level::kThread, thread}, {Level::kProcess, process}}};
  for (int job = At(processes, process).job; job != kNone; job = At(jobs, job).parent) {
    exception.places.push_back({Level::kJob, job});
  }
  Raise(thread, exception);
}

void TaskModel::Raise(int thread, ModelException exception) {
  At(threads, thread).exception = std::move(exception);
  Walk(thread);
}

void TaskModel::Walk(int thread) {
  ModelException& exception = *At(threads, thread).exception;
  exception.asked.reset();
  while (exception.next < exception.places.size()) {
    const auto place = exception.places[exception.next++];
    if (place.level == Level::kJobDebugger && exception.job_debugger_told) continue;
    const ModelBinding& binding = BindingAt(place.level, place.task);
    if (binding.port == kNone) continue;
    exception.job_debugger_told |= place.level == Level::kJobDebugger;
    exception.asked = place;
    exception.port = binding.port;
    packets.push_back({.port = binding.port,
                       .key = binding.key,
                       .type = TypeAt(exception.kind, place.level),
                       .process = At(threads, thread).process,
                       .thread = thread});
    return;
  }
  if (exception.kind == Kind::kFault) {
    EndProcess(At(threads, thread).process, ZX_TASK_RETCODE_EXCEPTION_KILL);
  } else {
    EndException(thread);
  }
}

void TaskModel::EndException(int thread) {
  ModelThread& t = At(threads, thread);
  const bool exits = t.exception && t.exception->kind == Kind::kExit;
  t.exception.reset();
  if (!exits) return Begin(t.process);
  EndThread(thread);
  const auto lives = [&](int other) { return !At(threads, other).dead; };
  const auto& all = At(processes, t.process).threads;
  if (std::none_of(all.begin(), all.end(), lives)) EndProcess(t.process, 0);
}

void TaskModel::PassOn(int thread) {
  if (At(threads, thread).exception) Walk(thread);
}

zx_status_t TaskModel::ResumeException(int thread, bool try_next) {
  ModelThread& t = At(threads, thread);
  if (!t.exception || !t.exception->asked) return ZX_ERR_BAD_STATE;
  // Each is told of its own start.
  if (try_next || t.exception->kind == Kind::kStart) {
    Walk(thread);
  } else {
    EndException(thread);
  }
  return ZX_OK;
}

zx_status_t TaskModel::ResumeFromException(int thread, int port, bool try_next) {
  const ModelThread& t = At(threads, thread);
  if (!t.exception || !t.exception->asked) return ZX_ERR_BAD_STATE;
  if (port == kNone || t.exception->port != port) return ZX_ERR_ACCESS_DENIED;
  return ResumeException(thread, try_next);
}

}  // namespace zxctl::test
