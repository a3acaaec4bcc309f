#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace zxctl::report {

// A further register set of a thread, as PTRACE_GETREGSET names and gives it (NT_PRFPREG, NT_X86_XSTATE, …).
struct RegisterSet {
  int32_t tid = 0;
  uint32_t note_type = 0;
  std::vector<std::byte> data;
};

}  // namespace zxctl::report
