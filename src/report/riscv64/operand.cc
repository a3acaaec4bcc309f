#include "report/operand.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "report/riscv64/decode.h"

namespace zxctl::report {
namespace {

// x0 to x31 as assembly names them.
constexpr std::array<std::string_view, 32> kNames = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
    "a6",   "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};

struct Context {
  const cs_insn& instruction;
  const arch::Registers& registers;
  std::string_view mnemonic;

  [[nodiscard]] const cs_riscv& detail() const { return instruction.detail->riscv; }
};

std::string_view NameOf(unsigned reg) {
  const char* name = reg == 0 ? nullptr : Decoder().RegisterName(reg);
  return name == nullptr ? std::string_view() : name;
}

std::optional<uint64_t> ValueOf(std::string_view name, const arch::Registers& registers) {
  if (name == "fp") name = "s0";
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  const auto number = static_cast<size_t>(found - kNames.begin());
  return number == 0 ? 0 : registers.x[number - 1];
}

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool IsAtomic(std::string_view mnemonic) { return mnemonic.starts_with("amo"); }
bool IsLoad(std::string_view m) {
  return IsOneOf(m, {"lb", "lbu", "lh", "lhu", "lw", "lwu", "ld", "flw", "fld", "lwsp", "ldsp", "fldsp"}) ||
         m.starts_with("lr.");
}
bool IsStore(std::string_view m) {
  return IsOneOf(m, {"sb", "sh", "sw", "sd", "fsw", "fsd", "swsp", "sdsp", "fsdsp"}) || m.starts_with("sc.");
}

uint64_t BytesOf(std::string_view m) {
  if (m.starts_with("amo") || m.starts_with("lr.") || m.starts_with("sc.")) {
    return m.find(".w") == std::string_view::npos ? 8 : 4;
  }
  if (m.starts_with('f')) m.remove_prefix(1);
  switch (m[1]) {
    case 'b':
      return 1;
    case 'h':
      return 2;
    case 'w':
      return 4;
    default:
      return 8;
  }
}

MemoryOperand ToOperand(std::string_view base, int64_t displacement, const Context& context) {
  MemoryOperand operand;
  const bool both = IsAtomic(context.mnemonic);
  operand.read = both || IsLoad(context.mnemonic);
  operand.write = both || IsStore(context.mnemonic);
  operand.bytes = BytesOf(context.mnemonic);
  operand.must_be_aligned = both || context.mnemonic.starts_with("lr.") || context.mnemonic.starts_with("sc.");
  const auto value = ValueOf(base, context.registers);
  operand.address_known = value.has_value();
  operand.address = value.value_or(0) + static_cast<uint64_t>(displacement);
  operand.expression = base;
  operand.registers.push_back({.name = std::string(base), .value = value.value_or(0)});
  if (displacement < 0) operand.expression += fmt::format(" - {:#x}", static_cast<uint64_t>(-displacement));
  if (displacement > 0) operand.expression += fmt::format(" + {:#x}", static_cast<uint64_t>(displacement));
  return operand;
}

// The short forms that mean the stack have base and displacement as operands of their own.
std::optional<MemoryOperand> FindMemory(const Context& context) {
  const cs_riscv& detail = context.detail();
  std::optional<int64_t> displacement;
  std::string_view base;
  for (uint8_t i = 0; i < detail.op_count; ++i) {
    const cs_riscv_op& operand = detail.operands[i];
    if (operand.type == RISCV_OP_MEM) return ToOperand(NameOf(operand.mem.base), operand.mem.disp, context);
    if (operand.type == RISCV_OP_IMM) displacement = operand.imm;
    if (operand.type == RISCV_OP_REG) base = NameOf(operand.reg);
  }
  if (context.mnemonic.ends_with("sp")) base = "sp";
  if (base.empty()) return std::nullopt;
  return ToOperand(base, displacement.value_or(0), context);
}

InstructionKind KindOf(const Context& context) {
  const std::string_view m = context.mnemonic;
  if (m == "ebreak") return InstructionKind::kBreakpoint;
  if (m == "unimp") return InstructionKind::kUndefined;
  if (m == "ret") return InstructionKind::kReturn;
  if (m == "jal" || m == "jalr") return InstructionKind::kCall;
  if (m == "j" || m == "jr") return InstructionKind::kJump;
  if (m.starts_with("csr") || IsOneOf(m, {"sret", "mret", "wfi", "sfence.vma"})) return InstructionKind::kPrivileged;
  return InstructionKind::kOther;
}

void TakeTarget(const Context& context, DecodedFault& fault) {
  if (context.mnemonic != "jalr" && context.mnemonic != "jr") return;
  const cs_riscv& detail = context.detail();
  for (uint8_t i = 0; i < detail.op_count; ++i) {
    const cs_riscv_op& operand = detail.operands[i];
    const bool is_memory = operand.type == RISCV_OP_MEM;
    if (!is_memory && operand.type != RISCV_OP_REG) continue;
    const std::string_view name = NameOf(is_memory ? operand.mem.base : static_cast<unsigned>(operand.reg));
    const auto value = ValueOf(name, context.registers);
    if (value) fault.target_register = OperandRegister{.name = std::string(name), .value = *value};
  }
}

}  // namespace

std::optional<DecodedFault> DecodeFault(std::span<const uint8_t> code, const arch::Registers& registers) {
  const auto decoded = Decoder().Decode(code, arch::Pc(registers));
  if (decoded == nullptr || decoded->detail == nullptr) return std::nullopt;
  const Context context{.instruction = *decoded, .registers = registers, .mnemonic = PlainMnemonic(*decoded)};
  DecodedFault fault{.kind = KindOf(context), .text = InstructionText(*decoded)};
  if (IsLoad(context.mnemonic) || IsStore(context.mnemonic) || IsAtomic(context.mnemonic)) {
    if (auto operand = FindMemory(context)) fault.memory.push_back(std::move(*operand));
  }
  TakeTarget(context, fault);
  return fault;
}

}  // namespace zxctl::report
