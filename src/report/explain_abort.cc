#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "report/explain.h"

namespace zxctl::report {
namespace {

// A function whose presence in the backtrace tells the reason. The first row that matches wins.
struct Sign {
  std::string_view function;  // the beginning of the name
  std::string_view meaning;
};

constexpr std::array<Sign, 12> kSigns = {{
    {"__stack_chk_fail",
     "the stack protector found a function's stack frame overwritten (a buffer overflow on the stack)"},
    {"__fortify_fail", "a checked string or memory function would have written past its buffer"},
    {"__chk_fail", "a checked string or memory function would have written past its buffer"},
    {"__assert_fail", "an assertion failed"},
    {"__cxa_pure_virtual", "a pure virtual function was called"},
    {"malloc_printerr", "the allocator found its memory corrupted"},
    {"__cxa_throw", "an exception was thrown and nobody caught it"},
    {"__cxa_rethrow", "an exception was thrown again and nobody caught it"},
    {"std::terminate", "std::terminate() was called"},
    {"rust_panic", "a Rust panic ended the process"},
    {"__libc_fatal", "the C library ended the process"},
    {"abort", "the program called abort()"},
}};

// Libraries, and functions of theirs in static programs, between the reason and the program's own code.
constexpr std::array<std::string_view, 5> kPlumbingModules = {"libc.so", "libc-2.", "libstdc++.so", "libgcc_s.so",
                                                              "libpthread"};
constexpr std::array<std::string_view, 20> kPlumbing = {
    "__pthread_kill", "pthread_kill",     "raise",          "gsignal",         "__GI_",
    "abort",          "__assert_fail",    "__libc_message", "malloc_printerr", "__fortify_fail",
    "__chk_fail",     "__stack_chk_fail", "std::terminate", "__cxa_",          "__gnu_cxx::",
    "__cxxabiv1::",   "__libc_fatal",     "_int_free",      "__libc_free",     "free"};

bool IsPlumbing(const Frame& frame) {
  const std::string_view module = std::string_view(frame.module).substr(frame.module.rfind('/') + 1);
  const bool in_library = std::any_of(kPlumbingModules.begin(), kPlumbingModules.end(),
                                      [&](std::string_view prefix) { return module.starts_with(prefix); });
  return in_library || std::any_of(kPlumbing.begin(), kPlumbing.end(),
                                   [&](std::string_view prefix) { return frame.function.starts_with(prefix); });
}

const Sign* FindSign(const std::vector<Frame>& frames) {
  for (const Sign& sign : kSigns) {
    const bool found = std::any_of(frames.begin(), frames.end(), [&](const Frame& frame) {
      return frame.function.starts_with(sign.function) ||
             frame.function.starts_with(fmt::format("__GI_{}", sign.function));
    });
    if (found) return &sign;
  }
  return nullptr;
}

// " in f() at x.c:12": the first function that is not the library's.
std::string Place(const std::vector<Frame>& frames) {
  const auto found = std::find_if(frames.begin(), frames.end(),
                                  [](const Frame& frame) { return !frame.function.empty() && !IsPlumbing(frame); });
  if (found == frames.end()) return {};
  const std::string line = found->file.empty() ? "" : fmt::format(" at {}:{}", found->file, found->line);
  return fmt::format(" in {}{}", found->function, line);
}

}  // namespace

std::string ExplainAbort(const AbortFacts& facts) {
  if (facts.thread == nullptr) return {};
  const std::vector<Frame>& frames = facts.thread->frames;
  const size_t looked_at = std::min<size_t>(frames.size(), 24);
  const std::vector<Frame> top(frames.begin(), frames.begin() + static_cast<ptrdiff_t>(looked_at));
  const Sign* sign = FindSign(top);
  if (sign == nullptr && facts.message.empty()) return {};
  std::string text = sign == nullptr ? "the C library ended the process" : std::string(sign->meaning);
  text += Place(top);
  if (!facts.thrown_type.empty()) text += fmt::format("; its type is {}", facts.thrown_type);
  if (!facts.thrown_what.empty()) text += fmt::format(" and it says \"{}\"", facts.thrown_what);
  if (!facts.message.empty()) text += fmt::format(": \"{}\"", facts.message);
  return text;
}

}  // namespace zxctl::report
