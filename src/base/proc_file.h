// Small readers of /proc. Contents there are at most what the caller's bound says; a longer file is cut.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace zxctl {

// The whole of a file, cut at `max_bytes`.
[[nodiscard]] Result<std::string> ReadFile(const std::string& path, size_t max_bytes = 1 << 20);

// The text after "Name:" in a /proc/…/status file, without the blanks around it.
[[nodiscard]] std::optional<std::string_view> StatusField(std::string_view status, std::string_view name);

// A /proc/…/stat line from one of its fields on, which proc(5) counts from 1: the state, field 3, or one behind it. Empty
// when there is none.
[[nodiscard]] std::string_view StatFieldsFrom(std::string_view stat, int field);

// "Tgid" and its like as a number; nothing when the task is gone or the field is missing.
[[nodiscard]] std::optional<int64_t> ReadStatusNumber(pid_t tid, std::string_view field);

}  // namespace zxctl
