// The tracer at a stop that broke a system call off: no EINTR reaches a program because it is supervised.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

constexpr int kLastStatSignal = 31;  // stat lines show the signals up to here
// The kernel's own timer may end a call that much later than it should.
constexpr int64_t kCloseEnoughNs = 1 * kNsPerMs;

}  // namespace

bool Tracer::IsIgnored(Thread& thread, int signo) {
  SignalSets sets;
  if (signo <= kLastStatSignal) {
    if (!LookAtSignals(thread, sets)) return false;
  } else if (!ops_.ReadSignalMasks(thread.tid, sets.ignored, sets.caught)) {
    return false;
  }
  switch (DispositionOf(sets, signo)) {
    case Disposition::kIgnored:
      return true;
    case Disposition::kCaught:
      return false;
    case Disposition::kDefault: {
      const DefaultAction action = DefaultActionOf(signo);
      return action == DefaultAction::kIgnore || action == DefaultAction::kContinue;
    }
  }
  return false;
}

void Tracer::RepairAfterSignal(Thread& thread, int signo) {
  if (thread.job_stop_broke_call || thread.process == nullptr) return;
  if (thread.restarted != nullptr && !IsIgnored(thread, signo)) EndRestart(thread);
  // A signal with a handler ends a watched call for good.
  if (thread.watch != nullptr && !IsIgnored(thread, signo)) return DropWatch(thread);
  arch::Registers registers{};
  if (!ops_.GetRegisters(thread.tid, registers).ok() || !arch::EndedWithEintr(registers)) return;
  const auto call = LookUpCall(thread, registers);
  if (call && IsIgnored(thread, signo)) RestartCall(thread, registers, *call);
}

std::optional<arch::RestartableCall> Tracer::LookUpCall(const Thread& thread, arch::Registers& registers) {
  bool compat = false;
  if (!ops_.IsCompatCall(thread.tid, compat).ok()) return std::nullopt;
  if (arch::kLosesFirstArgument && !ops_.RecoverCall(thread.tid, registers).ok()) return std::nullopt;
  return arch::FindRestartableCall(registers, compat);
}

// A handler runs before the thread has come to the call that was to run again: then the call ends with EINTR, as it would
// have without us.
void Tracer::EndRestart(Thread& thread) {
  arch::Registers registers{};
  const auto set = std::exchange(thread.restarted, nullptr);
  if (!ops_.GetRegisters(thread.tid, registers).ok()) return;
  if (std::memcmp(&registers, set.get(), arch::kCoreRegisterBytes) != 0) return;
  arch::TakeBackRestart(registers);
  (void)ops_.SetRegisters(thread.tid, registers);
}

void Tracer::RepairAfterInterrupt(Thread& thread) {
  thread.counts_no_time = false;
  if (thread.job_stop_broke_call || thread.process == nullptr) return;
  arch::Registers registers{};
  if (!ops_.GetRegisters(thread.tid, registers).ok()) return;
  if (!arch::EndedWithEintr(registers)) {
    thread.counts_no_time = !MayCountTime(registers);
    return;
  }
  if (const auto call = LookUpCall(thread, registers); call) RestartCall(thread, registers, *call);
}

void Tracer::RestartCall(Thread& thread, arch::Registers& registers, const arch::RestartableCall& call) {
  ++stats_.restarted_calls;
  if (thread.watch == nullptr || !thread.watch->interrupted()) {
    DropWatch(thread);
    const int64_t timeout_ns = TimeoutNs(thread, call);
    if (timeout_ns > 0) {
      thread.watch = std::make_unique<CallWatch>(arch::SystemCallNumber(registers), timeout_ns, StartOfCall(thread));
    }
  }
  if (thread.watch != nullptr && thread.watch->Expired(clock_.NowNs())) {
    arch::SetResult(registers, TimeoutResult(thread, call));
    (void)ops_.SetRegisters(thread.tid, registers);
    return DropWatch(thread);
  }
  arch::SetRestart(registers);
  if (!ops_.SetRegisters(thread.tid, registers).ok()) return;
  if (arch::kRestartOutlivesHandlers) thread.restarted = std::make_unique<arch::Registers>(registers);
  if (thread.watch != nullptr) thread.watch->Restart();
}

