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

// Untraced, what is armed would kill its program, nobody could start what waits for it, and a new thread that has its maker's
// registers still would go on as that one.
uint64_t Tracer::OptionsOf(const Thread& thread) const {
  const bool waits = thread.process != nullptr && thread.process->waits_for_start();
  const bool must_end = thread.single_step || thread.armed || waits || (thread.created && !thread.exit_armed);
  return Options(thread.exit_option) | (must_end ? PTRACE_O_EXITKILL : 0);
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
  if (thread.may_make_thread) LookForLateThreads(thread);
  // Whoever stops after the last stop of all is another, who has the tid now: see SeizeThreads().
  const bool had_ended = thread.state.life == Lifecycle::kExiting && thread.state.exception == ExceptionPhase::kNone;
  if (had_ended && status.kind != WaitKind::kExit) Revive(thread);
  if (thread.errand != nullptr && status.kind != WaitKind::kExit) return OnErrandStop(thread, status);
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
  // A stop that was collected before its thread was let go, or forgotten, is nobody's: no tracee stands there any more.
  uint64_t message = 0;
  if (ops_.GetEventMessage(tid, message).gone()) return;
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
  WaitForCreator(tid);
}

void Tracer::WaitForCreator(pid_t tid) {
  unannounced_.insert(tid);
  timers_.Add(clock_.NowNs() + kOrphanDelayNs, [this, tid] { AdoptOrphan(tid); });
}

void Tracer::AdoptOrphan(pid_t tid) {
  unannounced_.erase(tid);
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || thread->process != nullptr) return;
  const auto facts = ops_.ReadFacts(tid);
  // Without a /proc entry it is dead, and the wait will say so; until then it counts as a process of its own.
  const pid_t pid = facts ? facts->process : tid;
  Process* process = tree_.FindProcess(pid);
  const bool made_for_us = process != nullptr && IsMakingThread(*process);
  if (made_for_us && !detaching_) return WaitForCreator(tid);
  if (process == nullptr) {
    const Process* parent = facts ? tree_.FindProcess(facts->parent) : nullptr;
    process = &NewProcess(pid, parent != nullptr ? *parent->job : tree_.root_job());
  }
  thread->created = made_for_us;
  thread = JoinProcess(*thread, *process);
  if (thread == nullptr || thread->state.life != Lifecycle::kUnannounced) return;
  if (made_for_us) return Apply(tid, Of(EventKind::kAnnounced));
  FirstStop(*thread);
}

Process& Tracer::NewProcess(pid_t pid, Job& job) {
  Process& process = tree_.AddProcess(pid, job);
  process.start_ns = clock_.NowNs();
  process.detaching = detaching_;
  let_go_.erase(pid);
  // Whoever kills a job has seen all processes that were there; this one came too late.
  if (job.killed) KillProcess(process);
  observer_.OnProcessBorn(process);
  return process;
}

// Lets a thread begin, which stands at its first stop, once those who want to know have been told.
void Tracer::FirstStop(Thread& thread) {
  if (std::exchange(thread.inherits_debug, false)) ClearDebug(thread);
  const bool first = thread.tid == thread.process->pid;
  if (sink_.WantsStart(thread, first)) {
    current_fault_ = {.thread = &thread, .kind = FaultKind::kStart, .first_thread = first};
    return Apply(thread.tid, Of(EventKind::kToldStart));
  }
  Apply(thread.tid, Of(thread.state.life == Lifecycle::kUnannounced ? EventKind::kAnnounced : EventKind::kTrapStop));
}

void Tracer::OnChildEvent(Thread& thread) {
  uint64_t child = 0;
  siginfo_t info{};
  const OpResult named = ops_.GetEventMessage(thread.tid, child);
  const OpResult stands = ops_.GetSiginfo(thread.tid, info);
  // A creator that SIGKILL hits in its event goes on to its exit event, where the message is an exit status and no tid.
  // Whoever resumed it now would send it past that, unheard.
  if (named.gone() || stands.gone() || info.si_code >> 8 == PTRACE_EVENT_EXIT) return;
  if (child != 0 && thread.process != nullptr) Announce(thread, static_cast<pid_t>(child));
  Apply(thread.tid, Of(EventKind::kEventStop));
}

// A process that SIGKILL hits while it forks tells of the child by no event, but still has the call's result, and is its
// parent until it goes on from here: then nothing says any more whose job the child belongs to.
void Tracer::AnnounceLastChildren(Thread& thread) {
  const Process& process = *thread.process;
  if (process.job->parent == nullptr || thread.tid != process.pid) return;
  std::vector<pid_t> candidates(unannounced_.begin(), unannounced_.end());
  arch::Registers registers{};
  if (ops_.GetRegisters(thread.tid, registers).ok()) candidates.push_back(arch::MadeTask(registers));
  for (const pid_t tid : candidates) {
    const auto facts = tid > 0 ? ops_.ReadFacts(tid) : std::nullopt;
    if (facts && facts->parent == process.pid && facts->tracer != 0) Announce(thread, tid);
  }
}

