// What the kernel makes of the registers that zx_thread_start_regs() refuses, by hand.
#include <elf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "arch/arch.h"
#include "support/boundaries.h"

namespace zxctl::test {
namespace {

bool IsRefused(const arch::StartRegs& regs) { return arch::ValidateStartRegs(regs, arch::AddressBits()).has_value(); }

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
