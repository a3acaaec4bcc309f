// What a process does with a signal, read from /proc. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace zxctl {

enum class Disposition : uint8_t { kDefault, kIgnored, kCaught };

// Signal sets as bit n-1 for signal n. /proc/…/stat shows the signals 1 to 31 only.
struct SignalSets {
  uint64_t blocked = 0;
  uint64_t ignored = 0;
  uint64_t caught = 0;
};

[[nodiscard]] Disposition DispositionOf(const SignalSets& sets, int signo);

// The three sets from a /proc/PID/task/TID/stat line. Whatever the task has set as its name is skipped safely. Nothing
// when the line is not one.
[[nodiscard]] std::optional<SignalSets> ParseStatSignals(std::string_view stat);

}  // namespace zxctl
