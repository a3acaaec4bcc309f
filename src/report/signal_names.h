// Signals and their codes in words. Pure tables.
#pragma once

#include <string>
#include <string_view>

#include "exceptions/exception.h"

namespace zxctl::report {

// "SIGSEGV"; "SIGRTMIN+3"; "signal 99".
[[nodiscard]] std::string SignalName(int signo);

struct CodeName {
  std::string_view name;  // "SEGV_MAPERR"; empty if unknown
  std::string_view text;  // "address not mapped to object"
};
[[nodiscard]] CodeName NameCode(const SignalRecord& signal);

// True for a signal that a process sent, as against one that the kernel raised.
[[nodiscard]] bool WasSent(const SignalRecord& signal);

}  // namespace zxctl::report
