#include <signal.h>

#include <algorithm>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

// Exception classes, bits 31 to 26 of esr.
enum Class : uint32_t {
  kUnknown = 0x00,
  kDataAbort = 0x24,
  kFloatingPoint = 0x2c,
  kHardwareBreakpoint = 0x30,
  kSoftwareStep = 0x32,
  kBreakpoint = 0x3c,
};
constexpr uint32_t kClassShift = 26;
// The instruction has 32 bits.
constexpr uint32_t kInstructionLength = 1U << 25;

// Fault status of an abort.
constexpr uint32_t kTranslationFault = 0x07;
constexpr uint32_t kPermissionFault = 0x0f;
constexpr uint32_t kExternalAbort = 0x10;
constexpr uint32_t kAlignmentFault = 0x21;

constexpr uint64_t kUserFlags = 0xf0000000;  // N, Z, C, V

// asm-generic/siginfo.h; glibc leaves it out.
constexpr int kTrapBranch = 3;

uint32_t AbortStatus(int signo, int code) {
  if (signo == SIGBUS) return code == BUS_ADRALN ? kAlignmentFault : kExternalAbort;
  return code == SEGV_ACCERR ? kPermissionFault : kTranslationFault;
}

uint32_t TrapClass(int code) {
  if (code == TRAP_TRACE || code == kTrapBranch) return kSoftwareStep;
  return code == TRAP_HWBKPT ? kHardwareBreakpoint : kBreakpoint;
}

}  // namespace

void FillExceptionContext(int signo, int code, uint64_t address, zx_exception_arch_t& out) {
  out = {};
  // Sent by a program: the machine had no part in it.
  if (code <= 0) return;
  const auto esr = [](uint32_t class_of, uint32_t status) {
    return class_of << kClassShift | kInstructionLength | status;
  };
  switch (signo) {
    case SIGSEGV:
    case SIGBUS:
      out.arm_64.esr = esr(kDataAbort, AbortStatus(signo, code));
      out.arm_64.far = address;
      break;
    case SIGILL:
      out.arm_64.esr = esr(kUnknown, 0);
      break;
    case SIGTRAP:
      out.arm_64.esr = esr(TrapClass(code), 0);
      if (code == TRAP_HWBKPT) out.arm_64.far = address;
      break;
    case SIGFPE:
      out.arm_64.esr = esr(kFloatingPoint, 0);
      break;
    default:
      break;
  }
}

GeneralRegs ToZircon(const Registers& r) {
  GeneralRegs out{};
  std::copy(r.x.begin(), r.x.begin() + 30, out.r);
  out.lr = r.x[30];
  out.sp = r.sp;
  out.pc = r.pc;
  out.cpsr = r.pstate & kUserFlags;
  out.tpidr = r.tpidr;
  return out;
}

std::optional<std::string> FromZircon(const GeneralRegs& from, Registers& r) {
  if (from.pc != r.pc) r.place = generic::CallPlace::kNone;
  std::copy(from.r, from.r + 30, r.x.begin());
  r.x[30] = from.lr;
  r.sp = from.sp;
  r.pc = from.pc;
  r.pstate = (r.pstate & ~kUserFlags) | (from.cpsr & kUserFlags);
  r.tpidr = from.tpidr;
  return std::nullopt;
}

}  // namespace zxctl::arch
