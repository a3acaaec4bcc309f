#include "report/machine.h"

#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <span>

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

// Where the call goes that returns to `address`, if it says so: jal ra, or auipc ra and jalr ra.
std::optional<uint64_t> CalleeOf(MemorySource& memory, uint64_t address) {
  constexpr uint32_t kJalRa = 0x0ef;
  constexpr uint32_t kAuipcRa = 0x097;
  constexpr uint32_t kJalrRaRa = 0x080e7;
  const auto code = memory.ReadValue<std::array<uint32_t, 2>>(address - 2 * kLongestCall);
  if (!code) return std::nullopt;
  const auto [before, last] = *code;
  if ((last & 0xfff) == kJalRa) {
    const uint32_t low = (last >> 20 & 0x7fe) | (last >> 9 & 0x800) | (last & 0xff000);
    const int64_t offset = static_cast<int64_t>(low) - (last >> 31 != 0 ? int64_t{1} << 20 : 0);
    return address - kLongestCall + static_cast<uint64_t>(offset);
  }
  if ((last & 0xfffff) != kJalrRaRa || (before & 0xfff) != kAuipcRa) return std::nullopt;
  const int64_t offset = static_cast<int32_t>(before & 0xfffff000) + (static_cast<int32_t>(last) >> 20);
  return address - 2 * kLongestCall + static_cast<uint64_t>(offset);
}

// Whether `stop` says so of an instruction from `from` on and before `to`; true where there is more code than a function has, or
// none.
template <typename Stop>
bool AnyInstruction(MemorySource& memory, uint64_t from, uint64_t to, const Stop& stop) {
  constexpr uint64_t kMostCode = 4096;
  if (from > to || to - from > kMostCode) return true;
  for (uint64_t at = from; at < to;) {
    const auto code = memory.ReadValue<std::array<uint8_t, kLongestCall>>(at);
    const size_t bytes = code && ((*code)[0] & 3) == 3 ? 4 : 2;
    if (!code || stop(std::span(*code).first(bytes))) return true;
    at += bytes;
  }
  return false;
}

bool IsAnyCall(std::span<const uint8_t> code) { return IsCall(code, arch::Bits::k64); }

// ret, or its short form
bool IsReturn(std::span<const uint8_t> code) {
  constexpr std::array<uint8_t, 4> kWide = {0x67, 0x80, 0x00, 0x00};
  constexpr std::array<uint8_t, 2> kShort = {0x82, 0x80};
  return std::equal(code.begin(), code.end(), kWide.begin(), kWide.end()) ||
         std::equal(code.begin(), code.end(), kShort.begin(), kShort.end());
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
  const uint64_t pc = registers.value[kLayout.pc];
  const auto at = memory.ReadValue<uint32_t>(pc);
  if (at && (MakesFrame(*at) || SavesLink(*at))) return true;
  // A function that has made no call has the return address that it was called with; one that has, an address of its own.
  const uint64_t link = registers.value[kLayout.return_register];
  if (const auto callee = CalleeOf(memory, link)) return !AnyInstruction(memory, *callee, pc, IsAnyCall);
  return AnyInstruction(memory, std::min(link, pc), std::max(link, pc), IsReturn);
}

std::string SystemCallName(int number, arch::Bits /*bits*/) {
  const std::unique_ptr<char, decltype(&std::free)> name(seccomp_syscall_resolve_num_arch(SCMP_ARCH_RISCV64, number),
                                                         &std::free);
  return name ? std::string(name.get()) : std::string();
}

}  // namespace zxctl::report
