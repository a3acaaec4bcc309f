// The faulting instruction, decoded: what kind it is and which memory it reads and writes, with addresses worked out
// from the registers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "report/model.h"

namespace zxctl::report {

// Instructions that fault for a reason of their own.
enum class InstructionKind : uint8_t {
  kOther,
  kDivide,  // unsigned
  kDivideSigned,
  kUndefined,  // ud2 and its like: a trap that the compiler placed
  kBreakpoint,
  kPrivileged,
  kCall,
  kJump,
  kReturn,
};

struct OperandRegister {
  std::string name{};  // without "%"
  uint64_t value = 0;
};

struct MemoryOperand {
  bool read = false;
  bool write = false;
  uint64_t bytes = 0;
  uint64_t address = 0;
  bool address_known = true;                 // false for gathers and their like
  bool implicit = false;                     // the stack of push, the string of movs
  bool must_be_aligned = false;              // faults when `address` is not a multiple of `bytes`
  std::string expression{};                  // "rdi + 8 * rcx + 0x10"
  std::vector<OperandRegister> registers{};  // those in the expression
};

struct DecodedFault {
  InstructionKind kind = InstructionKind::kOther;
  std::string text{};                                // AT&T syntax
  std::vector<MemoryOperand> memory{};               // those that are really accessed
  std::optional<uint64_t> divisor{};                 // of a division by a register
  std::optional<OperandRegister> target_register{};  // of an indirect call or jump
};

// The instruction at the front of `code` (the bytes at pc), with `registers` as they were before it ran.
[[nodiscard]] std::optional<DecodedFault> DecodeFault(std::span<const uint8_t> code, const arch::Registers& registers);

}  // namespace zxctl::report
