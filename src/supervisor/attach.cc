// The tracer taking up processes, and letting them go.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

Status Refusal(pid_t pid, const OpResult& seized) {
  return Status::FromErrno(fmt::format("cannot trace process {}", pid), seized.error(), pid);
}

Result<void> CheckAttachable(pid_t pid, const std::optional<TaskFacts>& facts) {
  if (!facts || facts->process != pid) {
    return Fail(Status{.zx = ZX_ERR_NOT_FOUND, .sys_errno = ESRCH, .what = fmt::format("there is no process {}", pid)});
  }
  if (facts->kernel_thread || facts->IsZombie()) {
    return Fail(
        Status{.zx = ZX_ERR_BAD_STATE,
               .what = fmt::format("process {} is a {}", pid, facts->kernel_thread ? "kernel thread" : "zombie")});
  }
  if (facts->tracer == 0) return {};
  const auto name = ReadTaskName(facts->tracer);
  return Fail(Status{.zx = ZX_ERR_ALREADY_BOUND,
                     .what = fmt::format("process {} is traced by {}", pid,
                                         name ? name->ToString() : fmt::format("process {}", facts->tracer))});
}

}  // namespace

// ---- taking up -------------------------------------------------------------------------------------------------------

Result<void> Tracer::SeizeRoot(pid_t pid) {
  const OpResult seized = ops_.Seize(pid, Options(true));
  if (!seized.ok()) return Fail(Refusal(pid, seized));
  TakeUp(pid, tree_.root_job());
  return {};
}

Result<Process*> Tracer::SeizeNewborn(pid_t pid, Job& job, bool park) {
  const OpResult seized = ops_.Seize(pid, Options(true));
  if (!seized.ok()) return Fail(Refusal(pid, seized));
  Process& process = TakeUp(pid, job);
  process.at_exec = park ? AtExec::kPark : AtExec::kStart;
  if (park) process.start_ns = 0;
  return &process;
}

Process& Tracer::TakeUp(pid_t pid, Job& job) {
  Process& process = NewProcess(pid, job);
  AddSeized(process, pid);
  return process;
}

void Tracer::AddSeized(Process& process, pid_t tid) {
  Thread& thread = tree_.AddThread(tid);
  stats_.max_tracees = std::max<uint64_t>(stats_.max_tracees, tree_.thread_count());
  thread.state.life = Lifecycle::kAlive;
  thread.exit_option = tid == process.pid;
  tree_.Join(thread, process);
}

Result<Process*> Tracer::AttachProcess(pid_t pid, Job& job) {
  if (tree_.FindProcess(pid) != nullptr) {
    return Fail(
        Status{.zx = ZX_ERR_ALREADY_BOUND, .what = fmt::format("process {} is under supervision already", pid)});
  }
  if (const auto attachable = CheckAttachable(pid, ops_.ReadFacts(pid)); !attachable) return Fail(attachable.error());
  const OpResult seized = ops_.Seize(pid, Options(true));
  if (!seized.ok()) return Fail(Refusal(pid, seized));
  Process& process = TakeUp(pid, job);
  // What a seized thread clones is seized with it, so that each round finds fewer.
  while (SeizeThreads(process)) {
  }
  return &process;
}

bool Tracer::SeizeThreads(Process& process) {
  bool found_new = false;
  for (const pid_t tid : ops_.ListThreads(process.pid)) {
    if (tree_.FindThread(tid) != nullptr) continue;
    // One that is gone, or that came with its creator, is refused.
    if (!ops_.Seize(tid, Options(false)).ok()) continue;
    AddSeized(process, tid);
    found_new = true;
  }
  return found_new;
}

void Tracer::StartProcess(Process& process) {
  if (!process.waits_for_start() || process.threads.empty()) return;
  process.start_ns = clock_.NowNs();
  // Its exec is still on its way to us.
  if (!process.parked) {
    process.at_exec = AtExec::kStart;
    return;
  }
  process.parked = false;
  Thread& thread = *process.threads.front();
  if (sink_.WantsStart(thread, true)) {
    current_fault_ = {.thread = &thread, .kind = FaultKind::kStart, .first_thread = true};
    Apply(thread.tid, {.kind = EventKind::kToldStart});
  }
  UpdateHold(thread.tid);
}

// ---- letting go ------------------------------------------------------------------------------------------------------

void Tracer::DetachAll() {
  detaching_ = true;
  for (const pid_t tid : tree_.ThreadIds()) {
    AdoptOrphan(tid);
    Thread* thread = tree_.FindThread(tid);
    if (thread == nullptr || thread->state.life == Lifecycle::kExiting) continue;
    LeaveWhenHeld(*thread);
  }
  for (const pid_t pid : tree_.ProcessIds()) LeaveBehindIfOver(pid);
}

void Tracer::DetachProcess(Process& process) {
  process.detaching = true;
  const pid_t pid = process.pid;
  std::vector<pid_t> tids;
  for (const Thread* thread : process.threads) tids.push_back(thread->tid);
  for (const pid_t tid : tids) {
    Thread* thread = tree_.FindThread(tid);
    if (thread != nullptr && thread->state.life != Lifecycle::kExiting) LeaveWhenHeld(*thread);
  }
  LeaveBehindIfOver(pid);
}

// A leader that has exited cannot be let go, and its end is not told before its threads end: nobody waits for it.
void Tracer::LeaveBehindIfOver(pid_t pid) {
  Process* process = tree_.FindProcess(pid);
  if (process == nullptr || process->detached) return;
  const auto exits = [](const Thread* thread) { return thread->state.life == Lifecycle::kExiting; };
  if (!std::all_of(process->threads.begin(), process->threads.end(), exits)) return;
  tree_.LeaveBehind(*process);
  observer_.OnProcessDetached(*process);
}

bool Tracer::IsLeaving(const Thread& thread) const {
  return detaching_ || (thread.process != nullptr && thread.process->detaching);
}

void Tracer::LeaveWhenHeld(Thread& thread) {
  if (thread.state.hold == HoldPhase::kHeld) return DetachHeld(thread);
  if (thread.state.hold == HoldPhase::kNone) Apply(thread.tid, {.kind = EventKind::kHold});
}

void Tracer::DetachHeld(Thread& thread) {
  if (thread.state.exception == ExceptionPhase::kRaised) sink_.Withdraw(thread.tid);
  DropWatch(thread);
  CloseStatFile(thread);
  (void)ops_.Detach(thread.tid, thread.state.pending_signal);
  observer_.OnThreadGone(thread);
  const pid_t pid = thread.process == nullptr ? 0 : thread.process->pid;
  if (pid != 0 && thread.process->threads.size() == 1) observer_.OnProcessDetached(*thread.process);
  tree_.RemoveThread(thread.tid);
  if (pid != 0) LeaveBehindIfOver(pid);
}

}  // namespace zxctl
