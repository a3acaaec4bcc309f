#include "exceptions/classify.h"

#include <csignal>

#include "arch/arch.h"

namespace zxctl {
namespace {

// asm-generic/siginfo.h; glibc leaves some of these out.
constexpr int kTrapBranch = 3;
constexpr int kTrapHwBreakpoint = 4;
constexpr int kTrapTrace = 2;

ExceptionType ClassifyTrap(int code) {
  const bool hardware = code == kTrapTrace || code == kTrapBranch || code == kTrapHwBreakpoint;
  return hardware ? ExceptionType::kHwBreakpoint : ExceptionType::kSwBreakpoint;
}

ExceptionType ClassifyMisaligned() {
  return arch::kAlignmentFaultIsGeneral ? ExceptionType::kGeneral : ExceptionType::kUnalignedAccess;
}

ExceptionType ClassifyFault(const SignalRecord& signal) {
  switch (signal.signo) {
    case SIGSEGV:
      return signal.code == SI_KERNEL ? ExceptionType::kGeneral : ExceptionType::kFatalPageFault;
    case SIGBUS:
      return signal.code == BUS_ADRALN ? ClassifyMisaligned() : ExceptionType::kFatalPageFault;
    case SIGILL:
      return ExceptionType::kUndefinedInstruction;
    case SIGTRAP:
      return ClassifyTrap(signal.code);
    case SIGSYS:
      return ExceptionType::kPolicyError;
    default:
      return ExceptionType::kGeneral;
  }
}

}  // namespace

std::optional<ExceptionType> ClassifySignal(const SignalRecord& signal) {
  if (DefaultActionOf(signal.signo) != DefaultAction::kCore) return std::nullopt;
  return IsSynchronousFault(signal) ? ClassifyFault(signal) : ExceptionType::kGeneral;
}

}  // namespace zxctl
