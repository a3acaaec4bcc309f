#include "supervisor/tracer.h"

#include <fmt/format.h>
#include <sys/ptrace.h>

#include <cerrno>
#include <utility>

namespace zxctl {
namespace {

// A newcomer whose creator's event is this late lost its creator to SIGKILL; normally the two come together.
constexpr int64_t kOrphanDelayNs = 1 * kNsPerMs;

Event Of(EventKind kind, int signo = 0) { return {.kind = kind, .signal = static_cast<uint8_t>(signo)}; }

}  // namespace

Tracer::Tracer(PtraceOps& ops, ExceptionSink& sink, TracerObserver& observer, TimerQueue& timers, const Clock& clock,
               TracerOptions options)
    : ops_(ops), sink_(sink), observer_(observer), timers_(timers), clock_(clock), options_(options) {}

uint64_t Tracer::Options(bool exit_stops) const {
  uint64_t options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD;
  if (options_.follow_processes) options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
  if (options_.kill_on_tracer_death) options |= PTRACE_O_EXITKILL;
  if (exit_stops) options |= PTRACE_O_TRACEEXIT;
  return options;
}

Result<void> Tracer::SeizeRoot(pid_t pid) {
  const OpResult seized = ops_.Seize(pid, Options(true));
  if (!seized.ok()) return Fail(Status::FromErrno(fmt::format("cannot trace process {}", pid), seized.error(), pid));
  Thread& thread = tree_.AddThread(pid);
  thread.state.life = Lifecycle::kAlive;
  thread.exit_option = true;
  tree_.Join(thread, tree_.AddProcess(pid, tree_.root_job()));
  return {};
}

void Tracer::OnWait(const WaitResult& result) {
  const WaitStatus status = DecodeWait(result.status);
  if (status.kind == WaitKind::kExited || status.kind == WaitKind::kKilled) {
    OnGone(result.tid, result.status);
    return;
  }
  ++stats_.stops;
  if (status.kind == WaitKind::kExec) {
    OnExecEvent(result.tid);
  } else if (Thread* thread = tree_.FindThread(result.tid); thread != nullptr) {
    OnStop(*thread, status);
  } else {
    OnNewcomer(result.tid, status);
  }
}

void Tracer::OnStop(Thread& thread, const WaitStatus& status) {
  Process* process = thread.process;
  if (process != nullptr && process->dying_tid == thread.tid && status.kind != WaitKind::kExit) {
    // It lives on: a handler was installed in the last moment.
    process->dying_tid = 0;
  }
  switch (status.kind) {
    case WaitKind::kSignalStop:
      return OnSignalStop(thread, status.signo);
    case WaitKind::kGroupStop:
      return OnGroupStop(thread);
    case WaitKind::kTrapStop:
      return OnTrapStop(thread);
    case WaitKind::kSyscallStop:
      return OnSyscallStop(thread);
    case WaitKind::kFork:
    case WaitKind::kVfork:
    case WaitKind::kClone:
      return OnChildEvent(thread);
    case WaitKind::kExit:
      return OnExitStop(thread);
    case WaitKind::kVforkDone:
    case WaitKind::kSeccomp:
    case WaitKind::kUnknown:
      return Apply(thread.tid, Of(EventKind::kEventStop));
    case WaitKind::kContinued:
    case WaitKind::kExec:
    case WaitKind::kExited:
    case WaitKind::kKilled:
      return;
  }
}

// ---- newcomers ------------------------------------------------------------------------------------------------------

void Tracer::OnNewcomer(pid_t tid, const WaitStatus& status) {
  Thread& thread = tree_.AddThread(tid);
  stats_.max_tracees = std::max<uint64_t>(stats_.max_tracees, tree_.thread_count());
  const bool born = status.kind == WaitKind::kTrapStop || status.kind == WaitKind::kGroupStop;
  if (!born) {
    // Killed before its first stop: its creator's event may never come.
    thread.state.life = Lifecycle::kAlive;
    AdoptOrphan(tid);
    if (Thread* adopted = tree_.FindThread(tid); adopted != nullptr) OnStop(*adopted, status);
    return;
  }
  thread.state.life = Lifecycle::kUnannounced;
  thread.state.stop = status.kind == WaitKind::kTrapStop ? PtraceStop::kTrap : PtraceStop::kGroup;
  timers_.Add(clock_.NowNs() + kOrphanDelayNs, [this, tid] { AdoptOrphan(tid); });
}

void Tracer::AdoptOrphan(pid_t tid) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || thread->process != nullptr) return;
  const pid_t pid = ops_.FindProcessOf(tid);
  // Without a /proc entry it is dead, and the wait will say so; until then it counts as a process of its own.
  const pid_t known = pid != 0 ? pid : tid;
  Process* process = tree_.FindProcess(known);
  JoinProcess(*thread, process != nullptr ? *process : tree_.AddProcess(known, tree_.root_job()));
  if (thread->state.life == Lifecycle::kUnannounced) Apply(tid, Of(EventKind::kAnnounced));
}

