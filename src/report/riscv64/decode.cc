#include "report/riscv64/decode.h"

#include <fmt/format.h>

#include "report/disassembler.h"

namespace zxctl::report {
namespace {

// The register that takes the return address, in jal and jalr: every other is a jump.
bool IsCallMnemonic(const cs_insn& instruction) {
  const std::string_view mnemonic = PlainMnemonic(instruction);
  const std::string_view operands = instruction.op_str;
  if (mnemonic != "jal" && mnemonic != "jalr") return false;
  // A single operand is where to: ra takes the address then. The short forms have no other.
  return operands.find(',') == std::string_view::npos || operands.starts_with("ra");
}

}  // namespace

const CapstoneDecoder& Decoder() {
  static const CapstoneDecoder decoder(CS_ARCH_RISCV, CS_MODE_RISCV64 | CS_MODE_RISCVC, CS_OPT_DETAIL, CS_OPT_ON);
  return decoder;
}

std::string_view PlainMnemonic(const cs_insn& instruction) {
  std::string_view mnemonic = instruction.mnemonic;
  if (mnemonic.starts_with("c.")) mnemonic.remove_prefix(2);
  return mnemonic;
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
  return found != nullptr && found->size == code.size() && IsCallMnemonic(*found);
}

}  // namespace zxctl::report
