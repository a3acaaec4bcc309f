#include "report/machine.h"

#include <seccomp.h>

#include <cstdlib>
#include <memory>

#include "report/disassembler.h"

namespace zxctl::report {
namespace {

constexpr UnwindLayout kLayout64{
    .pc = 16, .sp = 7, .fp = 6, .count = 17, .word_bytes = 8, .libunwind_pc = 16, .return_register = 16};
constexpr UnwindLayout kLayout32{
    .pc = 8, .sp = 4, .fp = 5, .count = 9, .word_bytes = 4, .return_register = 8, .return_offset = 4};

// ---- signal frames ------------------------------------------------------------------------------------------------

// mov $15,%rax; syscall
constexpr std::array<uint8_t, 9> kSigreturn64 = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
// pop %eax; mov $119,%eax; int $0x80
constexpr std::array<uint8_t, 8> kSigreturn32 = {0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80};
// mov $173,%eax; int $0x80
constexpr std::array<uint8_t, 7> kRtSigreturn32 = {0xb8, 0xad, 0, 0, 0, 0xcd, 0x80};

// sp → ucontext: flags, link and the alternate stack (40 bytes), then the registers in the kernel's order.
constexpr uint64_t kContextRegisters64 = 40;
// DWARF numbers in the order r8…r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
constexpr std::array<size_t, 17> kContextOrder64 = {8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16};

// sigcontext: gs fs es ds, then edi esi ebp esp ebx edx ecx eax, trapno, err, eip.
constexpr uint64_t kContextRegisters32 = 16;
constexpr std::array<size_t, 8> kContextOrder32 = {7, 6, 5, 4, 3, 2, 1, 0};
constexpr uint64_t kContextEip32 = 56;
// pretcode is popped; signo, info pointer, context pointer, siginfo (128), flags, link, stack (12).
constexpr uint64_t kRtContextOffset32 = 12 + 128 + 20;

template <size_t N>
bool MatchesAt(MemorySource& memory, uint64_t address, const std::array<uint8_t, N>& code) {
  return memory.ReadValue<std::array<uint8_t, N>>(address) == code;
}

std::optional<UnwindRegisters> ReadContext64(MemorySource& memory, uint64_t ucontext) {
  const auto saved = memory.ReadValue<std::array<uint64_t, 17>>(ucontext + kContextRegisters64);
  if (!saved) return std::nullopt;
  UnwindRegisters registers;
  for (size_t i = 0; i < kContextOrder64.size(); ++i) registers.Set(kContextOrder64[i], (*saved)[i]);
  return registers;
}

std::optional<UnwindRegisters> ReadContext32(MemorySource& memory, uint64_t sigcontext) {
  const auto saved = memory.ReadValue<std::array<uint32_t, 8>>(sigcontext + kContextRegisters32);
  const auto eip = memory.ReadValue<uint32_t>(sigcontext + kContextEip32);
  if (!saved || !eip) return std::nullopt;
  UnwindRegisters registers;
  for (size_t i = 0; i < kContextOrder32.size(); ++i) registers.Set(kContextOrder32[i], (*saved)[i]);
  registers.Set(kLayout32.pc, *eip);
  return registers;
}

// ---- code ---------------------------------------------------------------------------------------------------------

constexpr size_t kLongestCall = 8;
constexpr uint8_t kPushFp = 0x55;
constexpr uint8_t kInt3 = 0xcc;

}  // namespace

const UnwindLayout& LayoutOf(arch::Bits bits) { return bits == arch::Bits::k64 ? kLayout64 : kLayout32; }

UnwindRegisters UnwindRegistersOf(const arch::Registers& r) {
  UnwindRegisters out;
  if (arch::CodeBits(r) == arch::Bits::k32) {
    const std::array<uint64_t, 9> values = {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.rip};
    for (size_t i = 0; i < values.size(); ++i) out.Set(i, values[i] & 0xffffffff);
    return out;
  }
  const std::array<uint64_t, 17> values = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8,
                                           r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};
  for (size_t i = 0; i < values.size(); ++i) out.Set(i, values[i]);
  return out;
}

std::optional<UnwindRegisters> StepSignalFrame(MemorySource& memory, const UnwindRegisters& registers,
                                               arch::Bits bits) {
  const UnwindLayout& layout = LayoutOf(bits);
  const uint64_t pc = registers.value[layout.pc];
  const uint64_t sp = registers.value[layout.sp];
  if (bits == arch::Bits::k64) {
    return MatchesAt(memory, pc, kSigreturn64) ? ReadContext64(memory, sp) : std::nullopt;
  }
  if (MatchesAt(memory, pc, kSigreturn32)) return ReadContext32(memory, sp + 4);
  if (MatchesAt(memory, pc, kRtSigreturn32)) return ReadContext32(memory, sp + kRtContextOffset32);
  return std::nullopt;
}

bool FollowsCall(MemorySource& memory, uint64_t address, arch::Bits bits) {
  std::array<uint8_t, kLongestCall> code;
  if (address < kLongestCall) return false;
  if (memory.Read(address - kLongestCall, std::as_writable_bytes(std::span(code))) != kLongestCall) return false;
  for (size_t length = 2; length < kLongestCall; ++length) {
    if (IsCall(std::span(code).last(length), bits)) return true;
  }
  return false;
}

bool FollowsBreakpoint(MemorySource& memory, uint64_t address) {
  return memory.ReadValue<uint8_t>(address - arch::kBreakpointPcAdvance) == kInt3;
}

std::optional<uint64_t> ReturnSlotInPrologue(MemorySource& memory, const UnwindRegisters& registers, arch::Bits bits) {
  const UnwindLayout& layout = LayoutOf(bits);
  const uint64_t pc = registers.value[layout.pc];
  const uint64_t sp = registers.value[layout.sp];
  if (memory.ReadValue<uint8_t>(pc) == kPushFp) return sp;
  if (memory.ReadValue<uint8_t>(pc - 1) == kPushFp) return sp + layout.word_bytes;
  return std::nullopt;
}

bool ReturnsByLink(MemorySource& /*memory*/, const UnwindRegisters& /*registers*/, arch::Bits /*bits*/) {
  return false;
}

std::string SystemCallName(int number, arch::Bits bits) {
  const uint32_t machine = bits == arch::Bits::k64 ? SCMP_ARCH_X86_64 : SCMP_ARCH_X86;
  const std::unique_ptr<char, decltype(&std::free)> name(seccomp_syscall_resolve_num_arch(machine, number), &std::free);
  return name ? std::string(name.get()) : std::string();
}

}  // namespace zxctl::report
