#include "arch/start_regs.h"

#include <fmt/format.h>

namespace zxctl::arch::riscv64 {

std::optional<StartRefusal> ValidateStartRegs(const StartRegs& regs, int address_bits) {
  if (regs.pc >> (address_bits - 1) == 0) return std::nullopt;
  return StartRefusal{StartArgument::kPc, regs.pc,
                      fmt::format("is outside the user half of the address space, which ends at {:#x} in Sv{}",
                                  uint64_t{1} << (address_bits - 1), address_bits)};
}

}  // namespace zxctl::arch::riscv64
