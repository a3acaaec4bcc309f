// riscv64's general and floating point registers as Zircon has them. Runs on every machine.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "arch/arch.h"

namespace zxctl::arch {
namespace {

using FpRegs = zx_riscv64_thread_state_fp_regs_t;

// Of x1 to x31, by their names in the calling convention.
constexpr auto kNamed = std::to_array<uint64_t GeneralRegs::*>(
    {&GeneralRegs::ra, &GeneralRegs::sp,  &GeneralRegs::gp,  &GeneralRegs::tp, &GeneralRegs::t0, &GeneralRegs::t1,
     &GeneralRegs::t2, &GeneralRegs::s0,  &GeneralRegs::s1,  &GeneralRegs::a0, &GeneralRegs::a1, &GeneralRegs::a2,
     &GeneralRegs::a3, &GeneralRegs::a4,  &GeneralRegs::a5,  &GeneralRegs::a6, &GeneralRegs::a7, &GeneralRegs::s2,
     &GeneralRegs::s3, &GeneralRegs::s4,  &GeneralRegs::s5,  &GeneralRegs::s6, &GeneralRegs::s7, &GeneralRegs::s8,
     &GeneralRegs::s9, &GeneralRegs::s10, &GeneralRegs::s11, &GeneralRegs::t3, &GeneralRegs::t4, &GeneralRegs::t5,
     &GeneralRegs::t6});
static_assert((1 + kNamed.size()) * sizeof(uint64_t) == sizeof(GeneralRegs));

// What the kernel gives: pc, x1 to x31.
Registers FromKernel() {
  std::array<uint64_t, 32> words;
  for (size_t i = 0; i < words.size(); ++i) words[i] = 1000 + i;
  static_assert(sizeof(words) == kCoreRegisterBytes);
  Registers registers{};
  std::memcpy(&registers, &words, sizeof(words));
  return registers;
}

TEST(Riscv64Zircon, EveryRegisterIsAtItsOwnPlace) {
  const Registers registers = FromKernel();
  const GeneralRegs general = ToZircon(registers);
  EXPECT_EQ(general.pc, 1000U);
  for (size_t i = 0; i < kNamed.size(); ++i) EXPECT_EQ(general.*kNamed[i], 1001 + i) << "x" << i + 1;
  Registers back{};
  ASSERT_EQ(FromZircon(general, back), std::nullopt);
  EXPECT_EQ(std::memcmp(&back, &registers, kCoreRegisterBytes), 0);
}

// f0 to f31, fcsr.
constexpr size_t kFpSetBytes = 32 * 8 + 8;

FpRegs Shown(std::vector<std::byte>& set) {
  FpRegs regs{};
  EXPECT_EQ(ShowState(*FindState(ZX_THREAD_STATE_FP_REGS), {set}, std::as_writable_bytes(std::span(&regs, 1))),
            std::nullopt);
  return regs;
}

std::optional<std::string> Take(const FpRegs& regs, std::vector<std::byte>& set) {
  return TakeState(*FindState(ZX_THREAD_STATE_FP_REGS), std::as_bytes(std::span(&regs, 1)), {set});
}

TEST(Riscv64FloatingPoint, IsShownBoxedAndTakenBack) {
  std::vector<std::byte> set(kFpSetBytes);
  for (size_t i = 0; i < set.size(); ++i) set[i] = static_cast<std::byte>(i % 255 + 1);
  FpRegs regs = Shown(set);
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(std::memcmp(&regs.q[i].low, set.data() + 8 * i, 8), 0) << i;
    EXPECT_EQ(regs.q[i].high, ~uint64_t{0}) << i;
    regs.q[i].low = 100 + i;
  }
  EXPECT_EQ(std::memcmp(&regs.fcsr, set.data() + 256, 4), 0);
  regs.fcsr = 0xff;
  ASSERT_EQ(Take(regs, set), std::nullopt);
  const FpRegs again = Shown(set);
  EXPECT_EQ(std::memcmp(&again, &regs, sizeof(regs)), 0);
}

TEST(Riscv64FloatingPoint, ANumberThatIsNotBoxedIsNamedAndNothingIsTaken) {
  for (size_t i = 0; i < 32; ++i) {
    for (const uint64_t high : {uint64_t{0}, ~uint64_t{1}, ~uint64_t{0} >> 1}) {
      std::vector<std::byte> set(kFpSetBytes);
      const std::vector<std::byte> before = set;
      FpRegs regs = Shown(set);
      regs.q[0].low = 1;
      regs.q[i].high = high;
      const auto refused = Take(regs, set);
      ASSERT_TRUE(refused) << i;
      EXPECT_TRUE(refused->starts_with("q[" + std::to_string(i) + "].high")) << *refused;
      EXPECT_EQ(set, before);
    }
  }
}

}  // namespace
}  // namespace zxctl::arch
