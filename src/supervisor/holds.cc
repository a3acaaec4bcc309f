// The tracer stopping threads: for a report, for a suspend. A thread runs while nobody wants it held.
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "supervisor/tracer.h"

namespace zxctl {

// Before its program is there, nothing can be held back but the program.
bool Tracer::IsSuspendWanted(const Thread& thread) {
  if (thread.process->at_exec != AtExec::kNothing) return false;
  return thread.suspends > 0 || thread.suspend_flag || thread.process->suspends > 0;
}

bool Tracer::IsWanted(const Thread& thread) {
  const Process& process = *thread.process;
  if (thread.errand != nullptr || thread.lends) return true;
  if (thread.kill != KillPhase::kNone) return thread.kill == KillPhase::kWanted;
  if (thread.created) return true;
  return IsSuspendWanted(thread) || process.hold != nullptr || process.parked || process.tells_start ||
         process.detaching;
}

void Tracer::UpdateHold(pid_t tid) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || thread->process == nullptr || thread->state.life == Lifecycle::kExiting) return;
  const bool wanted = IsWanted(*thread);
  if (wanted && thread->state.hold == HoldPhase::kNone) return Apply(tid, {.kind = EventKind::kHold});
  if (!wanted && thread->state.hold != HoldPhase::kNone) return Apply(tid, {.kind = EventKind::kRelease});
  if (NeedsToAdvance(*thread)) return Apply(tid, {.kind = EventKind::kAdvance});
  if (IsSuspended(*thread) != thread->told_suspended) TellChange(*thread);
}

void Tracer::InterruptAndResume(Thread& thread) {
  (void)ops_.Interrupt(thread.tid);
  Resume(thread, 0);
}

void Tracer::UpdateHolds(const Process& process) {
  // Threads may go while they are dealt with, and the process with the last of them.
  std::vector<pid_t> tids;
  tids.reserve(process.threads.size());
  for (const Thread* thread : process.threads) tids.push_back(thread->tid);
  for (const pid_t tid : tids) UpdateHold(tid);
}

// ---- all threads of a process, for as long as somebody looks at them ----

bool Tracer::HoldProcess(pid_t pid, int64_t deadline_ns, std::function<void(size_t missing)> done) {
  Process* process = tree_.FindProcess(pid);
  if (process == nullptr || process->hold != nullptr) return false;
  process->hold = std::make_unique<ProcessHold>();
  process->hold->done = std::move(done);
  const auto has_to_stop = [](const Thread* thread) {
    return thread->state.life != Lifecycle::kExiting && thread->state.hold != HoldPhase::kHeld;
  };
  const auto& threads = process->threads;
  // One for this function.
  process->hold->waiting = 1 + static_cast<size_t>(std::count_if(threads.begin(), threads.end(), has_to_stop));
  process->hold->timer = timers_.Add(deadline_ns, [this, pid] {
    Process* late = tree_.FindProcess(pid);
    if (late == nullptr || late->hold == nullptr || !late->hold->done) return;
    std::exchange(late->hold->done, nullptr)(late->hold->waiting);
  });
  UpdateHolds(*process);
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
  UpdateHolds(*process);
}

// ---- suspends ----

bool Tracer::IsSuspended(const Thread& thread) {
  const ThreadState& state = thread.state;
  if (thread.process == nullptr || state.life != Lifecycle::kAlive || thread.process->parked || thread.created) {
    return false;
  }
  return IsSuspendWanted(thread) && state.hold == HoldPhase::kHeld && state.exception == ExceptionPhase::kNone &&
         state.stop != PtraceStop::kEvent;
}

// At a fork, an exec or a system-call stop the kernel still writes the result of the call over what is set there. Only
// for reports that does not matter.
bool Tracer::NeedsToAdvance(const Thread& thread) {
  const ThreadState& state = thread.state;
  if (thread.process == nullptr || thread.process->hold != nullptr) return false;
  const bool wanted = thread.lends || thread.start != nullptr ||
                      (!thread.process->parked &&
                       (IsSuspendWanted(thread) || thread.process->tells_start || thread.kill == KillPhase::kWanted));
  return wanted && state.life == Lifecycle::kAlive && state.hold == HoldPhase::kHeld &&
         state.exception == ExceptionPhase::kNone && state.stop == PtraceStop::kEvent;
}

void Tracer::ChangeSuspends(Thread& thread, int change) {
  thread.suspends += static_cast<uint32_t>(change);
  UpdateHold(thread.tid);
}

void Tracer::ChangeSuspends(Process& process, int change) {
  process.suspends += static_cast<uint32_t>(change);
  UpdateHolds(process);
}