Process& Tracer::ProcessOfNewcomer(Process& creator, pid_t tid) {
  if (ops_.IsThreadOf(creator.pid, tid)) {
    ++stats_.threads;
    return creator;
  }
  ++stats_.forks;
  Process& process = NewProcess(tid, *creator.job);
  process.unfollowed = !options_.follow_processes;
  process.exact_timeouts = creator.exact_timeouts;
  process.filtered = creator.filtered;
  process.looked_for_filter = creator.filtered;
  return process;
}

void Tracer::Announce(Thread& creator, pid_t tid) {
  unannounced_.erase(tid);
  Thread* thread = tree_.FindThread(tid);
  // Adopted before its creator's event came.
  if (thread != nullptr && thread->process != nullptr) return;
  // Gone, or let go, by now.
  if (thread == nullptr && (unlisted_.contains(tid) || !ops_.IsTracee(tid))) return;
  Process& process = ProcessOfNewcomer(*creator.process, tid);
  const bool inherits_exit_option = creator.exit_option;
  const bool inherits_kill = creator.single_step || creator.armed;
  const bool inherits_debug = creator.armed;
  if (thread == nullptr) {
    thread = &tree_.AddThread(tid);
    stats_.max_tracees = std::max<uint64_t>(stats_.max_tracees, tree_.thread_count());
  }
  thread->exit_option = inherits_exit_option;
  thread->inherits_kill = inherits_kill;
  thread->inherits_debug = inherits_debug;
  thread = JoinProcess(*thread, process);
  if (thread == nullptr || thread->state.life != Lifecycle::kUnannounced) return;
  if (DetachIfUnfollowed(*thread)) return;
  SetExitOption(*thread);
  FirstStop(*thread);
}

Thread* Tracer::JoinProcess(Thread& thread, Process& process) {
  const pid_t tid = thread.tid;
  tree_.Join(thread, process);
  if (!process.looked_for_filter && process.threads.size() > 1) {
    process.looked_for_filter = true;
    process.filtered = ops_.ReadSeccompMode(process.pid) != 0;
  }
  if (process.hold != nullptr) ++process.hold->waiting;
  UpdateHold(tid);
  return tree_.FindThread(tid);
}

// Only leaders stop at their exit, where a death without a signal stop can still be looked at; threads are spared that,
// unless a filter makes such deaths likely.
void Tracer::SetExitOption(Thread& thread) {
  const Process& process = *thread.process;
  const bool wanted = thread.tid == process.pid || process.filtered || process.debugged;
  if (thread.exit_option == wanted && !std::exchange(thread.inherits_kill, false)) return;
  thread.exit_option = wanted;
  (void)ops_.SetOptions(thread.tid, OptionsOf(thread));
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
    if (thread.created) return Apply(thread.tid, Of(EventKind::kTrapStop));
    return FirstStop(thread);
  }
  RepairAfterInterrupt(thread);
  Apply(thread.tid, Of(EventKind::kTrapStop));
}

bool Tracer::CanTellStart(const Thread& thread) {
  if (thread.created || thread.errand != nullptr) return false;
  return thread.process != nullptr && thread.process->tells_start && thread.state.hold == HoldPhase::kHeld &&
         thread.state.stop != PtraceStop::kEvent;
}

void Tracer::TellStartIfFinal(pid_t tid) {
  Thread* thread = tree_.FindThread(tid);
  if (thread != nullptr && CanTellStart(*thread)) TellStart(*thread);
}

void Tracer::TellStart(Thread& thread) {
  const pid_t tid = thread.tid;
  thread.process->tells_start = false;
  if (sink_.WantsStart(thread, true)) {
    current_fault_ = {.thread = &thread, .kind = FaultKind::kStart, .first_thread = true};
    Apply(tid, Of(EventKind::kToldStart));
  }
  UpdateHold(tid);
}

void Tracer::OnGone(pid_t tid, int status) {
  unlisted_.erase(tid);
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr) return;
  ++stats_.exits;
  const WaitStatus decoded = DecodeWait(status);
  const Process* process = thread->process;
  if (process != nullptr && process->pid == tid && decoded.kind == WaitKind::kKilled &&
      DefaultActionOf(decoded.signo) == DefaultAction::kCore && process->dying_tid == 0) {
    sink_.OnSilentDeath(tid, status);
  }
  thread->wait_status = status;
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
  const bool begins_to_exit = step.next.life == Lifecycle::kExiting && thread->state.life != Lifecycle::kExiting;
  thread->state = step.next;
  if (begins_to_exit) FailErrand(*thread);
  Perform(tid, step);
  thread = tree_.FindThread(tid);
  if (thread == nullptr) return;
  const bool is_wanted = thread->lends || thread->start != nullptr;
  if (CanTellStart(*thread)) return TellStart(*thread), BeginLoan(tid);
  if (begins_to_exit || IsSuspended(*thread) != thread->told_suspended) TellChange(*thread);
  if (NeedsToAdvance(*thread)) Apply(tid, Of(EventKind::kAdvance));
  if (begins_to_exit && thread->process != nullptr) ForgetIfLetGo(*thread->process);
  // Only now: whoever is told of an exception reads registers.
  if (!is_wanted) return;
  ContinueStart(tid);
  BeginLoan(tid);
}

