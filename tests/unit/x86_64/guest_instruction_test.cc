// The instructions of guests, held against another decoder: the same lengths, the same operands.
#include "guest_instruction.h"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

namespace zxctl::arch {
namespace {

std::string Hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes)
    text += "0123456789abcdef"[byte >> 4], text += "0123456789abcdef"[byte & 15], text += ' ';
  return text;
}

struct Oracle {
  ZydisDecoder decoder;
  ZydisDecodedInstruction instruction;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;

  explicit Oracle(CodeSize size) {
    const auto mode = size == CodeSize::k64   ? ZYDIS_MACHINE_MODE_LONG_64
                      : size == CodeSize::k32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                              : ZYDIS_MACHINE_MODE_LEGACY_16;
    const auto width = size == CodeSize::k64   ? ZYDIS_STACK_WIDTH_64
                       : size == CodeSize::k32 ? ZYDIS_STACK_WIDTH_32
                                               : ZYDIS_STACK_WIDTH_16;
    ZydisDecoderInit(&decoder, mode, width);
    for (const auto option : {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET, ZYDIS_DECODER_MODE_KNC}) {
      ZydisDecoderEnableMode(&decoder, option, ZYAN_FALSE);
    }
  }
  bool Decode(std::span<const uint8_t> code) {
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &instruction, operands.data()));
  }
  [[nodiscard]] bool IsLegacy() const { return instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY; }
};

GuestGprs SomeRegisters() {
  GuestGprs gprs{};
  for (size_t i = 0; i < gprs.size(); ++i) gprs[i] = 0x0123'4567'89ab'cdef * (i + 3);
  return gprs;
}

class GuestInstructions : public ::testing::TestWithParam<CodeSize> {};

// Whatever the other decoder takes for an instruction of these encodings has the same length here.
TEST_P(GuestInstructions, RandomBytesHaveTheLengthThatAnotherDecoderFinds) {
  std::mt19937_64 random(7);
  Oracle oracle(GetParam());
  int decoded = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::array<uint8_t, 16> code;
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random());
    // Half of them begin with something that has a second opcode byte.
    if (i % 2 == 0) code[0] = 0x0f;
    if (!oracle.Decode(code) || !oracle.IsLegacy()) continue;
    const auto mine = DecodeInstruction(code, GetParam());
    ASSERT_TRUE(mine) << Hex(code);
    ASSERT_EQ(mine->length, oracle.instruction.length) << Hex(code);
    ++decoded;
  }
  EXPECT_GT(decoded, 100'000);
}

// The address of the operand in memory, with every form of ModRM and SIB.
TEST_P(GuestInstructions, OperandsAreWhereAnotherDecoderFindsThem) {
  std::mt19937_64 random(11);
  Oracle oracle(GetParam());
  const GuestGprs gprs = SomeRegisters();
  constexpr uint64_t kPc = 0x40'1000;
  ZydisRegisterContext context = {};
  for (size_t i = 0; i < gprs.size(); ++i) {
    context.values[ZYDIS_REGISTER_RAX + i] = gprs[i];
    context.values[ZYDIS_REGISTER_EAX + i] = gprs[i] & 0xffff'ffff;
    context.values[ZYDIS_REGISTER_AX + i] = gprs[i] & 0xffff;
  }
  int found = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::array<uint8_t, 16> code;
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random());
    code[static_cast<size_t>(i % 3)] = i % 2 == 0 ? 0x89 : 0x8b;  // after no, one or two prefixes
    if (i % 3 >= 1) code[0] = std::array<uint8_t, 4>{0x66, 0x67, 0x64, 0x48}[random() % 4];
    if (i % 3 == 2) code[1] = std::array<uint8_t, 2>{0x41, 0x3e}[random() % 2];
    if (!oracle.Decode(code) || !oracle.IsLegacy()) continue;
    const auto mine = DecodeInstruction(code, GetParam());
    ASSERT_TRUE(mine) << Hex(code);
    // A SIB without a base is one with REX.B as well; Zydis 4.0 adds r13.
    const auto& raw = oracle.instruction.raw;
    if (raw.modrm.mod == 0 && raw.modrm.rm == 4 && raw.sib.base == 5 && raw.rex.B != 0) continue;
    for (const auto& operand : std::span(oracle.operands).first(oracle.instruction.operand_count_visible)) {
      if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
      ZyanU64 address = 0;
      ASSERT_TRUE(ZYAN_SUCCESS(ZydisCalcAbsoluteAddressEx(&oracle.instruction, &operand, kPc, &context, &address)));
      ASSERT_TRUE(mine->has_memory) << Hex(code);
      ASSERT_EQ(OperandAddress(*mine, gprs, kPc + mine->length), address) << Hex(code);
      const auto segment = static_cast<int>(mine->segment);
      ASSERT_EQ(segment, operand.mem.segment - ZYDIS_REGISTER_ES) << Hex(code);
      ++found;
    }
  }
  EXPECT_GT(found, 10'000);
}

