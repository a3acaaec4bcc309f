// The tracer taking up processes, and letting them go.
#include <fmt/format.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

// So many looks at a process's threads have to find nothing new.
constexpr int kQuietRounds = 2;
// An exec in a process that is attached to is waited for so often, each time as long as PtraceOps::Seize() waits.
constexpr int kExecTries = 100;
// So many looks are made in place of each wait when there is nothing to be waited for.
constexpr int kLooksPerTry = 100;
// Between two looks for a thread that may have come late.
constexpr int64_t kLateNs = 1 * kNsPerMs;
// A thread that has taken its leader's place by now was refused as the leader that had ended; this may happen more than once.
constexpr int kMaxSeizeRefusals = 10;

// `doctor`: what says why.
Status Refusal(const std::string& who, const std::string& doctor, const OpResult& seized) {
  const std::string remedy = seized.error() == EPERM ? fmt::format(" (`{}` says why)", doctor) : "";
  return Status::FromErrno(fmt::format("cannot trace {}{}", who, remedy), seized.error());
}

Status NewRefusal(const OpResult& seized) { return Refusal("the new process", "zxctl doctor", seized); }

Status TracedBy(const std::string& who, pid_t tracer) {
  const auto name = ReadTaskName(tracer);
  return {.zx = ZX_ERR_ALREADY_BOUND,
          .what = fmt::format("{} is traced by {}, which has to let it go first", who,
                              name ? name->ToString() : fmt::format("process {}", tracer))};
}

Result<void> CheckAttachable(pid_t pid, const std::optional<TaskFacts>& facts, size_t threads) {
  const auto fail = [](int32_t zx, std::string what) { return Fail(Status{.zx = zx, .what = std::move(what)}); };
  if (!facts) return fail(ZX_ERR_NOT_FOUND, fmt::format("there is no process {}", pid));
  if (facts->process != pid) {
    return fail(ZX_ERR_NOT_FOUND, fmt::format("{0} is a thread of process {1}: attach to {1}", pid, facts->process));
  }
  if (facts->kernel_thread) {
    return fail(ZX_ERR_BAD_STATE, fmt::format("process {} is a kernel thread, which nobody can trace", pid));
  }
  if (facts->IsZombie() && threads <= 1) {
    return fail(ZX_ERR_BAD_STATE,
                fmt::format("process {} has ended, and is a zombie until its parent waits for it", pid));
  }
  if (facts->tracer == 0) return {};
  return Fail(TracedBy(fmt::format("process {}", pid), facts->tracer));
}

Status DoesNotGetOn(pid_t pid) {
  return {.zx = ZX_ERR_BAD_STATE,
          .sys_errno = EBUSY,
          .what = fmt::format("process {} is executing a program and does not get on with it; try again", pid)};
}

// A leader that is no tracee was replaced unheard, and nobody has been able to attach to who has its tid.
bool HasOnlyEnds(PtraceOps& ops, const Process& process) {
  return std::all_of(process.threads.begin(), process.threads.end(), [&](const Thread* thread) {
    return thread->state.life == Lifecycle::kExiting || (thread->tid == process.pid && !ops.IsTracee(thread->tid));
  });
}

// Of a process that waits for us, and so executes nothing: that it seems to only says that we had no CPU meanwhile.
OpResult SeizeWaiting(PtraceOps& ops, pid_t pid, uint64_t options) {
  OpResult seized = ops.Seize(pid, options);
  for (int tries = 1; tries < kExecTries && seized.error() == EBUSY; ++tries) seized = ops.Seize(pid, options);
  return seized;
}

}  // namespace

// ---- taking up -------------------------------------------------------------------------------------------------------

Result<void> Tracer::SeizeRoot(pid_t pid) {
  const OpResult seized = SeizeWaiting(ops_, pid, Options(true));
  if (!seized.ok()) return Fail(NewRefusal(seized));
  TakeUp(pid, tree_.root_job());
  return {};
}

