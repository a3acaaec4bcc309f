// `zxctl run`: becomes the program, with a tracer at its side.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace zxctl {

struct RunOptions {
  bool follow_processes = true;
  bool kill_on_tracer_death = false;
  std::string report = "text";  // text, json, none
  std::string report_file;
  std::string report_dir;
  bool core = false;
  std::string core_dir;  // empty: the current directory
  std::string color = "auto";
  bool with_memory = false;
  int64_t report_budget_ns = 5 * kNsPerSec;
  int64_t timeout_ns = 0;  // 0: none
  bool timeout_kills = false;
  std::vector<std::string> program;  // its name and arguments; not empty
};

// Returns only when the program could not be started; the message is out then, and the value is the exit status.
[[nodiscard]] int Run(const RunOptions& options);

}  // namespace zxctl
