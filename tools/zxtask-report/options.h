// The command line of zxtask-report, which the tracer writes.
#pragma once

#include <string>

#include "base/status.h"
#include "report/output.h"

namespace zxctl {

struct ReportOptions {
  report::OutputOptions output;
  std::string core_dir;  // empty: no core
  bool with_memory = false;
};

// INVALID_ARGS with a sentence that names the word that is wrong.
[[nodiscard]] Result<ReportOptions> ParseReportOptions(int argc, char* const argv[]);

}  // namespace zxctl
