// The faults of target_fault that are riscv64's own, and what Linux and Zircon make of them.
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
    {"Privileged", "privileged", ZX_EXCP_UNDEFINED_INSTRUCTION, SIGILL, true},
    {"CompilersTrap", "trap", ZX_EXCP_SW_BREAKPOINT, SIGTRAP, true},
    {"Breakpoint", "breakpoint", ZX_EXCP_SW_BREAKPOINT, SIGTRAP, true},
};

inline constexpr bool kCodeKeepsFramePointers = false;
// A function that calls no other keeps its return address where its caller has put it.
inline constexpr bool kLeavesReturnByLink = true;

}  // namespace zxctl::test
