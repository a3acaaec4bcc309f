// What the unwinder has to know of a machine; each has a folder beside this file that answers with these names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "arch/arch.h"
#include "report/memory_reader.h"

namespace zxctl::report {

inline constexpr size_t kMaxUnwindRegisters = 33;

// A frame's registers by DWARF number; those that are not in `valid` are unknown.
struct UnwindRegisters {
  std::array<uint64_t, kMaxUnwindRegisters> value{};
  uint64_t valid = 0;

  void Set(size_t number, uint64_t to) {
    value[number] = to;
    valid |= uint64_t{1} << number;
  }
  void Forget(size_t number) { valid &= ~(uint64_t{1} << number); }
  [[nodiscard]] bool Has(size_t number) const { return (valid >> number & 1) != 0; }
};

// Which DWARF number is which register, for 64-bit or for 32-bit code.
struct UnwindLayout {
  size_t pc = 0;
  size_t sp = 0;
  size_t fp = 0;
  size_t count = 0;
  size_t word_bytes = 8;
  // What libunwind calls pc; the other registers it numbers as DWARF does.
  int libunwind_pc = 0;
  // Where a call leaves its return address; pc itself where that goes to the stack.
  size_t return_register = 0;
  // Of a frame record, from where the frame pointer points: the caller's frame pointer, and the return address.
  int64_t saved_fp_offset = 0;
  int64_t return_offset = 8;
  // The bits of a return address that are one; others may hold a signature.
  uint64_t address_mask = ~uint64_t{0};

  // A call leaves its return address in a register.
  [[nodiscard]] bool HasLink() const { return return_register != pc; }
};

[[nodiscard]] const UnwindLayout& LayoutOf(arch::Bits bits);
[[nodiscard]] UnwindRegisters UnwindRegistersOf(const arch::Registers& registers);

// The registers that a signal frame saved, when pc stands at the trampoline that returns from a handler.
[[nodiscard]] std::optional<UnwindRegisters> StepSignalFrame(MemorySource& memory, const UnwindRegisters& registers,
                                                             arch::Bits bits);

// True when the instruction that ends at `address` is a call.
[[nodiscard]] bool FollowsCall(MemorySource& memory, uint64_t address, arch::Bits bits);

// True when the instruction that ends at `address` is one that raises SIGTRAP and leaves pc behind it.
[[nodiscard]] bool FollowsBreakpoint(MemorySource& memory, uint64_t address);

// Where the return address stands on the stack when pc is among a function's first instructions, before its frame is set up;
// nothing when it is not known to be there.
[[nodiscard]] std::optional<uint64_t> ReturnSlotInPrologue(MemorySource& memory, const UnwindRegisters& registers,
                                                           arch::Bits bits);

// True when pc is where the return address is still in its register.
[[nodiscard]] bool ReturnsByLink(MemorySource& memory, const UnwindRegisters& registers, arch::Bits bits);

// The name of system call `number` for code of these bits; empty if it is unknown.
[[nodiscard]] std::string SystemCallName(int number, arch::Bits bits);

}  // namespace zxctl::report