Result<Process*> Tracer::SeizeNewborn(pid_t pid, Job& job, bool park) {
  // Nobody can start it any more once we are gone.
  const OpResult seized = SeizeWaiting(ops_, pid, Options(true) | (park ? PTRACE_O_EXITKILL : 0));
  if (!seized.ok()) return Fail(NewRefusal(seized));
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
  (void)JoinProcess(thread, process);
}

bool Tracer::MayBeInExec(pid_t pid, const std::optional<TaskFacts>& facts, size_t threads) {
  return facts ? facts->IsZombie() && threads <= 1 : ops_.IsThreadOf(pid, pid);
}

Result<Process*> Tracer::AttachProcess(pid_t pid, Job& job) {
  if (tree_.FindProcess(pid) != nullptr) {
    return Fail(
        Status{.zx = ZX_ERR_ALREADY_BOUND,
               .what = fmt::format("process {} is under supervision of this program already: zx_object_get_child() "
                                   "of its job gives a handle",
                                   pid)});
  }
  auto facts = ops_.ReadFacts(pid);
  size_t threads = ops_.ListThreads(pid).size();
  // While a thread takes its leader's place in an exec, /proc shows nothing or a zombie for a moment.
  for (int tries = 0; tries < kExecTries && MayBeInExec(pid, facts, threads); ++tries) {
    sched_yield();  // it may wait for this CPU
    threads = ops_.ListThreads(pid).size();
    facts = ops_.ReadFacts(pid);
  }
  // A tracer that has been killed closes its sockets, from which others know, before it lets go what it traces.
  if (facts && facts->tracer != 0 && ops_.AwaitEndOfExiting(facts->tracer)) facts = ops_.ReadFacts(pid);
  const auto attachable = CheckAttachable(pid, facts, threads);
  if (!attachable) return Fail(attachable.error());
  for (int tries = 0; tries < kExecTries; ++tries) {
    const auto first = SeizeFirst(pid);
    if (!first) return Fail(first.error());
    Process& process = NewProcess(pid, job);
    const Koid koid = process.koid;
    AddRunning(process, *first);
    const auto all = SeizeAllThreads(koid, kExecTries);
    Process* taken = tree_.FindProcessByKoid(koid);
    // All that were seized have ended, and it goes with them; the one that executes a program takes their place.
    if (taken == nullptr) continue;
    if (all) return taken;
    DetachProcess(*taken);
    return Fail(all.error());
  }
  return Fail(DoesNotGetOn(pid));
}

Result<pid_t> Tracer::SeizeFirst(pid_t pid) {
  OpResult refused(ESRCH);
  int refusals = 0;
  pid_t busy = 0;  // the last that could not be waited for, since it executes a program
  for (int tries = 0; tries < kExecTries; ++tries) {
    bool again = false;
    for (const pid_t tid : ops_.ListThreads(pid)) {
      const OpResult seized = ops_.Seize(tid, Options(tid == pid));
      if (seized.ok()) return tid;
      if (seized.error() == EBUSY) busy = tid;
      again = again || seized.error() == EBUSY;
      if (tid == pid) refused = seized;
    }
    // A leader that has just ended is one whose place another thread is about to take, or has taken by now; or the process
    // ends.
    const auto leader = ops_.ReadFacts(pid);
    // What seemed to be given up was done after all, on a thread that is the leader now.
    if (leader && leader->tracer == getpid()) return busy != 0 ? busy : pid;
    const bool stands = leader && !leader->IsZombie() && !again;
    if (stands && ++refusals == kMaxSeizeRefusals) break;
    sched_yield();
  }
  return Fail(Refusal(fmt::format("process {}", pid), fmt::format("zxctl doctor {}", pid), refused));
}

