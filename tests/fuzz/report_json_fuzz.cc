// What a sandboxed worker may send: any bytes. Reading them ends in a report or an error, and what was read can be shown.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "report/render_json.h"
#include "report/render_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  const auto report = zxctl::report::FromJson(std::string_view(reinterpret_cast<const char*>(input), size));
  if (!report) return 0;
  (void)zxctl::report::RenderText(*report, true);
  (void)zxctl::report::RenderJson(*report);
  return 0;
}
