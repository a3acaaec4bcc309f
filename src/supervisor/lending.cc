// The tracer making threads in a process: one of its threads is borrowed to make the call, and stands as before afterwards.
#include <fmt/format.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

// When it is looked whether a thread that was asked can stop at all; how long it may take before another one is asked.
constexpr int64_t kLookNs = 10 * kNsPerMs;
constexpr int64_t kMaxLendNs = 1 * kNsPerSec;
// When it is looked again whether a thread that is being born has come, or an exec is over.
constexpr int64_t kLaterNs = 1 * kNsPerMs;
// How long a call may take that a thread makes for us. None of them waits for anything, unless a seccomp filter asks another
// process about it (SECCOMP_RET_USER_NOTIF).
constexpr int64_t kMaxCallNs = 5 * kNsPerSec;
// How often a refusal by the kernel is not believed, each time for twice as long up to a limit: a second in all.
constexpr int kMaxRefusals = 20;
constexpr int kMaxDoublings = 6;
// SYS_SECCOMP of asm-generic/siginfo.h, which glibc leaves out.
constexpr int kSysSeccomp = 1;
// A thread as pthread_create() makes one, without what it would have in memory.
constexpr uint64_t kCloneFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

constexpr uint64_t Bit(int signo) { return uint64_t{1} << (signo - 1); }

Status RefusalOf(int64_t result) {
  const auto error = static_cast<int>(-result);
  switch (error) {
    case EAGAIN:
      return {.zx = ZX_ERR_NO_RESOURCES,
              .sys_errno = error,
              .what = "the program may have no more threads (RLIMIT_NPROC, or pids.max of its cgroup)"};
    case ENOMEM:
      return {.zx = ZX_ERR_NO_MEMORY, .sys_errno = error, .what = "the kernel has no memory for a thread"};
    case ETIMEDOUT:
      return {.zx = ZX_ERR_TIMED_OUT,
              .sys_errno = error,
              .what =
                  "the program's call of clone does not return: a seccomp filter of its asks another process whether "
                  "it may, and that does not answer"};
    default:
      return {.zx = ZX_ERR_ACCESS_DENIED,
              .sys_errno = error,
              .what = "the program may not call clone: a seccomp filter, or another security module, forbids it"};
  }
}

// Sent by the kernel for us, or by ourselves, and by nobody who may use the signal too.
bool IsCarried(const siginfo_t& info) {
  if (info.si_code == SI_TKILL) return info.si_pid == getpid();
  return info.si_pid == 0 && (info.si_code == SI_KERNEL || info.si_code == SI_USER);
}

}  // namespace

void Tracer::CreateThread(Process& process, std::function<void(Result<Thread*>)> done) {
  process.requests.push_back(std::make_unique<ThreadRequest>());
  process.requests.back()->done = std::move(done);
  if (process.requests.size() == 1) AskLender(process);
}

// ---- who lends itself ------------------------------------------------------------------------------------------------

// The leader before all others: its credentials, its CPUs and its filters become the new thread's.
Thread* Tracer::FindLender(const Process& process, const ThreadRequest& request) {
  std::vector<Thread*> candidates = process.threads;
  std::stable_partition(candidates.begin(), candidates.end(), [&](const Thread* t) { return t->tid == process.pid; });
  for (Thread* thread : candidates) {
    const bool lives = thread->state.life == Lifecycle::kAlive && thread->kill == KillPhase::kNone && !thread->created;
    const bool was_asked = std::find(request.asked.begin(), request.asked.end(), thread->koid) != request.asked.end();
    const bool has_code = thread->tid == process.pid || !ops_.IsIoWorker(thread->tid);
    if (lives && !was_asked && has_code) return thread;
  }
  return nullptr;
}

// Some thread of it is about to be one that can lend itself.
bool Tracer::HasNewborn(const Process& process) {
  return std::any_of(process.threads.begin(), process.threads.end(), [](const Thread* thread) {
    const Lifecycle life = thread->state.life;
    return !thread->created && (life == Lifecycle::kAnnounced || life == Lifecycle::kUnannounced);
  });
}

