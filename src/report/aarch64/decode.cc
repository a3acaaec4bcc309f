#include "report/aarch64/decode.h"

#include <fmt/format.h>

#include "report/disassembler.h"

namespace zxctl::report {

const CapstoneDecoder& Decoder() {
  static const CapstoneDecoder decoder(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, CS_OPT_DETAIL, CS_OPT_ON);
  return decoder;
}

std::string InstructionText(const cs_insn& instruction) {
  const std::string operands = instruction.op_str;
  return operands.empty() ? instruction.mnemonic : fmt::format("{} {}", instruction.mnemonic, operands);
}

std::optional<DecodedText> Decode(std::span<const uint8_t> code, uint64_t address, arch::Bits /*bits*/) {
  const auto found = Decoder().Decode(code, address);
  if (found == nullptr) return std::nullopt;
  return DecodedText{.length = found->size, .text = InstructionText(*found)};
}

bool IsCall(std::span<const uint8_t> code, arch::Bits /*bits*/) {
  const auto found = Decoder().Decode(code, 0);
  return found != nullptr && found->size == code.size() && (found->id == ARM64_INS_BL || found->id == ARM64_INS_BLR);
}

}  // namespace zxctl::report
