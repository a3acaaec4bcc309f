#include "arch/start_regs.h"

#include <fmt/format.h>

namespace zxctl::arch::x86_64 {

// A jump to an address that is not canonical faults itself, and leaves pc where it was; nor can code load such a thread
// pointer. The thread pointer may be in the kernel's half: WRFSBASE takes it.
std::optional<StartRefusal> ValidateStartRegs(const StartRegs& regs, int address_bits) {
  const int shift = 64 - address_bits;
  const auto extended = static_cast<uint64_t>(static_cast<int64_t>(regs.tp << shift) >> shift);
  if (extended != regs.tp) {
    return StartRefusal{StartArgument::kTp, regs.tp,
                        fmt::format("is not canonical: bits 63 to {} have to be equal", address_bits - 1)};
  }
  if (regs.pc >> (address_bits - 1) != 0) {
    return StartRefusal{StartArgument::kPc, regs.pc,
                        fmt::format("is outside the user half of the address space, which ends at {:#x}: no jump "
                                    "leads there",
                                    uint64_t{1} << (address_bits - 1))};
  }
  return std::nullopt;
}

}  // namespace zxctl::arch::x86_64
