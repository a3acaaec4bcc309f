// What the tests' guests need on this machine.
#pragma once

#include <zircon/syscalls.h>

namespace zxctl::test {

inline uint64_t& StackOf(zx_vcpu_state_t& state) { return state.sp; }

// A guest begins without translation.
inline void WriteFirstTables(zx_handle_t /*vmo*/) {}

}  // namespace zxctl::test
