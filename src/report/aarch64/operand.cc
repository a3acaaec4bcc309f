#include "report/operand.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "report/aarch64/decode.h"

namespace zxctl::report {
namespace {

// What __builtin_trap() is here.
constexpr int64_t kBuiltinTrap = 1000;

struct Context {
  const cs_insn& instruction;
  const arch::Registers& registers;
  std::string_view mnemonic;

  [[nodiscard]] const cs_arm64& detail() const { return instruction.detail->arm64; }
};

std::string_view NameOf(unsigned reg) {
  const char* name = reg == ARM64_REG_INVALID ? nullptr : Decoder().RegisterName(reg);
  return name == nullptr ? std::string_view() : name;
}

// By the names that assembly has: x5, w5, sp, xzr.
std::optional<uint64_t> ValueOf(std::string_view name, const arch::Registers& registers) {
  if (name == "sp") return registers.sp;
  if (name == "wsp") return registers.sp & 0xffffffff;
  if (name == "xzr" || name == "wzr") return 0;
  if (name == "fp") return registers.x[29];
  if (name == "lr") return registers.x[30];
  if (name.size() < 2 || (name[0] != 'x' && name[0] != 'w')) return std::nullopt;
  size_t number = 0;
  const auto parsed = std::from_chars(name.data() + 1, name.data() + name.size(), number);
  if (parsed.ec != std::errc() || number >= registers.x.size()) return std::nullopt;
  return name[0] == 'w' ? registers.x[number] & 0xffffffff : registers.x[number];
}

// Of the register that is loaded or stored, by the first letter of its name.
uint64_t RegisterBytes(std::string_view name) {
  switch (name.empty() ? ' ' : name[0]) {
    case 'b':
      return 1;
    case 'h':
      return 2;
    case 'w':
    case 's':
      return name == "sp" ? 8 : 4;
    case 'q':
    case 'v':
      return 16;
    default:
      return 8;
  }
}

// Loads and stores of less than a register say so at their mnemonic's end.
uint64_t BytesOf(const Context& context) {
  const std::string_view m = context.mnemonic;
  if (m.ends_with("sw")) return 4;
  if (m.starts_with("ldp") || m.starts_with("stp") || m.starts_with("ldnp") || m.starts_with("stnp")) {
    return 2 * RegisterBytes(NameOf(context.detail().operands[0].reg));
  }
  if (m.ends_with('b')) return 1;
  if (m.ends_with('h')) return 2;
  // Store-exclusives begin with the register of their status.
  const bool has_status = m.starts_with("stx") || m.starts_with("stlx");
  return RegisterBytes(NameOf(context.detail().operands[has_status ? 1 : 0].reg));
}

bool StartsWithOneOf(std::string_view text, std::initializer_list<std::string_view> heads) {
  return std::any_of(heads.begin(), heads.end(), [text](std::string_view head) { return text.starts_with(head); });
}

// Loads and stores in one: compare and swap, and their kin.
bool IsAtomic(std::string_view mnemonic) {
  return StartsWithOneOf(mnemonic, {"cas", "swp", "ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax",
                                    "ldumin", "stadd", "stclr", "steor", "stset"});
}

bool NeedsAlignment(std::string_view mnemonic) {
  return IsAtomic(mnemonic) || StartsWithOneOf(mnemonic, {"ldx", "ldax", "stx", "stlx", "ldar", "stlr"});
}

void AddTerm(MemoryOperand& operand, std::string_view term) {
  if (!operand.expression.empty()) operand.expression += " + ";
  operand.expression += term;
}

uint64_t Extend(uint64_t value, arm64_extender extender) {
  if (extender == ARM64_EXT_UXTW) return value & 0xffffffff;
  if (extender == ARM64_EXT_SXTW) return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(value)));
  return value;
}

