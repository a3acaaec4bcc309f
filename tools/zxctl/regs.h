// `zxctl regs PID|TID [--set NAME=VALUE]…`: the registers of threads that run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "register_kinds.h"

namespace CLI {
class App;
}

namespace zxctl {

struct RegsOptions {
  pid_t task = 0;
  bool one_thread = false;        // `task` is a thread's id also where it is a process's
  std::vector<std::string> sets;  // NAME=VALUE
  std::string kind = "general";
  int64_t timeout_ns = 5 * kNsPerSec;
  bool json = false;
};

void DeclareRegs(CLI::App& app, RegsOptions& options);

// Stops the threads for a moment, prints their registers, writes what --set asks before that, all of it or nothing. 0, or 1
// when something failed: then the others are printed, and the failures told on standard error, or in the JSON.
[[nodiscard]] int Regs(const RegsOptions& options);

}  // namespace zxctl
