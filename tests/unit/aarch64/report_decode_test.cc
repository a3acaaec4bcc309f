// Instructions of arm64: their text, and the memory that they touch.
#include <gtest/gtest.h>

#include "report/disassembler.h"
#include "report/operand.h"

namespace zxctl::report {
namespace {

std::array<uint8_t, 4> Bytes(uint32_t word) {
  return {static_cast<uint8_t>(word), static_cast<uint8_t>(word >> 8), static_cast<uint8_t>(word >> 16),
          static_cast<uint8_t>(word >> 24)};
}

class DecodeTest : public ::testing::Test {
 protected:
  DecodeTest() {
    registers_.pc = 0x1000;
    registers_.sp = 0x7000;
  }
  [[nodiscard]] DecodedFault Fault(uint32_t word) const {
    const auto fault = DecodeFault(Bytes(word), registers_);
    EXPECT_TRUE(fault) << std::hex << word;
    return fault.value_or(DecodedFault{});
  }

  arch::Registers registers_{};
};

TEST_F(DecodeTest, CallsAreRecognised) {
  EXPECT_TRUE(IsCall(Bytes(0x94000010), arch::Bits::k64)) << "bl";
  EXPECT_TRUE(IsCall(Bytes(0xd63f0060), arch::Bits::k64)) << "blr x3";
  EXPECT_FALSE(IsCall(Bytes(0xd61f0060), arch::Bits::k64)) << "br x3";
}

TEST_F(DecodeTest, LoadWithOffset) {
  registers_.x[1] = 0x2000;
  const DecodedFault fault = Fault(0xb9400820);  // ldr w0, [x1, #8]
  EXPECT_EQ(fault.text, "ldr w0, [x1, #8]");
  ASSERT_EQ(fault.memory.size(), 1U);
  EXPECT_TRUE(fault.memory[0].read);
  EXPECT_FALSE(fault.memory[0].write);
  EXPECT_EQ(fault.memory[0].bytes, 4U);
  EXPECT_EQ(fault.memory[0].address, 0x2008U);
  EXPECT_EQ(fault.memory[0].expression, "x1 + 0x8");
}

TEST_F(DecodeTest, StoreWithScaledIndex) {
  registers_.x[1] = 0x2000;
  registers_.x[2] = 3;
  const DecodedFault fault = Fault(0xf8227820);  // str x0, [x1, x2, lsl #3]
  ASSERT_EQ(fault.memory.size(), 1U);
  EXPECT_TRUE(fault.memory[0].write);
  EXPECT_EQ(fault.memory[0].bytes, 8U);
  EXPECT_EQ(fault.memory[0].address, 0x2018U);
  EXPECT_EQ(fault.memory[0].expression, "x1 + x2 * 8");
}

TEST_F(DecodeTest, PairsTouchTwoRegisters) {
  const DecodedFault fault = Fault(0xa9bf7bfd);  // stp x29, x30, [sp, #-16]!
  ASSERT_EQ(fault.memory.size(), 1U);
  EXPECT_EQ(fault.memory[0].bytes, 16U);
  EXPECT_EQ(fault.memory[0].address, 0x6ff0U);
}

TEST_F(DecodeTest, NarrowLoads) {
  EXPECT_EQ(Fault(0x39400020).memory.at(0).bytes, 1U);   // ldrb w0, [x1]
  EXPECT_EQ(Fault(0x79400020).memory.at(0).bytes, 2U);   // ldrh w0, [x1]
  EXPECT_EQ(Fault(0xb9800020).memory.at(0).bytes, 4U);   // ldrsw x0, [x1]
  EXPECT_EQ(Fault(0x3dc00020).memory.at(0).bytes, 16U);  // ldr q0, [x1]
}

TEST_F(DecodeTest, ExclusivesHaveToBeAligned) {
  EXPECT_TRUE(Fault(0xc85f7c20).memory.at(0).must_be_aligned);  // ldxr x0, [x1]
  const DecodedFault store = Fault(0xc8027c20);                 // stxr w2, x0, [x1]
  EXPECT_EQ(store.memory.at(0).bytes, 8U);
  EXPECT_FALSE(Fault(0xf9400020).memory.at(0).must_be_aligned);  // ldr x0, [x1]
}

TEST_F(DecodeTest, TrapsOfTheCompilerAreToldFromBreakpoints) {
  EXPECT_EQ(Fault(0xd4207d00).kind, InstructionKind::kUndefined);   // brk #0x3e8
  EXPECT_EQ(Fault(0xd4200000).kind, InstructionKind::kBreakpoint);  // brk #0
}

TEST_F(DecodeTest, IndirectCallsHaveATarget) {
  registers_.x[3] = 0xdead;
  const DecodedFault fault = Fault(0xd63f0060);
  ASSERT_TRUE(fault.target_register);
  EXPECT_EQ(fault.target_register->name, "x3");
  EXPECT_EQ(fault.target_register->value, 0xdeadU);
}

}  // namespace
}  // namespace zxctl::report
