// What every verb says when it cannot begin, and the exit statuses that go with it.
#pragma once

#include <string>

namespace CLI {
class App;
class Error;
}  // namespace CLI

namespace zxctl {

// Exit statuses of zxctl's own failures before the program runs.
inline constexpr int kExitFailure = 125;
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNotFound = 127;

// Prints "zxctl: text" on standard error.
void Complain(const std::string& text);

// What CLI11 has to say of `app`, in our words: help on standard output, an error in one line on standard error. `first_word` is
// the first of the words that were parsed, if there was one. The value is the exit status.
[[nodiscard]] int Explain(const CLI::App& app, const std::string& first_word, const CLI::Error& error);

}  // namespace zxctl
