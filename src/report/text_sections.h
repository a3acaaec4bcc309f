// The sections of a text report, in the order in which they stand. Each writes nothing when it has nothing to say.
#pragma once

#include "report/model.h"
#include "report/text_canvas.h"

namespace zxctl::report {

// text_sections.cc
void WriteHeadline(TextCanvas& canvas, const Report& report);
void WriteWhy(TextCanvas& canvas, const Report& report);
void WriteProcess(TextCanvas& canvas, const Report& report);
void WriteModules(TextCanvas& canvas, const Report& report);
void WriteEnvironment(TextCanvas& canvas, const Report& report);
void WriteConsequence(TextCanvas& canvas, const Report& report);
void WriteNotes(TextCanvas& canvas, const Report& report);
void WriteEnd(TextCanvas& canvas, const Report& report);

// text_stacks.cc
void WriteBacktrace(TextCanvas& canvas, const Report& report);
void WriteOtherThreads(TextCanvas& canvas, const Report& report);

// text_machine.cc
void WriteSource(TextCanvas& canvas, const Report& report);
void WriteDisassembly(TextCanvas& canvas, const Report& report);
void WriteRegisters(TextCanvas& canvas, const Report& report);
void WriteMemory(TextCanvas& canvas, const Report& report);
void WriteStack(TextCanvas& canvas, const Report& report);

// A program's text for a line of the report: safe, and its middle left out when it is longer than a screen. Not for paths.
[[nodiscard]] std::string Shown(std::string_view text);
// "0x" and the digits of an address: 8 for a 32-bit program's thread, 16 otherwise.
[[nodiscard]] size_t AddressWidth(const Report& report);
// "server[4711]".
[[nodiscard]] std::string ShownTask(std::string_view name, int32_t id);

}  // namespace zxctl::report