bool Tracer::IsMakingThread(const Process& process) {
  return std::any_of(process.threads.begin(), process.threads.end(), [](const Thread* thread) {
    const Errand* errand = thread->errand.get();
    return thread->lends && errand != nullptr && errand->phase() == Errand::Phase::kInCall && !errand->made_task;
  });
}

void Tracer::AskLender(Process& process) {
  ThreadRequest& request = *process.requests.front();
  Thread* lender = FindLender(process, request);
  const bool ends = process.killed || process.detaching || process.dying_tid != 0;
  if (lender == nullptr && !ends && HasNewborn(process)) return AskLater(process);
  if (lender == nullptr || ends) {
    if (ends) {
      request.why = process.killed_by_filter
                        ? "the program was killed (SIGSYS): a seccomp filter of its own kills whoever calls clone"
                        : "the process ends, or is let go";
    }
    if (request.why.empty()) request.why = "it has no thread that could make another one";
    return EndRequest(process, Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = request.why}));
  }
  const pid_t tid = lender->tid;
  request.asked.push_back(lender->koid);
  request.lender = lender->koid;
  const int64_t now = clock_.NowNs();
  request.timer =
      timers_.Add(now + kLookNs, [this, koid = lender->koid, end = now + kMaxLendNs] { LookAtLender(koid, end); });
  lender->lends = true;
  UpdateHold(tid);
  BeginLoan(tid);
}

void Tracer::AskLater(Process& process) {
  process.requests.front()->asked.clear();
  const int64_t later_ns = kLaterNs << std::min(process.requests.front()->refusals, kMaxDoublings);
  process.requests.front()->timer = timers_.Add(clock_.NowNs() + later_ns, [this, koid = process.koid] {
    Process* still = tree_.FindProcessByKoid(koid);
    if (still != nullptr && !still->requests.empty()) AskLender(*still);
  });
}

// It has not stopped so far. Most threads do at once.
void Tracer::LookAtLender(Koid lender, int64_t end_ns) {
  Thread* thread = tree_.FindThreadByKoid(lender);
  if (thread == nullptr || !thread->lends || thread->errand != nullptr) return;
  Process& process = *thread->process;
  ThreadRequest& request = *process.requests.front();
  const auto facts = ops_.ReadFacts(thread->tid);
  const bool cannot = facts && facts->state == 'D';
  if (!cannot && clock_.NowNs() < end_ns) {
    request.timer = timers_.Add(end_ns, [this, lender, end_ns] { LookAtLender(lender, end_ns); });
    return;
  }
  request.why = fmt::format("thread {} {}", thread->tid,
                            cannot ? "waits where it cannot be interrupted (a vfork, or a device)" : "does not stop");
  request.timer = 0;
  thread->lends = false;
  UpdateHold(thread->tid);
  AskLender(process);
}

// Once it stands where its registers are its own.
void Tracer::BeginLoan(pid_t tid) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || !thread->lends || thread->errand != nullptr) return;
  if (thread->state.hold != HoldPhase::kHeld || thread->state.stop == PtraceStop::kEvent) return;
  Process& process = *thread->process;
  timers_.Cancel(std::exchange(process.requests.front()->timer, 0));
  const Koid koid = thread->koid;
  // It is about to be let go where it stands.
  if (process.detaching) return EndLoan(koid, std::nullopt);
  const auto done = [this, koid](std::optional<int64_t> result) { EndLoan(koid, result); };
  const auto sent = SendOnErrand(*thread, SYS_clone, {kCloneFlags}, done);
  if (!sent) {
    thread->lends = false;
    EndRequest(process, Fail(sent.error()));
  }
  const Thread* still = tree_.FindThread(tid);
  if (still != nullptr && still->errand == nullptr) UpdateHold(tid);
}

