#include "generic/fields.h"

#include <zircon/syscalls/debug.h>

#include <cstddef>
#include <string_view>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

using Fields = std::vector<RegisterField>;

using GeneralState = zx_arm64_thread_state_general_regs_t;
using VectorRegs = zx_arm64_thread_state_vector_regs_t;
using DebugRegs = zx_arm64_thread_state_debug_regs_t;

Fields General() {
  Fields fields;
  generic::AddRow(fields, "x", 30, {.offset = 0, .stride = 8, .bytes = 8});
  generic::AddWords(fields, std::to_array<std::string_view>({"lr", "sp", "pc", "cpsr", "tpidr"}));
  static_assert(offsetof(GeneralState, lr) == 240 && offsetof(GeneralState, tpidr) == 272);
  return fields;
}

Fields Vector() {
  Fields fields = {{"fpcr", offsetof(VectorRegs, fpcr), 4}, {"fpsr", offsetof(VectorRegs, fpsr), 4}};
  generic::AddRow(fields, "v", 32, {.offset = offsetof(VectorRegs, v), .stride = 16, .bytes = 16});
  return fields;
}

Fields Debug() {
  Fields fields = {{"hw_bps_count", offsetof(DebugRegs, hw_bps_count), 1},
                   {"hw_wps_count", offsetof(DebugRegs, hw_wps_count), 1}};
  constexpr size_t kBreakpoints = offsetof(DebugRegs, hw_bps);
  constexpr size_t kWatchpoints = offsetof(DebugRegs, hw_wps);
  generic::AddRow(fields, "dbgbvr", ZX_ARM64_MAX_HW_BREAKPOINTS, {.offset = kBreakpoints, .stride = 16, .bytes = 8});
  generic::AddRow(fields, "dbgbcr", ZX_ARM64_MAX_HW_BREAKPOINTS,
                  {.offset = kBreakpoints + 8, .stride = 16, .bytes = 4});
  generic::AddRow(fields, "dbgwvr", ZX_ARM64_MAX_HW_WATCHPOINTS, {.offset = kWatchpoints, .stride = 16, .bytes = 8});
  generic::AddRow(fields, "dbgwcr", ZX_ARM64_MAX_HW_WATCHPOINTS,
                  {.offset = kWatchpoints + 8, .stride = 16, .bytes = 4});
  return fields;
}

}  // namespace

std::vector<RegisterField> StateFields(uint32_t kind) {
  switch (kind) {
    case ZX_THREAD_STATE_GENERAL_REGS:
      return General();
    case ZX_THREAD_STATE_VECTOR_REGS:
      return Vector();
    case ZX_THREAD_STATE_DEBUG_REGS:
      return Debug();
    default:
      return {};
  }
}

}  // namespace zxctl::arch
