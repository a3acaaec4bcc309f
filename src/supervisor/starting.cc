// The tracer starting threads with registers that somebody has chosen.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

Status Stands(const Thread& thread) {
  return {.zx = ZX_ERR_BAD_STATE,
          .what = fmt::format("thread {} was killed before it had its registers", thread.tid)};
}

}  // namespace

// Nobody can start it any more: it runs into its exit.
void Tracer::EndCreated(Thread& thread) {
  if (!thread.created || thread.kill != KillPhase::kNone) return;
  thread.kill = KillPhase::kMade;
  UpdateHold(thread.tid);
}

Result<void> Tracer::SetStartRegisters(Thread& thread, const arch::StartRegs& regs) {
  arch::Registers registers{};
  if (!ReadRegisters(thread, registers).ok()) return Fail(Stands(thread));
  const arch::Registers before = registers;
  arch::SetStart(registers, regs);
  if (const OpResult set = WriteRegisters(thread, registers); !set.ok()) {
    if (set.gone()) return Fail(Stands(thread));
    // What had been written before the register that was refused.
    (void)WriteRegisters(thread, before);
    return Fail(Status{.zx = ZX_ERR_NOT_SUPPORTED,
                       .sys_errno = set.error(),
                       .what = "the kernel refuses one of the registers"});
  }
  // A program that has just been executed has the initial ones.
  if (!thread.created) return {};
  std::array<std::byte, arch::kMaxRegisterSetBytes> image;
  const size_t size = ops_.GetRegisterSet(thread.tid, arch::kVectorRegisterSet, image);
  const auto vectors = std::span(image).first(size);
  arch::SetInitialVectors(vectors);
  if (size != 0) (void)ops_.SetRegisterSet(thread.tid, arch::kVectorRegisterSet, vectors);
  return {};
}

// The process begins with another thread. Its leader can still be started, as any other.
void Tracer::LeaveLeaderBehind(Process& process) {
  process.start_ns = clock_.NowNs();
  process.parked = false;
  Thread& leader = *tree_.FindThread(process.pid);
  leader.created = true;
  (void)ops_.SetOptions(leader.tid, Options(true));
}

Result<void> Tracer::StartThread(Thread& thread, const arch::StartRegs& regs) {
  Process& process = *thread.process;
  const bool first = process.parked;
  if (auto set = SetStartRegisters(thread, regs); !set) return set;
  if (!thread.created) return StartProcess(process), Result<void>{};
  if (first) LeaveLeaderBehind(process);
  thread.created = false;
  thread.exit_armed = false;
  const pid_t tid = thread.tid;
  if (sink_.WantsStart(thread, first)) {
    current_fault_ = {.thread = &thread, .kind = FaultKind::kStart, .first_thread = first};
    Apply(tid, {.kind = EventKind::kToldStart});
  }
  UpdateHold(tid);
  return {};
}

}  // namespace zxctl
