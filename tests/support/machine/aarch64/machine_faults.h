// The faults of target_fault that are arm64's own, and what Linux and Zircon make of them.
#pragma once

#include <zircon/syscalls/exception.h>

#include <csignal>
#include <cstdint>

namespace zxctl::test {

struct MachineFault {
  const char* name;
  const char* fault;  // as target_fault calls it
  uint32_t type;
  int signo;
  bool has_address;
};

inline constexpr MachineFault kMachineFaults[] = {
    {"Noncanonical", "noncanonical", ZX_EXCP_FATAL_PAGE_FAULT, SIGSEGV, true},
    {"Privileged", "privileged", ZX_EXCP_UNDEFINED_INSTRUCTION, SIGILL, true},
    {"Unaligned", "misaligned", ZX_EXCP_UNALIGNED_ACCESS, SIGBUS, true},
    {"CompilersTrap", "trap", ZX_EXCP_SW_BREAKPOINT, SIGTRAP, true},
    {"Breakpoint", "breakpoint", ZX_EXCP_SW_BREAKPOINT, SIGTRAP, true},
};

inline constexpr bool kCodeKeepsFramePointers = true;
// Only its frame, or a search of the stack, tells to where a function returns.
inline constexpr bool kLeavesReturnByLink = false;

}  // namespace zxctl::test
