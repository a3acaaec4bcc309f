// Which vector registers a thread of riscv64 can have. Pure, and built everywhere.
#pragma once

#include <zircon/syscalls/debug.h>

#include <cstdint>
#include <optional>
#include <string>

namespace zxctl::arch::riscv64 {

// How many elements vsetvli allows at most with this vtype, in registers of 128 bits; 0 for a setting that there is not.
[[nodiscard]] uint64_t MaxVectorLength(uint64_t vtype);

// A sentence that names the first register whose value cannot be, in the order vcsr, vtype, vl, vstart; nothing when all can.
[[nodiscard]] std::optional<std::string> ValidateVectorRegs(const zx_riscv64_thread_state_vector_regs_t& regs);

}  // namespace zxctl::arch::riscv64
