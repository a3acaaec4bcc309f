#include "report/render_text.h"

#include "report/text_canvas.h"
#include "report/text_sections.h"

namespace zxctl::report {

std::string RenderText(const Report& report, bool color, size_t columns) {
  TextCanvas canvas(color, columns);
  WriteHeadline(canvas, report);
  WriteWhy(canvas, report);
  WriteBacktrace(canvas, report);
  WriteSource(canvas, report);
  WriteDisassembly(canvas, report);
  WriteRegisters(canvas, report);
  WriteMemory(canvas, report);
  WriteStack(canvas, report);
  WriteOtherThreads(canvas, report);
  WriteModules(canvas, report);
  WriteProcess(canvas, report);
  WriteEnvironment(canvas, report);
  WriteConsequence(canvas, report);
  WriteNotes(canvas, report);
  WriteEnd(canvas, report);
  return canvas.Take();
}

}  // namespace zxctl::report
