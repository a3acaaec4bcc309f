#include "report/unwinder.h"

namespace zxctl::report {
namespace {

// Beyond this even a runaway recursion's stack is not followed.
constexpr size_t kMaxSteps = 4'000'000;
constexpr size_t kStepsBetweenClockReads = 64;
constexpr size_t kMaxScans = 32;
constexpr size_t kMaxSignalFrames = 32;
constexpr size_t kScanWords = 1024;
// A frame larger than this is taken for garbage when it rests on a frame pointer alone.
constexpr uint64_t kMaxGuessedFrame = 8 << 20;

// Keeps the first and the last frames of a stack of any depth.
class FrameCollector {
 public:
  void Add(const UnwoundFrame& frame) {
    ++count_;
    if (stack_.frames.size() < Unwinder::kHeadFrames) {
      stack_.frames.push_back(frame);
      return;
    }
    tail_.push_back(frame);
    if (tail_.size() > Unwinder::kTailFrames) tail_.pop_front();
  }

  [[nodiscard]] UnwoundStack Take(bool truncated) {
    const size_t kept = stack_.frames.size() + tail_.size();
    if (count_ > kept) {
      stack_.left_out = count_ - kept;
      stack_.left_out_after = static_cast<uint32_t>(stack_.frames.size());
    }
    stack_.frames.insert(stack_.frames.end(), tail_.begin(), tail_.end());
    stack_.truncated = truncated;
    return std::move(stack_);
  }

