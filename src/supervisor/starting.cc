// The tracer starting threads with registers that somebody has chosen.
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <utility>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

// All that is needed of memory to set a register that the kernel does not.
constexpr uint64_t kScratchBytes = 4096;
// Results of a call from -1 down to this are errors.
constexpr int64_t kMaxErrno = 4096;

Status WasKilled() { return {.zx = ZX_ERR_BAD_STATE, .what = "the thread was killed before it had its registers"}; }

Status CannotSet(std::string_view why) {
  return {
      .zx = ZX_ERR_NOT_SUPPORTED,
      .what = fmt::format("tp, which is fs_base, or gs_base has a value that the kernel does not take from a tracer, "
                          "and {}; values in the user half of the address space need none of this",
                          why)};
}

}  // namespace

// Nobody can start it any more: it runs into its exit.
void Tracer::EndCreated(Thread& thread) {
  if (!thread.created || thread.kill != KillPhase::kNone) return;
  // What it will stand with may be the registers of its start.
  thread.kill = thread.errand != nullptr ? KillPhase::kWanted : KillPhase::kMade;
  UpdateHold(thread.tid);
}

void Tracer::SetVectors(const Thread& thread) {
  // A program that has just been executed has the initial ones.
  if (!thread.created) return;
  if (initial_vectors_.empty()) {
    initial_vectors_.resize(arch::kMaxRegisterSetBytes);
    initial_vectors_.resize(ops_.GetRegisterSet(thread.tid, arch::kVectorRegisterSet, initial_vectors_));
    arch::SetInitialVectors(initial_vectors_);
  }
  if (!initial_vectors_.empty()) (void)ops_.SetRegisterSet(thread.tid, arch::kVectorRegisterSet, initial_vectors_);
}

// Into a page of its own the thread gets an instruction that loads the pointers, in front of the call that unmaps the page.
// Afterwards it stands with the registers that are wanted.
void Tracer::LoadPointers(Thread& thread, const arch::Registers& wanted,
                          const std::function<void(Result<void>)>& done) {
  if (!arch::CanLoadPointers()) return done(Fail(CannotSet("this machine has no instruction for it")));
  constexpr uint64_t kProtection = PROT_READ | PROT_EXEC;
  constexpr uint64_t kFlags = MAP_PRIVATE | MAP_ANONYMOUS;
  const auto mapped = [this, koid = thread.koid, wanted, done](std::optional<int64_t> page) {
    if (!page) return done(Fail(WasKilled()));
    if (*page < 0 && *page > -kMaxErrno)
      return done(Fail(CannotSet("the program may map no page of code for a moment")));
    LoadPointersAt(koid, static_cast<uint64_t>(*page), wanted, done);
  };
  const auto sent = SendOnErrand(thread, SYS_mmap, {0, kScratchBytes, kProtection, kFlags, ~uint64_t{0}, 0}, mapped);
  if (!sent) done(Fail(sent.error()));
}

void Tracer::LoadPointersAt(Koid koid, uint64_t page, const arch::Registers& wanted,
                            const std::function<void(Result<void>)>& done) {
  Thread& thread = *tree_.FindThreadByKoid(koid);
  const auto& code = arch::kLoadPointersAndCall;
  arch::Registers going{};
  const bool ready = ops_.WriteMemory(thread.tid, page, code.data(), code.size()) == code.size() &&
                     ops_.GetRegisters(thread.tid, going).ok();
  if (!ready) return done(Fail(WasKilled()));
  arch::SetSystemCall(going, page, SYS_munmap, {page, kScratchBytes});
  arch::SetPointersToLoad(going, wanted);
  SendWith(thread, going, wanted,
           [done](std::optional<int64_t> result) { done(result ? Result<void>() : Fail(WasKilled())); });
}

// The process begins with another thread. Its leader, which has made that one, can still be started, as any other; like any
// other it holds nothing but its exit until then.
void Tracer::LeaveLeaderBehind(Process& process) {
  process.start_ns = clock_.NowNs();
  process.parked = false;
  Thread& leader = *tree_.FindThread(process.pid);
  leader.created = true;
  arch::Registers registers{};
  const uint64_t at = ReadRegisters(leader, registers).ok() ? FindSystemCallInstruction(leader, registers) : 0;
  if (at != 0) arch::SetSystemCall(registers, at, SYS_exit, {0});
  leader.exit_armed = at != 0 && WriteRegisters(leader, registers).ok();
  (void)ops_.BlockSignals(leader.tid);
  (void)ops_.SetOptions(leader.tid, OptionsOf(leader));
}

void Tracer::Begin(Thread& thread) {
  Process& process = *thread.process;
  const bool first = process.parked;
  if (!thread.created) {
    // As every thread that begins with registers of its own: it has no thread pointer with which a handler could run.
    (void)ops_.BlockSignals(thread.tid);
    return StartProcess(process);
  }
  SetVectors(thread);
  if (first) LeaveLeaderBehind(process);
  thread.created = false;
  thread.exit_armed = false;
  const pid_t tid = thread.tid;
  if (sink_.WantsStart(thread, first)) {
    current_fault_ = {.thread = &thread, .kind = FaultKind::kStart, .first_thread = first};
    Apply(tid, {.kind = EventKind::kToldStart});
  }
  UpdateHold(tid);
}

void Tracer::StartThread(Thread& thread, const arch::StartRegs& regs, std::function<void(Result<void>)> done) {
  // The end of its exec would write over what is set here; so would that of a loan.
  if (thread.state.stop == PtraceStop::kEvent || thread.errand != nullptr) {
    thread.start = std::make_unique<StartRequest>(StartRequest{.regs = regs, .done = std::move(done)});
    return UpdateHold(thread.tid);
  }
  arch::Registers registers{};
  const bool read = ReadRegisters(thread, registers).ok();
  arch::SetStart(registers, regs);
  const bool takes = arch::KernelTakesPointers(registers);
  if (!read || (takes && !WriteRegisters(thread, registers).ok())) return done(Fail(WasKilled()));
  if (takes) return Begin(thread), done({});
  LoadPointers(thread, registers, [this, koid = thread.koid, done = std::move(done)](const Result<void>& set) {
    Thread* started = tree_.FindThreadByKoid(koid);
    if (set && started != nullptr && started->kill == KillPhase::kNone) Begin(*started);
    done(set);
  });
}

void Tracer::ContinueStart(pid_t tid) {
  Thread* thread = tree_.FindThread(tid);
  if (thread == nullptr || thread->start == nullptr || thread->state.stop == PtraceStop::kEvent) return;
  if (thread->state.hold != HoldPhase::kHeld || thread->errand != nullptr) return;
  const std::unique_ptr<StartRequest> start = std::move(thread->start);
  StartThread(*thread, start->regs, start->done);
}

}  // namespace zxctl
