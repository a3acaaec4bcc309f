// The source lines around a place, when the file is there and everybody, or the program's user, may read it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "report/model.h"

namespace zxctl::report {

// `pid` and `uid` are the program's: its root directory is looked in first, and a file that its user could not read is
// not shown. Nothing when the file is missing, too large, or shorter than `line`.
[[nodiscard]] std::optional<SourceExcerpt> ReadSource(const std::string& file, uint32_t line, pid_t pid, uid_t uid);

}  // namespace zxctl::report
