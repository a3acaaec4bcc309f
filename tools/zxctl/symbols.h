// Addresses as people write them: numbers, or names in a running process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace zxctl {

// "17", "0x1f", "-1": 64 bits. Nothing for anything else, and for what does not fit.
[[nodiscard]] std::optional<uint64_t> ParseNumber(std::string_view text);

// A value as it is written: a name in a process, or a number, with an offset.
struct ValueText {
  std::string module;   // before the '!'; empty: all of them
  std::string name;     // empty: a number
  uint64_t base = 0;    // the number
  uint64_t offset = 0;  // behind the last '+' or '-', modulo 2^64
};
// [MODULE!]NAME[+OFFSET] or NUMBER[+OFFSET]. INVALID_ARGS for anything else.
[[nodiscard]] Result<ValueText> ParseValue(std::string_view text);
// What is wrong with a text that is none; empty if it is one.
[[nodiscard]] std::string WhyNoValue(const std::string& text);

// What the value is for: the name of code has to be a function's, if there is one of that name.
enum class ValueUse : uint8_t { kCode, kAny };

// The number that `text` is, or the address of what it names in process `pid`. INVALID_ARGS for a text that can be neither;
// NOT_FOUND with a sentence that says what would mend it where there is no such name or more than one.
[[nodiscard]] Result<uint64_t> ResolveValue(pid_t pid, std::string_view text, ValueUse use);

}  // namespace zxctl
