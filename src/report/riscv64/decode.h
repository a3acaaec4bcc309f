// Capstone as this machine's decoder, shared by the disassembler and the operand analysis.
#pragma once

#include <string>

#include "report/capstone_decoder.h"

namespace zxctl::report {

[[nodiscard]] const CapstoneDecoder& Decoder();
// The instruction as gdb and objdump write it.
[[nodiscard]] std::string InstructionText(const cs_insn& instruction);
// Without the mark of the short forms: "ld" for "c.ld".
[[nodiscard]] std::string_view PlainMnemonic(const cs_insn& instruction);

}  // namespace zxctl::report