void Tracer::EndLoan(Koid lender, std::optional<int64_t> result) {
  Thread* thread = tree_.FindThreadByKoid(lender);
  if (!std::exchange(thread->lends, false)) return;
  Process& process = *thread->process;
  ThreadRequest& request = *process.requests.front();
  timers_.Cancel(std::exchange(request.timer, 0));
  request.lender = 0;
  // So it is also while another thread executes a program.
  if (result && *result == -EAGAIN && ++request.refusals < kMaxRefusals) return AskLater(process);
  if (result && *result < 0) return EndRequest(process, Fail(RefusalOf(*result)));
  // A filter has answered in its place.
  if (result && request.made == 0) return EndRequest(process, Fail(RefusalOf(-EPERM)));
  if (!result && request.made == 0) return AskLender(process);
  EndRequestIfMade(process);
}

// ---- what it makes ---------------------------------------------------------------------------------------------------

void Tracer::TakeInCreated(const Thread& lender, pid_t tid) {
  unannounced_.erase(tid);
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr && (unlisted_.contains(tid) || !ops_.IsTracee(tid))) return;
  if (thread == nullptr) thread = &tree_.AddThread(tid);
  lender.process->requests.front()->made = thread->koid;
  if (thread->process != nullptr) return;
  ++stats_.threads;
  stats_.max_tracees = std::max<uint64_t>(stats_.max_tracees, tree_.thread_count());
  thread->created = true;
  thread->exit_option = lender.exit_option;
  const bool stands = thread->state.life == Lifecycle::kUnannounced;
  thread = JoinProcess(*thread, *lender.process);
  if (thread != nullptr && stands) Apply(tid, {.kind = EventKind::kAnnounced});
}

// It is in the middle of the clone call's return. What it would run, should nobody be there to hold it, is its exit.
void Tracer::FinishCreated(pid_t tid) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || !thread->created || thread->exit_armed) return;
  arch::Registers registers{};
  if (!ops_.GetRegisters(tid, registers).ok()) return;
  // Behind the instruction that has made it.
  const uint64_t at = arch::Pc(registers) - arch::kSystemCallInstruction.size();
  arch::SetSystemCall(registers, at, SYS_exit, {0});
  if (!ops_.SetRegisters(tid, registers).ok()) return;
  // It has no memory of its own yet in which a handler could run.
  (void)ops_.BlockSignals(tid);
  thread->exit_armed = true;
  (void)ops_.SetOptions(tid, OptionsOf(*thread));
  EndRequestIfMade(*thread->process);
}

void Tracer::EndRequestIfMade(Process& process) {
  if (process.requests.empty()) return;
  const ThreadRequest& request = *process.requests.front();
  if (request.lender != 0 || request.made == 0) return;
  Thread* made = tree_.FindThreadByKoid(request.made);
  if (made == nullptr) {
    return EndRequest(process, Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = "the new thread was killed at once"}));
  }
  if (made->exit_armed) EndRequest(process, made);
}

void Tracer::EndRequest(Process& process, Result<Thread*> result) {
  const std::unique_ptr<ThreadRequest> request = std::move(process.requests.front());
  process.requests.pop_front();
  const Koid koid = process.koid;
  timers_.Cancel(request->timer);
  request->done(std::move(result));
  Process* still = tree_.FindProcessByKoid(koid);
  if (still != nullptr && !still->requests.empty()) AskLender(*still);
}

// Of a process that is no more, or is let go.
void Tracer::FailRequests(Process& process) {
  while (!process.requests.empty()) {
    const std::unique_ptr<ThreadRequest> request = std::move(process.requests.front());
    process.requests.pop_front();
    timers_.Cancel(request->timer);
    request->done(Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = "the process has ended, or was let go"}));
  }
}

// ---- the errand ------------------------------------------------------------------------------------------------------