// What is written without having been read, and how much.
TEST_P(GuestInstructions, StoresWriteWhatAnotherDecoderSays) {
  std::mt19937_64 random(13);
  Oracle oracle(GetParam());
  int stores = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::array<uint8_t, 16> code;
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random());
    if (i % 4 == 0) code[0] = 0x0f;
    if (i % 4 == 1) code[0] = std::array<uint8_t, 4>{0x66, 0xf2, 0xf3, 0x48}[random() % 4], code[1] = 0x0f;
    const auto mine = DecodeInstruction(code, GetParam());
    if (!mine || BytesStored(*mine) == 0 || !oracle.Decode(code) || !oracle.IsLegacy()) continue;
    bool agrees = false;
    for (const auto& operand : std::span(oracle.operands).first(oracle.instruction.operand_count)) {
      const bool writes =
          operand.type == ZYDIS_OPERAND_TYPE_MEMORY && (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
      agrees |= writes && operand.size == 8 * BytesStored(*mine);
    }
    ASSERT_TRUE(agrees) << Hex(std::span(code).first(mine->length)) << ": " << BytesStored(*mine);
    ++stores;
  }
  EXPECT_GT(stores, 1'000);
}

INSTANTIATE_TEST_SUITE_P(Modes, GuestInstructions, ::testing::Values(CodeSize::k16, CodeSize::k32, CodeSize::k64));

TEST(GuestInstruction, WhatIsNotWholeIsNone) {
  const std::array<uint8_t, 7> code = {0x48, 0xc7, 0x47, 0x08, 1, 2, 3};  // the last byte is missing
  for (size_t i = 0; i <= code.size(); ++i)
    EXPECT_FALSE(DecodeInstruction(std::span(code).first(i), CodeSize::k64)) << i;
  const std::vector<uint8_t> prefixes(20, 0x66);
  EXPECT_FALSE(DecodeInstruction(prefixes, CodeSize::k64));
}

struct LoadCase {
  std::vector<uint8_t> code;
  uint64_t wanted;
  std::optional<uint64_t> data;
};

TEST(GuestInstruction, LoadsThatCanLeaveAValueAndThoseThatCannot) {
  const std::vector<LoadCase> cases = {
      {{0x8a, 0x06}, 0xffff'ffff'ffff'ff12, 0x12},                // mov (%rsi), %al
      {{0x8a, 0x26}, 0xffff'ffff'ffff'3412, 0x34},                // mov (%rsi), %ah
      {{0x40, 0x8a, 0x26}, 0x77, 0x77},                           // mov (%rsi), %spl
      {{0x66, 0x8b, 0x06}, 0xffff'ffff'ffff'1234, 0x1234},        // mov (%rsi), %ax
      {{0x8b, 0x06}, 0x1234'5678, 0x1234'5678},                   // mov (%rsi), %eax
      {{0x8b, 0x06}, 0x1'0000'0000, std::nullopt},                //
      {{0x48, 0x8b, 0x06}, ~uint64_t{0}, ~uint64_t{0}},           // mov (%rsi), %rax
      {{0x0f, 0xb6, 0x06}, 0xff, 0xff},                           // movzbl (%rsi), %eax
      {{0x0f, 0xb6, 0x06}, 0x100, std::nullopt},                  //
      {{0x48, 0x0f, 0xbf, 0x06}, 0xffff'ffff'ffff'8000, 0x8000},  // movswq (%rsi), %rax
      {{0x48, 0x0f, 0xbf, 0x06}, 0x8000, std::nullopt},           //
      {{0x0f, 0xbe, 0x06}, 0xffff'ff80, 0x80},                    // movsbl (%rsi), %eax
  };
  for (const LoadCase& each : cases) {
    const auto instruction = DecodeInstruction(each.code, CodeSize::k64);
    ASSERT_TRUE(instruction);
    const auto load = AsLoad(*instruction);
    ASSERT_TRUE(load) << Hex(each.code);
    EXPECT_EQ(DataFor(*load, each.wanted), each.data) << Hex(each.code) << std::hex << each.wanted;
  }
  for (const std::vector<uint8_t>& code : {std::vector<uint8_t>{0x03, 0x06}, {0x8b, 0xc6}, {0x0f, 0x10, 0x06}}) {
    const auto instruction = DecodeInstruction(code, CodeSize::k64);
    ASSERT_TRUE(instruction);
    EXPECT_FALSE(AsLoad(*instruction)) << Hex(code);
  }
}

}  // namespace
}  // namespace zxctl::arch
