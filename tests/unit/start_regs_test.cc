// Every boundary of every argument, on every machine.
#include "arch/start_regs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/boundaries.h"

namespace zxctl::arch {
namespace {

using Validate = std::optional<StartRefusal> (*)(const StartRegs&, int);

using test::Bit;
using test::Boundaries;

struct Machine {
  const char* name;
  Validate validate;
  int address_bits;
  // The first and the last value of each stretch of values that pc and tp take, in rising order.
  std::vector<std::pair<uint64_t, uint64_t>> pc;
  std::vector<std::pair<uint64_t, uint64_t>> tp;
  bool pc_by_bit_55 = false;  // `pc` is of the low 56 bits
};

const std::vector<std::pair<uint64_t, uint64_t>> kAnything = {{0, ~uint64_t{0}}};

bool IsIn(const std::vector<std::pair<uint64_t, uint64_t>>& stretches, uint64_t value) {
  return std::any_of(stretches.begin(), stretches.end(),
                     [value](const auto& stretch) { return value >= stretch.first && value <= stretch.second; });
}

class StartRegsOf : public testing::TestWithParam<Machine> {
 protected:
  std::optional<StartRefusal> Check(const StartRegs& regs) {
    return GetParam().validate(regs, GetParam().address_bits);
  }
};

TEST_P(StartRegsOf, PcIsWhereAJumpCanLead) {
  for (const uint64_t value : Boundaries()) {
    const uint64_t counts = GetParam().pc_by_bit_55 ? value & (Bit(56) - 1) : value;
    const auto refused = Check({.pc = value});
    EXPECT_EQ(!refused, IsIn(GetParam().pc, counts)) << std::hex << value;
    if (!refused) continue;
    EXPECT_EQ(refused->argument, StartArgument::kPc);
    EXPECT_EQ(refused->value, value);
  }
}

TEST_P(StartRegsOf, TpIsWhatCodeCanLoad) {
  for (const uint64_t value : Boundaries()) {
    const auto refused = Check({.tp = value});
    EXPECT_EQ(!refused, IsIn(GetParam().tp, value)) << std::hex << value;
    if (!refused) continue;
    EXPECT_EQ(refused->argument, StartArgument::kTp);
    EXPECT_EQ(refused->value, value);
  }
}

TEST_P(StartRegsOf, TheOthersAreAnything) {
  for (const uint64_t value : Boundaries()) {
    EXPECT_FALSE(Check({.sp = value})) << std::hex << value;
    EXPECT_FALSE(Check({.arg1 = value})) << std::hex << value;
    EXPECT_FALSE(Check({.arg2 = value})) << std::hex << value;
    EXPECT_FALSE(Check({.abi_reg = value})) << std::hex << value;
  }
}

TEST_P(StartRegsOf, ZeroIsAlwaysFine) { EXPECT_FALSE(Check({})); }

INSTANTIATE_TEST_SUITE_P(
    Machines, StartRegsOf,
    testing::Values(
        Machine{"x86_64", x86_64::ValidateStartRegs, 48, {{0, Bit(47) - 1}}, {{0, Bit(47) - 1}, {~Bit(47) + 1, ~0ULL}}},
        Machine{"x86_64_la57",
                x86_64::ValidateStartRegs,
                57,
                {{0, Bit(56) - 1}},
                {{0, Bit(56) - 1}, {~Bit(56) + 1, ~0ULL}}},
        Machine{"aarch64", aarch64::ValidateStartRegs, 48, {{0, Bit(55) - 1}}, kAnything, true},
        Machine{"riscv64_sv39", riscv64::ValidateStartRegs, 39, {{0, Bit(38) - 1}}, kAnything},
        Machine{"riscv64_sv48", riscv64::ValidateStartRegs, 48, {{0, Bit(47) - 1}}, kAnything},
        Machine{"riscv64_sv57", riscv64::ValidateStartRegs, 57, {{0, Bit(56) - 1}}, kAnything}),
    [](const auto& info) { return std::string(info.param.name); });

// tp is looked at before the state of the process is, pc after it.
TEST(StartRefusal, ComesForTpBeforePc) {
  const auto refused = x86_64::ValidateStartRegs({.pc = ~0ULL, .tp = Bit(47)}, 48);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->argument, StartArgument::kTp);
}

TEST(StartRefusal, SaysWhichValueAndWhy) {
  EXPECT_EQ(x86_64::ValidateStartRegs({.tp = Bit(47)}, 48)->ToString(),
            "tp 0x800000000000 is not canonical: bits 63 to 47 have to be equal");
  EXPECT_EQ(
      x86_64::ValidateStartRegs({.pc = Bit(47)}, 48)->ToString(),
      "pc 0x800000000000 is outside the user half of the address space, which ends at 0x800000000000: no jump leads "
      "there");
  EXPECT_EQ(aarch64::ValidateStartRegs({.pc = Bit(55)}, 48)->ToString(),
            "pc 0x80000000000000 is in the kernel's half of the address space: bit 55 is set");
  EXPECT_EQ(riscv64::ValidateStartRegs({.pc = Bit(38)}, 39)->ToString(),
            "pc 0x4000000000 is outside the user half of the address space, which ends at 0x4000000000 in Sv39");
}

}  // namespace
}  // namespace zxctl::arch
