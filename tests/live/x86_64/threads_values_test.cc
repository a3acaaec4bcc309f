// Every boundary of every argument of zx_thread_start_regs() on real threads: what is accepted arrives, what is refused leaves the
// thread new, and would have been taken for something else.
#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include "arch/arch.h"
#include "live/started_program.h"
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
    EXPECT_EQ(seen.rsp, value);
    EXPECT_EQ(seen.rdi, value ^ kMark);
    EXPECT_EQ(seen.rsi, value);
    EXPECT_EQ(seen.fs_base, tp);
    EXPECT_EQ(seen.r15, value + 1);
    EXPECT_EQ(seen.rax | seen.rbx | seen.rcx | seen.rdx | seen.rbp | seen.r8 | seen.gs_base, 0U) << std::hex << value;
    EXPECT_EQ(seen.flags, 0x202U);
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
    EXPECT_EQ(regs.rip, pc);
    regs.rip = program.at("exiter");
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
  EXPECT_EQ(program.Ask().seen.rdi, 5U);
  program.ExpectEnd();
}

// ---- what the kernel makes of the refused ones ------------------------------------------------------------------------

// A child that stands, by hand.
class Tracee {
 public:
  Tracee() : pid_(fork()) {
    if (pid_ == 0) {
      ptrace(PTRACE_TRACEME, 0, 0, 0);
      raise(SIGSTOP);
      _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    iovec piece{&registers_, sizeof(registers_)};
    EXPECT_EQ(ptrace(PTRACE_GETREGSET, pid_, NT_PRSTATUS, &piece), 0);
    registers_.orig_rax = ~0ULL;
  }
  ~Tracee() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;

  user_regs_struct& registers() { return registers_; }
  bool Set() {
    iovec piece{&registers_, sizeof(registers_)};
    return ptrace(PTRACE_SETREGSET, pid_, NT_PRSTATUS, &piece) == 0;
  }
  // The signal that it stops with next, when it is let go.
  siginfo_t Run() {
    siginfo_t info = {};
    int status = 0;
    EXPECT_EQ(ptrace(PTRACE_CONT, pid_, 0, 0), 0);
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSTOPPED(status));
    EXPECT_EQ(ptrace(PTRACE_GETSIGINFO, pid_, 0, &info), 0);
    return info;
  }

 private:
  pid_t pid_;
  user_regs_struct registers_{};
};

// The kernel takes any pc. One that no jump leads to faults without telling where, or in the kernel's half.
TEST(RefusedValues, OfPcFaultElsewhereOrInTheKernelsHalf) {
  for (const uint64_t pc : Boundaries()) {
    if (!IsRefused({.pc = pc})) continue;
    Tracee tracee;
    tracee.registers().rip = pc;
    ASSERT_TRUE(tracee.Set()) << std::hex << pc;
    const siginfo_t info = tracee.Run();
    EXPECT_EQ(info.si_signo, SIGSEGV) << std::hex << pc;
    const auto address = reinterpret_cast<uint64_t>(info.si_addr);
    EXPECT_TRUE(arch::IsKernelHalf(pc) || address != pc) << std::hex << pc;
  }
}

TEST(RefusedValues, OfTpAreRefusedByTheKernelToo) {
  for (const uint64_t tp : Boundaries()) {
    if (!IsRefused({.tp = tp})) continue;
    Tracee tracee;
    tracee.registers().fs_base = tp;
    EXPECT_FALSE(tracee.Set()) << std::hex << tp;
    EXPECT_EQ(errno, EIO);
  }
}

}  // namespace
}  // namespace zxctl::test
