// What the tests of vector and debug registers have in common, on the machines that have them.
#pragma once

#include "live/registers_test.h"

namespace zxctl::test {

using VectorRegs = zx_thread_state_vector_regs_t;
using DebugRegs = zx_thread_state_debug_regs_t;

template <>
inline constexpr uint32_t kKindOf<VectorRegs> = ZX_THREAD_STATE_VECTOR_REGS;
template <>
inline constexpr uint32_t kKindOf<DebugRegs> = ZX_THREAD_STATE_DEBUG_REGS;

class DebugRegistersTest : public RegistersTest {
 protected:
  // While it waits for what it is told, its debug registers are these.
  void Arm(const DebugRegs& regs) {
    const zx::SuspendToken token = Suspend();
    EXPECT_EQ(Write(thread_, regs), ZX_OK) << zxl_last_error();
  }
};

}  // namespace zxctl::test
