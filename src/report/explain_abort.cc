#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "report/explain.h"

namespace zxctl::report {
namespace {

// How deep the reason may stand in the backtrace.
constexpr size_t kFramesLookedAt = 24;

// A function whose presence in the backtrace tells the reason, or a message that does. The first row that matches wins.
struct Sign {
  std::string_view beginning;  // of the name or message
  std::string_view meaning;
};

constexpr std::string_view kOverflow = "a checked string or memory function would have written past its buffer";
constexpr std::string_view kSmashed =
    "the stack protector found a function's stack frame overwritten (a buffer overflow on the stack)";
constexpr std::string_view kCorrupted = "the allocator found its memory corrupted";
constexpr std::string_view kPanic = "the Rust program panicked";

constexpr std::array<Sign, 15> kSigns = {{
    {"__stack_chk_fail", kSmashed},
    {"__fortify_fail", kOverflow},
    {"__chk_fail", kOverflow},
    {"__assert_fail", "an assertion failed"},
    {"__cxa_pure_virtual", "a pure virtual function was called"},
    {"malloc_printerr", kCorrupted},
    {"__cxa_throw", "an exception was thrown and nobody caught it"},
    {"__cxa_rethrow", "an exception was thrown again and nobody caught it"},
    {"std::terminate", "std::terminate() was called"},
    {"rust_panic", kPanic},
    {"rust_begin_unwind", kPanic},
    {"__rustc::rust_panic", kPanic},
    {"__rustc::rust_begin_unwind", kPanic},
    {"core::panicking::", kPanic},
    {"std::panicking::rust_panic", kPanic},
}};

// How the C library's last words begin: the reason where its functions have no names. Assertions are told by the
// function, which every library exports.
constexpr std::array<Sign, 11> kMessageSigns = {{
    {"*** stack smashing detected", kSmashed},
    {"*** buffer overflow detected", kOverflow},
    {"free(): ", kCorrupted},
    {"malloc(): ", kCorrupted},
    {"realloc(): ", kCorrupted},
    {"malloc_consolidate(): ", kCorrupted},
    {"munmap_chunk(): ", kCorrupted},
    {"mremap_chunk(): ", kCorrupted},
    {"double free or corruption", kCorrupted},
    {"corrupted ", kCorrupted},
    {"invalid fastbin entry", kCorrupted},
}};

// What is left to say without any of these.
constexpr std::array<Sign, 2> kGeneralSigns = {{
    {"__libc_fatal", "the C library ended the process"},
    {"abort", "the program called abort()"},
}};

// Libraries, and functions of theirs in static programs, between the reason and the program's own code.
constexpr std::array<std::string_view, 6> kPlumbingModules = {"libc.so",     "libc-2.",    "libstdc++.so",
                                                              "libgcc_s.so", "libpthread", "[vdso]"};
constexpr std::array<std::string_view, 20> kPlumbing = {
    "__pthread_kill", "pthread_kill",     "raise",          "gsignal",         "__GI_",
    "abort",          "__assert_fail",    "__libc_message", "malloc_printerr", "__fortify_fail",
    "__chk_fail",     "__stack_chk_fail", "std::terminate", "__cxa_",          "__gnu_cxx::",
    "__cxxabiv1::",   "__libc_fatal",     "_int_free",      "__libc_free",     "free"};
// Headers that the system brought: checked functions, containers and the like, perhaps inlined.
constexpr std::array<std::string_view, 3> kSystemHeaders = {"/usr/include/", "/usr/lib/gcc/", "/usr/lib/llvm"};
// Rust's own crates and run time.
constexpr std::string_view kRustSources = "/rustc/";
constexpr std::array<std::string_view, 10> kRustPlumbing = {"std::",         "core::",        "alloc::", "<std::",
                                                            "<core::",       "<alloc::",      "__rust",  "rust_",
                                                            "panic_abort::", "panic_unwind::"};

template <typename Beginnings>
bool StartsWithAny(std::string_view text, const Beginnings& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(), [&](std::string_view b) { return text.starts_with(b); });
}

// "std::" alone could be C++ as well.
bool IsRust(std::span<const Frame> frames) {
  constexpr std::array<std::string_view, 3> kMarks = {"__rust", "rust_panic", "rust_begin_unwind"};
  return std::any_of(frames.begin(), frames.end(), [&](const Frame& frame) {
    return frame.file.starts_with(kRustSources) || StartsWithAny(frame.function, kMarks);
  });
}

bool IsPlumbing(const Frame& frame, bool rust) {
  const std::string_view module = std::string_view(frame.module).substr(frame.module.rfind('/') + 1);
  if (StartsWithAny(module, kPlumbingModules) || StartsWithAny(frame.function, kPlumbing)) return true;
  if (StartsWithAny(frame.file, kSystemHeaders)) return true;
  return rust && (frame.file.starts_with(kRustSources) || StartsWithAny(frame.function, kRustPlumbing));
}

template <typename Signs>
const Sign* FindSign(std::span<const Frame> frames, const Signs& signs) {
  for (const Sign& sign : signs) {
    const bool found = std::any_of(frames.begin(), frames.end(), [&](const Frame& frame) {
      return frame.function.starts_with(sign.beginning) ||
             frame.function.starts_with(fmt::format("__GI_{}", sign.beginning));
    });
    if (found) return &sign;
  }
  return nullptr;
}

// What the backtrace or the last words tell; empty if they tell nothing.
std::string_view MeaningOf(std::span<const Frame> frames, const std::string& message) {
  if (const Sign* sign = FindSign(frames, kSigns)) return sign->meaning;
  const auto told = std::find_if(kMessageSigns.begin(), kMessageSigns.end(),
                                 [&](const Sign& sign) { return message.starts_with(sign.beginning); });
  if (told != kMessageSigns.end()) return told->meaning;
  if (const Sign* sign = FindSign(frames, kGeneralSigns)) return sign->meaning;
  return message.empty() ? "" : "the C library ended the process";
}

std::span<const Frame> Top(const ThreadInfo& thread) {
  return std::span(thread.frames).first(std::min<size_t>(thread.frames.size(), kFramesLookedAt));
}

// " in f() at x.c:12".
std::string Place(const ThreadInfo& thread) {
  const Frame* frame = FindCulprit(thread);
  if (frame == nullptr) return {};
  const std::string line = frame->file.empty() ? "" : fmt::format(" at {}:{}", frame->file, frame->line);
  return fmt::format(" in {}{}", frame->function, line);
}

}  // namespace

const Frame* FindCulprit(const ThreadInfo& thread) {
  const auto frames = Top(thread);
  const bool rust = IsRust(frames);
  const auto found = std::find_if(frames.begin(), frames.end(), [rust](const Frame& frame) {
    return !frame.function.empty() && !IsPlumbing(frame, rust);
  });
  return found == frames.end() ? nullptr : &*found;
}

std::string ExplainAbort(const AbortFacts& facts) {
  if (facts.thread == nullptr) return {};
  const std::string_view meaning = MeaningOf(Top(*facts.thread), facts.message);
  if (meaning.empty()) return {};
  std::string text = std::string(meaning) + Place(*facts.thread);
  if (!facts.thrown_type.empty()) text += fmt::format("; its type is {}", facts.thrown_type);
  if (!facts.thrown_what.empty()) text += fmt::format(" and it says \"{}\"", facts.thrown_what);
  if (!facts.message.empty()) text += fmt::format(": \"{}\"", facts.message);
  return text;
}

}  // namespace zxctl::report
