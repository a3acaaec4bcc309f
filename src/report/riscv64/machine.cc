#include "report/machine.h"

#include <seccomp.h>

#include <cstdlib>
#include <memory>

#include "report/disassembler.h"

namespace zxctl::report {
namespace {

// x0 to x31, pc. The frame pointer points behind {the caller's, the return address}.
constexpr UnwindLayout kLayout{.pc = 32,
                               .sp = 2,
                               .fp = 8,
                               .count = 33,
                               .libunwind_pc = 64,
                               .return_register = 1,
                               .saved_fp_offset = -16,
                               .return_offset = -8};

// li a7, 139; ecall
constexpr std::array<uint32_t, 2> kSigreturn = {0x08b00893, 0x00000073};
// sp → siginfo (128 bytes), ucontext: flags, link, the alternate stack and the mask up to 176, then pc and x1 to x31.
constexpr uint64_t kContextRegisters = 128 + 176;

constexpr size_t kLongestCall = 4;

// sd ra, …(sp), or c.sdsp ra, …(sp)
bool SavesLink(uint32_t code) { return (code & 0x01fff07f) == 0x00113023 || (code & 0xe07f) == 0xe006; }
// addi sp, sp, -…, or one of its short forms.
bool MakesFrame(uint32_t code) {
  const bool wide = (code & 0x800fffff) == 0x80010113;
  const bool shorter = (code & 0xff83) == 0x7101 || (code & 0xff83) == 0x1101;
  return wide || shorter;
}

}  // namespace

const UnwindLayout& LayoutOf(arch::Bits /*bits*/) { return kLayout; }

UnwindRegisters UnwindRegistersOf(const arch::Registers& r) {
  UnwindRegisters out;
  out.Set(0, 0);
  for (size_t i = 0; i < r.x.size(); ++i) out.Set(i + 1, r.x[i]);
  out.Set(kLayout.pc, r.pc);
  return out;
}

std::optional<UnwindRegisters> StepSignalFrame(MemorySource& memory, const UnwindRegisters& registers,
                                               arch::Bits /*bits*/) {
  if (memory.ReadValue<std::array<uint32_t, 2>>(registers.value[kLayout.pc]) != kSigreturn) return std::nullopt;
  const auto saved = memory.ReadValue<std::array<uint64_t, 32>>(registers.value[kLayout.sp] + kContextRegisters);
  if (!saved) return std::nullopt;
  UnwindRegisters out;
  out.Set(0, 0);
  for (size_t i = 1; i < saved->size(); ++i) out.Set(i, (*saved)[i]);
  out.Set(kLayout.pc, (*saved)[0]);
  return out;
}

bool FollowsCall(MemorySource& memory, uint64_t address, arch::Bits bits) {
  if (address < kLongestCall || address % arch::kCodeAlignment != 0) return false;
  const auto code = memory.ReadValue<std::array<uint8_t, kLongestCall>>(address - kLongestCall);
  return code && (IsCall(*code, bits) || IsCall(std::span(*code).last(2), bits));
}

// pc stays at ebreak.
bool FollowsBreakpoint(MemorySource& /*memory*/, uint64_t /*address*/) { return false; }

// Once it has been saved, the return address is in its register still.
std::optional<uint64_t> ReturnSlotInPrologue(MemorySource& /*memory*/, const UnwindRegisters& /*registers*/,
                                             arch::Bits /*bits*/) {
  return std::nullopt;
}

bool ReturnsByLink(MemorySource& memory, const UnwindRegisters& registers, arch::Bits /*bits*/) {
  const auto at = memory.ReadValue<uint32_t>(registers.value[kLayout.pc]);
  return at && (MakesFrame(*at) || SavesLink(*at));
}

std::string SystemCallName(int number, arch::Bits /*bits*/) {
  const std::unique_ptr<char, decltype(&std::free)> name(seccomp_syscall_resolve_num_arch(SCMP_ARCH_RISCV64, number),
                                                         &std::free);
  return name ? std::string(name.get()) : std::string();
}

}  // namespace zxctl::report
