// What the tests of vector and debug registers have in common, on the machines that have them.
#pragma once

#include <cstring>

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
  // It waits in a system call, at whose instruction these stop it: not when it makes a call for us by the same one.
  void ExpectLoansAreNotStopped(const DebugRegs& at_its_call) {
    zx::SuspendToken token = Suspend();
    EXPECT_EQ(Write(thread_, at_its_call), ZX_OK) << zxl_last_error();
    const auto before = Read<DebugRegs>(thread_);
    for (int i = 0; i < 3; ++i) {
      zx::Thread made;
      EXPECT_EQ(zx::Thread::create(process_, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
    }
    const auto after = Read<DebugRegs>(thread_);
    EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
    token.reset();
    // The call that begins anew for the program is one that is stopped.
    Await(ZX_EXCP_HW_BREAKPOINT);
    EXPECT_EQ(Write(thread_, DebugRegs{}), ZX_OK) << zxl_last_error();
    Resume();
    Tell("c");
    ExpectLine("calls 1");
  }
  // The same, and it is to make its exit.
  void ExpectIsKilled(const DebugRegs& at_its_call) {
    const zx::SuspendToken token = Suspend();
    EXPECT_EQ(Write(thread_, at_its_call), ZX_OK) << zxl_last_error();
    EXPECT_EQ(thread_.kill(), ZX_OK) << zxl_last_error();
    EXPECT_EQ(thread_.wait_one(ZX_THREAD_TERMINATED, Soon()), ZX_OK);
  }
};

}  // namespace zxctl::test
