#include <signal.h>

#include <cstring>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

// The causes of the machine's exceptions.
enum Cause : uint64_t {
  kIllegalInstruction = 2,
  kBreakpoint = 3,
  kLoadMisaligned = 4,
  kLoadAccessFault = 5,
  kLoadPageFault = 13,
};

static_assert(sizeof(GeneralRegs) == kCoreRegisterBytes);

}  // namespace

void FillExceptionContext(int signo, int code, uint64_t address, zx_exception_arch_t& out) {
  out = {};
  // Sent by a program: the machine had no part in it.
  if (code <= 0) return;
  out.riscv_64.tval = address;
  switch (signo) {
    case SIGSEGV:
      out.riscv_64.cause = kLoadPageFault;
      break;
    case SIGBUS:
      out.riscv_64.cause = code == BUS_ADRALN ? kLoadMisaligned : kLoadAccessFault;
      break;
    case SIGILL:
      out.riscv_64.cause = kIllegalInstruction;
      break;
    case SIGTRAP:
      out.riscv_64.cause = kBreakpoint;
      break;
    default:
      out = {};
      break;
  }
}

// Zircon's order is that of the kernel's registers.
GeneralRegs ToZircon(const Registers& r) {
  GeneralRegs out{};
  std::memcpy(&out, &r, sizeof(out));
  return out;
}

std::optional<std::string> FromZircon(const GeneralRegs& from, Registers& r) {
  if (from.pc != r.pc) r.place = generic::CallPlace::kNone;
  std::memcpy(&r, &from, sizeof(from));
  return std::nullopt;
}

}  // namespace zxctl::arch
