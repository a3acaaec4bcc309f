// Instructions of riscv64: what they are, and the memory that they touch.
#include <gtest/gtest.h>

#include "report/disassembler.h"
#include "report/operand.h"

namespace zxctl::report {
namespace {

std::vector<uint8_t> Bytes(uint32_t word) {
  std::vector<uint8_t> bytes = {static_cast<uint8_t>(word), static_cast<uint8_t>(word >> 8)};
  if ((word & 3) != 3) return bytes;
  bytes.push_back(static_cast<uint8_t>(word >> 16));
  bytes.push_back(static_cast<uint8_t>(word >> 24));
  return bytes;
}

class DecodeTest : public ::testing::Test {
 protected:
  DecodeTest() {
    registers_.pc = 0x1000;
    registers_.x[arch::kSp] = 0x7000;
    registers_.x[arch::kA0] = 0x2000;
  }
  [[nodiscard]] DecodedFault Fault(uint32_t word) const {
    const auto fault = DecodeFault(Bytes(word), registers_);
    EXPECT_TRUE(fault) << std::hex << word;
    return fault.value_or(DecodedFault{});
  }

  arch::Registers registers_{};
};

TEST_F(DecodeTest, CallsAreRecognised) {
  EXPECT_TRUE(IsCall(Bytes(0x010000ef), arch::Bits::k64)) << "jal ra, 16";
  EXPECT_TRUE(IsCall(Bytes(0x000500e7), arch::Bits::k64)) << "jalr ra, 0(a0)";
  EXPECT_TRUE(IsCall(Bytes(0x9502), arch::Bits::k64)) << "c.jalr a0";
  EXPECT_FALSE(IsCall(Bytes(0x0100006f), arch::Bits::k64)) << "j 16";
  EXPECT_FALSE(IsCall(Bytes(0x00008067), arch::Bits::k64)) << "ret";
}

TEST_F(DecodeTest, LoadsAndStores) {
  const DecodedFault load = Fault(0x00852583);  // lw a1, 8(a0)
  ASSERT_EQ(load.memory.size(), 1U);
  EXPECT_TRUE(load.memory[0].read);
  EXPECT_FALSE(load.memory[0].write);
  EXPECT_EQ(load.memory[0].bytes, 4U);
  EXPECT_EQ(load.memory[0].address, 0x2008U);
  EXPECT_EQ(load.memory[0].expression, "a0 + 0x8");
  const DecodedFault store = Fault(0xfeb53c23);  // sd a1, -8(a0)
  ASSERT_EQ(store.memory.size(), 1U);
  EXPECT_TRUE(store.memory[0].write);
  EXPECT_EQ(store.memory[0].bytes, 8U);
  EXPECT_EQ(store.memory[0].address, 0x1ff8U);
}

TEST_F(DecodeTest, ShortForms) {
  const DecodedFault load = Fault(0x450c);  // c.lw a1, 8(a0)
  ASSERT_EQ(load.memory.size(), 1U);
  EXPECT_EQ(load.memory[0].bytes, 4U);
  EXPECT_EQ(load.memory[0].address, 0x2008U);
  const DecodedFault push = Fault(0xe406);  // c.sdsp ra, 8(sp)
  ASSERT_EQ(push.memory.size(), 1U);
  EXPECT_TRUE(push.memory[0].write);
  EXPECT_EQ(push.memory[0].address, 0x7008U);
}

TEST_F(DecodeTest, AtomicsHaveToBeAligned) {
  EXPECT_TRUE(Fault(0x1005352f).memory.at(0).must_be_aligned);   // lr.d a0, (a0)
  EXPECT_FALSE(Fault(0x00053503).memory.at(0).must_be_aligned);  // ld a0, 0(a0)
}

TEST_F(DecodeTest, KindsOfInstructions) {
  EXPECT_EQ(Fault(0x00100073).kind, InstructionKind::kBreakpoint);  // ebreak
  EXPECT_EQ(Fault(0x9002).kind, InstructionKind::kBreakpoint);      // c.ebreak
  EXPECT_EQ(Fault(0x10200073).kind, InstructionKind::kPrivileged);  // sret
}

}  // namespace
}  // namespace zxctl::report
