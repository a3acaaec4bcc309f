#include <gtest/gtest.h>

#include <cstring>

#include "report/disassembler.h"
#include "report/machine.h"
#include "report/operand.h"

namespace zxctl::report {
namespace {

using Code = std::vector<uint8_t>;

// Memory that starts at an address.
class FixedMemory final : public MemorySource {
 public:
  FixedMemory(uint64_t base, Code bytes) : base_(base), bytes_(std::move(bytes)) {}
  size_t Read(uint64_t address, std::span<std::byte> out) override {
    if (address < base_ || address >= base_ + bytes_.size()) return 0;
    const size_t count = std::min<size_t>(out.size(), base_ + bytes_.size() - address);
    std::memcpy(out.data(), bytes_.data() + (address - base_), count);
    return count;
  }

 private:
  uint64_t base_;
  Code bytes_;
};

arch::Registers Registers64() {
  arch::Registers registers{};
  registers.cs = 0x33;
  registers.rip = 0x1000;
  registers.rsp = 0x7000;
  return registers;
}

std::string TextOf(const Code& code) {
  const auto decoded = Decode(code, 0x1000, arch::Bits::k64);
  return decoded ? decoded->text : "nothing";
}

TEST(Decode, WritesAsObjdumpDoes) {
  EXPECT_EQ(TextOf({0x48, 0x89, 0x47, 0x10}), "mov %rax,0x10(%rdi)");
  EXPECT_EQ(TextOf({0x0f, 0xb6, 0x07}), "movzbl (%rdi),%eax");
  EXPECT_EQ(TextOf({0x74, 0x05}), "je 0x1007");
  EXPECT_EQ(TextOf({0x48, 0x8b, 0x05, 0x10, 0, 0, 0}), "mov 0x10(%rip),%rax  # 0x1017");
}

TEST(Decode, KnowsShadowStackInstructions) { EXPECT_EQ(TextOf({0xf3, 0x48, 0x0f, 0xae, 0xe8}), "incsspq %rax"); }

TEST(Decode, GarbageIsNothing) { EXPECT_EQ(TextOf({0x06}), "nothing"); }

TEST(DecodeFault, OperandIsWorkedOutFromRegisters) {
  arch::Registers registers = Registers64();
  registers.rdi = 0x100;
  registers.rcx = 2;
  const auto fault = DecodeFault(Code{0x48, 0x89, 0x44, 0xcf, 0x10}, registers);  // mov %rax,0x10(%rdi,%rcx,8)
  ASSERT_TRUE(fault.has_value());
  ASSERT_EQ(fault->memory.size(), 1u);
  EXPECT_EQ(fault->memory[0].address, 0x120u);
  EXPECT_EQ(fault->memory[0].bytes, 8u);
  EXPECT_TRUE(fault->memory[0].write);
  EXPECT_FALSE(fault->memory[0].read);
  EXPECT_EQ(fault->memory[0].expression, "rdi + rcx * 8 + 0x10");
}

TEST(DecodeFault, PushWritesBelowTheStackPointer) {
  const auto fault = DecodeFault(Code{0x50}, Registers64());
  ASSERT_TRUE(fault.has_value());
  ASSERT_EQ(fault->memory.size(), 1u);
  EXPECT_EQ(fault->memory[0].address, 0x6ff8u);
  EXPECT_TRUE(fault->memory[0].write);
}

TEST(DecodeFault, ReturnReadsAtTheStackPointer) {
  const auto fault = DecodeFault(Code{0xc3}, Registers64());
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind, InstructionKind::kReturn);
  ASSERT_EQ(fault->memory.size(), 1u);
  EXPECT_EQ(fault->memory[0].address, 0x7000u);
  EXPECT_TRUE(fault->memory[0].read);
}

TEST(DecodeFault, StringMovesHaveTwoOperands) {
  arch::Registers registers = Registers64();
  registers.rsi = 0x2000;
  registers.rdi = 0x3000;
  const auto fault = DecodeFault(Code{0x48, 0xa5}, registers);  // movsq
  ASSERT_TRUE(fault.has_value());
  ASSERT_EQ(fault->memory.size(), 2u);
  EXPECT_EQ(fault->memory[0].address, 0x3000u);
  EXPECT_EQ(fault->memory[1].address, 0x2000u);
}

TEST(DecodeFault, ThreadPointerIsAdded) {
  arch::Registers registers = Registers64();
  registers.fs_base = 0x7f0000000000;
  const auto fault = DecodeFault(Code{0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0}, registers);  // mov %fs:0x28,%rax
  ASSERT_TRUE(fault.has_value());
  ASSERT_EQ(fault->memory.size(), 1u);
  EXPECT_EQ(fault->memory[0].address, 0x7f0000000028u);
}

TEST(DecodeFault, LeaTouchesNoMemory) {
  const auto fault = DecodeFault(Code{0x48, 0x8d, 0x44, 0x8a, 0xf0}, Registers64());
  ASSERT_TRUE(fault.has_value());
  EXPECT_TRUE(fault->memory.empty());
}

TEST(DecodeFault, DivisorIsTakenFromItsRegister) {
  arch::Registers registers = Registers64();
  registers.rcx = 0x1'0000'0000;
  const auto fault = DecodeFault(Code{0xf7, 0xf9}, registers);  // idiv %ecx
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind, InstructionKind::kDivideSigned);
  EXPECT_EQ(fault->divisor, 0u);
}

TEST(Disassemble, StartsBeforePcWhereDecodingMeetsIt) {
  // nop; mov %rax,0x10(%rdi); ret
  FixedMemory memory(0x1000, {0x90, 0x48, 0x89, 0x47, 0x10, 0xc3, 0xc3, 0xc3, 0xc3});
  const auto lines = Disassemble(memory, {.pc = 0x1001, .function_start = 0x1000, .before = 6, .after = 2});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text, "nop");
  EXPECT_TRUE(lines[1].faulting);
  EXPECT_EQ(lines[1].address, 0x1001u);
  EXPECT_EQ(lines[2].text, "ret");
}

TEST(Disassemble, UnreadablePcGivesNothing) {
  FixedMemory memory(0x1000, {0x90});
  EXPECT_TRUE(Disassemble(memory, {.pc = 0, .function_start = std::nullopt}).empty());
}

TEST(FollowsCall, OnlyAfterACallInstruction) {
  FixedMemory memory(0x1000,
                     {0x90, 0x90, 0x90, 0xe8, 1, 2, 3, 4, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90});
  EXPECT_TRUE(FollowsCall(memory, 0x1008, arch::Bits::k64));
  EXPECT_FALSE(FollowsCall(memory, 0x100a, arch::Bits::k64));
  EXPECT_FALSE(FollowsCall(memory, 4, arch::Bits::k64));
}

}  // namespace
}  // namespace zxctl::report