void AddRegister(MemoryOperand& operand, unsigned reg, const cs_arm64_op* scaled, const Context& context) {
  const std::string_view name = NameOf(reg);
  if (name.empty()) return;
  const auto value = ValueOf(name, context.registers);
  if (!value) {
    operand.address_known = false;
    return;
  }
  const bool shifted = scaled != nullptr && scaled->shift.type == ARM64_SFT_LSL;
  const unsigned shift = shifted ? scaled->shift.value : 0;
  operand.address += Extend(*value, scaled == nullptr ? ARM64_EXT_INVALID : scaled->ext) << shift;
  operand.registers.push_back({.name = std::string(name), .value = *value});
  AddTerm(operand, shift > 0 ? fmt::format("{} * {}", name, 1U << shift) : std::string(name));
}

void AddDisplacement(MemoryOperand& operand, int64_t displacement) {
  if (displacement == 0) return;
  operand.address += static_cast<uint64_t>(displacement);
  if (displacement < 0) {
    operand.expression += fmt::format(" - {:#x}", static_cast<uint64_t>(-displacement));
  } else {
    AddTerm(operand, fmt::format("{:#x}", static_cast<uint64_t>(displacement)));
  }
}

void SetAccess(MemoryOperand& operand, const Context& context) {
  const bool both = IsAtomic(context.mnemonic);
  operand.read = both || context.mnemonic.starts_with("ld");
  operand.write = both || context.mnemonic.starts_with("st");
  operand.must_be_aligned = NeedsAlignment(context.mnemonic);
  operand.bytes = BytesOf(context);
}

MemoryOperand ToOperand(const cs_arm64_op& from, const Context& context) {
  MemoryOperand operand;
  SetAccess(operand, context);
  AddRegister(operand, from.mem.base, nullptr, context);
  AddRegister(operand, from.mem.index, &from, context);
  AddDisplacement(operand, from.mem.disp);
  return operand;
}

InstructionKind KindOf(const Context& context) {
  const cs_arm64& detail = context.detail();
  switch (context.instruction.id) {
    case ARM64_INS_BRK:
      return detail.op_count > 0 && detail.operands[0].imm == kBuiltinTrap ? InstructionKind::kUndefined
                                                                           : InstructionKind::kBreakpoint;
    case ARM64_INS_BL:
    case ARM64_INS_BLR:
      return InstructionKind::kCall;
    case ARM64_INS_B:
    case ARM64_INS_BR:
      return InstructionKind::kJump;
    case ARM64_INS_RET:
      return InstructionKind::kReturn;
    case ARM64_INS_HVC:
    case ARM64_INS_SMC:
    case ARM64_INS_ERET:
      return InstructionKind::kPrivileged;
    default:
      return InstructionKind::kOther;
  }
}

void TakeTarget(const Context& context, DecodedFault& fault) {
  const bool goes = fault.kind == InstructionKind::kCall || fault.kind == InstructionKind::kJump;
  if (!goes || context.detail().op_count == 0 || context.detail().operands[0].type != ARM64_OP_REG) return;
  const std::string_view name = NameOf(context.detail().operands[0].reg);
  if (const auto value = ValueOf(name, context.registers)) {
    fault.target_register = OperandRegister{.name = std::string(name), .value = *value};
  }
}

}  // namespace

std::optional<DecodedFault> DecodeFault(std::span<const uint8_t> code, const arch::Registers& registers) {
  const auto decoded = Decoder().Decode(code, arch::Pc(registers));
  if (decoded == nullptr || decoded->detail == nullptr) return std::nullopt;
  const Context context{.instruction = *decoded, .registers = registers, .mnemonic = decoded->mnemonic};
  DecodedFault fault{.kind = KindOf(context), .text = InstructionText(*decoded)};
  const bool touches = IsAtomic(context.mnemonic) || StartsWithOneOf(context.mnemonic, {"ld", "st"});
  for (uint8_t i = 0; touches && i < context.detail().op_count; ++i) {
    const cs_arm64_op& operand = context.detail().operands[i];
    if (operand.type == ARM64_OP_MEM) fault.memory.push_back(ToOperand(operand, context));
  }
  TakeTarget(context, fault);
  return fault;
}

}  // namespace zxctl::report
