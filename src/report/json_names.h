// The words that stand for enumerators in a report's JSON.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "report/model.h"

namespace zxctl::report {

template <typename Enum>
using EnumName = std::pair<Enum, std::string_view>;

inline constexpr std::array kTrustNames = {
    EnumName<Trust>{Trust::kContext, "context"},
    EnumName<Trust>{Trust::kSignalContext, "signal-context"},
    EnumName<Trust>{Trust::kCfi, "cfi"},
    EnumName<Trust>{Trust::kInlined, "inlined"},
    EnumName<Trust>{Trust::kFramePointer, "frame-pointer"},
    EnumName<Trust>{Trust::kScan, "scan"},
};

inline constexpr std::array kAccessNames = {
    EnumName<Access>{Access::kUnknown, "unknown"},
    EnumName<Access>{Access::kRead, "read"},
    EnumName<Access>{Access::kWrite, "write"},
    EnumName<Access>{Access::kExecute, "execute"},
};

inline constexpr std::array kReasonNames = {
    EnumName<ring::CrashReason>{ring::CrashReason::kException, "exception"},
    EnumName<ring::CrashReason>{ring::CrashReason::kForcedDeath, "forced-death"},
    EnumName<ring::CrashReason>{ring::CrashReason::kHang, "hang"},
    EnumName<ring::CrashReason>{ring::CrashReason::kGone, "gone"},
};

inline constexpr std::array kExceptionTypes = {
    ExceptionType::kGeneral,         ExceptionType::kFatalPageFault, ExceptionType::kUndefinedInstruction,
    ExceptionType::kSwBreakpoint,    ExceptionType::kHwBreakpoint,   ExceptionType::kUnalignedAccess,
    ExceptionType::kThreadStarting,  ExceptionType::kThreadExiting,  ExceptionType::kPolicyError,
    ExceptionType::kProcessStarting,
};

// The word for `value`; "unknown" for a number that is no enumerator.
template <typename Enum, size_t N>
[[nodiscard]] constexpr std::string_view NameOf(const std::array<EnumName<Enum>, N>& names, Enum value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "unknown";
}

template <typename Enum, size_t N>
[[nodiscard]] constexpr std::optional<Enum> ValueOf(const std::array<EnumName<Enum>, N>& names, std::string_view word) {
  for (const auto& [value, name] : names) {
    if (name == word) return value;
  }
  return std::nullopt;
}

}  // namespace zxctl::report
