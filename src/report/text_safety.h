// Bytes that a program controls, made fit for a terminal, for JSON and for a file name. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace zxctl::report {

struct Utf8Step {
  char32_t code = 0;  // meaningful if valid
  size_t bytes = 1;   // how far to go on
  bool valid = false;
};

// The first character of `text`, which is not empty. Overlong forms, surrogates and values above U+10FFFF are not valid;
// a byte that starts nothing valid is a step of 1.
[[nodiscard]] Utf8Step NextUtf8(std::string_view text);

[[nodiscard]] bool IsValidUtf8(std::string_view text);

// `text` with U+FFFD in place of each byte that belongs to no valid character.
[[nodiscard]] std::string ReplaceInvalidUtf8(std::string_view text);

// `text` such that a terminal only shows it: control characters and bytes that are not UTF-8 become \n, \t, \r, \e or
// \xNN, and characters that reorder, hide or break lines (bidirectional controls, zero-width and line separators, tags)
// become \u{NNNN}. One line in, one line out.
[[nodiscard]] std::string TerminalSafe(std::string_view text);

// `text` as a part of a file name: letters, digits, '+', '-', '_' and inner dots stay, everything else becomes '_'; at most
// `max_bytes` bytes and never empty.
[[nodiscard]] std::string FileNameSafe(std::string_view text, size_t max_bytes);

// How many characters `text` shows, for alignment.
[[nodiscard]] size_t DisplayWidth(std::string_view text);

}  // namespace zxctl::report