// Before it is interrupted. Of a call that is watched the beginning is known.
void Tracer::NoteSleep(Thread& thread) {
  thread.sleep.reset();
  if (thread.process == nullptr || !thread.process->exact_timeouts || thread.watch != nullptr) return;
  thread.sleep = ops_.LookAtSleep(thread.process->pid, thread.tid);
}

// Of a call that has just been broken off for the first time.
int64_t Tracer::StartOfCall(const Thread& thread) {
  const int64_t now = clock_.NowNs();
  if (!thread.sleep) return now;
  // It has given up its CPU once more, to stop here. If it has done so twice it was in another call when it was looked at.
  const auto stands = ops_.LookAtSleep(thread.process->pid, thread.tid);
  return stands ? std::min(now, SleptSince(*thread.sleep, *stands).value_or(now)) : now;
}

template <typename T>
int64_t Tracer::ReadTimespecNs(const Thread& thread, uint64_t address) {
  T value[2] = {};
  if (address == 0 || ops_.ReadMemory(thread.tid, address, value, sizeof(value)) != sizeof(value)) return 0;
  return int64_t{value[0]} * kNsPerSec + value[1];
}

int Tracer::SocketOf(const Thread& thread, const arch::RestartableCall& call) {
  auto fd = static_cast<int32_t>(call.fd);
  if (call.fd_in_memory && ops_.ReadMemory(thread.tid, call.fd, &fd, sizeof(fd)) != sizeof(fd)) return -1;
  return fd;
}

int64_t Tracer::TimeoutResult(const Thread& thread, const arch::RestartableCall& call) {
  if (call.timeout != arch::TimeoutKind::kSocketConnect) return call.timeout_result;
  // A local connection that can't be made in time was never begun; others go on by themselves.
  return ops_.IsLocalSocket(thread.process->pid, SocketOf(thread, call)) ? -EAGAIN : call.timeout_result;
}

int64_t Tracer::TimeoutNs(const Thread& thread, const arch::RestartableCall& call) {
  switch (call.timeout) {
    case arch::TimeoutKind::kNone:
      return 0;
    case arch::TimeoutKind::kMilliseconds:
      return static_cast<int32_t>(call.timeout_argument) * kNsPerMs;
    case arch::TimeoutKind::kTimespec:
      return ReadTimespecNs<int64_t>(thread, call.timeout_argument);
    case arch::TimeoutKind::kTimespec32:
      return ReadTimespecNs<int32_t>(thread, call.timeout_argument);
    case arch::TimeoutKind::kUringTimespec: {
      // struct io_uring_getevents_arg: the timespec's address is its third word.
      uint64_t argument[3] = {};
      const uint64_t address = call.timeout_argument;
      if (ops_.ReadMemory(thread.tid, address, argument, sizeof(argument)) != sizeof(argument)) return 0;
      return ReadTimespecNs<int64_t>(thread, argument[2]);
    }
    case arch::TimeoutKind::kSocketReceive:
      return ops_.SocketTimeoutNs(thread.process->pid, SocketOf(thread, call), true);
    case arch::TimeoutKind::kSocketSend:
    case arch::TimeoutKind::kSocketConnect:
      return ops_.SocketTimeoutNs(thread.process->pid, SocketOf(thread, call), false);
  }
  return 0;
}

// While the call runs.
void Tracer::ArmCallTimer(Thread& thread) {
  const pid_t tid = thread.tid;
  thread.watch->timer = timers_.Add(thread.watch->deadline_ns(), [this, tid] {
    Thread* late = tree_.FindThread(tid);
    if (late == nullptr || late->watch == nullptr) return;
    late->watch->timer = 0;
    (void)ops_.Interrupt(tid);
  });
}

