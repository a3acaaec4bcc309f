#include "report/operand.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/x86_64/decode.h"

namespace zxctl::report {
namespace {

// A full-width general register by its number in the instruction encoding.
std::optional<uint64_t> WideRegister(int8_t id, const arch::Registers& r) {
  const std::array<uint64_t, 16> values = {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi,
                                           r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
  if (id < 0 || static_cast<unsigned char>(id) >= values.size()) return std::nullopt;
  return values[static_cast<unsigned char>(id)];
}

bool IsHighByte(ZydisRegister reg) { return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH; }

uint64_t Truncate(uint64_t value, unsigned bits) { return bits >= 64 ? value : value & ((uint64_t{1} << bits) - 1); }

// The value of a general register of any width.
std::optional<uint64_t> RegisterBits(ZydisRegister reg, const arch::Registers& registers) {
  if (IsHighByte(reg)) {
    const auto wide = WideRegister(static_cast<int8_t>(reg - ZYDIS_REGISTER_AH), registers);
    return Truncate(*wide >> 8, 8);
  }
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  if (ZydisRegisterGetClass(whole) != ZYDIS_REGCLASS_GPR64) return std::nullopt;
  const auto wide = WideRegister(ZydisRegisterGetId(whole), registers);
  if (!wide) return std::nullopt;
  return Truncate(*wide, ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg));
}

uint64_t SegmentBase(ZydisRegister segment, const arch::Registers& registers) {
  if (segment == ZYDIS_REGISTER_FS) return registers.fs_base;
  if (segment == ZYDIS_REGISTER_GS) return registers.gs_base;
  return 0;
}

struct Context {
  const ZydisCode& code;
  const arch::Registers& registers;
  bool is_64;
};

// The parts of an address are added to the operand one by one, and to its expression.
void AddTerm(MemoryOperand& operand, std::string_view term) {
  if (!operand.expression.empty()) operand.expression += " + ";
  operand.expression += term;
}

void AddRegister(MemoryOperand& operand, ZydisRegister reg, unsigned scale, const Context& context) {
  if (reg == ZYDIS_REGISTER_NONE) return;
  const char* name = ZydisRegisterGetString(reg);
  const bool is_pc = reg == ZYDIS_REGISTER_RIP;
  const uint64_t next_pc = context.registers.rip + context.code.instruction.length;
  const std::optional<uint64_t> value = is_pc ? next_pc : RegisterBits(reg, context.registers);
  if (!value) {
    operand.address_known = false;
    return;
  }
  operand.address += *value * scale;
  if (!is_pc) operand.registers.push_back({.name = name, .value = *value});
  AddTerm(operand, scale > 1 ? fmt::format("{} * {}", name, scale) : std::string(name));
}

void AddDisplacement(MemoryOperand& operand, int64_t displacement) {
  if (displacement == 0) return;
  operand.address += static_cast<uint64_t>(displacement);
  if (displacement < 0 && !operand.expression.empty()) {
    operand.expression += fmt::format(" - {:#x}", static_cast<uint64_t>(-displacement));
  } else {
    AddTerm(operand, fmt::format("{:#x}", static_cast<uint64_t>(displacement)));
  }
}

void AddSegment(MemoryOperand& operand, ZydisRegister segment, const Context& context) {
  if (segment != ZYDIS_REGISTER_FS && segment != ZYDIS_REGISTER_GS) return;
  // 32-bit code reaches its thread storage through a descriptor, whose base the registers do not hold.
  if (!context.is_64) operand.address_known = false;
  const uint64_t base = SegmentBase(segment, context.registers);
  const std::string name = fmt::format("{}_base", ZydisRegisterGetString(segment));
  operand.address += base;
  operand.registers.push_back({.name = name, .value = base});
  AddTerm(operand, name);
}

// push and call write below the stack pointer that they start with.
bool MovesStackDown(const ZydisCode& code) {
  const auto category = code.instruction.meta.category;
  return category == ZYDIS_CATEGORY_PUSH || category == ZYDIS_CATEGORY_CALL ||
         code.instruction.mnemonic == ZYDIS_MNEMONIC_ENTER;
}

constexpr std::array kAlignedMoves = {ZYDIS_MNEMONIC_MOVAPS,    ZYDIS_MNEMONIC_MOVAPD,   ZYDIS_MNEMONIC_MOVDQA,
                                      ZYDIS_MNEMONIC_MOVNTPS,   ZYDIS_MNEMONIC_MOVNTPD,  ZYDIS_MNEMONIC_MOVNTDQ,
                                      ZYDIS_MNEMONIC_VMOVAPS,   ZYDIS_MNEMONIC_VMOVAPD,  ZYDIS_MNEMONIC_VMOVDQA,
                                      ZYDIS_MNEMONIC_VMOVNTPS,  ZYDIS_MNEMONIC_VMOVNTPD, ZYDIS_MNEMONIC_VMOVNTDQ,
                                      ZYDIS_MNEMONIC_CMPXCHG16B};
constexpr std::array kUnalignedMoves = {ZYDIS_MNEMONIC_MOVUPS, ZYDIS_MNEMONIC_MOVUPD, ZYDIS_MNEMONIC_MOVDQU,
                                        ZYDIS_MNEMONIC_LDDQU};

template <size_t N>
bool IsOneOf(ZydisMnemonic mnemonic, const std::array<ZydisMnemonic_, N>& list) {
  return std::find(list.begin(), list.end(), mnemonic) != list.end();
}

bool NeedsAlignment(const ZydisCode& code, const ZydisDecodedOperand& operand) {
  const auto mnemonic = code.instruction.mnemonic;
  if (IsOneOf(mnemonic, kAlignedMoves)) return true;
  // Legacy SSE arithmetic on 16 bytes.
  const bool is_sse = code.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && operand.size == 128;
  return is_sse && !IsOneOf(mnemonic, kUnalignedMoves);
}

MemoryOperand ToOperand(const ZydisDecodedOperand& from, const Context& context) {
  MemoryOperand operand;
  operand.read = (from.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
  operand.write = (from.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  operand.bytes = from.size / 8;
  operand.implicit = from.visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT;
  operand.must_be_aligned = NeedsAlignment(context.code, from);
  operand.address_known = from.mem.type != ZYDIS_MEMOP_TYPE_VSIB;
  AddRegister(operand, from.mem.base, 1, context);
  AddRegister(operand, from.mem.index, from.mem.scale, context);
  AddDisplacement(operand, from.mem.disp.has_displacement ? from.mem.disp.value : 0);
  AddSegment(operand, from.mem.segment, context);
  if (operand.implicit && from.mem.base == ZYDIS_REGISTER_RSP && MovesStackDown(context.code)) {
    AddDisplacement(operand, -static_cast<int64_t>(operand.bytes));
  }
  if (operand.implicit && from.mem.base == ZYDIS_REGISTER_ESP && MovesStackDown(context.code)) {
    AddDisplacement(operand, -static_cast<int64_t>(operand.bytes));
  }
  if (!context.is_64) operand.address = Truncate(operand.address, 32);
  return operand;
}

bool IsAccessed(const ZydisDecodedOperand& operand) {
  return operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type != ZYDIS_MEMOP_TYPE_AGEN && operand.actions != 0;
}

struct KindRow {
  ZydisMnemonic mnemonic;
  InstructionKind kind;
};
constexpr std::array kKinds = {KindRow{ZYDIS_MNEMONIC_DIV, InstructionKind::kDivide},
                               KindRow{ZYDIS_MNEMONIC_IDIV, InstructionKind::kDivideSigned},
                               KindRow{ZYDIS_MNEMONIC_UD0, InstructionKind::kUndefined},
                               KindRow{ZYDIS_MNEMONIC_UD1, InstructionKind::kUndefined},
                               KindRow{ZYDIS_MNEMONIC_UD2, InstructionKind::kUndefined},
                               KindRow{ZYDIS_MNEMONIC_INT3, InstructionKind::kBreakpoint},
                               KindRow{ZYDIS_MNEMONIC_CALL, InstructionKind::kCall},
                               KindRow{ZYDIS_MNEMONIC_JMP, InstructionKind::kJump},
                               KindRow{ZYDIS_MNEMONIC_RET, InstructionKind::kReturn},
                               KindRow{ZYDIS_MNEMONIC_CLI, InstructionKind::kPrivileged},
                               KindRow{ZYDIS_MNEMONIC_STI, InstructionKind::kPrivileged}};

InstructionKind KindOf(const ZydisCode& code) {
  const auto& instruction = code.instruction;
  const auto row =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const KindRow& r) { return r.mnemonic == instruction.mnemonic; });
  if (row != kKinds.end()) return row->kind;
  const bool privileged = (instruction.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0;
  const bool touches_ports =
      instruction.meta.category == ZYDIS_CATEGORY_IO || instruction.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
  return privileged || touches_ports ? InstructionKind::kPrivileged : InstructionKind::kOther;
}

void TakeFirstOperand(const Context& context, DecodedFault& fault) {
  const ZydisDecodedOperand& first = context.code.operands[0];
  if (context.code.instruction.operand_count == 0 || first.type != ZYDIS_OPERAND_TYPE_REGISTER) return;
  const auto value = RegisterBits(first.reg.value, context.registers);
  if (!value) return;
  const bool divides = fault.kind == InstructionKind::kDivide || fault.kind == InstructionKind::kDivideSigned;
  const bool goes = fault.kind == InstructionKind::kCall || fault.kind == InstructionKind::kJump;
  if (divides) fault.divisor = *value;
  if (goes) fault.target_register = OperandRegister{.name = ZydisRegisterGetString(first.reg.value), .value = *value};
}

}  // namespace

std::optional<DecodedFault> DecodeFault(std::span<const uint8_t> code, const arch::Registers& registers) {
  const arch::Bits bits = arch::CodeBits(registers);
  const auto decoded = ZydisDecode(code, bits);
  if (!decoded) return std::nullopt;
  const Context context{.code = *decoded, .registers = registers, .is_64 = bits == arch::Bits::k64};
  DecodedFault fault{.kind = KindOf(*decoded), .text = ZydisText(*decoded, arch::Pc(registers))};
  for (size_t i = 0; i < decoded->instruction.operand_count; ++i) {
    if (IsAccessed(decoded->operands[i])) fault.memory.push_back(ToOperand(decoded->operands[i], context));
  }
  TakeFirstOperand(context, fault);
  return fault;
}

}  // namespace zxctl::report
