#include "generic/fields.h"

#include <zircon/syscalls/debug.h>

#include <cstddef>
#include <string_view>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

using Fields = std::vector<RegisterField>;

using FpRegs = zx_x86_64_thread_state_fp_regs_t;
using VectorRegs = zx_x86_64_thread_state_vector_regs_t;

// Of st0 to st7 the 80 bits that they have.
constexpr size_t kStBytes = 10;
// Of zmm0 to zmm15 what can be read: ymm.
constexpr size_t kVectors = 16;
constexpr size_t kVectorBytes = 32;

Fields General() {
  Fields fields;
  generic::AddWords(fields, std::to_array<std::string_view>({"rax", "rbx", "rcx", "rdx",    "rsi",     "rdi",    "rbp",
                                                             "rsp", "r8",  "r9",  "r10",    "r11",     "r12",    "r13",
                                                             "r14", "r15", "rip", "rflags", "fs_base", "gs_base"}));
  return fields;
}

Fields Fp() {
  Fields fields = {{"fcw", offsetof(FpRegs, fcw), 2}, {"fsw", offsetof(FpRegs, fsw), 2},
                   {"ftw", offsetof(FpRegs, ftw), 1}, {"fop", offsetof(FpRegs, fop), 2},
                   {"fip", offsetof(FpRegs, fip), 8}, {"fdp", offsetof(FpRegs, fdp), 8}};
  generic::AddRow(fields, "st", 8,
                  {.offset = offsetof(FpRegs, st), .stride = sizeof(FpRegs::st[0]), .bytes = kStBytes});
  return fields;
}

Fields Vector() {
  Fields fields = {{"mxcsr", offsetof(VectorRegs, mxcsr), 4}};
  generic::AddRow(fields, "ymm", kVectors, {.offset = 0, .stride = sizeof(VectorRegs::zmm[0]), .bytes = kVectorBytes});
  return fields;
}

Fields Debug() {
  Fields fields;
  generic::AddWords(fields, std::to_array<std::string_view>({"dr0", "dr1", "dr2", "dr3", "dr6", "dr7"}));
  return fields;
}

}  // namespace

std::vector<RegisterField> StateFields(uint32_t kind) {
  switch (kind) {
    case ZX_THREAD_STATE_GENERAL_REGS:
      return General();
    case ZX_THREAD_STATE_FP_REGS:
      return Fp();
    case ZX_THREAD_STATE_VECTOR_REGS:
      return Vector();
    case ZX_THREAD_STATE_DEBUG_REGS:
      return Debug();
    default:
      return {};
  }
}

}  // namespace zxctl::arch
