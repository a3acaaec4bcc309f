#include "exceptions/exception.h"

namespace zxctl {

std::string_view ExceptionTypeName(ExceptionType type) {
  switch (type) {
    case ExceptionType::kGeneral:
      return "general";
    case ExceptionType::kFatalPageFault:
      return "fatal-page-fault";
    case ExceptionType::kUndefinedInstruction:
      return "undefined-instruction";
    case ExceptionType::kSwBreakpoint:
      return "sw-breakpoint";
    case ExceptionType::kHwBreakpoint:
      return "hw-breakpoint";
    case ExceptionType::kUnalignedAccess:
      return "unaligned-access";
    case ExceptionType::kThreadStarting:
      return "thread-starting";
    case ExceptionType::kThreadExiting:
      return "thread-exiting";
    case ExceptionType::kPolicyError:
      return "policy-error";
    case ExceptionType::kProcessStarting:
      return "process-starting";
  }
  return "unknown";
}

}  // namespace zxctl
