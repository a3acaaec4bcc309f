// The registers of threads that stand, kind by kind.
#include <fmt/format.h>
#include <zircon/syscalls/debug.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "supervisor/tracer.h"

namespace zxctl {
namespace {

Status Gone() { return {.zx = ZX_ERR_BAD_STATE, .what = "the thread is dead, or was let go"}; }

Status Refused(std::string what) { return {.zx = ZX_ERR_INVALID_ARGS, .what = std::move(what)}; }

Status Missing(std::string_view why) { return {.zx = ZX_ERR_NOT_SUPPORTED, .what = std::string(why)}; }

Status Unused(std::string_view why) { return {.zx = ZX_ERR_BAD_STATE, .what = std::string(why)}; }

Status RefusedRegisters(int error) {
  return error == ESRCH ? Gone() : Status::FromErrno("the kernel refuses these registers", error);
}

Status RefusedBreakpoints(int error) {
  switch (error) {
    case ESRCH:
      return Gone();
    case ENOSPC:
    case EBUSY:
      return {.zx = ZX_ERR_NO_RESOURCES,
              .sys_errno = error,
              .what = "all hardware breakpoints of the machine are in use: switch one off"};
    default:
      return {.zx = ZX_ERR_INVALID_ARGS,
              .sys_errno = error,
              .what =
                  "the kernel refuses such a breakpoint: its address has to be a multiple of its length and below "
                  "the end of what a program may have, an instruction's has length 1, and ports are not watched"};
  }
}

// A kind's register sets, read.
struct ReadSets {
  std::vector<std::byte> first;
  std::vector<std::byte> second;

