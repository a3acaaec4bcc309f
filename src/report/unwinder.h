// From a thread's registers to its frames: call frame information first, then the frame pointer, then a look at the
// words on the stack. Every step is checked, every loop bounded; a smashed stack gives fewer frames, never none: the
// first frame is always there.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "arch/arch.h"
#include "base/clock.h"
#include "report/cfi.h"
#include "report/machine.h"
#include "report/memory_reader.h"
#include "report/model.h"
#include "report/module_files.h"
#include "report/modules.h"

namespace zxctl::report {

struct UnwoundFrame {
  uint64_t pc = 0;
  uint64_t sp = 0;
  Trust trust = Trust::kContext;
  bool interrupted = false;  // the frame is about pc itself, not about the call (or breakpoint) before it
  bool trampoline = false;   // pc is the code that returns from a signal handler; nothing has called it

  // The address to look names up with: inside the instruction before, where pc may belong to the next function already.
  [[nodiscard]] uint64_t LookupPc() const { return interrupted || trampoline || pc == 0 ? pc : pc - 1; }
};

struct UnwoundStack {
  std::vector<UnwoundFrame> frames{};
  uint64_t left_out = 0;  // frames between the first kHeadFrames and the last kTailFrames
  uint32_t left_out_after = 0;
  bool truncated = false;  // the outermost frames are missing: time was up
};

class Unwinder {
 public:
  static constexpr size_t kHeadFrames = 200;
  static constexpr size_t kTailFrames = 20;

  Unwinder(MemorySource& memory, ModuleTable& modules, arch::Bits bits);

  // From now on the files' call frame information is used where the program's memory has none.
  void UseFiles(ModuleFiles& files);

  // `after_instruction`: what the thread has stopped for is the instruction before pc, as after a breakpoint.
  [[nodiscard]] UnwoundStack Unwind(const arch::Registers& registers, int64_t deadline_ns,
                                    bool after_instruction = false);

 private:
  struct Cursor {
    UnwindRegisters registers{};
    Trust trust = Trust::kContext;
    bool interrupted = true;
  };

  [[nodiscard]] uint64_t Pc(const Cursor& cursor) const { return cursor.registers.value[layout_.pc]; }
  [[nodiscard]] uint64_t Sp(const Cursor& cursor) const { return cursor.registers.value[layout_.sp]; }
  [[nodiscard]] bool IsExecutable(uint64_t address) const;
  [[nodiscard]] bool IsReturnAddress(uint64_t address);

  // The caller, or nothing when the stack ends here or nothing can be found.
  [[nodiscard]] std::optional<Cursor> Step(const Cursor& cursor);
  [[nodiscard]] std::optional<Cursor> StepByCfi(const Cursor& cursor, bool& at_end);
  [[nodiscard]] std::optional<Cursor> StepByGuess(const Cursor& cursor);
  [[nodiscard]] bool IsOlder(const Cursor& caller, const Cursor& callee) const;
  [[nodiscard]] std::optional<Cursor> StepByLink(const Cursor& cursor);
  [[nodiscard]] std::optional<Cursor> StepFromSlot(const Cursor& cursor, uint64_t slot);
  [[nodiscard]] std::optional<Cursor> StepByFramePointer(const Cursor& cursor);
  [[nodiscard]] std::optional<Cursor> StepByScan(const Cursor& cursor);

  MemorySource& memory_;
  ModuleTable& modules_;
  arch::Bits bits_;
  const UnwindLayout& layout_;
  MemoryCfi memory_cfi_;
  std::optional<FileCfi> file_cfi_;
  size_t scans_left_ = 0;
  size_t signal_frames_left_ = 0;
};

}  // namespace zxctl::report
