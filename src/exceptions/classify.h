// From a signal-delivery stop to Zircon's exception type. Pure.
#pragma once

#include "exceptions/exception.h"

namespace zxctl {

// The exception a signal stands for when it would kill: one row of the table for each. Nothing for signals that merely
// terminate, stop, continue or are ignored.
[[nodiscard]] std::optional<ExceptionType> ClassifySignal(const SignalRecord& signal);

}  // namespace zxctl
