#include <fmt/format.h>
#include <signal.h>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

// The vectors of the machine's exceptions.
enum Vector : uint64_t {
  kDivideError = 0,
  kDebug = 1,
  kBreakpoint = 3,
  kOverflow = 4,
  kInvalidOpcode = 6,
  kGeneralProtection = 13,
  kPageFault = 14,
  kFloatingPoint = 16,
  kAlignmentCheck = 17,
  kSimdFloatingPoint = 19,
};

// Bits of a page fault's error code.
constexpr uint64_t kPresent = 1;
constexpr uint64_t kUserMode = 4;

// CF, PF, AF, ZF, SF, TF, DF, OF, NT, AC, ID: what a program can set itself.
constexpr uint64_t kUserFlags = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x800 | 0x4000 | 0x40000 | 0x200000;

uint64_t VectorOf(int signo, int code) {
  switch (signo) {
    case SIGSEGV:
      return code == SI_KERNEL ? kGeneralProtection : kPageFault;
    case SIGBUS:
      return code == BUS_ADRALN ? kAlignmentCheck : kPageFault;
    case SIGILL:
      return kInvalidOpcode;
    case SIGTRAP:
      return code == TRAP_TRACE || code == TRAP_HWBKPT ? kDebug : kBreakpoint;
    case SIGFPE:
      if (code == FPE_INTDIV) return kDivideError;
      return code == FPE_INTOVF ? kOverflow : kSimdFloatingPoint;
    default:
      return 0;
  }
}

}  // namespace

void FillExceptionContext(int signo, int code, uint64_t address, zx_exception_arch_t& out) {
  out = {};
  // Sent by a program: the machine had no part in it.
  if (code <= 0) return;
  out.x86_64.vector = VectorOf(signo, code);
  if (out.x86_64.vector != kPageFault) return;
  out.x86_64.cr2 = address;
  out.x86_64.err_code = kUserMode;
  if (signo == SIGSEGV && code == SEGV_ACCERR) out.x86_64.err_code |= kPresent;
}

GeneralRegs ToZircon(const Registers& r) {
  return {.rax = r.rax,
          .rbx = r.rbx,
          .rcx = r.rcx,
          .rdx = r.rdx,
          .rsi = r.rsi,
          .rdi = r.rdi,
          .rbp = r.rbp,
          .rsp = r.rsp,
          .r8 = r.r8,
          .r9 = r.r9,
          .r10 = r.r10,
          .r11 = r.r11,
          .r12 = r.r12,
          .r13 = r.r13,
          .r14 = r.r14,
          .r15 = r.r15,
          .rip = r.rip,
          .rflags = r.eflags,
          .fs_base = r.fs_base,
          .gs_base = r.gs_base};
}

std::optional<std::string> FromZircon(const GeneralRegs& from, Registers& r) {
  const auto not_canonical = [](std::string_view name, uint64_t value) {
    return fmt::format("{} {:#x} is not canonical: bits 63 to {} have to be equal", name, value, AddressBits() - 1);
  };
  if (!IsCanonical(from.fs_base)) return not_canonical("fs_base", from.fs_base);
  if (!IsCanonical(from.gs_base)) return not_canonical("gs_base", from.gs_base);
  if (!IsCanonical(from.rip) || IsKernelHalf(from.rip)) {
    return fmt::format("rip {:#x} is outside the user half of the address space, which ends at {:#x}", from.rip,
                       uint64_t{1} << (AddressBits() - 1));
  }
  // Whoever moves the thread, or changes its result, means what he writes: the interrupted call is not run again.
  if (from.rip != r.rip || from.rax != r.rax) r.orig_rax = ~0ULL;
  r.rax = from.rax;
  r.rbx = from.rbx;
  r.rcx = from.rcx;
  r.rdx = from.rdx;
  r.rsi = from.rsi;
  r.rdi = from.rdi;
  r.rbp = from.rbp;
  r.rsp = from.rsp;
  r.r8 = from.r8;
  r.r9 = from.r9;
  r.r10 = from.r10;
  r.r11 = from.r11;
  r.r12 = from.r12;
  r.r13 = from.r13;
  r.r14 = from.r14;
  r.r15 = from.r15;
  r.rip = from.rip;
  r.eflags = (r.eflags & ~kUserFlags) | (from.rflags & kUserFlags);
  r.fs_base = from.fs_base;
  r.gs_base = from.gs_base;
  return std::nullopt;
}

}  // namespace zxctl::arch