void Tracer::SetSuspendFlag(Thread& thread, bool set) {
  thread.suspend_flag = set;
  UpdateHold(thread.tid);
}

void Tracer::WatchExits(Process& process, const std::function<void()>& done) {
  process.debugged = true;
  const pid_t pid = process.pid;
  const auto& threads = process.threads;
  const bool all_do = std::all_of(threads.begin(), threads.end(), [](const Thread* t) { return t->exit_option; });
  // The option can be set while a thread stands; Resume() sets it.
  const auto held = [this, pid, done](size_t /*missing*/) {
    ReleaseProcess(pid);
    done();
  };
  if (all_do || !HoldProcess(pid, clock_.NowNs() + kMaxHoldNs, held)) done();
}

void Tracer::KillProcess(Process& process) {
  process.killed = true;
  ops_.Kill(process.pid);
  // Once its last thread is in its exit stop the kernel drops the signal.
  LetExits(process);
}

void Tracer::KillJob(Job& job) {
  tree_.MarkKilled(job);
  for (const pid_t pid : tree_.ProcessIdsIn(job)) KillProcess(*tree_.FindProcess(pid));
}

Result<void> Tracer::KillThread(Thread& thread) {
  // Without its first thread there is nothing to start.
  if (thread.process->parked && !thread.created) return KillProcess(*thread.process), Result<void>{};
  if (thread.state.life == Lifecycle::kExiting) {
    return LetExit(thread.tid), Result<void>{};
  }
  arch::Registers registers{};
  if (ops_.GetRegisters(thread.tid, registers).ok() && arch::CodeBits(registers) == arch::Bits::k32) {
    return Fail(
        Status{.zx = ZX_ERR_NOT_SUPPORTED, .what = "a thread of 32-bit code cannot be killed alone: kill its process"});
  }
  if (thread.kill != KillPhase::kNone || thread.state.life == Lifecycle::kExiting) return {};
  const pid_t tid = thread.tid;
  thread.kill = KillPhase::kWanted;
  UpdateHold(tid);
  MakeExitCall(tid);
  return {};
}

void Tracer::MakeExitCall(pid_t tid) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || thread->kill != KillPhase::kWanted || thread->state.hold != HoldPhase::kHeld) return;
  if (thread->errand != nullptr) return;
  if (thread->state.exception == ExceptionPhase::kRaised) {
    (void)sink_.Withdraw(tid);
    // It stays held, and may go to where it has its final registers.
    return Apply(tid, {.kind = EventKind::kAnswerDeliver}), MakeExitCall(tid);
  }
  if (thread->state.stop == PtraceStop::kEvent) return UpdateHold(tid);
  arch::Registers registers{};
  if (!ops_.GetRegisters(tid, registers).ok()) return;
  const uint64_t at = FindSystemCallInstruction(*thread, registers);
  if (at == 0) return ops_.Kill(thread->process->pid);
  arch::SetSystemCall(registers, at, SYS_exit, {0});
  // No breakpoint stops it there.
  (void)TakeArmed(*thread);
  if (!ops_.SetRegisters(tid, registers).ok()) return;
  // Also the one that it stands at: the process's signals are for the other threads from now on.
  (void)ops_.BlockSignals(tid);
  DropWatch(*thread);
  thread->kill = KillPhase::kMade;
  // Job control does not hold it back either.
  if (thread->state.stop == PtraceStop::kGroup) thread->state.stop = PtraceStop::kTrap;
  Apply(tid, {.kind = EventKind::kRelease});
}

uint64_t Tracer::FindSystemCallInstruction(const Thread& thread, const arch::Registers& registers) {
  const auto holds_one = [&](uint64_t address) {
    arch::CodeBytes code{};
    return ops_.ReadMemory(thread.tid, address, code.data(), code.size()) == code.size() &&
           code == arch::kSystemCallInstruction;
  };
  if (const uint64_t before = arch::Pc(registers) - arch::kSystemCallInstruction.size(); holds_one(before))
    return before;
  // Not the leader's: it may have ended.
  const auto [begin, end] = ops_.FindVdso(thread.tid);
  std::vector<uint8_t> vdso(end - begin);
  vdso.resize(ops_.ReadMemory(thread.tid, begin, vdso.data(), vdso.size()));
  const auto& call = arch::kSystemCallInstruction;
  for (size_t at = 0; at + call.size() <= vdso.size(); at += arch::kCodeAlignment) {
    if (std::memcmp(&vdso[at], call.data(), call.size()) == 0) return begin + at;
  }
  return 0;
}

}  // namespace zxctl