 private:
  UnwoundStack stack_;
  std::deque<UnwoundFrame> tail_;
  size_t count_ = 0;
};

}  // namespace

Unwinder::Unwinder(MemorySource& memory, ModuleTable& modules, arch::Bits bits)
    : memory_(memory), modules_(modules), bits_(bits), layout_(LayoutOf(bits)), memory_cfi_(memory, modules, bits) {}

void Unwinder::UseFiles(ModuleFiles& files) { file_cfi_.emplace(memory_, modules_, files, bits_); }

bool Unwinder::IsExecutable(uint64_t address) const {
  const Mapping* mapping = FindMapping(modules_.maps(), address);
  return mapping != nullptr && mapping->execute;
}

bool Unwinder::IsReturnAddress(uint64_t address) {
  return IsExecutable(address) && FollowsCall(memory_, address, bits_);
}

UnwoundStack Unwinder::Unwind(const arch::Registers& registers, int64_t deadline_ns, bool after_instruction) {
  FrameCollector frames;
  scans_left_ = kMaxScans;
  signal_frames_left_ = kMaxSignalFrames;
  Cursor cursor{.registers = UnwindRegistersOf(registers), .trust = Trust::kContext, .interrupted = !after_instruction};
  for (size_t steps = 1; steps <= kMaxSteps; ++steps) {
    auto caller = Step(cursor);
    frames.Add({.pc = Pc(cursor),
                .sp = Sp(cursor),
                .trust = cursor.trust,
                .interrupted = cursor.interrupted,
                .trampoline = caller && caller->trust == Trust::kSignalContext});
    if (steps % kStepsBetweenClockReads == 0 && MonotonicNs() >= deadline_ns) return frames.Take(true);
    if (!caller) return frames.Take(false);
    cursor = *caller;
  }
  return frames.Take(true);
}

std::optional<Unwinder::Cursor> Unwinder::Step(const Cursor& cursor) {
  if (!IsExecutable(Pc(cursor))) {
    // A call through a bad pointer has pushed its return address; a bad return address has left the stack to search.
    if (cursor.interrupted) {
      if (auto caller = layout_.HasLink() ? StepByLink(cursor) : StepFromSlot(cursor, Sp(cursor))) return caller;
    }
    return StepByScan(cursor);
  }
  if (auto saved = StepSignalFrame(memory_, cursor.registers, bits_); saved && signal_frames_left_ > 0) {
    --signal_frames_left_;
    return Cursor{.registers = *saved, .trust = Trust::kSignalContext, .interrupted = true};
  }
  bool at_end = false;
  if (auto caller = StepByCfi(cursor, at_end); caller || at_end) return caller;
  return StepByGuess(cursor);
}

std::optional<Unwinder::Cursor> Unwinder::StepByCfi(const Cursor& cursor, bool& at_end) {
  const uint64_t lookup_pc = cursor.interrupted ? Pc(cursor) : Pc(cursor) - 1;
  Cursor caller{.registers = cursor.registers, .trust = Trust::kCfi, .interrupted = false};
  CfiStep step = memory_cfi_.Step(caller.registers, lookup_pc);
  if (step == CfiStep::kNoInfo && file_cfi_) step = file_cfi_->Step(caller.registers, lookup_pc);
  at_end = step == CfiStep::kEndOfStack;
  if (step != CfiStep::kStepped) return std::nullopt;
  const bool known = caller.registers.Has(layout_.pc) && caller.registers.Has(layout_.sp);
  at_end = known && Pc(caller) == 0;
  if (!known || at_end || !IsOlder(caller, cursor)) return std::nullopt;
  caller.registers.Set(layout_.pc, Pc(caller) & layout_.address_mask);
  return caller;
}

// A caller's stack begins above its callee's; at the same place only if the callee, interrupted, has nothing on the stack.
bool Unwinder::IsOlder(const Cursor& caller, const Cursor& callee) const {
  if (layout_.HasLink() && callee.interrupted && Sp(caller) == Sp(callee)) return Pc(caller) != Pc(callee);
  return Sp(caller) > Sp(callee);
}

std::optional<Unwinder::Cursor> Unwinder::StepByGuess(const Cursor& cursor) {
  if (cursor.interrupted) {
    if (ReturnsByLink(memory_, cursor.registers, bits_)) {
      if (auto caller = StepByLink(cursor)) return caller;
    }
    const auto slot = ReturnSlotInPrologue(memory_, cursor.registers, bits_);
    if (slot) {
      if (auto caller = StepFromSlot(cursor, *slot)) return caller;
    }
  }
  if (auto caller = StepByFramePointer(cursor)) return caller;
  return StepByScan(cursor);
}

std::optional<Unwinder::Cursor> Unwinder::StepByLink(const Cursor& cursor) {
  const uint64_t address = cursor.registers.value[layout_.return_register] & layout_.address_mask;
  if (!cursor.registers.Has(layout_.return_register) || !IsReturnAddress(address)) return std::nullopt;
  Cursor caller{.registers = cursor.registers, .trust = Trust::kFramePointer, .interrupted = false};
  caller.registers.Set(layout_.pc, address);
  caller.registers.Forget(layout_.return_register);
  return caller;
}

std::optional<Unwinder::Cursor> Unwinder::StepFromSlot(const Cursor& cursor, uint64_t slot) {
  const auto word = memory_.ReadWord(slot, layout_.word_bytes);
  const uint64_t address = word.value_or(0) & layout_.address_mask;
  if (!word || !IsReturnAddress(address)) return std::nullopt;
  Cursor caller{.registers = cursor.registers, .trust = Trust::kFramePointer, .interrupted = false};
  caller.registers.Set(layout_.pc, address);
  caller.registers.Set(layout_.sp, slot + layout_.word_bytes);
  return caller;
}

std::optional<Unwinder::Cursor> Unwinder::StepByFramePointer(const Cursor& cursor) {
  const uint64_t fp = cursor.registers.value[layout_.fp];
  if (!cursor.registers.Has(layout_.fp) || fp % layout_.word_bytes != 0) return std::nullopt;
  if (fp < Sp(cursor) || fp - Sp(cursor) > kMaxGuessedFrame) return std::nullopt;
  const auto saved_fp = memory_.ReadWord(fp + static_cast<uint64_t>(layout_.saved_fp_offset), layout_.word_bytes);
  auto caller = StepFromSlot(cursor, fp + static_cast<uint64_t>(layout_.return_offset));
  if (!caller || !saved_fp) return std::nullopt;
  // The caller's other registers may have been saved anywhere.
  caller->registers.valid = 0;
  caller->registers.Set(layout_.pc, Pc(*caller));
  caller->registers.Set(layout_.sp, Sp(*caller));
  caller->registers.Set(layout_.fp, *saved_fp);
  return caller;
}

std::optional<Unwinder::Cursor> Unwinder::StepByScan(const Cursor& cursor) {
  if (scans_left_ == 0) return std::nullopt;
  --scans_left_;
  const uint64_t first = (Sp(cursor) + layout_.word_bytes - 1) & ~(uint64_t{layout_.word_bytes} - 1);
  for (size_t i = 0; i < kScanWords; ++i) {
    const uint64_t slot = first + i * layout_.word_bytes;
    auto caller = StepFromSlot(cursor, slot);
    if (!caller) continue;
    const uint64_t fp = cursor.registers.value[layout_.fp];
    const bool keeps_fp = cursor.registers.Has(layout_.fp) && fp > slot;
    caller->trust = Trust::kScan;
    caller->registers.valid = 0;
    caller->registers.Set(layout_.pc, Pc(*caller));
    caller->registers.Set(layout_.sp, Sp(*caller));
    if (keeps_fp) caller->registers.Set(layout_.fp, fp);
    return caller;
  }
  return std::nullopt;
}

}  // namespace zxctl::report
