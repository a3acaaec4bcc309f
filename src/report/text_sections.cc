#include "report/text_sections.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/core_writer.h"
#include "report/text_safety.h"

namespace zxctl::report {
namespace {

constexpr size_t kLongestText = 1000;
constexpr size_t kLongestCommand = 4000;

// One word as a shell would take it, if it holds nothing that had to be escaped.
std::string Quoted(const std::string& word) {
  std::string safe = Shown(word);
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
  };
  if (!safe.empty() && std::all_of(safe.begin(), safe.end(), plain)) return safe;
  std::string out = "'";
  for (const char c : safe) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string CommandLine(const std::vector<std::string>& words) {
  std::string out;
  size_t shown = 0;
  for (; shown < words.size() && out.size() < kLongestCommand; ++shown) {
    if (shown > 0) out += ' ';
    out += Quoted(words[shown]);
  }
  if (shown < words.size()) out += fmt::format(" (and {} more words)", words.size() - shown);
  return out;
}

std::string Bytes(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double amount = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (amount < 1024) break;
    amount /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", amount, unit);
}

std::string Duration(double seconds) {
  if (seconds < 120) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<uint64_t>(std::min(seconds, 1e15));
  if (whole < 7200) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

// What happened to the process, as the verb of the headline.
std::string Verb(const ExceptionInfo& exception) {
  switch (exception.reason) {
    case ring::CrashReason::kException:
      return "crashed";
    case ring::CrashReason::kForcedDeath:
      return "is killed by the kernel";
    case ring::CrashReason::kHang:
      return "hangs";
    case ring::CrashReason::kGone:
      return "died before it could be looked at";
  }
  return "crashed";
}

// "fatal-page-fault, SIGSEGV SEGV_MAPERR (address not mapped to object)".
std::string Kind(const ExceptionInfo& exception) {
  std::string out;
  if (exception.reason != ring::CrashReason::kHang) out += ExceptionTypeName(exception.type);
  if (!exception.signal_name.empty()) out += fmt::format("{}{}", out.empty() ? "" : ", ", Shown(exception.signal_name));
  if (!exception.code_name.empty()) out += " " + Shown(exception.code_name);
  if (!exception.code_text.empty()) out += fmt::format(" ({})", Shown(exception.code_text));
  return out;
}

// "write to 0x10: null plus 0x10".
std::string Where(const ExceptionInfo& exception) {
  if (!exception.address) return Shown(exception.address_meaning);
  const std::string_view verb = exception.access == Access::kWrite     ? "write to"
                                : exception.access == Access::kRead    ? "read of"
                                : exception.access == Access::kExecute ? "execution of"
                                                                       : "address";
  std::string out = fmt::format("{} {:#x}", verb, *exception.address);
  if (!exception.address_meaning.empty()) out += ": " + Shown(exception.address_meaning);
  return out;
}

std::string Task(const Report& report) {
  std::string out = ShownTask(report.process.name, report.process.pid);
  if (report.exception.reason == ring::CrashReason::kHang || report.thread.tid == 0) return out;
  if (report.thread.tid == report.process.pid && report.thread.name == report.process.name) return out;
  return out + ", thread " + ShownTask(report.thread.name, report.thread.tid);
}

std::string ModuleFacts(const Module& module) {
  std::string out = module.build_id.empty() ? "no build-id" : "build-id " + Shown(module.build_id);
  if (module.deleted) out += ", deleted since";
  if (!module.has_symbols) return out + ", no symbols";
  return out + (module.has_debug_info ? ", debug info" : ", no debug info");
}

// "8388608 unlimited bytes", as in /proc/PID/limits, as "8388608 bytes (hard unlimited)".
std::string Limit(std::string_view value) {
  const auto take = [&value] {
    const std::string_view word = value.substr(0, value.find(' '));
    value.remove_prefix(std::min(word.size() + 1, value.size()));
    return word;
  };
  const std::string_view soft = take();
  const std::string_view hard = take();
  std::string out = Shown(soft);
  if (!value.empty()) out += " " + Shown(value);
  if (!hard.empty() && hard != soft) out += fmt::format(" (hard {})", Shown(hard));
  return out;
}

// The limits that limit something.
std::string Limits(const std::map<std::string, std::string>& limits) {
  std::string out;
  for (const auto& [name, value] : limits) {
    if (value.starts_with("unlimited")) continue;
    const std::string_view bare = name.starts_with("Max ") ? std::string_view(name).substr(4) : std::string_view(name);
    out += fmt::format("{}{} {}", out.empty() ? "" : "; ", Shown(bare), Limit(value));
  }
  return out;
}

// A path or a command line: never wrapped, so that it can be copied.
void Field(TextCanvas& canvas, std::string_view name, const std::string& value) {
  if (!value.empty()) canvas.Line(2, Pieces{{fmt::format("{:<11}", name), Ink::kFaint}, {value}});
}

std::string Numbers(const ProcessInfo& process) {
  return fmt::format("pid {}, parent {}, user {}; up {}; {} resident; {} thread{}", process.pid, process.parent_pid,
                     process.uid, Duration(process.uptime_seconds), Bytes(process.memory_bytes), process.thread_count,
                     process.thread_count == 1 ? "" : "s");
}

}  // namespace

std::string Shown(std::string_view text) {
  if (text.size() <= kLongestText) return TerminalSafe(text);
  const size_t half = kLongestText / 2;
  return fmt::format("{}...({} bytes left out)...{}", TerminalSafe(text.substr(0, half)), text.size() - 2 * half,
                     TerminalSafe(text.substr(text.size() - half)));
}

std::string ShownTask(std::string_view name, int32_t id) {
  return fmt::format("{}[{}]", name.empty() ? "?" : Shown(name), id);
}

size_t AddressWidth(const Report& report) {
  const std::vector<RegisterValue>& registers = report.thread.registers;
  // A 64-bit thread's stack pointer at least does not fit into 32 bits.
  const bool narrow = !registers.empty() && std::all_of(registers.begin(), registers.end(),
                                                        [](const auto& reg) { return reg.value <= UINT32_MAX; });
  return narrow ? 10 : 18;
}

void WriteHeadline(TextCanvas& canvas, const Report& report) {
  const ExceptionInfo& exception = report.exception;
  const std::string kind = Kind(exception);
  canvas.Line(0, Pieces{{fmt::format("{} {}{}", Task(report), Verb(exception), kind.empty() ? "" : ": "), Ink::kTitle},
                        {kind, Ink::kAlarm}});
  const std::string where = Where(exception);
  if (!where.empty()) canvas.Wrapped(2, where, Ink::kAlarm);
  if (exception.first.signo != 0) {
    canvas.Wrapped(
        2, "This is the thread's first fault; the program's own handler for it ran and did not save the program.");
  }
}

void WriteWhy(TextCanvas& canvas, const Report& report) {
  if (report.exception.explanation.empty()) return;
  canvas.Title("why");
  canvas.Wrapped(2, Shown(report.exception.explanation));
}

void WriteModules(TextCanvas& canvas, const Report& report) {
  if (report.modules.empty()) return;
  canvas.Title("modules");
  const size_t width = AddressWidth(report);
  for (const Module& module : report.modules) {
    const Piece range{fmt::format("{:#0{}x}-{:#0{}x} ", module.start, width, module.end, width), Ink::kFaint};
    canvas.LineOrTwo(2, {range, {TerminalSafe(module.path), Ink::kPlace}}, 6, {{"(" + ModuleFacts(module) + ")"}});
  }
}

void WriteProcess(TextCanvas& canvas, const Report& report) {
  const ProcessInfo& process = report.process;
  canvas.Title("process");
  Field(canvas, "program", TerminalSafe(process.executable));
  Field(canvas, "command", CommandLine(process.command_line));
  Field(canvas, "directory", TerminalSafe(process.working_directory));
  canvas.Labelled(2, "numbers", Numbers(process));
  canvas.Labelled(2, "limits", Limits(process.limits));
}

void WriteEnvironment(TextCanvas& canvas, const Report& report) {
  if (report.environment.empty()) return;
  canvas.Title("environment");
  for (const auto& [name, value] : report.environment) canvas.Line(2, Shown(name) + "=" + TerminalSafe(value));
}

void WriteConsequence(TextCanvas& canvas, const Report& report) {
  if (report.exception.consequence.empty() && report.core_file.empty()) return;
  canvas.Title("consequence");
  canvas.Wrapped(2, Shown(report.exception.consequence));
  if (report.core_file.empty()) return;
  const bool whole = !report.core_file.ends_with(kIncompleteSuffix);
  const char* what =
      whole ? "zxctl wrote a core:" : "zxctl wrote a core (incomplete: there was no time or room for all memory):";
  canvas.LineOrTwo(2, {{what}}, 2, {{TerminalSafe(report.core_file), Ink::kPlace}});
}

void WriteNotes(TextCanvas& canvas, const Report& report) {
  if (report.notes.limits.empty() && report.notes.withheld.empty()) return;
  canvas.Title("notes");
  for (const std::string& note : report.notes.limits) canvas.Wrapped(2, "- " + Shown(note));
  for (const std::string& note : report.notes.withheld) canvas.Wrapped(2, "- not shown: " + Shown(note));
}

void WriteEnd(TextCanvas& canvas, const Report& report) {
  canvas.Blank();
  canvas.Line(
      0, Pieces{{fmt::format("end of the report on {} ({:.0f} ms, {})",
                             ShownTask(report.process.name, report.process.pid), report.elapsed_ms, Shown(report.time)),
                 Ink::kFaint}});
}

}  // namespace zxctl::report
