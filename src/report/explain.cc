#include "report/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "report/machine.h"
#include "report/signal_names.h"

namespace zxctl::report {
namespace {

constexpr uint64_t kNullPages = 0x10000;

std::string_view Verb(Access access) { return access == Access::kWrite ? "wrote" : "read"; }
std::string_view Preposition(Access access) { return access == Access::kWrite ? "to" : "from"; }

Access AccessOf(const MemoryOperand& operand) {
  if (operand.write) return Access::kWrite;
  return operand.read ? Access::kRead : Access::kUnknown;
}

// "rdi is 0, rcx is 0x20"
std::string RegisterValues(const MemoryOperand& operand) {
  std::string text;
  for (const OperandRegister& reg : operand.registers) {
    if (!text.empty()) text += ", ";
    text += reg.value == 0 ? fmt::format("{} is 0", reg.name) : fmt::format("{} is {:#x}", reg.name, reg.value);
  }
  return text;
}

// "mov %rax,0x10(%rdi) wrote 8 bytes to 0x10: rdi is 0"
std::string DescribeAccess(const DecodedFault& instruction, const MemoryOperand& operand) {
  const Access access = AccessOf(operand);
  std::string text = fmt::format("{} {} {} byte{} {} {:#x}", instruction.text, Verb(access), operand.bytes,
                                 operand.bytes == 1 ? "" : "s", Preposition(access), operand.address);
  const std::string values = RegisterValues(operand);
  return values.empty() ? text : fmt::format("{}: {}", text, values);
}

bool Covers(const MemoryOperand& operand, uint64_t address) {
  return operand.address_known && address >= operand.address &&
         address - operand.address < std::max<uint64_t>(operand.bytes, 1);
}

// The operand that touched the fault's address. The kernel names the first byte that failed, which is not the operand's
// first when it crosses into another page.
const MemoryOperand* OperandAt(const DecodedFault& instruction, uint64_t address) {
  const auto& memory = instruction.memory;
  const auto found = std::find_if(memory.begin(), memory.end(), [&](const auto& o) { return Covers(o, address); });
  if (found != memory.end()) return &*found;
  return memory.size() == 1 && !memory.front().address_known ? &memory.front() : nullptr;
}

// ---- page faults --------------------------------------------------------------------------------------------------

std::string ExplainBadPc(const FaultFacts& facts, const AddressSpace& space) {
  const uint64_t pc = arch::Pc(*facts.registers);
  const std::string target = pc == 0 ? "a null function pointer" : fmt::format("{:#x}", pc);
  const std::string what = space.Describe(pc, Access::kExecute);
  const std::string state = pc == 0 ? "" : fmt::format(", {}", what);
  if (!facts.call_text.empty()) return fmt::format("{} went to {}{}", facts.call_text, target, state);
  return fmt::format("the thread went to {}{}, by a jump or by a return address that was overwritten", target, state);
}

std::string ExplainOverflow(const FaultFacts& facts, const AddressSpace& space, uint64_t address) {
  const std::string what = space.Describe(address, Access::kWrite);
  if (!facts.instruction) return fmt::format("the stack is full: {:#x} is {}", address, what);
  return fmt::format("the stack is full: {} reached {:#x}, {}", facts.instruction->text, address, what);
}

FaultExplanation ExplainPageFault(const FaultFacts& facts, const AddressSpace& space) {
  const uint64_t address = facts.signal.address;
  FaultExplanation out{.address = address, .text = {}};
  if (facts.registers == nullptr) return out;
  if (!facts.pc_executable && arch::Pc(*facts.registers) == address) {
    out.access = Access::kExecute;
    out.text = ExplainBadPc(facts, space);
    return out;
  }
  const MemoryOperand* operand = facts.instruction ? OperandAt(*facts.instruction, address) : nullptr;
  if (operand != nullptr) out.access = AccessOf(*operand);
  if (space.IsStackOverflow(address)) {
    out.text = ExplainOverflow(facts, space, address);
  } else if (operand != nullptr && operand->address_known) {
    out.text = DescribeAccess(*facts.instruction, *operand);
    if (address >= kNullPages) out.text += fmt::format("; {:#x} is {}", address, space.Describe(address, out.access));
  } else if (facts.instruction) {
    out.text =
        fmt::format("{} touched {:#x}, {}", facts.instruction->text, address, space.Describe(address, out.access));
  }
  return out;
}

FaultExplanation ExplainBus(const FaultFacts& facts, const AddressSpace& space) {
  FaultExplanation out = ExplainPageFault(facts, space);
  if (!facts.bus_file.empty()) out.text += fmt::format("{}{}", out.text.empty() ? "" : "; ", facts.bus_file);
  return out;
}

std::string ExplainPrivileged(const DecodedFault& instruction) {
  return fmt::format("{} is allowed to the kernel only", instruction.text);
}

// ---- general protection -------------------------------------------------------------------------------------------

FaultExplanation ExplainNonCanonical(const DecodedFault& instruction, const MemoryOperand& operand) {
  FaultExplanation out{.access = AccessOf(operand), .address = operand.address, .text = {}};
  out.text = fmt::format("{}; {} is not a canonical address", DescribeAccess(instruction, operand), operand.expression);
  const std::string pattern = DescribePattern(operand.address);
  if (!pattern.empty()) out.text += fmt::format(" and looks like {}", pattern);
  return out;
}

FaultExplanation ExplainMisaligned(const DecodedFault& instruction, const MemoryOperand& operand) {
  return {.access = AccessOf(operand),
          .address = operand.address,
          .text = fmt::format("{}; the instruction needs an address that is a multiple of {}",
                              DescribeAccess(instruction, operand), operand.bytes)};
}

std::string ExplainBadTarget(const DecodedFault& instruction, const OperandRegister& target) {
  const std::string pattern = DescribePattern(target.value);
  return fmt::format("{} went to {:#x}, which is not a canonical address{}{}", instruction.text, target.value,
                     pattern.empty() ? "" : " and looks like ", pattern);
}

FaultExplanation ExplainGeneralProtection(const FaultFacts& facts) {
  if (!facts.instruction)
    return {.address = std::nullopt, .text = "the processor refused an instruction (general protection)"};
  const DecodedFault& instruction = *facts.instruction;
  for (const MemoryOperand& operand : instruction.memory) {
    if (!operand.address_known) continue;
    if (!arch::IsCanonical(operand.address)) return ExplainNonCanonical(instruction, operand);
    if (operand.must_be_aligned && operand.address % operand.bytes != 0) return ExplainMisaligned(instruction, operand);
  }
  FaultExplanation out{.address = std::nullopt, .text = {}};
  if (instruction.kind == InstructionKind::kPrivileged) {
    out.text = ExplainPrivileged(instruction);
  } else if (instruction.kind == InstructionKind::kReturn) {
    out.text = fmt::format("{} found a return address that is not canonical: the stack has been overwritten",
                           instruction.text);
  } else if (instruction.target_register && !arch::IsCanonical(instruction.target_register->value)) {
    out.text = ExplainBadTarget(instruction, *instruction.target_register);
  } else {
    out.text = fmt::format("the processor refused {} (general protection)", instruction.text);
  }
  return out;
}

// ---- other faults -------------------------------------------------------------------------------------------------

std::string ExplainArithmetic(const FaultFacts& facts) {
  if (!facts.instruction) return {};
  const DecodedFault& instruction = *facts.instruction;
  if (facts.signal.code != FPE_INTDIV) {
    return fmt::format("{}: {}", instruction.text, NameCode(facts.signal).text);
  }
  if (!instruction.divisor) return fmt::format("{} divided by zero, or its quotient does not fit", instruction.text);
  if (*instruction.divisor == 0) return fmt::format("{} divided by zero", instruction.text);
  return fmt::format(
      "{}: the quotient does not fit (the smallest number divided by -1 does this); the divisor is {:#x}",
      instruction.text, *instruction.divisor);
}

bool IsPlacedTrap(const FaultFacts& facts) {
  return facts.instruction && facts.instruction->kind == InstructionKind::kUndefined;
}

std::string ExplainPlacedTrap(const DecodedFault& instruction) {
  return fmt::format("{} is a trap that the compiler placed: __builtin_trap(), an unreachable place or a failed check",
                     instruction.text);
}

std::string ExplainIllegal(const FaultFacts& facts) {
  if (!facts.instruction) return "the bytes at pc are no instruction that this processor knows";
  if (IsPlacedTrap(facts)) return ExplainPlacedTrap(*facts.instruction);
  if (facts.instruction->kind == InstructionKind::kPrivileged) return ExplainPrivileged(*facts.instruction);
  return fmt::format("this processor does not run {}", facts.instruction->text);
}

std::string ExplainTrap(const FaultFacts& facts) {
  switch (facts.signal.code) {
    case TRAP_TRACE:
      return "a single step ended, and nobody had asked for it";
    case TRAP_HWBKPT:
      return "a hardware breakpoint or watchpoint was hit";
    default:
      if (IsPlacedTrap(facts)) return ExplainPlacedTrap(*facts.instruction);
      return fmt::format("a breakpoint instruction ({}) was run without a debugger", arch::kBreakpointName);
  }
}

std::string Arguments(const arch::Registers& registers) {
  std::string text;
  for (const uint64_t argument : arch::SystemCallArguments(registers)) {
    text += fmt::format("{}{:#x}", text.empty() ? "" : ", ", argument);
  }
  return text;
}

std::string ExplainSystemCall(const FaultFacts& facts) {
  const arch::Bits bits = facts.registers == nullptr ? arch::Bits::k64 : arch::CodeBits(*facts.registers);
  const std::string name = SystemCallName(facts.signal.syscall, bits);
  const std::string call = name.empty() ? fmt::format("system call {}", facts.signal.syscall) : name;
  const std::string arguments = facts.registers == nullptr ? "" : fmt::format("({})", Arguments(*facts.registers));
  return fmt::format("a seccomp filter does not allow {}{}", call, arguments);
}

std::string ExplainSent(const FaultFacts& facts) {
  const SignalRecord& signal = facts.signal;
  const CodeName code = NameCode(signal);
  if (signal.pid == 0) return fmt::format("{}: {}", SignalName(signal.signo), code.text);
  const std::string name = facts.sender.empty() ? "" : fmt::format(" ({})", facts.sender);
  return fmt::format("{} was sent by process {}{} of user {}", SignalName(signal.signo), signal.pid, name, signal.uid);
}

FaultExplanation WithoutAddress(std::string text) { return {.address = std::nullopt, .text = std::move(text)}; }

}  // namespace

FaultExplanation ExplainFault(const FaultFacts& facts, const AddressSpace& space) {
  if (WasSent(facts.signal)) return WithoutAddress(ExplainSent(facts));
  const bool from_kernel = facts.signal.code == SI_KERNEL;
  switch (facts.signal.signo) {
    case SIGSEGV:
      return from_kernel ? ExplainGeneralProtection(facts) : ExplainPageFault(facts, space);
    case SIGBUS:
      return from_kernel || facts.signal.code == BUS_ADRALN ? ExplainGeneralProtection(facts)
                                                            : ExplainBus(facts, space);
    case SIGFPE:
      return WithoutAddress(ExplainArithmetic(facts));
    case SIGILL:
      return WithoutAddress(ExplainIllegal(facts));
    case SIGTRAP:
      return WithoutAddress(ExplainTrap(facts));
    case SIGSYS:
      return WithoutAddress(ExplainSystemCall(facts));
    default:
      return WithoutAddress({});
  }
}

}  // namespace zxctl::report
