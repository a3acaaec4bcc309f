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

inline constexpr size_t kMaxUnwindRegisters = 17;

// A frame's registers by DWARF number; those that are not in `valid` are unknown.
struct UnwindRegisters {
  std::array<uint64_t, kMaxUnwindRegisters> value{};
  uint32_t valid = 0;

  void Set(size_t number, uint64_t to) {
    value[number] = to;
    valid |= 1u << number;
  }
  void Forget(size_t number) { valid &= ~(1u << number); }
  [[nodiscard]] bool Has(size_t number) const { return (valid >> number & 1) != 0; }
};

// Which DWARF number is which register, for 64-bit or for 32-bit code.
struct UnwindLayout {
  size_t pc = 0;
  size_t sp = 0;
  size_t fp = 0;
  size_t count = 0;
  size_t word_bytes = 8;
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

// Where the return address stands when pc is among a function's first instructions, before its frame is set up; nothing
// when it is not known to be.
[[nodiscard]] std::optional<uint64_t> ReturnSlotInPrologue(MemorySource& memory, const UnwindRegisters& registers,
                                                           arch::Bits bits);

// The number in the system call register of a stopped thread, nothing when it was in user code.
[[nodiscard]] std::optional<int> SystemCallOf(const arch::Registers& registers);
// The name of system call `number` for code of these bits; empty if it is unknown.
[[nodiscard]] std::string SystemCallName(int number, arch::Bits bits);
// The six arguments of a system call.
[[nodiscard]] std::array<uint64_t, 6> SystemCallArguments(const arch::Registers& registers);

}  // namespace zxctl::report
