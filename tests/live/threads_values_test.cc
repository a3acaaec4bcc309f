// Every boundary of every argument of zx_thread_start_regs() on real threads: what is accepted arrives, what is refused leaves the
// thread new.
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include "arch/arch.h"
#include "general_registers.h"
#include "live/started_program.h"
#include "machine_start.h"
#include "support/boundaries.h"

namespace zxctl::test {
namespace {

bool IsRefused(const arch::StartRegs& regs) { return arch::ValidateStartRegs(regs, arch::AddressBits()).has_value(); }

// A number that tells where it stands.
constexpr uint64_t kMark = 0x1111111111111111;

TEST(StartValues, ThatAreAcceptedArrive) {
  StartedProgram program;
  for (const uint64_t value : Boundaries()) {
    const uint64_t tp = IsRefused({.tp = value}) ? 0 : value;
    const zx::Thread thread = program.Create();
    ASSERT_EQ(thread.start_regs(program.at("recorder"), value, value ^ kMark, value, tp, value + 1), ZX_OK)
        << std::hex << value << ": " << zxl_last_error();
    AwaitExit(thread);
    const Seen seen = program.Ask().seen;
    EXPECT_EQ(seen.sp, value);
    EXPECT_EQ(seen.arg1, value ^ kMark);
    EXPECT_EQ(seen.arg2, value);
    EXPECT_EQ(seen.tp, tp);
    EXPECT_EQ(seen.abi_reg, value + 1);
    EXPECT_EQ(seen.others, 0U) << std::hex << value;
  }
  program.ExpectEnd();
}

// It faults there, is in its exception with this pc, and goes on where a handler puts it.
TEST(StartValues, OfPcThatAreAcceptedArrive) {
  StartedProgram program;
  const zx::Port port = MakePort();
  for (const uint64_t pc : Boundaries()) {
    if (IsRefused({.pc = pc})) continue;
    const zx::Thread thread = program.Create();
    ASSERT_EQ(thread.bind_exception_port(port, 1, 0), ZX_OK) << zxl_last_error();
    ASSERT_EQ(thread.start(pc, program.Stack(), 1, 1), ZX_OK) << std::hex << pc << ": " << zxl_last_error();
    ASSERT_EQ(NextPacket(port).type, ZX_EXCP_FATAL_PAGE_FAULT) << std::hex << pc;
    zx_thread_state_general_regs_t regs = {};
    ASSERT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
    EXPECT_EQ(PcOf(regs), PcThatArrives(pc)) << std::hex << pc;
    PcOf(regs) = program.at("exiter");
    ASSERT_EQ(thread.write_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
    ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
    AwaitExit(thread);
  }
  program.ExpectEnd();
}

TEST(StartValues, ThatAreRefusedLeaveTheThreadNewAndStartable) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  for (const uint64_t value : Boundaries()) {
    if (IsRefused({.pc = value})) {
      EXPECT_EQ(thread.start(value, 0, 0, 0), ZX_ERR_INVALID_ARGS) << std::hex << value;
    }
    if (IsRefused({.tp = value})) {
      EXPECT_EQ(thread.start_regs(program.at("exiter"), 0, 0, 0, value, 0), ZX_ERR_INVALID_ARGS) << std::hex << value;
    }
    ASSERT_EQ(StateOf(thread), ZX_THREAD_STATE_NEW) << std::hex << value;
    ASSERT_EQ(SignalsOf(thread), 0U) << std::hex << value;
  }
  ASSERT_EQ(thread.start(program.at("recorder"), program.Stack(), 5, 6), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().seen.arg1, 5U);
  program.ExpectEnd();
}

}  // namespace
}  // namespace zxctl::test
