// The faults of target_fault that are x86-64's own, and what Linux and Zircon make of them.
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
    {"GeneralProtection", "noncanonical", ZX_EXCP_GENERAL, SIGSEGV, false},
    {"Privileged", "privileged", ZX_EXCP_GENERAL, SIGSEGV, false},
    {"UndefinedInstruction", "trap", ZX_EXCP_UNDEFINED_INSTRUCTION, SIGILL, true},
    {"Division", "divide", ZX_EXCP_GENERAL, SIGFPE, true},
    {"Breakpoint", "breakpoint", ZX_EXCP_SW_BREAKPOINT, SIGTRAP, false},
};

// Whether code keeps a chain of frame pointers by the machine's calling convention: the C library does, and its chain leads past
// functions that keep none.
inline constexpr bool kCodeKeepsFramePointers = false;
// Only its frame, or a search of the stack, tells to where a function returns.
inline constexpr bool kLeavesReturnByLink = false;

}  // namespace zxctl::test