void Tracer::OnChildEvent(Thread& thread) {
  uint64_t child = 0;
  siginfo_t info{};
  // A creator that SIGKILL hits in its event goes on to its exit event: then the message is an exit status, not a tid. What
  // it stands at now was true when the message was read.
  const bool names_a_child = ops_.GetEventMessage(thread.tid, child).ok() && child != 0 &&
                             ops_.GetSiginfo(thread.tid, info).ok() && info.si_code >> 8 != PTRACE_EVENT_EXIT;
  if (names_a_child && thread.process != nullptr) {
    Announce(thread, static_cast<pid_t>(child));
  }
  Apply(thread.tid, Of(EventKind::kEventStop));
}

Process& Tracer::ProcessOfNewcomer(Process& creator, pid_t tid) {
  if (ops_.IsThreadOf(creator.pid, tid)) {
    ++stats_.threads;
    return creator;
  }
  ++stats_.forks;
  Process& process = tree_.AddProcess(tid, *creator.job);
  process.unfollowed = !options_.follow_processes;
  process.filtered = creator.filtered;
  process.looked_for_filter = creator.filtered;
  return process;
}

void Tracer::Announce(Thread& creator, pid_t tid) {
  Thread* thread = tree_.FindThread(tid);
  if (thread != nullptr && thread->process != nullptr) return;  // adopted already
  Process& process = ProcessOfNewcomer(*creator.process, tid);
  const bool inherits_exit_option = creator.exit_option;
  if (thread == nullptr) {
    thread = &tree_.AddThread(tid);
    stats_.max_tracees = std::max<uint64_t>(stats_.max_tracees, tree_.thread_count());
  }
  thread->exit_option = inherits_exit_option;
  JoinProcess(*thread, process);
  if (thread->state.life != Lifecycle::kUnannounced) return;
  if (DetachIfUnfollowed(*thread)) return;
  SetExitOption(*thread);
  Apply(tid, Of(EventKind::kAnnounced));
}

void Tracer::JoinProcess(Thread& thread, Process& process) {
  tree_.Join(thread, process);
  if (!process.looked_for_filter && process.threads.size() > 1) {
    process.looked_for_filter = true;
    process.filtered = ops_.ReadSeccompMode(process.pid) != 0;
  }
  if (process.hold == nullptr) return;
  ++process.hold->waiting;
  Apply(thread.tid, Of(EventKind::kHold));
}

// Only leaders stop at their exit, where a death without a signal stop can still be looked at; threads are spared that,
// unless a filter makes such deaths likely.
void Tracer::SetExitOption(Thread& thread) {
  const bool wanted = thread.tid == thread.process->pid || thread.process->filtered;
  if (thread.exit_option == wanted) return;
  thread.exit_option = wanted;
  (void)ops_.SetOptions(thread.tid, Options(wanted));
}

bool Tracer::DetachIfUnfollowed(Thread& thread) {
  if (!thread.process->unfollowed) return false;
  (void)ops_.Detach(thread.tid, 0);
  tree_.RemoveThread(thread.tid);
  return true;
}