// What a seized thread clones is seized with it, so that each round finds fewer. One that finds none may have missed a
// thread: a list is read in pieces, and the next one begins further on than it should if threads have ended meanwhile.
Result<void> Tracer::SeizeAllThreads(Koid koid, int exec_tries) {
  int execs = 0;
  int looks = 0;
  for (int quiet_rounds = 0; quiet_rounds < kQuietRounds;) {
    Process* process = tree_.FindProcessByKoid(koid);
    if (process == nullptr) return {};
    const auto found = SeizeThreads(*process);
    if (!found) return Fail(found.error());
    quiet_rounds = *found == Found::kNothingNew ? quiet_rounds + 1 : 0;
    if (*found == Found::kExec) {
      if (++execs > exec_tries) return Fail(DoesNotGetOn(process->pid));
    } else if (HasOnlyEnds(ops_, *process)) {
      // The thread that takes the place of its leader in an exec is in no list for a moment: not a quiet one.
      quiet_rounds = 0;
      if (++looks > exec_tries * kLooksPerTry) return Fail(DoesNotGetOn(process->pid));
      sched_yield();
    } else {
      continue;
    }
    TakeEndsOf(*process);
  }
  return {};
}

// A thread whose making had begun before its maker was seized comes untraced, but before its maker stops for anything.
void Tracer::LookForLateThreads(Thread& thread) {
  thread.may_make_thread = false;
  if (thread.process == nullptr) return;
  // From the loop: the maker is still being dealt with.
  LookForLateThreadsAt(clock_.NowNs(), thread.process->koid, kExecTries);
}

// It may be executing a program by then, and cannot be waited for from here.
void Tracer::LookForLateThreadsAt(int64_t time_ns, Koid koid, int tries) {
  timers_.Add(time_ns, [this, koid, tries] {
    const Process* process = tree_.FindProcessByKoid(koid);
    if (process == nullptr || process->detaching || SeizeAllThreads(koid, 0) || tries == 0) return;
    LookForLateThreadsAt(clock_.NowNs() + kLateNs, koid, tries - 1);
  });
}

Result<Tracer::Found> Tracer::SeizeThreads(Process& process) {
  Found found = Found::kNothingNew;
  for (const pid_t tid : ops_.ListThreads(process.pid)) {
    Thread* known = tree_.FindThread(tid);
    // Only its leader's tid becomes that of another thread, in an exec, of which the kernel says nothing if that thread is
    // traced by nobody.
    const bool may_be_another = known != nullptr && (tid == process.pid || known->state.life == Lifecycle::kExiting);
    if (known != nullptr && !may_be_another) continue;
    if (may_be_another && ops_.IsTracee(tid)) {
      LookAtEnd(*known);
      continue;
    }
    // One that is gone, that ends, or that came with its creator, is refused.
    const OpResult seized = ops_.Seize(tid, Options(tid == process.pid));
    if (seized.error() == EBUSY) return Found::kExec;
    if (seized.error() == EPERM) {
      if (const auto untraced = CheckUntraced(process.pid, tid); !untraced) return Fail(untraced.error());
    }
    if (!seized.ok()) continue;
    found = Found::kSome;
    AddRunning(process, tid);
  }
  return found;
}

// A leader, or one that is at its end.
void Tracer::LookAtEnd(Thread& thread) {
  // It took its leader's place while it was being seized: then it stops for this.
  if (thread.state.life == Lifecycle::kExiting) return (void)ops_.Interrupt(thread.tid);
  // It was past its last stop when it was seized, and no other comes.
  if (ops_.IsExiting(thread.tid)) Apply(thread.tid, {.kind = EventKind::kExitStop});
}

Result<void> Tracer::CheckUntraced(pid_t pid, pid_t tid) {
  if (ops_.IsTracee(tid)) return {};
  const auto facts = ops_.ReadFacts(tid);
  if (!facts || facts->tracer == 0) return {};
  return Fail(TracedBy(fmt::format("thread {} of process {}", tid, pid), facts->tracer));
}

void Tracer::AddRunning(Process& process, pid_t tid) {
  // The kernel may have let an exec of this thread come to its end before it was seized: then it has the leader's tid now,
  // and the leader that was known by it has ended unheard.
  const pid_t tid_now = ops_.IsThreadOf(process.pid, tid) ? tid : process.pid;
  Thread* known = tree_.FindThread(tid_now);
  if (known == nullptr) {
    AddSeized(process, tid_now);
  } else {
    const bool counts = known->state.life == Lifecycle::kExiting && process.hold != nullptr;
    if (counts) ++process.hold->waiting;
    known->state = {.life = Lifecycle::kAlive};
    UpdateHold(tid_now);
  }
  known = tree_.FindThread(tid_now);
  if (known == nullptr) return;
  known->exit_option = tid == process.pid;
  // An interrupt lets it come to the end of what it is making.
  known->may_make_thread = ops_.MayMakeThread(tid_now);
  if (known->may_make_thread) (void)ops_.Interrupt(tid_now);
}

