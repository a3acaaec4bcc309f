// What the programs for people print. A stream that cannot be written ends nobody: what is lost on standard error is lost, and
// what is lost on standard output is said at the end.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

namespace zxctl {

// Prints `text` as it is. Errors stay with the stream.
void PrintText(std::FILE* to, std::string_view text);

// Prints on standard output.
template <typename... Args>
void Print(fmt::format_string<Args...> format, Args&&... args) {
  PrintText(stdout, fmt::format(format, std::forward<Args>(args)...));
}

// After the last Print(): `status` if all of standard output could be written; otherwise a complaint, and kExitFailure.
[[nodiscard]] int EndOutput(int status);

// Puts something that can be read, and is empty, where standard input, output or error is closed: a descriptor that is opened
// later would be taken for it. Writing to it is an error as before. Not for a program that hands its descriptors on.
void FillStandardStreams();

}  // namespace zxctl
