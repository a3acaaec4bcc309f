// A stop as an exception: what a handler is told. Pure values.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "supervisor/signal_record.h"

namespace zxctl {

// Zircon's exception types; the numbers are the codes of the port packet.
enum class ExceptionType : uint32_t {
  kGeneral = 0,
  kFatalPageFault = 1,
  kUndefinedInstruction = 2,
  kSwBreakpoint = 3,
  kHwBreakpoint = 4,
  kUnalignedAccess = 5,
  kThreadStarting = 0x80,
  kThreadExiting = 0x81,
  kPolicyError = 0x82,
  kProcessStarting = 0x83,
};

// Zircon's name in lower case with dashes: "fatal-page-fault".
[[nodiscard]] std::string_view ExceptionTypeName(ExceptionType type);

}  // namespace zxctl