// ---- stops ----------------------------------------------------------------------------------------------------------

void Tracer::OnSignalStop(Thread& thread, int signo) {
  ++stats_.signals;
  if (DefaultActionOf(signo) == DefaultAction::kCore) return OnPossibleException(thread, signo);
  RepairAfterSignal(thread, signo);
  Apply(thread.tid, Of(EventKind::kSignalStop, signo));
}

void Tracer::OnTrapStop(Thread& thread) {
  if (thread.state.life == Lifecycle::kAnnounced) {
    if (DetachIfUnfollowed(thread)) return;
    SetExitOption(thread);
  } else {
    RepairAfterInterrupt(thread);
  }
  Apply(thread.tid, Of(EventKind::kTrapStop));
}

void Tracer::OnExecEvent(pid_t pid) {
  ++stats_.execs;
  uint64_t message = 0;
  (void)ops_.GetEventMessage(pid, message);
  const auto former = static_cast<pid_t>(message);
  if (former != pid && tree_.FindThread(former) != nullptr) {
    // The leader's end is never reported: its tid is taken over.
    Apply(pid, Of(EventKind::kGone));
    tree_.Rename(former, pid);
  }
  Thread* thread = tree_.FindThread(pid);
  if (thread == nullptr) {
    // Nothing was known of it: it was killed, and another took the tid, between two looks.
    thread = &tree_.AddThread(pid);
    thread->state.life = Lifecycle::kAlive;
  }
  if (thread->process == nullptr) AdoptOrphan(pid);
  DropWatch(*thread);
  CloseStatFile(*thread);  // it may be of a tid that is no more
  thread->job_stop_broke_call = false;
  thread->first_fault.reset();
  thread->process->dying_tid = 0;
  SetExitOption(*thread);
  observer_.OnExec(pid, ops_.LostPrivileges(pid));
  Apply(pid, Of(EventKind::kEventStop));
}

void Tracer::OnGone(pid_t tid, int status) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr) return;
  ++stats_.exits;
  const WaitStatus decoded = DecodeWait(status);
  const Process* process = thread->process;
  if (process != nullptr && process->pid == tid && decoded.kind == WaitKind::kKilled &&
      DefaultActionOf(decoded.signo) == DefaultAction::kCore && process->dying_tid == 0) {
    sink_.OnSilentDeath(tid, status);
  }
  Apply(tid, Of(EventKind::kGone));
}

// ---- the state machine's hands ---------------------------------------------------------------------------------------

void Tracer::Apply(pid_t tid, Event event) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr) return;
  const Step step = Advance(thread->state, event);
  if (!step.legal) {
    ++stats_.illegal_events;
    // Whatever it was, the thread must not stay stopped for it.
    if (event.kind != EventKind::kHold && event.kind != EventKind::kRelease) Resume(*thread, event.signal);
    return;
  }
  thread->state = step.next;
  Perform(tid, step);
}

void Tracer::Perform(pid_t tid, const Step& step) {
  for (const Action action : step.actions()) {
    Thread* thread = tree_.FindThread(tid);
    if (thread == nullptr) return;
    switch (action) {
      case Action::kContinue:
        Resume(*thread, step.signal);
        break;
      case Action::kListen:
        (void)ops_.Listen(tid);
        break;
      case Action::kInterrupt:
        // It is past its exit stop, or a zombie that waits for its threads: it will not stop again.
        if (ops_.Interrupt(tid).gone()) Apply(tid, Of(EventKind::kExitStop));
        break;
      case Action::kRaise:
        Raise(*thread);
        break;
      case Action::kWithdraw:
        sink_.Withdraw(tid);
        break;
      case Action::kReportHeld:
        CountHeld(thread->process);
        if (detaching_ && thread->state.hold == HoldPhase::kHeld) DetachHeld(*thread);
        break;
      case Action::kForget:
        DropWatch(*thread);
        CloseStatFile(*thread);
        observer_.OnThreadGone(thread->process != nullptr ? thread->process->pid : tid, tid);
        tree_.RemoveThread(tid);
        break;
    }
  }
}