Result<void> Tracer::SendOnErrand(Thread& thread, int64_t number, const arch::CallArguments& arguments,
                                  std::function<void(std::optional<int64_t>)> done) {
  arch::Registers registers{};
  const OpResult read = ops_.GetRegisters(thread.tid, registers);
  const bool narrow = read.error() == EOPNOTSUPP || (read.ok() && arch::CodeBits(registers) == arch::Bits::k32);
  // It is being killed.
  if (!read.ok() && !narrow) return done(std::nullopt), Result<void>{};
  if (narrow) {
    return Fail(Status{.zx = ZX_ERR_NOT_SUPPORTED, .what = "the program is one of 32-bit code"});
  }
  const uint64_t at = FindSystemCallInstruction(thread, registers);
  if (at == 0 && !ops_.GetRegisters(thread.tid, registers).ok()) return done(std::nullopt), Result<void>{};
  if (at == 0) {
    return Fail(Status{.zx = ZX_ERR_NOT_SUPPORTED, .what = "the program has no system-call instruction to be found"});
  }
  arch::Registers going = registers;
  arch::SetSystemCall(going, at, number, arguments);
  SendWith(thread, going, registers, std::move(done));
  return {};
}

void Tracer::SendWith(Thread& thread, const arch::Registers& going, const arch::Registers& back,
                      std::function<void(std::optional<int64_t>)> done) {
  const bool at_signal = thread.state.stop == PtraceStop::kSignal;
  auto errand = std::make_unique<Errand>(at_signal ? Errand::Return::kSignal : Errand::Return::kTrap);
  errand->going = going;
  errand->registers = back;
  (void)ops_.GetSignalMask(thread.tid, errand->signal_mask);
  siginfo_t info{};
  if (at_signal && ops_.GetSiginfo(thread.tid, info).ok()) errand->signal = info;
  if (at_signal) errand->carrier = PickCarrier(thread);
  NoteSequence(thread, *errand);
  errand->armed = TakeArmed(thread);
  KeepLost(thread, *errand);
  errand->done = std::move(done);
  // Should we be killed now, nobody can put it back.
  (void)ops_.SetOptions(thread.tid, OptionsOf(thread) | PTRACE_O_EXITKILL);
  (void)ops_.SetSignalMask(thread.tid, MaskOf(*errand));
  thread.errand = std::move(errand);
  WaitForErrand(thread);
  // What the tracer itself has had restarted needs no decision of the kernel.
  const bool asks = arch::kRestartIsDecidedLater && thread.restarted == nullptr && arch::WillRunCall(back);
  CarryOn(thread, thread.errand->Begin(asks), 0);
}

void Tracer::WaitForErrand(Thread& thread) {
  const auto look = [this, koid = thread.koid] {
    Thread* still = tree_.FindThreadByKoid(koid);
    if (still == nullptr || still->errand == nullptr) return;
    Errand& errand = *still->errand;
    errand.timer = 0;
    if (errand.phase() != Errand::Phase::kInCall) return WaitForErrand(*still);
    errand.overdue = true;
    (void)ops_.Interrupt(still->tid);
  };
  thread.errand->timer = timers_.Add(clock_.NowNs() + kMaxCallNs, look);
}

// In a system call a thread is in none.
void Tracer::NoteSequence(const Thread& thread, Errand& errand) {
  constexpr uint64_t kSequenceAt = 8;  // rseq_cs in struct rseq
  if (arch::SystemCallNumber(errand.registers) >= 0) return;
  const uint64_t area = ops_.FindRseq(thread.tid);
  if (area == 0) return;
  errand.sequence_at = area + kSequenceAt;
  (void)ops_.ReadMemory(thread.tid, errand.sequence_at, &errand.sequence, sizeof(errand.sequence));
}

// SIGSYS is how filters forbid a call: forced on a thread that blocks it, it would also lose its handler.
uint64_t Tracer::MaskOf(const Errand& errand) {
  return ~(Bit(SIGSYS) | (errand.carrier == 0 ? 0 : Bit(errand.carrier)));
}

// A real-time signal that waits for nobody: such signals queue, and none is taken for another.
int Tracer::PickCarrier(const Thread& thread) {
  const uint64_t pending = ops_.ReadPendingSignals(thread.tid);
  int carrier = SIGRTMAX;
  while (carrier > SIGRTMIN && (pending & Bit(carrier)) != 0) --carrier;
  return carrier;
}

