// The tracer at a signal that could be an exception, and at a death that nobody was asked about.
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <array>
#include <utility>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

// SYS_SECCOMP of asm-generic/siginfo.h, which glibc leaves out.
constexpr int kSysSeccomp = 1;
// Longer than any stat line: 52 fields of at most 21 characters, and a name of 16.
constexpr size_t kStatBytes = 1200;
constexpr size_t kMaxOpenStatFiles = 256;
// A fault this soon after the last one follows right after it.
constexpr int64_t kRightAfterNs = 1 * kNsPerMs;
constexpr uint32_t kManyInARow = 32;

Event Of(EventKind kind, int signo) { return {.kind = kind, .signal = static_cast<uint8_t>(signo)}; }

}  // namespace

bool Tracer::LookAtSignals(Thread& thread, SignalSets& out) {
  std::array<char, kStatBytes> buffer;
  const bool was_open = thread.stat_fd.valid();
  const size_t got = ops_.ReadStat(thread.process->pid, thread.tid, thread.stat_fd, buffer.data(), buffer.size());
  // An open file makes the next look three times cheaper; only so many threads can have one.
  if (!was_open && thread.stat_fd.valid()) {
    if (open_stat_files_ >= kMaxOpenStatFiles) {
      thread.stat_fd.Reset();
    } else {
      ++open_stat_files_;
    }
  }
  const auto sets = ParseStatSignals(std::string_view(buffer.data(), got));
  if (sets) out = *sets;
  return sets.has_value();
}

void Tracer::CloseStatFile(Thread& thread) {
  if (!thread.stat_fd.valid()) return;
  --open_stat_files_;
  thread.stat_fd.Reset();
}

Disposition Tracer::LookAtDisposition(pid_t tid, int signo) {
  Thread* thread = tree_.FindThread(tid);
  SignalSets sets;
  if (thread == nullptr || !LookAtSignals(*thread, sets)) return Disposition::kDefault;
  const Disposition disposition = DispositionOf(sets, signo);
  thread->would_die = disposition == Disposition::kDefault;
  return disposition;
}

bool Tracer::ReadSignal(Thread& thread, SignalRecord& out) {
  siginfo_t info{};
  if (!ops_.GetSiginfo(thread.tid, info).ok()) return false;
  out = DecodeSiginfo(info);
  if (thread.single_step && arch::IsStep(out.signo, out.code, out.pid)) out.code = TRAP_TRACE;
  return true;
}

void Tracer::OnPossibleException(Thread& thread, int signo) {
  ++stats_.faults;
  DropWatch(thread);
  if (thread.kill == KillPhase::kMade) return DropOwnSignal(thread, signo);
  // Another thread's fatal signal is on its way to end them all: this death has been told.
  if (thread.process->dying_tid != 0) return Apply(thread.tid, Of(EventKind::kSignalStop, signo));
  if (sink_.AsksDebugger(thread)) return OfferToDebugger(thread, signo);
  SignalSets sets;
  FaultStop fault{.thread = &thread};
  // Without an answer it is being killed, and what it would have done no longer matters.
  if (!LookAtSignals(thread, sets)) return Apply(thread.tid, Of(EventKind::kSignalStop, signo));
  fault.disposition = DispositionOf(sets, signo);
  thread.would_die = fault.disposition == Disposition::kDefault;
  if (fault.disposition == Disposition::kIgnored) {
    RepairAfterSignal(thread, signo);
    return Apply(thread.tid, Of(EventKind::kSignalStop, signo));
  }
  const bool quick = !thread.would_die && !sink_.WantsFirstChance() && FaultsAllTheTime(thread);
  if (quick || !ReadSignal(thread, fault.signal)) return Apply(thread.tid, Of(EventKind::kSignalStop, signo));
  if (sink_.Consult(fault) == Verdict::kRaise) {
    current_fault_ = fault;
    return Apply(thread.tid, Of(EventKind::kFaultStop, signo));
  }
  if (!thread.would_die) RememberFirstFault(thread, fault.signal);
  if (thread.would_die) BeginDying(thread);
  Apply(thread.tid, Of(EventKind::kSignalStop, signo));
}

// A thread that is killed goes to its end, whatever it had done to itself just before; its process's signals are not its own.
void Tracer::DropOwnSignal(Thread& thread, int signo) {
  SignalRecord signal;
  const bool own = ReadSignal(thread, signal) && (IsSynchronousFault(signal) || signal.code == SI_TKILL);
  Apply(thread.tid, Of(EventKind::kSignalStop, own ? 0 : signo));
}

