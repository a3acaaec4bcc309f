#include "report/x86_64/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "report/capstone_decoder.h"
#include "report/disassembler.h"

namespace zxctl::report {
namespace {

ZydisDecoder MakeDecoder(arch::Bits bits) {
  ZydisDecoder decoder;
  const bool is_64 = bits == arch::Bits::k64;
  ZydisDecoderInit(&decoder, is_64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                   is_64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
  return decoder;
}

const ZydisDecoder& DecoderFor(arch::Bits bits) {
  static const ZydisDecoder decoder64 = MakeDecoder(arch::Bits::k64);
  static const ZydisDecoder decoder32 = MakeDecoder(arch::Bits::k32);
  return bits == arch::Bits::k64 ? decoder64 : decoder32;
}

const ZydisFormatter& Formatter() {
  static const ZydisFormatter formatter = [] {
    ZydisFormatter f;
    ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_ATT);
    ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, 0);
    ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_FORCE_RELATIVE_RIPREL, 1);
    for (const auto property :
         {ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_FORMATTER_PROP_IMM_PADDING,
          ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_FORMATTER_PROP_ADDR_PADDING_RELATIVE}) {
      ZydisFormatterSetProperty(&f, property, ZYDIS_PADDING_DISABLED);
    }
    return f;
  }();
  return formatter;
}

// Zydis names conditions as Intel's manual does; people know those of gdb.
std::string WithUsualCondition(std::string text) {
  static constexpr std::pair<std::string_view, std::string_view> kConditions[] = {
      {"nbe", "a"}, {"nb", "ae"}, {"nle", "g"}, {"nl", "ge"}, {"nz", "ne"}, {"z", "e"}};
  for (const std::string_view prefix : {"j", "set", "cmov"}) {
    if (!text.starts_with(prefix)) continue;
    for (const auto& [from, to] : kConditions) {
      const std::string old_name = fmt::format("{}{} ", prefix, from);
      if (text.starts_with(old_name)) return fmt::format("{}{} {}", prefix, to, text.substr(old_name.size()));
    }
  }
  return text;
}

char SizeSuffix(uint16_t bits) {
  switch (bits) {
    case 8:
      return 'b';
    case 16:
      return 'w';
    case 32:
      return 'l';
    default:
      return 'q';
  }
}

// movzx and movsx with both sizes, as AT&T syntax has it: movzbl.
std::string WithExtensionSizes(const ZydisCode& code, std::string text) {
  const auto mnemonic = code.instruction.mnemonic;
  if (mnemonic != ZYDIS_MNEMONIC_MOVZX && mnemonic != ZYDIS_MNEMONIC_MOVSX) return text;
  const size_t blank = text.find(' ');
  if (blank == std::string::npos) return text;
  return fmt::format("{}{}{}{}", text.substr(0, 4), SizeSuffix(code.operands[1].size),
                     SizeSuffix(code.operands[0].size), text.substr(blank));
}

std::string WithoutBlankAfterComma(std::string_view text) {
  std::string tight;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ' && i > 0 && text[i - 1] == ',') continue;
    tight += text[i];
  }
  return tight;
}

// The address of a pc-relative operand, as objdump appends it.
std::string RelativeTarget(const ZydisCode& code, uint64_t address) {
  for (size_t i = 0; i < code.instruction.operand_count_visible; ++i) {
    const ZydisDecodedOperand& operand = code.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.base != ZYDIS_REGISTER_RIP) continue;
    return fmt::format("  # {:#x}", address + code.instruction.length + static_cast<uint64_t>(operand.mem.disp.value));
  }
  return {};
}

}  // namespace

std::optional<ZydisCode> ZydisDecode(std::span<const uint8_t> code, arch::Bits bits) {
  ZydisCode out;
  const auto status =
      ZydisDecoderDecodeFull(&DecoderFor(bits), code.data(), code.size(), &out.instruction, out.operands.data());
  if (ZYAN_FAILED(status)) return std::nullopt;
  return out;
}

std::string ZydisText(const ZydisCode& code, uint64_t address) {
  std::array<char, 256> buffer{};
  const auto status = ZydisFormatterFormatInstruction(&Formatter(), &code.instruction, code.operands.data(),
                                                      code.instruction.operand_count_visible, buffer.data(),
                                                      buffer.size(), address, nullptr);
  if (ZYAN_FAILED(status)) return "(bad)";
  std::string text = WithExtensionSizes(code, WithUsualCondition(buffer.data()));
  return WithoutBlankAfterComma(text) + RelativeTarget(code, address);
}

std::optional<DecodedText> Decode(std::span<const uint8_t> code, uint64_t address, arch::Bits bits) {
  if (const auto decoded = ZydisDecode(code, bits)) {
    return DecodedText{.length = decoded->instruction.length, .text = ZydisText(*decoded, address)};
  }
  static const CapstoneDecoder capstone64(CS_ARCH_X86, CS_MODE_64, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
  static const CapstoneDecoder capstone32(CS_ARCH_X86, CS_MODE_32, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
  const auto found = (bits == arch::Bits::k64 ? capstone64 : capstone32).Decode(code, address);
  if (found == nullptr) return std::nullopt;
  return DecodedText{.length = found->size,
                     .text = WithoutBlankAfterComma(fmt::format("{} {}", found->mnemonic, found->op_str))};
}

bool IsCall(std::span<const uint8_t> code, arch::Bits bits) {
  const auto decoded = ZydisDecode(code, bits);
  return decoded && decoded->instruction.length == code.size() &&
         decoded->instruction.meta.category == ZYDIS_CATEGORY_CALL;
}

}  // namespace zxctl::report
