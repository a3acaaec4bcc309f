#include "report/machine.h"

#include <seccomp.h>

#include <cstdlib>
#include <memory>

#include "report/disassembler.h"

namespace zxctl::report {
namespace {

// x0 to x30, sp, pc. The frame pointer points to {the caller's, the return address}. Above bit 48 of a return address there
// may be a signature.
constexpr UnwindLayout kLayout{.pc = 32,
                               .sp = 31,
                               .fp = 29,
                               .count = 33,
                               .libunwind_pc = 32,
                               .return_register = 30,
                               .address_mask = (uint64_t{1} << 48) - 1};

using CodeWord = uint32_t;
constexpr size_t kInstructionBytes = sizeof(CodeWord);

// mov x8, #139; svc #0
constexpr std::array<CodeWord, 2> kSigreturn = {0xd2801168, 0xd4000001};
// sp → siginfo (128 bytes), ucontext: flags, link, the alternate stack and the mask up to 176, then the fault's address and
// the registers in the kernel's order, which is DWARF's.
constexpr uint64_t kContextRegisters = 128 + 176 + 8;

// stp x29, x30, [sp, #…]!
bool SavesLink(CodeWord code) { return (code & 0xffc07fff) == 0xa9807bfd; }
// paciasp, bti c, or nothing yet: what may stand before that.
bool MayPrecedePrologue(CodeWord code) { return code == 0xd503233f || code == 0xd503245f; }

}  // namespace

const UnwindLayout& LayoutOf(arch::Bits /*bits*/) { return kLayout; }

UnwindRegisters UnwindRegistersOf(const arch::Registers& r) {
  UnwindRegisters out;
  for (size_t i = 0; i < r.x.size(); ++i) out.Set(i, r.x[i]);
  out.Set(kLayout.sp, r.sp);
  out.Set(kLayout.pc, r.pc);
  return out;
}

std::optional<UnwindRegisters> StepSignalFrame(MemorySource& memory, const UnwindRegisters& registers,
                                               arch::Bits /*bits*/) {
  if (memory.ReadValue<std::array<CodeWord, 2>>(registers.value[kLayout.pc]) != kSigreturn) return std::nullopt;
  const auto saved = memory.ReadValue<std::array<uint64_t, 33>>(registers.value[kLayout.sp] + kContextRegisters);
  if (!saved) return std::nullopt;
  UnwindRegisters out;
  for (size_t i = 0; i < saved->size(); ++i) out.Set(i, (*saved)[i]);
  return out;
}

bool FollowsCall(MemorySource& memory, uint64_t address, arch::Bits bits) {
  if (address < kInstructionBytes || address % kInstructionBytes != 0) return false;
  const auto code = memory.ReadValue<std::array<uint8_t, kInstructionBytes>>(address - kInstructionBytes);
  return code && IsCall(*code, bits);
}

// pc stays at brk.
bool FollowsBreakpoint(MemorySource& /*memory*/, uint64_t /*address*/) { return false; }

std::optional<uint64_t> ReturnSlotInPrologue(MemorySource& memory, const UnwindRegisters& registers,
                                             arch::Bits /*bits*/) {
  const auto before = memory.ReadValue<CodeWord>(registers.value[kLayout.pc] - kInstructionBytes);
  if (!before || !SavesLink(*before)) return std::nullopt;
  return registers.value[kLayout.sp] + kLayout.word_bytes;
}

bool ReturnsByLink(MemorySource& memory, const UnwindRegisters& registers, arch::Bits /*bits*/) {
  const auto at = memory.ReadValue<std::array<CodeWord, 2>>(registers.value[kLayout.pc]);
  return at && (SavesLink((*at)[0]) || (MayPrecedePrologue((*at)[0]) && SavesLink((*at)[1])));
}

std::string SystemCallName(int number, arch::Bits /*bits*/) {
  const std::unique_ptr<char, decltype(&std::free)> name(seccomp_syscall_resolve_num_arch(SCMP_ARCH_AARCH64, number),
                                                         &std::free);
  return name ? std::string(name.get()) : std::string();
}

}  // namespace zxctl::report