void Tracer::TellChange(Thread& thread) {
  thread.told_suspended = IsSuspended(thread);
  observer_.OnThreadChanged(thread);
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
        NoteSleep(*thread);
        // It has ended. Or its exec has given it the leader's tid: then it is known anew at that stop. (Of a leader that has
        // ended while others live this does not tell: see LookAtEnd().)
        if (ops_.Interrupt(tid).gone()) {
          Apply(tid, Of(EventKind::kExitStop));
        } else {
          observer_.OnInterrupted(tid);
        }
        break;
      case Action::kRaise:
        // Whoever is killed, and has been sent to its end by being held, is in no exception any more.
        if (thread->state.exception == ExceptionPhase::kRaised) Raise(*thread);
        break;
      case Action::kWithdraw:
        (void)sink_.Withdraw(tid);
        break;
      case Action::kReportHeld:
        thread->held_since_ns = clock_.NowNs();
        CountHeld(thread->process);
        MakeExitCall(tid);
        FinishCreated(tid);
        if (thread = tree_.FindThread(tid); thread == nullptr) return;
        if (IsLeaving(*thread) && thread->state.hold == HoldPhase::kHeld) LeaveWhenHeld(*thread);
        break;
      case Action::kForget:
        Forget(*thread);
        break;
    }
  }
}

void Tracer::Forget(Thread& thread) {
  FailErrand(thread);
  if (thread.may_make_thread) LookForLateThreads(thread);
  DropWatch(thread);
  CloseStatFile(thread);
  observer_.OnThreadGone(thread);
  Process* process = thread.process;
  // Of a process that is being let go only the leader's end, which the kernel tells of last, is its end.
  const bool last = process != nullptr && process->threads.size() == 1;
  if (last) FailRequests(*process);
  if (last && (thread.tid == process->pid || !process->detaching)) {
    observer_.OnProcessGone(*process, thread.wait_status);
  } else if (last) {
    observer_.OnProcessDetached(*process);
  }
  tree_.RemoveThread(thread.tid);
  if (process == nullptr || last) return;
  // It may have been the one that somebody waits for.
  EndRequestIfMade(*process);
  ForgetIfLetGo(*process);
}

void Tracer::Resume(Thread& thread, int signo) {
  if (thread.process != nullptr && thread.state.life == Lifecycle::kAlive) SetExitOption(thread);
  if (thread.held_since_ns != 0) CountHeldTime(thread);
  thread.counts_no_time = false;
  thread.stood_with.reset();
  thread.sleep.reset();
  if (std::exchange(thread.stop_again, false)) (void)ops_.Interrupt(thread.tid);
  const bool until_syscall = thread.watch != nullptr || thread.job_stop_broke_call;
  const ResumeMode mode = thread.single_step ? ResumeMode::kStep : ResumeMode::kContinue;
  (void)ops_.Resume(thread.tid, until_syscall ? ResumeMode::kUntilSyscall : mode, signo);
}

void Tracer::Raise(Thread& thread) {
  const SignalRecord& signal = current_fault_.signal;
  if (IsDebugTrap(signal)) thread.debug_status = DebugStatus::kOfException;
  const Answer answer = sink_.Raise(current_fault_);
  if (answer != Answer::kPending) AnswerException(thread.tid, answer);
}

bool Tracer::AnswerException(pid_t tid, Answer answer) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || thread->state.exception != ExceptionPhase::kRaised) return false;
  // It is away on an errand, and would be let go in the middle of it.
  if (thread->errand != nullptr) {
    AfterErrand(*thread, [this, koid = thread->koid, answer] {
      const Thread* back = tree_.FindThreadByKoid(koid);
      if (back != nullptr) AnswerException(back->tid, answer);
    });
    return true;
  }
  if (thread->debug_status == DebugStatus::kOfException) thread->debug_status = DebugStatus::kSpent;
  if (answer == Answer::kResume) return Apply(tid, Of(EventKind::kAnswerResume)), true;
  const bool dies = thread->would_die && thread->state.life == Lifecycle::kAlive;
  if (thread->would_die) BeginDying(*thread);
  Apply(tid, Of(dies ? EventKind::kAnswerDie : EventKind::kAnswerDeliver));
  return true;
}

}  // namespace zxctl
