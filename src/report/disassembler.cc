#include "report/disassembler.h"

#include <algorithm>

namespace zxctl::report {
namespace {

constexpr size_t kLongestInstruction = 16;
// How far back a function's start may be and still be worth decoding from.
constexpr uint64_t kFarthestStart = 4096;
// How far back decoding starts when no function is known.
constexpr uint64_t kBlindStart = 64;

std::vector<uint8_t> ReadCode(MemorySource& memory, uint64_t address, size_t bytes) {
  std::vector<uint8_t> code(bytes);
  code.resize(memory.Read(address, std::as_writable_bytes(std::span(code))));
  return code;
}

std::optional<Instruction> DecodeAt(MemorySource& memory, uint64_t address, arch::Bits bits) {
  const auto code = ReadCode(memory, address, kLongestInstruction);
  const auto decoded = Decode(code, address, bits);
  if (!decoded) return std::nullopt;
  return Instruction{.address = address,
                     .bytes = {code.begin(), code.begin() + static_cast<ptrdiff_t>(decoded->length)},
                     .text = decoded->text};
}

// The instructions from `start` up to pc; nothing when decoding steps over pc.
std::optional<std::vector<Instruction>> DecodeUpTo(MemorySource& memory, uint64_t start, uint64_t pc, arch::Bits bits) {
  std::vector<Instruction> instructions;
  uint64_t at = start;
  while (at < pc) {
    auto instruction = DecodeAt(memory, at, bits);
    if (!instruction) return std::nullopt;
    at += instruction->bytes.size();
    instructions.push_back(std::move(*instruction));
  }
  if (at != pc) return std::nullopt;
  return instructions;
}

std::vector<Instruction> DecodeBefore(MemorySource& memory, const DisassembleRequest& request) {
  const uint64_t pc = request.pc;
  if (request.function_start && *request.function_start <= pc && pc - *request.function_start <= kFarthestStart) {
    if (auto found = DecodeUpTo(memory, *request.function_start, pc, request.bits)) return *found;
  }
  for (uint64_t back = std::min(kBlindStart, pc); back > 0; --back) {
    if (auto found = DecodeUpTo(memory, pc - back, pc, request.bits)) return *found;
  }
  return {};
}

// Bytes that are no instruction, as objdump shows them.
Instruction BadInstruction(MemorySource& memory, uint64_t address) {
  return {.address = address, .bytes = ReadCode(memory, address, arch::kCodeAlignment), .text = "(bad)"};
}

}  // namespace

std::vector<Instruction> Disassemble(MemorySource& memory, const DisassembleRequest& request) {
  if (!memory.ReadValue<uint8_t>(request.pc)) return {};
  std::vector<Instruction> all = DecodeBefore(memory, request);
  if (all.size() > request.before) all.erase(all.begin(), all.end() - static_cast<ptrdiff_t>(request.before));
  uint64_t at = request.pc;
  for (size_t i = 0; i < request.after; ++i) {
    auto instruction = DecodeAt(memory, at, request.bits);
    const bool bad = !instruction;
    if (bad) instruction = BadInstruction(memory, at);
    instruction->faulting = i == 0;
    at += instruction->bytes.size();
    all.push_back(std::move(*instruction));
    if (bad) break;
  }
  return all;
}

}  // namespace zxctl::report
