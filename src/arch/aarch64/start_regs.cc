#include "arch/start_regs.h"

namespace zxctl::arch::aarch64 {
namespace {

// Says whose half an address is in; the bits above it may be a tag, those below it belong to the address.
constexpr uint64_t kHalfBit = uint64_t{1} << 55;

}  // namespace

std::optional<StartRefusal> ValidateStartRegs(const StartRegs& regs, int /*address_bits*/) {
  if ((regs.pc & kHalfBit) == 0) return std::nullopt;
  return StartRefusal{StartArgument::kPc, regs.pc, "is in the kernel's half of the address space: bit 55 is set"};
}

}  // namespace zxctl::arch::aarch64
