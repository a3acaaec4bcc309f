// The tracer at a signal that could be an exception, and at a death that nobody was asked about.
#include <sys/ptrace.h>

#include <array>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

// SYS_SECCOMP of asm-generic/siginfo.h, which glibc leaves out.
constexpr int kSysSeccomp = 1;
// Longer than any stat line: 52 fields of at most 21 characters, and a name of 16.
constexpr size_t kStatBytes = 1200;
constexpr size_t kMaxOpenStatFiles = 256;

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

void Tracer::OnPossibleException(Thread& thread, int signo) {
  siginfo_t info{};
  SignalSets sets;
  // Without an answer to either it is being killed, and what it would have done no longer matters.
  const bool known = ops_.GetSiginfo(thread.tid, info).ok() && LookAtSignals(thread, sets);
  if (!known) return Apply(thread.tid, Of(EventKind::kSignalStop, signo));
  ++stats_.faults;
  const FaultStop fault{.thread = &thread,
                        .signal = DecodeSiginfo(info),
                        .disposition = DispositionOf(sets, signo),
                        .blocked = (sets.blocked >> (signo - 1) & 1) != 0};
  if (fault.disposition == Disposition::kIgnored) {
    RepairAfterSignal(thread, signo);
    return Apply(thread.tid, Of(EventKind::kSignalStop, signo));
  }
  DropWatch(thread);
  thread.would_die = fault.disposition == Disposition::kDefault;
  if (sink_.Consult(fault) == Verdict::kRaise) {
    current_fault_ = fault;
    return Apply(thread.tid, Of(EventKind::kFaultStop, signo));
  }
  if (!thread.would_die) RememberFirstFault(thread, fault.signal);
  thread.process->fatal_signal_delivered |= thread.would_die;
  Apply(thread.tid, Of(EventKind::kSignalStop, signo));
}

void Tracer::RememberFirstFault(Thread& thread, const SignalRecord& signal) {
  if (!IsSynchronousFault(signal)) return;
  if (thread.first_fault == nullptr) thread.first_fault = std::make_unique<FirstFault>();
  thread.first_fault->signal = signal;
  (void)ops_.GetRegisters(thread.tid, thread.first_fault->registers);
}

void Tracer::OnExitStop(Thread& thread) {
  const auto quietly = [&] { Apply(thread.tid, Of(EventKind::kExitStop, 0)); };
  uint64_t status = 0;
  Process* process = thread.process;
  if (!ops_.GetEventMessage(thread.tid, status).ok() || process == nullptr) return quietly();
  const WaitStatus decoded = DecodeWait(static_cast<int>(status));
  const bool silent = decoded.kind == WaitKind::kKilled && DefaultActionOf(decoded.signo) == DefaultAction::kCore &&
                      !process->fatal_signal_delivered;
  if (!silent) return quietly();
  process->fatal_signal_delivered = true;
  FaultStop fault{.thread = &thread, .signal = {.signo = decoded.signo, .code = SI_KERNEL}, .forced_death = true};
  arch::Registers registers{};
  if (decoded.signo == SIGSYS && ops_.GetRegisters(thread.tid, registers).ok()) {
    fault.signal.code = kSysSeccomp;
    fault.signal.address = arch::Pc(registers);
    fault.signal.syscall = static_cast<int32_t>(arch::SystemCallNumber(registers));
  }
  if (sink_.Consult(fault) != Verdict::kRaise) return quietly();
  current_fault_ = fault;
  Apply(thread.tid, Of(EventKind::kFatalExitStop, 0));
}

}  // namespace zxctl