void Tracer::Resume(Thread& thread, int signo) {
  const bool until_syscall = thread.watch != nullptr || thread.job_stop_broke_call;
  (void)ops_.Resume(thread.tid, until_syscall ? ResumeMode::kUntilSyscall : ResumeMode::kContinue, signo);
}

void Tracer::Raise(Thread& thread) {
  const Answer answer = sink_.Raise(current_fault_);
  if (answer != Answer::kPending) AnswerException(thread.tid, answer);
}

bool Tracer::AnswerException(pid_t tid, Answer answer) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || thread->state.exception != ExceptionPhase::kRaised) return false;
  if (answer == Answer::kDeliver && thread->would_die) thread->process->dying_tid = tid;
  Apply(tid, Of(answer == Answer::kResume ? EventKind::kAnswerResume : EventKind::kAnswerDeliver));
  return true;
}

// ---- holds ------------------------------------------------------------------------------------------------------------

bool Tracer::HoldProcess(pid_t pid, int64_t deadline_ns, std::function<void(size_t missing)> done) {
  Process* process = tree_.FindProcess(pid);
  if (process == nullptr || process->hold != nullptr) return false;
  process->hold = std::make_unique<ProcessHold>();
  process->hold->done = std::move(done);
  std::vector<pid_t> tids;
  for (const Thread* thread : process->threads) {
    if (thread->state.life != Lifecycle::kExiting && thread->state.hold == HoldPhase::kNone)
      tids.push_back(thread->tid);
  }
  process->hold->waiting = tids.size() + 1;  // one for this function
  process->hold->timer = timers_.Add(deadline_ns, [this, pid] {
    Process* late = tree_.FindProcess(pid);
    if (late == nullptr || late->hold == nullptr || !late->hold->done) return;
    std::exchange(late->hold->done, nullptr)(late->hold->waiting);
  });
  for (const pid_t tid : tids) Apply(tid, Of(EventKind::kHold));
  CountHeld(tree_.FindProcess(pid));
  return true;
}

void Tracer::CountHeld(Process* process) {
  if (process == nullptr || process->hold == nullptr || process->hold->waiting == 0) return;
  if (--process->hold->waiting > 0 || !process->hold->done) return;
  // Later, from the loop: the thread that was last to stop is still being dealt with.
  timers_.Cancel(process->hold->timer);
  process->hold->timer = timers_.Add(0, [done = std::exchange(process->hold->done, nullptr)] { done(0); });
}

void Tracer::ReleaseProcess(pid_t pid) {
  Process* process = tree_.FindProcess(pid);
  if (process == nullptr || process->hold == nullptr) return;
  timers_.Cancel(process->hold->timer);
  process->hold.reset();
  std::vector<pid_t> tids;
  for (const Thread* thread : process->threads) {
    if (thread->state.hold != HoldPhase::kNone) tids.push_back(thread->tid);
  }
  for (const pid_t tid : tids) Apply(tid, Of(EventKind::kRelease));
}

void Tracer::DetachAll() {
  detaching_ = true;
  for (const pid_t tid : tree_.ThreadIds()) {
    AdoptOrphan(tid);
    Thread* thread = tree_.FindThread(tid);
    if (thread == nullptr || thread->state.life == Lifecycle::kExiting) continue;
    if (thread->state.hold == HoldPhase::kHeld) {
      DetachHeld(*thread);
    } else if (thread->state.hold == HoldPhase::kNone) {
      Apply(tid, Of(EventKind::kHold));
    }
  }
}

void Tracer::DetachHeld(Thread& thread) {
  if (thread.state.exception == ExceptionPhase::kRaised) sink_.Withdraw(thread.tid);
  DropWatch(thread);
  CloseStatFile(thread);
  (void)ops_.Detach(thread.tid, thread.state.pending_signal);
  tree_.RemoveThread(thread.tid);
}

}  // namespace zxctl
