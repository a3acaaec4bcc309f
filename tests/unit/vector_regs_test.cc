// The rules of riscv64's vector registers, on every machine.
#include "riscv64/vector_regs.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace zxctl::arch::riscv64 {
namespace {

using Regs = zx_riscv64_thread_state_vector_regs_t;

constexpr uint64_t kVill = uint64_t{1} << 63;
static_assert(sizeof(Regs) == 0x220 && offsetof(Regs, vcsr) == 0x200 && offsetof(Regs, vtype) == 0x218);

constexpr uint64_t Vtype(uint64_t sew_code, uint64_t lmul_code) { return sew_code << 3 | lmul_code; }

// The first word of the sentence is the register that is refused.
std::string RefusedIn(const Regs& regs) {
  const auto refused = ValidateVectorRegs(regs);
  return refused ? refused->substr(0, refused->find(' ')) : "";
}

TEST(Riscv64VectorRegs, LengthIsThatOfTheGroupByTheElement) {
  // Elements of 8, 16, 32 and 64 bits, in groups of 1, 2, 4 and 8 registers of 128 bits, and an eighth to a half of one.
  constexpr uint64_t kMax[4][8] = {{16, 32, 64, 128, 0, 2, 4, 8},
                                   {8, 16, 32, 64, 0, 0, 2, 4},
                                   {4, 8, 16, 32, 0, 0, 0, 2},
                                   {2, 4, 8, 16, 0, 0, 0, 0}};
  for (uint64_t sew = 0; sew < 4; ++sew) {
    for (uint64_t lmul = 0; lmul < 8; ++lmul) {
      EXPECT_EQ(MaxVectorLength(Vtype(sew, lmul)), kMax[sew][lmul]) << sew << " " << lmul;
      // Tail and mask agnostic or not.
      EXPECT_EQ(MaxVectorLength(Vtype(sew, lmul) | 0xc0), kMax[sew][lmul]) << sew << " " << lmul;
    }
  }
  for (uint64_t sew = 4; sew < 8; ++sew) EXPECT_EQ(MaxVectorLength(Vtype(sew, 0)), 0U) << sew;
  for (int bit = 8; bit < 64; ++bit) EXPECT_EQ(MaxVectorLength(uint64_t{1} << bit), 0U) << bit;
}

TEST(Riscv64VectorRegs, EverySettingWithItsLengths) {
  for (uint64_t vtype = 0; vtype < 0x400; ++vtype) {
    const uint64_t max = MaxVectorLength(vtype);
    if (max == 0) {
      EXPECT_EQ(RefusedIn({.vtype = vtype}), "vtype") << vtype;
      continue;
    }
    for (uint64_t n = 0; n <= max; ++n) EXPECT_EQ(RefusedIn({.vl = n, .vtype = vtype}), "") << vtype << " " << n;
    EXPECT_EQ(RefusedIn({.vl = max + 1, .vtype = vtype}), "vl") << vtype;
    EXPECT_EQ(RefusedIn({.vl = ~uint64_t{0}, .vtype = vtype}), "vl") << vtype;
    EXPECT_EQ(RefusedIn({.vstart = max - 1, .vtype = vtype}), "") << vtype;
    EXPECT_EQ(RefusedIn({.vstart = max, .vtype = vtype}), "vstart") << vtype;
  }
}

TEST(Riscv64VectorRegs, ControlBits) {
  for (uint64_t vcsr = 0; vcsr < 8; ++vcsr) EXPECT_EQ(RefusedIn({.vcsr = vcsr}), "") << vcsr;
  for (int bit = 3; bit < 64; ++bit) EXPECT_EQ(RefusedIn({.vcsr = uint64_t{1} << bit}), "vcsr") << bit;
}

TEST(Riscv64VectorRegs, AnIllegalTypeIsTheOneBeforeTheFirstSetting) {
  EXPECT_EQ(RefusedIn({.vtype = kVill}), "");
  EXPECT_EQ(RefusedIn({.vl = 1, .vtype = kVill}), "vtype");
  EXPECT_EQ(RefusedIn({.vtype = kVill | 1}), "vtype");
  EXPECT_EQ(RefusedIn({.vstart = 15, .vtype = kVill}), "");
  EXPECT_EQ(RefusedIn({.vstart = 16, .vtype = kVill}), "vstart");
}

TEST(Riscv64VectorRegs, TheFirstOfSeveralIsNamed) {
  EXPECT_EQ(RefusedIn({.vcsr = 8, .vstart = 999, .vl = 999, .vtype = 0x100}), "vcsr");
  EXPECT_EQ(RefusedIn({.vstart = 999, .vl = 999, .vtype = 0x100}), "vtype");
  EXPECT_EQ(RefusedIn({.vstart = 999, .vl = 999}), "vl");
}

}  // namespace
}  // namespace zxctl::arch::riscv64