void Tracer::OfferToDebugger(Thread& thread, int signo) {
  FaultStop fault{.thread = &thread};
  if (!ReadSignal(thread, fault.signal)) return Apply(thread.tid, Of(EventKind::kSignalStop, signo));
  current_fault_ = fault;
  Apply(thread.tid, Of(EventKind::kFaultStop, signo));
}

bool Tracer::FaultsAllTheTime(Thread& thread) {
  FirstFault* fault = thread.first_fault.get();
  if (fault == nullptr) return false;
  const int64_t now = clock_.NowNs();
  fault->in_a_row = now - fault->seen_ns < kRightAfterNs ? fault->in_a_row + 1 : 0;
  fault->seen_ns = now;
  fault->stale = fault->in_a_row > kManyInARow;
  return fault->stale;
}

void Tracer::RememberFirstChance(pid_t tid, const SignalRecord& signal, std::vector<uint64_t> asked) {
  if (Thread* thread = tree_.FindThread(tid); thread != nullptr) RememberFirstFault(*thread, signal, std::move(asked));
}

void Tracer::RememberFirstFault(Thread& thread, const SignalRecord& signal, std::vector<uint64_t> asked) {
  if (!IsSynchronousFault(signal)) return;
  if (thread.first_fault == nullptr) thread.first_fault = std::make_unique<FirstFault>();
  thread.first_fault->signal = signal;
  thread.first_fault->asked = std::move(asked);
  thread.first_fault->stale = false;
  (void)ReadRegisters(thread, thread.first_fault->registers);
}

void Tracer::OnExitStop(Thread& thread) {
  uint64_t status = 0;
  const Process* process = thread.process;
  if (process != nullptr) AnnounceLastChildren(thread);
  // Of one that is being let go nobody is told any more.
  if (process != nullptr && !process->detaching && ops_.GetEventMessage(thread.tid, status).ok()) {
    const WaitStatus decoded = DecodeWait(static_cast<int>(status));
    const bool silent = decoded.kind == WaitKind::kKilled && DefaultActionOf(decoded.signo) == DefaultAction::kCore &&
                        process->dying_tid == 0;
    if (silent ? OfferForcedDeath(thread, decoded.signo) : OfferExit(thread)) {
      return Apply(thread.tid, Of(EventKind::kToldExitStop, 0));
    }
  }
  Apply(thread.tid, Of(EventKind::kExitStop, 0));
}

// The kernel takes threads out of their stops when their process dies, but not out of an exit stop when the death dumps
// core: what a handler has not answered by then, nobody waits for.
void Tracer::BeginDying(Thread& thread) {
  thread.process->dying_tid = thread.tid;
  LetExits(*thread.process);
}

void Tracer::LetExits(const Process& process) {
  std::vector<pid_t> tids;
  for (const Thread* thread : process.threads) tids.push_back(thread->tid);
  for (const pid_t tid : tids) LetExit(tid);
}

void Tracer::LetExit(pid_t tid) {
  const Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || thread->state.life != Lifecycle::kExiting) return;
  if (thread->state.exception != ExceptionPhase::kRaised) return;
  (void)sink_.Withdraw(tid);
  Apply(tid, Of(EventKind::kAnswerResume, 0));
}

bool Tracer::OfferForcedDeath(Thread& thread, int signo) {
  BeginDying(thread);
  FaultStop fault{.thread = &thread, .signal = {.signo = signo, .code = SI_KERNEL}, .kind = FaultKind::kForcedDeath};
  arch::Registers registers{};
  if (signo == SIGSYS && ops_.GetRegisters(thread.tid, registers).ok()) {
    fault.signal.code = kSysSeccomp;
    fault.signal.address = arch::Pc(registers);
    fault.signal.syscall = static_cast<int32_t>(arch::SystemCallNumber(registers));
  }
  if (sink_.Consult(fault) != Verdict::kRaise) return false;
  current_fault_ = fault;
  return true;
}

bool Tracer::OfferExit(Thread& thread) {
  if (!sink_.WantsExit(*thread.process)) return false;
  arch::Registers registers{};
  const bool killed = thread.process->killed || thread.kill != KillPhase::kNone;
  const bool by_itself =
      !killed && ops_.GetRegisters(thread.tid, registers).ok() && arch::SystemCallNumber(registers) == SYS_exit;
  if (by_itself) {
    current_fault_ = {.thread = &thread, .kind = FaultKind::kExit};
  } else {
    sink_.TellExit(thread);
  }
  return by_itself;
}

}  // namespace zxctl
