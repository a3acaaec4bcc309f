// The command line of zxtask-report, which the tracer writes, or zxctl.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/status.h"
#include "report/output.h"

namespace zxctl {

struct ReportOptions {
  report::OutputOptions output;
  std::string core_dir;  // empty: no core
  bool with_memory = false;
  // No report: the addresses of a name in a process.
  std::string symbol;  // empty: a report
  std::string module;  // empty: all
  pid_t pid = 0;
};

// INVALID_ARGS with a sentence that names the word that is wrong.
[[nodiscard]] Result<ReportOptions> ParseReportOptions(int argc, char* const argv[]);

}  // namespace zxctl
