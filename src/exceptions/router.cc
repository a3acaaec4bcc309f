#include "exceptions/router.h"

#include <csignal>
#include <utility>

#include "exceptions/classify.h"

namespace zxctl {
namespace {

Chance ChanceFor(Disposition disposition, bool repeats) {
  if (disposition == Disposition::kCaught) return Chance::kFirst;
  return repeats ? Chance::kSecond : Chance::kBoth;
}

// The signals that RepeatsFirstFault() could be true for, without a look at the registers.
bool MayRepeat(const FirstFault& first, const SignalRecord& signal) {
  return !first.stale && (signal.code == SI_KERNEL || signal.code == SI_TKILL || signal.code == SI_USER);
}

ChainWalk WalkOf(const FaultStop& fault, Chance chance) {
  switch (fault.kind) {
    case FaultKind::kStart:
      return ChainWalk::ForStart(*fault.thread, fault.first_thread);
    case FaultKind::kExit:
      return ChainWalk::ForExit(*fault.thread->process);
    case FaultKind::kSignal:
    case FaultKind::kForcedDeath:
      break;
  }
  return {*fault.thread, chance};
}

// What a handler at this level is told the exception is.
ExceptionType TypeAt(const ExceptionPacket& packet, ChainLevel level) {
  if (packet.kind == FaultKind::kExit) return ExceptionType::kThreadExiting;
  if (packet.kind != FaultKind::kStart) return packet.type;
  return level == ChainLevel::kJobDebugger ? ExceptionType::kProcessStarting : ExceptionType::kThreadStarting;
}

}  // namespace

bool RepeatsFirstFault(const FirstFault& first, const arch::Registers& now, const SignalRecord& signal, pid_t pid) {
  const bool not_pushed = signal.signo == SIGSEGV && signal.code == SI_KERNEL && signal.address == 0 &&
                          arch::Pc(now) == arch::Pc(first.registers) && arch::Sp(now) == arch::Sp(first.registers);
  const bool raised_again =
      signal.signo == first.signal.signo && (signal.code == SI_TKILL || signal.code == SI_USER) && signal.pid == pid;
  return not_pushed || raised_again;
}

bool ExceptionRouter::AsksDebugger(const Thread& thread) {
  return bindings_.any_first_chance() && bindings_.Find(thread.process->koid, ChainLevel::kDebugger) != nullptr;
}

bool ExceptionRouter::WantsStart(const Thread& thread, bool first_thread) {
  return bindings_.any_debugger() && ChainWalk::ForStart(thread, first_thread).Next(bindings_).has_value();
}

bool ExceptionRouter::WantsExit(const Process& process) {
  return bindings_.any_debugger() && bindings_.Find(process.koid, ChainLevel::kDebugger) != nullptr;
}

void ExceptionRouter::TellExit(const Thread& thread) {
  const Binding* debugger = bindings_.Find(thread.process->koid, ChainLevel::kDebugger);
  if (debugger == nullptr) return;
  ExceptionPacket packet{.key = debugger->key,
                         .pid = thread.process->pid,
                         .tid = thread.tid,
                         .process = thread.process->koid,
                         .thread = thread.koid,
                         .type = ExceptionType::kThreadExiting,
                         .bound_to = thread.process->koid,
                         .kind = FaultKind::kExit};
  debugger->handler->Tell(packet);
}

Verdict ExceptionRouter::Consult(const FaultStop& fault) {
  if (!ClassifySignal(fault.signal)) return Verdict::kDeliver;
  const Chance chance =
      fault.kind == FaultKind::kSignal && fault.disposition == Disposition::kCaught ? Chance::kFirst : Chance::kBoth;
  ChainWalk walk(*fault.thread, chance);
  return walk.Next(bindings_) ? Verdict::kRaise : Verdict::kDeliver;
}

ExceptionPacket ExceptionRouter::MakePacket(const FaultStop& fault, Chance chance) {
  const Thread& thread = *fault.thread;
  ExceptionPacket packet{.pid = thread.process->pid,
                         .tid = thread.tid,
                         .process = thread.process->koid,
                         .thread = thread.koid,
                         .type = ClassifySignal(fault.signal).value_or(ExceptionType::kGeneral),
                         .first_chance = chance == Chance::kFirst || chance == Chance::kUndecided,
                         .kind = fault.kind,
                         .signal = fault.signal};
  if (chance == Chance::kSecond) {
    packet.first = *thread.first_fault;
    packet.type = ClassifySignal(packet.first->signal).value_or(packet.type);
  }
  return packet;
}

const FirstFault* ExceptionRouter::RepeatedBy(const FaultStop& fault) {
  const FirstFault* first = fault.thread->first_fault.get();
  if (fault.kind != FaultKind::kSignal || first == nullptr || !MayRepeat(*first, fault.signal)) return nullptr;
  arch::Registers now{};
  (void)tracer_->ReadRegisters(*fault.thread, now);
  return RepeatsFirstFault(*first, now, fault.signal, fault.thread->process->pid) ? first : nullptr;
}

Chance ExceptionRouter::ChanceFor(const FaultStop& fault, bool repeats) {
  if (fault.kind != FaultKind::kSignal) return Chance::kBoth;
  if (fault.disposition) return zxctl::ChanceFor(*fault.disposition, repeats);
  if (!repeats) return Chance::kUndecided;
  // Whether a debugger that had the first chance is asked depends on whether this is another one.
  return zxctl::ChanceFor(tracer_->LookAtDisposition(fault.thread->tid, fault.signal.signo), true);
}

zxctl::Answer ExceptionRouter::Raise(const FaultStop& fault) {
  const Chance chance = ChanceFor(fault, RepeatedBy(fault) != nullptr);
  const pid_t tid = fault.thread->tid;
  Active active{.walk = WalkOf(fault, chance), .packet = MakePacket(fault, chance)};
  // Should it live on, the next signal is a matter of its own.
  if (chance == Chance::kSecond) active.walk.Skip(std::exchange(fault.thread->first_fault->asked, {}));
  active_.insert_or_assign(tid, std::move(active));
  return Walk(tid);
}

zxctl::Answer ExceptionRouter::Walk(pid_t tid) {
  auto found = active_.find(tid);
  Active& active = found->second;
  while (const auto stop = NextStop(active)) {
    active.handler = stop->binding.handler;
    active.packet.key = stop->binding.key;
    active.packet.level = stop->level;
    active.packet.bound_to = stop->task;
    active.packet.type = TypeAt(active.packet, stop->level);
    active.asked.push_back(stop->binding.id);
    switch (active.handler->Offer(active.packet)) {
      case HandlerAnswer::kPending:
        TakeLease(tid, active, stop->binding.lease_ns);
        return zxctl::Answer::kPending;
      case HandlerAnswer::kResume:
        if (active.packet.kind == FaultKind::kStart) break;  // each is told of its own start
        active_.erase(found);
        return zxctl::Answer::kResume;
      case HandlerAnswer::kTryNext:
        break;
    }
    active.handler = nullptr;
  }
  const bool has_signal = active.packet.kind == FaultKind::kSignal || active.packet.kind == FaultKind::kForcedDeath;
  if (active.packet.first_chance) tracer_->RememberFirstChance(tid, active.packet.signal, std::move(active.asked));
  active_.erase(found);
  return has_signal ? zxctl::Answer::kDeliver : zxctl::Answer::kResume;
}

std::optional<ChainWalk::Stop> ExceptionRouter::NextStop(Active& active) {
  auto stop = active.walk.Next(bindings_);
  if (stop || !active.walk.undecided()) return stop;
  const Chance chance =
      zxctl::ChanceFor(tracer_->LookAtDisposition(active.packet.tid, active.packet.signal.signo), false);
  active.walk.Decide(chance);
  active.packet.first_chance = chance == Chance::kFirst;
  return active.walk.Next(bindings_);
}

void ExceptionRouter::TakeLease(pid_t tid, Active& active, int64_t lease_ns) {
  if (lease_ns <= 0) return;
  const int64_t now = clock_.NowNs();
  const int64_t end = lease_ns < kNever - now ? now + lease_ns : kNever;
  active.lease = timers_.Add(end, [this, tid] {
    const auto late = active_.find(tid);
    if (late == active_.end()) return;
    late->second.lease = 0;
    PassOn(tid);
  });
}

bool ExceptionRouter::AnswerOf(ExceptionHandler& handler, pid_t tid, HandlerAnswer answer) {
  const auto found = active_.find(tid);
  return found != active_.end() && found->second.handler == &handler && Take(tid, answer);
}

bool ExceptionRouter::AnswerFor(pid_t tid, HandlerAnswer answer) {
  const auto found = active_.find(tid);
  if (found == active_.end() || found->second.handler == nullptr || answer == HandlerAnswer::kPending) return false;
  const HandlerAnswer given = found->second.handler->Withdraw(tid);
  const bool first = given == HandlerAnswer::kPending;
  return Take(tid, first ? answer : given) && first;
}

bool ExceptionRouter::Take(pid_t tid, HandlerAnswer answer) {
  const auto found = active_.find(tid);
  if (found == active_.end() || found->second.handler == nullptr || answer == HandlerAnswer::kPending) return false;
  timers_.Cancel(found->second.lease);
  found->second.lease = 0;
  if (answer == HandlerAnswer::kResume && found->second.packet.kind != FaultKind::kStart) {
    active_.erase(found);
    Finish(tid, zxctl::Answer::kResume);
    return true;
  }
  Finish(tid, Walk(tid));
  return true;
}

void ExceptionRouter::Finish(pid_t tid, zxctl::Answer answer) {
  if (answer != zxctl::Answer::kPending) tracer_->AnswerException(tid, answer);
}

void ExceptionRouter::RemoveHandler(ExceptionHandler& handler) {
  bindings_.ForgetHandler(&handler);
  std::vector<pid_t> waiting;
  for (const auto& [tid, active] : active_) {
    if (active.handler == &handler) waiting.push_back(tid);
  }
  for (const pid_t tid : waiting) PassOn(tid);
}

Result<void> ExceptionRouter::Unbind(Koid task, ChainLevel level, bool quietly) {
  const Binding* bound = bindings_.Find(task, level);
  const ExceptionHandler* handler = bound == nullptr ? nullptr : bound->handler;
  if (auto unbound = bindings_.Unbind(task, level); !unbound || quietly) return unbound;
  std::vector<pid_t> waiting;
  for (const auto& [tid, active] : active_) {
    const bool waits_there =
        active.handler == handler && active.packet.bound_to == task && active.packet.level == level;
    if (waits_there) waiting.push_back(tid);
  }
  for (const pid_t tid : waiting) PassOn(tid);
  return {};
}

const ExceptionHandler* ExceptionRouter::AskedNow(pid_t tid) const {
  const auto found = active_.find(tid);
  return found == active_.end() ? nullptr : found->second.handler;
}

const ExceptionPacket* ExceptionRouter::Find(pid_t tid) const {
  const auto found = active_.find(tid);
  return found == active_.end() ? nullptr : &found->second.packet;
}

zxctl::Answer ExceptionRouter::Withdraw(pid_t tid) {
  const auto found = active_.find(tid);
  if (found == active_.end()) return zxctl::Answer::kPending;
  timers_.Cancel(found->second.lease);
  ExceptionHandler* handler = found->second.handler;
  active_.erase(found);
  const HandlerAnswer given = handler == nullptr ? HandlerAnswer::kPending : handler->Withdraw(tid);
  return given == HandlerAnswer::kResume ? zxctl::Answer::kResume : zxctl::Answer::kPending;
}

void ExceptionRouter::OnSilentDeath(pid_t pid, int wait_status) {
  const Binding* binding = bindings_.Find(tracer_->tree().root_job().koid, ChainLevel::kJob);
  if (binding != nullptr) binding->handler->OnSilentDeath(pid, wait_status);
}

}  // namespace zxctl
