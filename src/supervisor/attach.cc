// The tracer taking up processes, and letting them go.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

// So many looks at a process's threads have to find nothing new.
constexpr int kQuietRounds = 2;

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
  // What a seized thread clones is seized with it, so that each round finds fewer. One that finds none may have missed a
  // thread: a list is read in pieces, and the next one begins further on than it should if threads have ended meanwhile.
  for (int quiet_rounds = 0; quiet_rounds < kQuietRounds;) quiet_rounds = SeizeThreads(process) ? 0 : quiet_rounds + 1;
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
  for (const pid_t tid : tree_.ThreadIds()) AdoptOrphan(tid);
  for (const pid_t pid : tree_.ProcessIds()) {
    Process* process = tree_.FindProcess(pid);
    if (process != nullptr) DetachProcess(*process);
  }
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
  if (Process* left = tree_.FindProcess(pid); left != nullptr) ForgetIfLetGo(*left);
}

bool Tracer::IsLeaving(const Thread& thread) { return thread.process != nullptr && thread.process->detaching; }

void Tracer::LeaveWhenHeld(Thread& thread) {
  if (thread.state.hold == HoldPhase::kHeld) return DetachHeld(thread);
  if (thread.state.hold == HoldPhase::kNone) Apply(thread.tid, {.kind = EventKind::kHold});
}

void Tracer::DetachHeld(Thread& thread) {
  if (thread.state.exception == ExceptionPhase::kRaised) sink_.Withdraw(thread.tid);
  DropWatch(thread);
  CloseStatFile(thread);
  CountHeldTime(thread);
  (void)ops_.Detach(thread.tid, thread.state.pending_signal);
  observer_.OnThreadGone(thread);
  Process* process = thread.process;
  const bool last = process != nullptr && process->threads.size() == 1;
  if (last) observer_.OnProcessDetached(*process);
  tree_.RemoveThread(thread.tid);
  if (process != nullptr && !last) ForgetIfLetGo(*process);
}

// A thread that is past its exit stop cannot be detached, and a leader stays like that as long as other threads live, or
// until one of them executes a program and takes its place. The kernel lets it go when it ends, or when the tracer does.
void Tracer::ForgetIfLetGo(Process& process) {
  const auto only_ends = [](const Thread* thread) {
    return thread->state.life == Lifecycle::kExiting && thread->state.exception == ExceptionPhase::kNone;
  };
  const std::vector<Thread*> threads = process.threads;
  if (!process.detaching || !std::all_of(threads.begin(), threads.end(), only_ends)) return;
  for (Thread* thread : threads) {
    DropWatch(*thread);
    CloseStatFile(*thread);
    observer_.OnThreadGone(*thread);
  }
  observer_.OnProcessDetached(process);
  for (const Thread* thread : threads) tree_.RemoveThread(thread->tid);
}

}  // namespace zxctl
