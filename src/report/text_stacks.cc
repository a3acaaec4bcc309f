#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "report/text_safety.h"
#include "report/text_sections.h"
#include "report/thread_groups.h"

namespace zxctl::report {
namespace {

// How much of a stack is shown: runs from its top and runs from its bottom.
struct Excerpt {
  size_t top;
  size_t bottom;
};
constexpr Excerpt kFaultingStack{96, 32};
constexpr Excerpt kOtherStack{12, 4};
constexpr size_t kGroupsShown = 64;
// "#0? ", behind which the pc stands.
constexpr size_t kNumberWidth = 5;

bool IsDoubtful(const Frame& frame) { return frame.trust == Trust::kFramePointer || frame.trust == Trust::kScan; }

bool ListsModule(const Report& report, const std::string& path) {
  return std::any_of(report.modules.begin(), report.modules.end(),
                     [&path](const Module& module) { return module.path == path; });
}

// The section of the modules has the whole path.
std::string_view ModuleName(const Report& report, const std::string& path) {
  const size_t slash = path.rfind('/');
  const bool shorten = slash != std::string::npos && ListsModule(report, path);
  return shorten ? std::string_view(path).substr(slash + 1) : std::string_view(path);
}

// "list_push+0x29".
std::string Function(const Frame& frame) {
  if (frame.function.empty()) return "??";
  if (frame.inlined) return Shown(frame.function);
  return fmt::format("{}+{:#x}", Shown(frame.function), frame.function_offset);
}

// "at src/list.c:42:7".
std::string Source(const Frame& frame) {
  if (frame.file.empty()) return {};
  std::string out = "at " + TerminalSafe(frame.file);
  if (frame.line != 0) out += fmt::format(":{}", frame.line);
  if (frame.line != 0 && frame.column != 0) out += fmt::format(":{}", frame.column);
  return out;
}

std::string Module(const Report& report, const Frame& frame) {
  if (frame.inlined) return {};
  if (frame.module.empty()) return "[in no mapping]";
  std::string_view name = ModuleName(report, frame.module);
  // "[vdso]" and its like have their brackets already.
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  return fmt::format("[{}+{:#x}]", TerminalSafe(name), frame.module_offset);
}

Pieces Head(const Frame& frame, uint64_t number, size_t number_width, size_t pc_width) {
  const std::string mark = fmt::format("#{}{}", number, IsDoubtful(frame) ? "?" : "");
  const std::string pc = frame.inlined ? "(inlined)" : fmt::format("{:#0{}x}", frame.pc, pc_width);
  return {{fmt::format("{:<{}} ", mark, number_width), IsDoubtful(frame) ? Ink::kAlarm : Ink::kFaint},
          {fmt::format("{:<{}} ", pc, pc_width), Ink::kFaint},
          {Function(frame), Ink::kFunction}};
}

Pieces Tail(const Report& report, const Frame& frame) {
  const std::string source = Source(frame);
  const std::string module = Module(report, frame);
  return {{source, Ink::kPlace}, {!source.empty() && !module.empty() ? "  " : ""}, {module, Ink::kFaint}};
}

void WriteFrame(TextCanvas& canvas, const Report& report, const Frame& frame, uint64_t number, size_t number_width) {
  if (frame.trust == Trust::kSignalContext) canvas.Line(2, Pieces{{"--- signal handler called ---", Ink::kFaint}});
  const size_t pc_width = AddressWidth(report);
  const size_t function_indent = 2 + number_width + 1 + pc_width + 3;
  canvas.LineOrTwo(2, Head(frame, number, number_width, pc_width), function_indent, Tail(report, frame));
}

// A part of a thread's frames, and the number that people count its first frame as.
struct Part {
  std::span<const Frame> frames;
  uint64_t first_number = 0;
  size_t number_width = kNumberWidth;
};

// The frames before and after the gap of a deep recursion.
std::vector<Part> Parts(const ThreadInfo& thread) {
  const std::span<const Frame> all = thread.frames;
  const uint64_t last = all.size() + thread.frames_left_out;
  // "#", the digits and "?".
  const size_t width = std::max(kNumberWidth, fmt::formatted_size("{}", last) + 2);
  if (thread.frames_left_out == 0) return {{all, 0, width}};
  const size_t before = std::min<size_t>(thread.frames_left_out_after, all.size());
  return {{all.first(before), 0, width}, {all.subspan(before), before + thread.frames_left_out, width}};
}

void WriteRun(TextCanvas& canvas, const Report& report, const Part& part, const FrameRun& run) {
  for (size_t i = run.first; i < run.first + run.length; ++i) {
    WriteFrame(canvas, report, part.frames[i], part.first_number + i, part.number_width);
  }
  if (run.times == 1) return;
  const uint64_t last = part.first_number + run.first + run.length * run.times - 1;
  const std::string which = run.length == 1 ? "this frame" : fmt::format("these {} frames", run.length);
  canvas.Line(2, fmt::format("...   {} again, {} more time{}, up to #{}", which, run.times - 1,
                             run.times == 2 ? "" : "s", last));
}

void WritePart(TextCanvas& canvas, const Report& report, const Part& part, Excerpt excerpt) {
  const std::vector<FrameRun> runs = CollapseRecursion(part.frames);
  const bool cut = runs.size() > excerpt.top + excerpt.bottom;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (cut && i == excerpt.top) {
      i = runs.size() - excerpt.bottom;
      const size_t left_out = runs[i].first - runs[excerpt.top].first;
      canvas.Line(2, fmt::format("...   {} frames not shown; the JSON report has them", left_out));
    }
    WriteRun(canvas, report, part, runs[i]);
  }
}

void WriteFrames(TextCanvas& canvas, const Report& report, const ThreadInfo& thread, Excerpt excerpt) {
  for (const Part& part : Parts(thread)) {
    if (part.first_number != 0) {
      canvas.Line(2, fmt::format("...   {} more frames of this recursion", thread.frames_left_out));
    }
    WritePart(canvas, report, part, excerpt);
  }
  if (thread.frames_truncated) canvas.Line(2, "...   the stack goes on; it was read no further");
}

bool AnyDoubtful(const ThreadInfo& thread) {
  return std::any_of(thread.frames.begin(), thread.frames.end(), IsDoubtful);
}

void WriteLegend(TextCanvas& canvas, const Report& report) {
  if (!AnyDoubtful(report.thread) && std::none_of(report.threads.begin(), report.threads.end(), AnyDoubtful)) return;
  canvas.Wrapped(2,
                 "? = found without unwind information (frame pointer chain, or a word on the stack that looks like a "
                 "return address): may be wrong");
}

void WriteGroup(TextCanvas& canvas, const Report& report, const ThreadGroup& group) {
  const ThreadInfo& first = *group.threads.front();
  Pieces title{{Shown(DescribeGroup(group)), Ink::kTitle}};
  if (!first.state.empty()) title.push_back({": " + Shown(first.state)});
  canvas.Blank();
  canvas.Line(0, title);
  WriteFrames(canvas, report, first, kOtherStack);
}

}  // namespace

void WriteBacktrace(TextCanvas& canvas, const Report& report) {
  const ThreadInfo& thread = report.thread;
  if (thread.frames.empty() && thread.state.empty()) return;
  canvas.Title(thread.tid == 0 ? "where"
                               : "where: thread " + ShownTask(thread.name, thread.tid) +
                                     (thread.state.empty() ? "" : ", " + Shown(thread.state)));
  if (thread.frames.empty()) canvas.Line(2, "no backtrace: there are no registers of this thread");
  WriteFrames(canvas, report, thread, kFaultingStack);
  WriteLegend(canvas, report);
}

void WriteOtherThreads(TextCanvas& canvas, const Report& report) {
  const std::vector<ThreadGroup> groups = GroupThreads(report.threads);
  size_t left_out = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (i < kGroupsShown) {
      WriteGroup(canvas, report, groups[i]);
    } else {
      left_out += groups[i].threads.size();
    }
  }
  if (left_out == 0) return;
  canvas.Title(fmt::format("{} more threads with {} other stacks; the JSON report has them", left_out,
                           groups.size() - kGroupsShown));
}

}  // namespace zxctl::report
