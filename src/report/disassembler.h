// Machine code as text, and the memory that an instruction touches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "report/memory_reader.h"
#include "report/model.h"

namespace zxctl::report {

struct DecodedText {
  size_t length = 0;
  std::string text{};  // AT&T syntax
};

// One instruction of this machine at the front of `code`, which stands at `address`. Nothing when it is none.
[[nodiscard]] std::optional<DecodedText> Decode(std::span<const uint8_t> code, uint64_t address, arch::Bits bits);

// True when `code` is exactly one call instruction.
[[nodiscard]] bool IsCall(std::span<const uint8_t> code, arch::Bits bits);

// Instructions around pc: `before` and `after` of them (pc's own counts as after). Those before pc are decoded from
// `function_start` when it is known and near, otherwise from the nearest start from which decoding meets pc.
struct DisassembleRequest {
  uint64_t pc = 0;
  std::optional<uint64_t> function_start{};
  size_t before = 6;
  size_t after = 6;
  arch::Bits bits = arch::Bits::k64;
};
[[nodiscard]] std::vector<Instruction> Disassemble(MemorySource& memory, const DisassembleRequest& request);

}  // namespace zxctl::report
