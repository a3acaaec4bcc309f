// Zydis as this machine's decoder, shared by the disassembler and the operand analysis.
#pragma once

#include <Zydis/Zydis.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "arch/arch.h"

namespace zxctl::report {

struct ZydisCode {
  ZydisDecodedInstruction instruction;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
};

[[nodiscard]] std::optional<ZydisCode> ZydisDecode(std::span<const uint8_t> code, arch::Bits bits);

// The instruction as gdb and objdump write it.
[[nodiscard]] std::string ZydisText(const ZydisCode& code, uint64_t address);

}  // namespace zxctl::report