// A thread that executes a program waits for the end of all others, and those that are traced end only when they are waited
// for.
void Tracer::TakeEndsOf(const Process& process) {
  std::vector<pid_t> tids;
  for (const Thread* thread : process.threads) tids.push_back(thread->tid);
  for (const pid_t tid : tids) {
    if (const WaitResult result = ops_.Wait(tid); result.tid > 0) OnWait(result);
  }
}

void Tracer::StartProcess(Process& process) {
  if (!process.parked || process.killed || process.threads.empty()) return;
  process.start_ns = clock_.NowNs();
  process.parked = false;
  const Thread& thread = *process.threads.front();
  const pid_t tid = thread.tid;
  // Not while it makes a call for us: they are set when it is back.
  if (thread.errand == nullptr) (void)ops_.SetOptions(tid, OptionsOf(thread));
  process.tells_start = sink_.WantsStart(thread, true);
  UpdateHold(tid);
  TellStartIfFinal(tid);
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
    LetExit(tid);
    Thread* thread = tree_.FindThread(tid);
    if (thread != nullptr && thread->state.life != Lifecycle::kExiting) LeaveWhenHeld(*thread);
  }
  if (Process* left = tree_.FindProcess(pid); left != nullptr) ForgetIfLetGo(*left);
}

bool Tracer::IsLeaving(const Thread& thread) { return thread.process != nullptr && thread.process->detaching; }

void Tracer::LeaveWhenHeld(Thread& thread) {
  // Not with registers that are ours.
  if (thread.errand != nullptr) return;
  if (thread.state.hold == HoldPhase::kHeld) return DetachHeld(thread);
  if (thread.state.hold == HoldPhase::kNone) Apply(thread.tid, {.kind = EventKind::kHold});
}

void Tracer::DetachHeld(Thread& thread) {
  const bool answered =
      thread.state.exception == ExceptionPhase::kRaised && sink_.Withdraw(thread.tid) == Answer::kResume;
  if (answered) thread.state.pending_signal = 0;
  DropWatch(thread);
  CloseStatFile(thread);
  CountHeldTime(thread);
  Disarm(thread);
  (void)ops_.Detach(thread.tid, thread.state.pending_signal);
  observer_.OnThreadGone(thread);
  Process* process = thread.process;
  const bool last = process != nullptr && process->threads.size() == 1;
  if (last) FailRequests(*process);
  if (last) observer_.OnProcessDetached(*process);
  tree_.RemoveThread(thread.tid);
  if (process == nullptr || last) return;
  EndRequestIfMade(*process);
  ForgetIfLetGo(*process);
}

// A thread that is past its exit stop cannot be detached, and a leader stays like that as long as other threads live, or
// until one of them executes a program and takes its place. The kernel lets it go when it ends, or when the tracer does.
void Tracer::ForgetIfLetGo(Process& process) {
  const auto only_ends = [](const Thread* thread) {
    return thread->state.life == Lifecycle::kExiting && thread->state.exception == ExceptionPhase::kNone;
  };
  const std::vector<Thread*> threads = process.threads;
  if (!process.detaching || !std::all_of(threads.begin(), threads.end(), only_ends)) return;
  FailRequests(process);
  for (Thread* thread : threads) {
    DropWatch(*thread);
    CloseStatFile(*thread);
    observer_.OnThreadGone(*thread);
  }
  observer_.OnProcessDetached(process);
  let_go_.insert(process.pid);
  for (const Thread* thread : threads) {
    unlisted_.insert(thread->tid);
    tree_.RemoveThread(thread->tid);
  }
}

}  // namespace zxctl