// At a system-call stop of its: SECCOMP_RET_TRAP has skipped the call, and left something that looks like a result.
bool Tracer::IsFiltered(const Thread& thread, int64_t result) {
  const Errand& errand = *thread.errand;
  if (errand.phase() != Errand::Phase::kInCall || errand.made_task || result < 0) return false;
  return (ops_.ReadPendingSignals(thread.tid) & Bit(SIGSYS)) != 0;
}

void Tracer::OnErrandSyscall(Thread& thread) {
  Errand& errand = *thread.errand;
  if (errand.phase() == Errand::Phase::kGoing) return CarryOn(thread, errand.OnSyscallStop(0), 0);
  arch::Registers registers{};
  if (!ops_.GetRegisters(thread.tid, registers).ok()) return;
  if (errand.phase() == Errand::Phase::kAsking) errand.restart_code = arch::RestartCode(registers);
  const bool in_call = errand.phase() == Errand::Phase::kInCall;
  const int64_t result = arch::SystemCallResult(registers);
  const Errand::Next next = IsFiltered(thread, result) ? errand.OnFiltered() : errand.OnSyscallStop(result);
  const bool has_ended = in_call && errand.phase() != Errand::Phase::kGoing;
  if (has_ended && errand.restart_code != 0 && arch::WillRunCall(errand.registers)) {
    // From here on the kernel takes it for the end of the thread's own call.
    arch::SetEndOfCall(registers, errand.registers, errand.restart_code);
    (void)ops_.SetRegisters(thread.tid, registers);
  }
  CarryOn(thread, next, 0);
}

void Tracer::OnErrandStop(Thread& thread, const WaitStatus& status) {
  Errand& errand = *thread.errand;
  switch (status.kind) {
    case WaitKind::kSyscallStop:
      return OnErrandSyscall(thread);
    case WaitKind::kClone: {
      uint64_t child = 0;
      errand.made_task = true;
      if (thread.lends && ops_.GetEventMessage(thread.tid, child).ok())
        TakeInCreated(thread, static_cast<pid_t>(child));
      return CarryOn(thread, errand.OnEventStop(), 0);
    }
    case WaitKind::kSignalStop:
      return OnErrandSignal(thread, status.signo);
    case WaitKind::kGroupStop:
      errand.job_stopped = true;
      return EndAt(thread, errand.OnTrapStop(), PtraceStop::kGroup);
    case WaitKind::kTrapStop:
      return EndAt(thread, errand.OnTrapStop(), PtraceStop::kTrap);
    case WaitKind::kFork:
    case WaitKind::kVfork:
    case WaitKind::kVforkDone:
    case WaitKind::kSeccomp:
    case WaitKind::kUnknown:
      return CarryOn(thread, errand.OnEventStop(), 0);
    case WaitKind::kContinued:
    case WaitKind::kExec:
    case WaitKind::kExit:
    case WaitKind::kExited:
    case WaitKind::kKilled:
      return;
  }
}

void Tracer::OnErrandSignal(Thread& thread, int signo) {
  Errand& errand = *thread.errand;
  siginfo_t info{};
  if (!ops_.GetSiginfo(thread.tid, info).ok()) return;
  if (signo == SIGSYS && info.si_code == kSysSeccomp) {
    return CarryOn(thread, errand.OnFilterSignal(-EPERM), 0);
  }
  const bool ours = signo == errand.carrier && IsCarried(info) && errand.phase() == Errand::Phase::kComing;
  if (ours) return EndAt(thread, errand.OnSignalStop(true), PtraceStop::kSignal);
  // A blocked signal goes back to where it came from; one that stops the program takes effect.
  if (signo != SIGSTOP) (void)ops_.SetSignalMask(thread.tid, MaskOf(errand) | Bit(signo));
  CarryOn(thread, errand.OnSignalStop(false), signo);
}

