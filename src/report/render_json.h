// A crash report as JSON, and back. docs/crash-report.schema.json describes the document, docs/CRASH_REPORT.md what each
// field means.
//
// Addresses, offsets and register values are strings "0x…" (JSON numbers lose bits above 2^53 in many readers); what is
// not known is null. A string that is not valid UTF-8 stands with U+FFFD for each bad byte, and "raw_bytes" maps its JSON
// pointer to the true bytes in hex, so that nothing is lost.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/status.h"
#include "report/model.h"

namespace zxctl::report {

inline constexpr int kSchemaVersion = 1;
// FromJson() refuses documents that are longer.
inline constexpr size_t kMaxJsonBytes = 64u << 20;

// Keeps the order in which members are added: that of the schema.
using Json = nlohmann::ordered_json;

[[nodiscard]] Json ToJson(const Report& report);

// ToJson() on one line, without spaces between tokens and without a newline at the end.
[[nodiscard]] std::string RenderJson(const Report& report);

// The report that RenderJson() made `text` from. `text` may be hostile: whatever is not a report in every member is
// IO_DATA_INTEGRITY with the member's name; members that are not known are ignored.
[[nodiscard]] Result<Report> FromJson(std::string_view text);

}  // namespace zxctl::report
