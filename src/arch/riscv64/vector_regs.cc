#include "riscv64/vector_regs.h"

#include <fmt/format.h>

namespace zxctl::arch::riscv64 {
namespace {

constexpr uint64_t kRegisterBits = 128;
constexpr uint64_t kVill = uint64_t{1} << 63;
constexpr int kVcsrBits = 3;
constexpr int kVtypeBits = 8;
constexpr uint64_t kMaxSewCode = 3;  // elements of 64 bits

}  // namespace

uint64_t MaxVectorLength(uint64_t vtype) {
  constexpr uint64_t kLmulMask = 7;
  constexpr uint64_t kReservedLmul = 4;
  constexpr int kSewAt = 3;
  constexpr uint64_t kSewMask = 7;
  const uint64_t lmul = vtype & kLmulMask;
  const uint64_t sew = vtype >> kSewAt & kSewMask;
  if (vtype >> kVtypeBits != 0 || sew > kMaxSewCode || lmul == kReservedLmul) return 0;
  const uint64_t bits = uint64_t{8} << sew;
  const uint64_t elements = kRegisterBits / bits;
  // Groups of 2, 4 and 8 registers.
  if (lmul < kReservedLmul) return elements << lmul;
  // An eighth, a quarter and a half of one, for elements that would fit into as much of 64 bits.
  const uint64_t shift = kLmulMask + 1 - lmul;
  return bits > uint64_t{64} >> shift ? 0 : elements >> shift;
}

std::optional<std::string> ValidateVectorRegs(const zx_riscv64_thread_state_vector_regs_t& regs) {
  if (regs.vcsr >> kVcsrBits != 0) return fmt::format("vcsr {:#x} has more than its {} bits", regs.vcsr, kVcsrBits);
  // What there is before the first vsetvli, and after one that went wrong.
  const bool unset = regs.vtype == kVill && regs.vl == 0;
  const uint64_t max = unset ? MaxVectorLength(0) : MaxVectorLength(regs.vtype);
  if (max == 0) {
    return fmt::format("vtype {:#x} is no setting of registers of {} bits{}", regs.vtype, kRegisterBits,
                       regs.vtype == kVill ? ", unless vl is 0" : "");
  }
  if (regs.vl > max) return fmt::format("vl {} is more than the {} that vtype {:#x} allows", regs.vl, max, regs.vtype);
  if (regs.vstart < max) return std::nullopt;
  return fmt::format("vstart {} is not below {}, the most elements that there are", regs.vstart, max);
}

}  // namespace zxctl::arch::riscv64