void Tracer::DropWatch(Thread& thread) {
  if (thread.watch == nullptr) return;
  timers_.Cancel(thread.watch->timer);
  thread.watch.reset();
}

// A cheap look: the numbers of one side are calls of other kinds on the other.
bool Tracer::MayCountTime(const arch::Registers& registers) {
  return arch::FindTimeLeft(registers, false).has_value() || arch::FindTimeLeft(registers, true).has_value();
}

// The time that a thread is held counts towards the time of its call. Most calls count by the clock, or are watched; some
// begin anew with the time that the kernel has left them in their own memory.
void Tracer::CountHeldTime(Thread& thread) {
  const int64_t held_ns = clock_.NowNs() - std::exchange(thread.held_since_ns, 0);
  arch::Registers registers{};
  if (held_ns <= kCloseEnoughNs || thread.counts_no_time) return;
  if (!ops_.GetRegisters(thread.tid, registers).ok() || !MayCountTime(registers)) return;
  bool compat = false;
  if (!ops_.IsCompatCall(thread.tid, compat).ok()) return;
  const auto left = arch::FindTimeLeft(registers, compat);
  if (!left) return;
  if (left->bytes == sizeof(int64_t)) return SubtractTime<int64_t>(thread, *left, held_ns);
  SubtractTime<int32_t>(thread, *left, held_ns);
}

template <typename T>
void Tracer::SubtractTime(const Thread& thread, const arch::TimeLeft& left, int64_t held_ns) {
  T value[2] = {};
  if (ops_.ReadMemory(thread.tid, left.address, value, sizeof(value)) != sizeof(value)) return;
  const int64_t rest_ns = std::max<int64_t>(int64_t{value[0]} * kNsPerSec + value[1] * left.unit_ns - held_ns, 0);
  value[0] = static_cast<T>(rest_ns / kNsPerSec);
  value[1] = static_cast<T>(rest_ns % kNsPerSec / left.unit_ns);
  (void)ops_.WriteMemory(thread.tid, left.address, value, sizeof(value));
}

void Tracer::FollowWatch(Thread& thread) {
  arch::Registers registers{};
  (void)ops_.GetRegisters(thread.tid, registers);
  CallWatch& watch = *thread.watch;
  timers_.Cancel(std::exchange(watch.timer, 0));
  if (!watch.OnSyscallStop(arch::SystemCallNumber(registers), arch::EndedWithEintr(registers)))
    return DropWatch(thread);
  if (watch.interrupted()) {
    // Whatever broke the call off, this exit stop has swallowed an interrupt that was on its way, and a restart can't be
    // written here: it would reach the program. The next stop is the place.
    (void)ops_.Interrupt(thread.tid);
  } else if (clock_.NowNs() - watch.start_ns() > kCloseEnoughNs) {
    ArmCallTimer(thread);
  }
}

void Tracer::OnSyscallStop(Thread& thread) {
  thread.job_stop_broke_call = false;  // the next call has begun
  thread.restarted.reset();
  if (thread.watch != nullptr) FollowWatch(thread);
  // Neither is the place to hold a thread, or to let it go: a call that is about to be made, or a result that is not the
  // program's.
  if (thread.state.hold == HoldPhase::kRequested) return InterruptAndResume(thread);
  Apply(thread.tid, {.kind = EventKind::kSyscallStop});
}

// A job-control stop breaks the call off without a supervisor too; that EINTR is the program's own.
void Tracer::OnGroupStop(Thread& thread) {
  arch::Registers registers{};
  if (ops_.GetRegisters(thread.tid, registers).ok() && arch::EndedWithEintr(registers)) {
    thread.job_stop_broke_call = true;
    DropWatch(thread);
  }
  // Nothing holds a thread back that is on its way to its exit.
  Apply(thread.tid, {.kind = thread.kill == KillPhase::kMade ? EventKind::kTrapStop : EventKind::kGroupStop});
}

}  // namespace zxctl