void Tracer::CarryOn(Thread& thread, Errand::Next next, int signo) {
  Errand& errand = *thread.errand;
  switch (next) {
    case Errand::Next::kAsk:
      if (ops_.Resume(thread.tid, ResumeMode::kSkipSyscall, signo).error() != EIO) return;
      return CarryOn(thread, errand.Begin(false), signo);
    case Errand::Next::kSetOut:
      if (!ops_.SetRegisters(thread.tid, errand.going).ok()) return;
      [[fallthrough]];
    case Errand::Next::kGoOn:
      return (void)ops_.Resume(thread.tid, ResumeMode::kUntilSyscall, signo);
    case Errand::Next::kComeBack:
      return BringBack(thread, signo);
    case Errand::Next::kRun:
      return (void)ops_.Resume(thread.tid, ResumeMode::kContinue, signo);
    case Errand::Next::kStay:
      return;
  }
}

// At the call's exit stop, or at the signal of a filter that has answered in its place.
void Tracer::BringBack(Thread& thread, int signo) {
  Errand& errand = *thread.errand;
  int sent = signo;
  if (errand.carrier != 0) (void)ops_.SetSignalMask(thread.tid, MaskOf(errand));
  // The kernel itself sends what a thread is resumed with at a system call's stop: neither limits nor rights are in the way.
  if (errand.carrier != 0 && errand.phase_before() == Errand::Phase::kInCall) {
    sent = errand.carrier;
  } else if (errand.carrier == 0 || !ops_.SendSignal(thread.process->pid, thread.tid, errand.carrier)) {
    errand.ReturnByTrap();
    (void)ops_.Interrupt(thread.tid);
  }
  (void)ops_.Resume(thread.tid, ResumeMode::kContinue, sent);
}

void Tracer::EndAt(Thread& thread, Errand::Next next, PtraceStop stop) {
  if (next != Errand::Next::kStay) return CarryOn(thread, next, 0);
  const std::unique_ptr<Errand> errand = std::move(thread.errand);
  timers_.Cancel(errand->timer);
  (void)ops_.SetRegisters(thread.tid, errand->registers);
  (void)ops_.SetSignalMask(thread.tid, errand->signal_mask);
  if (errand->signal) (void)ops_.SetSiginfo(thread.tid, *errand->signal);
  if (errand->sequence != 0) {
    (void)ops_.WriteMemory(thread.tid, errand->sequence_at, &errand->sequence, sizeof(errand->sequence));
  }
  Rearm(thread, errand->armed);
  for (const auto& [note_type, set] : errand->lost) (void)ops_.SetRegisterSet(thread.tid, note_type, set);
  (void)ops_.SetOptions(thread.tid, OptionsOf(thread));
  // It stands held, as it did; only job control may have come or gone.
  thread.state.stop = stop;
  thread.stop_again = errand->job_stopped && stop == PtraceStop::kSignal;
  const pid_t tid = thread.tid;
  errand->done(errand->result());
  UpdateHold(tid);
  ContinueStart(tid);
  TellStartIfFinal(tid);
  MakeExitCall(tid);
  Thread* back = tree_.FindThread(tid);
  if (back != nullptr && IsLeaving(*back)) LeaveWhenHeld(*back);
  for (const auto& then : errand->waiting) then();
}

// At its exit stop: for the call that it was to make for us.
bool Tracer::IsKilledByFilter(const Thread& thread) {
  uint64_t message = 0;
  constexpr uint64_t kSignal = 0x7f;
  return ops_.GetEventMessage(thread.tid, message).ok() && (message & kSignal) == SIGSYS;
}

// It dies, or another thread's exec has ended it.
void Tracer::FailErrand(Thread& thread) {
  if (thread.errand != nullptr) {
    if (IsKilledByFilter(thread)) thread.process->killed_by_filter = true;
    const std::unique_ptr<Errand> errand = std::move(thread.errand);
    timers_.Cancel(errand->timer);
    errand->done(std::nullopt);
    for (const auto& then : errand->waiting) then();
    return;
  }
  if (thread.start != nullptr) {
    const std::unique_ptr<StartRequest> start = std::move(thread.start);
    start->done(Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = "the thread was killed before it was started"}));
  }
  if (thread.lends) EndLoan(thread.koid, std::nullopt);
}

}  // namespace zxctl
