// A crash report as text for a person at a terminal or in a log.
//
// Every line starts with kTextPrefix, so that `grep '^zx|'` finds the report in a program's output and `grep -v` the
// rest. All text that the program controls is made safe for a terminal; paths are never shortened.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "report/model.h"

namespace zxctl::report {

inline constexpr std::string_view kTextPrefix = "zx| ";
// The width that text is laid out for when the terminal's is not known.
inline constexpr size_t kDefaultColumns = 110;

// The whole report, with a newline after its last line. `columns` says where sentences wrap and how many registers share
// a line; a line that holds a path or a name may be longer.
[[nodiscard]] std::string RenderText(const Report& report, bool color, size_t columns = kDefaultColumns);

}  // namespace zxctl::report
