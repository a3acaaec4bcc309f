#include "generic/fields.h"

#include <zircon/syscalls/debug.h>

#include <cstddef>
#include <string_view>
#include <utility>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

using Fields = std::vector<RegisterField>;

using FpRegs = zx_riscv64_thread_state_fp_regs_t;
using VectorRegs = zx_riscv64_thread_state_vector_regs_t;

Fields General() {
  Fields fields;
  generic::AddWords(fields,
                    std::to_array<std::string_view>({"pc", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
                                                     "a1", "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
                                                     "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"}));
  return fields;
}

// Of each the 64 bits that it has.
Fields Fp() {
  Fields fields;
  generic::AddRow(fields, "f", 32, {.offset = 0, .stride = 16, .bytes = 8});
  fields.push_back({"fcsr", offsetof(FpRegs, fcsr), 4});
  return fields;
}

Fields Vectors() {
  Fields fields;
  generic::AddRow(fields, "v", 32, {.offset = 0, .stride = 16, .bytes = 16});
  for (const auto& [name, offset] : {std::pair{"vcsr", offsetof(VectorRegs, vcsr)},
                                     {"vstart", offsetof(VectorRegs, vstart)},
                                     {"vl", offsetof(VectorRegs, vl)},
                                     {"vtype", offsetof(VectorRegs, vtype)}}) {
    fields.push_back({name, offset, sizeof(uint64_t)});
  }
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
      return Vectors();
    default:
      return {};
  }
}

}  // namespace zxctl::arch
