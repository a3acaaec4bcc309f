// The tracer when a process executes a program: one of its threads becomes its leader, and the others are no more.
#include <utility>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

Event Of(EventKind kind) { return {.kind = kind}; }

}  // namespace

void Tracer::OnExecEvent(pid_t pid) {
  ++stats_.execs;
  uint64_t message = 0;
  (void)ops_.GetEventMessage(pid, message);
  TakeOverLeader(static_cast<pid_t>(message), pid);
  Thread* thread = tree_.FindThread(pid);
  // It was on its way into this when its process was let go.
  if (thread == nullptr && let_go_.erase(pid) != 0) return static_cast<void>(ops_.Detach(pid, 0));
  if (thread == nullptr) {
    // Nothing was known of it: it was killed, and another took the tid, between two looks.
    thread = &tree_.AddThread(pid);
    thread->state.life = Lifecycle::kAlive;
  }
  if (thread->process == nullptr) AdoptOrphan(pid);
  // Its former tid was no more when it was to be held, as if it had ended.
  if (thread->state.life == Lifecycle::kExiting) Revive(*thread);
  DropWatch(*thread);
  CloseStatFile(*thread);  // it may be of a tid that is no more
  thread->job_stop_broke_call = false;
  thread->first_fault.reset();
  // The kernel clears the debug registers, and not what goes with them.
  if (std::exchange(thread->armed, false)) thread->inherits_kill = true;
  thread->process->dying_tid = 0;
  SetExitOption(*thread);
  observer_.OnExec(*thread->process, ops_.LostPrivileges(pid));
  const AtExec at_exec = std::exchange(thread->process->at_exec, AtExec::kNothing);
  if (at_exec != AtExec::kNothing) Park(*thread);
  Apply(pid, Of(EventKind::kEventStop));
  Process* process = tree_.FindProcess(pid);
  if (process == nullptr) return;
  if (at_exec != AtExec::kNothing && process->parked) observer_.OnParked(*process);
  if (at_exec == AtExec::kStart) StartProcess(*process);
}

void Tracer::TakeOverLeader(pid_t former, pid_t pid) {
  Thread* caller = tree_.FindThread(former);
  Thread* leader = tree_.FindThread(pid);
  // Seized as another thread, which nothing was known of.
  if (former != pid && caller == nullptr && leader != nullptr) leader->exit_option = false;
  if (former == pid || caller == nullptr) return;
  if (caller->process == nullptr && leader != nullptr && leader->process != nullptr) {
    caller->state.life = Lifecycle::kAlive;
    tree_.Join(*caller, *leader->process);
  }
  // Who hears of the leader's end finds the tid with its new owner.
  observer_.OnTakesOver(*caller, pid);
  // The leader's end is never reported: its tid is taken over.
  Apply(pid, Of(EventKind::kGone));
  tree_.Rename(former, pid);
}

void Tracer::Park(Thread& thread) {
  thread.process->parked = true;
  // It stands already; there is nothing to interrupt.
  thread.state.hold = HoldPhase::kRequested;
}

// It is another than the one that was known by its tid, and has come to its end.
void Tracer::Revive(Thread& thread) {
  thread.state = {.life = Lifecycle::kAlive};
  thread.exit_option = false;
  if (thread.process != nullptr && thread.process->hold != nullptr) ++thread.process->hold->waiting;
  if (IsWanted(thread)) thread.state.hold = HoldPhase::kRequested;
}

}  // namespace zxctl