  [[nodiscard]] arch::StateSets spans() { return {std::span(first), std::span(second)}; }
};

std::vector<std::byte> ReadSet(PtraceOps& ops, pid_t tid, uint32_t note_type) {
  std::vector<std::byte> set;
  if (note_type == 0) return set;
  set.resize(arch::kMaxRegisterSetBytes);
  set.resize(ops.GetRegisterSet(tid, note_type, set));
  return set;
}

Result<ReadSets> ReadAll(PtraceOps& ops, pid_t tid, const arch::StateLayout& layout) {
  ReadSets sets{ReadSet(ops, tid, layout.sets[0]), ReadSet(ops, tid, layout.sets[1])};
  if (!sets.first.empty()) return sets;
  // One that is just being killed is a tracee still.
  arch::Registers registers{};
  if (!ops.IsTracee(tid) || ops.GetRegisters(tid, registers).error() == ESRCH) return Fail(Gone());
  if (!layout.unused.empty()) return sets;
  return Fail(Missing("the kernel does not give these registers of this machine"));
}

OpResult WriteAll(PtraceOps& ops, pid_t tid, const arch::StateLayout& layout, const arch::StateSets& sets) {
  for (size_t i = 0; i < sets.size(); ++i) {
    if (sets[i].empty()) continue;
    const auto writable = sets[i].first(arch::WritableBytes(layout.sets[i], sets[i]));
    if (const OpResult set = ops.SetRegisterSet(tid, layout.sets[i], writable); !set.ok()) return set;
  }
  return {};
}

}  // namespace

OpResult Tracer::ReadRegisters(const Thread& thread, arch::Registers& out) {
  if (thread.errand == nullptr) return ops_.GetRegisters(thread.tid, out);
  out = thread.errand->registers;
  return {};
}

OpResult Tracer::WriteRegisters(Thread& thread, const arch::Registers& registers) {
  if (thread.errand == nullptr) return ops_.SetRegisters(thread.tid, registers);
  thread.errand->registers = registers;
  return {};
}

void Tracer::AfterErrand(Thread& thread, std::function<void()> then) {
  if (thread.errand == nullptr) return then();
  thread.errand->waiting.push_back(std::move(then));
}

// ---- reading ---------------------------------------------------------------------------------------------------------

Result<arch::Registers> Tracer::ReadGeneral(const Thread& thread) {
  arch::Registers registers{};
  const OpResult read = ops_.GetRegisters(thread.tid, registers);
  const bool narrow = read.error() == EOPNOTSUPP || (read.ok() && arch::CodeBits(registers) == arch::Bits::k32);
  if (narrow) return Fail(Missing("the thread runs 32-bit code, whose registers are others"));
  if (!read.ok()) return Fail(Gone());
  return registers;
}

Result<void> Tracer::ReadState(const Thread& thread, const arch::StateLayout& layout, std::span<std::byte> out) {
  if (!layout.missing.empty()) return Fail(Missing(layout.missing));
  if (layout.sets[0] != 0) {
    auto sets = ReadAll(ops_, thread.tid, layout);
    if (!sets) return Fail(sets.error());
    if (const auto unfit = arch::ShowState(layout, sets->spans(), out)) return Fail(Missing(*unfit));
    const bool debug = layout.kind == ZX_THREAD_STATE_DEBUG_REGS;
    if (debug && thread.debug_status == DebugStatus::kSpent) arch::ResetDebugStatus(out);
    return {};
  }
  auto registers = ReadGeneral(thread);
  if (!registers) return Fail(registers.error());
  ShowStep(thread, *registers);
  if (layout.kind == ZX_THREAD_STATE_GENERAL_REGS) {
    const arch::GeneralRegs general = arch::ToZircon(*registers);
    std::memcpy(out.data(), &general, sizeof(general));
    return {};
  }
  const bool steps = thread.single_step || arch::TakeStepFlag(*registers);
  const zx_thread_state_single_step_t single_step = steps ? 1 : 0;
  std::memcpy(out.data(), &single_step, sizeof(single_step));
  return {};
}

// ---- writing ---------------------------------------------------------------------------------------------------------

void Tracer::WriteState(Thread& thread, const arch::StateLayout& layout, std::span<const std::byte> in,
                        std::function<void(Result<void>)> done) {
  if (!layout.missing.empty()) return done(Fail(Missing(layout.missing)));
  if (layout.sets[0] != 0) {
    const auto written = WriteSets(thread, layout, in);
    if (written && layout.kind == ZX_THREAD_STATE_DEBUG_REGS) thread.debug_status = DebugStatus::kAsWritten;
    return done(written);
  }
  if (layout.kind == ZX_THREAD_STATE_GENERAL_REGS) return WriteGeneral(thread, in, std::move(done));
  done(WriteSingleStep(thread, in));
}

void Tracer::WriteGeneral(Thread& thread, std::span<const std::byte> in, std::function<void(Result<void>)> done) {
  const auto before = ReadGeneral(thread);
  if (!before) return done(Fail(before.error()));
  arch::GeneralRegs general{};
  std::memcpy(&general, in.data(), sizeof(general));
  if (thread.stood_with == nullptr) thread.stood_with = std::make_unique<arch::Registers>(*before);
  // An interrupted call that one write has given up is one again when the next puts back what was there.
  arch::Registers registers = *thread.stood_with;
  if (const auto refused = arch::FromZircon(general, registers)) return done(Fail(Refused(*refused)));
  const bool step = arch::kHasStepFlag ? arch::TakeStepFlag(registers) : thread.single_step;
  // What the interrupted call would have gone on with may be something else now.
  thread.counts_no_time = false;
  if (arch::KernelTakesPointers(registers) || arch::SamePointers(registers, *before)) {
    const OpResult set = ops_.SetRegisters(thread.tid, registers);
    if (set.ok()) SetStepping(thread, step, thread.armed);
    return done(set.ok() ? Result<void>() : Fail(RefusedRegisters(set.error())));
  }
  LoadPointers(thread, registers, [this, koid = thread.koid, step, done = std::move(done)](const Result<void>& loaded) {
    Thread* still = tree_.FindThreadByKoid(koid);
    if (loaded && still != nullptr) SetStepping(*still, step, still->armed);
    done(loaded);
  });
}

Result<void> Tracer::WriteSingleStep(Thread& thread, std::span<const std::byte> in) {
  zx_thread_state_single_step_t step = 0;
  std::memcpy(&step, in.data(), sizeof(step));
  if (step > 1) return Fail(Refused(fmt::format("single step is {}: 0 and 1 are what it can be", step)));
  auto registers = ReadGeneral(thread);
  if (!registers) return Fail(registers.error());
  // One that the program has set itself.
  if (arch::TakeStepFlag(*registers) && !ops_.SetRegisters(thread.tid, *registers).ok()) return Fail(Gone());
  SetStepping(thread, step == 1, thread.armed);
  return {};
}

Result<void> Tracer::WriteSets(Thread& thread, const arch::StateLayout& layout, std::span<const std::byte> in) {
  auto before = ReadAll(ops_, thread.tid, layout);
  if (!before) return Fail(before.error());
  if (before->first.empty()) return Fail(Unused(layout.unused));
  ReadSets sets = *before;
  std::vector<std::byte> shown(layout.bytes);
  if (const auto unfit = arch::ShowState(layout, sets.spans(), shown)) return Fail(Missing(*unfit));
  if (const auto refused = arch::TakeState(layout, in, sets.spans())) return Fail(Refused(*refused));
  const bool debug = layout.kind == ZX_THREAD_STATE_DEBUG_REGS;
  const OpResult set = WriteAll(ops_, thread.tid, layout, sets.spans());
  if (!set.ok()) {
    (void)WriteAll(ops_, thread.tid, layout, before->spans());
    return Fail(debug ? RefusedBreakpoints(set.error()) : RefusedRegisters(set.error()));
  }
  if (debug) SetStepping(thread, thread.single_step, arch::IsArmed(sets.spans()));
  return {};
}

void Tracer::SetStepping(Thread& thread, bool step, bool armed) {
  const bool before = thread.single_step || thread.armed;
  thread.single_step = step;
  thread.armed = armed;
  if (before != (step || armed)) (void)ops_.SetOptions(thread.tid, OptionsOf(thread));
}

std::vector<std::byte> Tracer::TakeArmed(Thread& thread) {
  if (!thread.armed) return {};
  const arch::StateLayout& debug = *arch::FindState(ZX_THREAD_STATE_DEBUG_REGS);
  std::vector<std::byte> armed(debug.bytes);
  if (!ReadState(thread, debug, armed)) return {};
  ClearDebug(thread);
  return armed;
}

void Tracer::ClearDebug(Thread& thread) {
  const arch::StateLayout& debug = *arch::FindState(ZX_THREAD_STATE_DEBUG_REGS);
  const std::vector<std::byte> zeros(debug.bytes);
  (void)WriteSets(thread, debug, zeros);
}

void Tracer::Rearm(Thread& thread, std::span<const std::byte> armed) {
  if (!armed.empty()) (void)WriteSets(thread, *arch::FindState(ZX_THREAD_STATE_DEBUG_REGS), armed);
}

void Tracer::KeepLost(const Thread& thread, Errand& errand) {
  for (const uint32_t note_type : arch::kLostInCalls) {
    std::vector<std::byte> set = ReadSet(ops_, thread.tid, note_type);
    if (arch::IsLostInCalls(set)) errand.lost.emplace_back(note_type, std::move(set));
  }
}

// Nobody will be there to take what it would stop with.
void Tracer::Disarm(Thread& thread) {
  if (!thread.single_step && !thread.armed) return;
  if (thread.state.stop == PtraceStop::kSignal && thread.state.pending_signal == SIGTRAP) {
    SignalRecord signal;
    const bool ours = ReadSignal(thread, signal) && IsDebugTrap(signal);
    if (ours) thread.state.pending_signal = 0;
  }
  (void)TakeArmed(thread);
  SetStepping(thread, false, false);
}

}  // namespace zxctl
