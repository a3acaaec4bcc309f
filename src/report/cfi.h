// Call frame information: one step from a frame to its caller.
#pragma once

#include <cstdint>
#include <memory>

#include "arch/arch.h"
#include "report/machine.h"
#include "report/memory_reader.h"
#include "report/module_files.h"
#include "report/modules.h"

namespace zxctl::report {

enum class CfiStep : uint8_t {
  kStepped,     // the registers are the caller's
  kNoInfo,      // no information covers this pc, or it makes no sense; the registers are unchanged
  kEndOfStack,  // the information says that there is no caller
};

// The information that is mapped into the program (.eh_frame through .eh_frame_hdr): works for files that are gone.
// Machines without such an unwinder answer kNoInfo.
class MemoryCfi {
 public:
  MemoryCfi(MemorySource& memory, ModuleTable& modules, arch::Bits bits);
  ~MemoryCfi();
  MemoryCfi(const MemoryCfi&) = delete;
  MemoryCfi& operator=(const MemoryCfi&) = delete;

  // `lookup_pc` is pc itself for a frame that was interrupted, pc - 1 for one that waits for a call to return.
  [[nodiscard]] CfiStep Step(UnwindRegisters& registers, uint64_t lookup_pc);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class VdsoCfi;

// The information in the file (.debug_frame, .eh_frame without a table), for 64-bit and 32-bit code. The vdso has no file:
// its image in memory is taken for one.
class FileCfi {
 public:
  FileCfi(MemorySource& memory, ModuleTable& modules, ModuleFiles& files, arch::Bits bits);
  ~FileCfi();
  FileCfi(const FileCfi&) = delete;
  FileCfi& operator=(const FileCfi&) = delete;

  [[nodiscard]] CfiStep Step(UnwindRegisters& registers, uint64_t lookup_pc);

 private:
  MemorySource& memory_;
  ModuleTable& modules_;
  ModuleFiles& files_;
  const UnwindLayout& layout_;
  std::unique_ptr<VdsoCfi> vdso_;  // once it has been asked for
};

}  // namespace zxctl::report
