// Parsers of the texts under /proc/PID. Pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"

namespace zxctl::report {

// Words that end with NUL, as in cmdline and environ.
[[nodiscard]] std::vector<std::string> SplitWords(std::string_view text);
[[nodiscard]] std::map<std::string, std::string> ParseEnvironment(std::string_view text);

// The first number of a field of /proc/PID/status; 0 if there is none.
[[nodiscard]] uint64_t StatusNumber(std::string_view status, std::string_view field);
// The process's own idea of its pid: the innermost of NSpid; `pid` if that is unknown.
[[nodiscard]] pid_t InnermostPid(std::string_view status, pid_t pid);

// Seconds since the process started, from /proc/PID/stat and /proc/uptime; 0 if they say nothing.
[[nodiscard]] double UptimeSeconds(std::string_view stat, std::string_view uptime);

// /proc/PID/limits as name → "soft hard units".
[[nodiscard]] std::map<std::string, std::string> ParseLimits(std::string_view text);
// The soft value of a limit; 0 for "unlimited" and for an unknown one.
[[nodiscard]] uint64_t SoftLimit(const std::map<std::string, std::string>& limits, const std::string& name);

// "running in user code", "in system call 232 (epoll_wait)".
[[nodiscard]] std::string DescribeThreadState(const arch::Registers& registers);

}  // namespace zxctl::report
