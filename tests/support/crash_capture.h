// A crash taken with plain ptrace and handed to zxtask-report as the tracer would: the fixture of the report's live tests.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "report/model.h"
#include "support/child_process.h"

namespace zxctl::test {

struct CaptureOptions {
  Argv reporter_args = {"--format=json"};
  Argv reporter_env = {};  // "NAME=value"
  int64_t budget_ns = 30'000'000'000;
  bool hang = false;  // no crash: a hang is reported as soon as the program sleeps in pause()
  // Once the program has printed "ready": runs, then the program gets a byte on its standard input.
  std::function<void()> while_waiting = {};
};

struct Captured {
  std::optional<report::Report> report;  // parsed from what the reporter printed
  std::string output;                    // of the reporter's standard error
  int reporter_status = -1;              // as waitpid gives it
  double reporter_ms = 0;
};

// Runs `argv` until a signal would kill it, reports, kills it. No report when it ends by itself.
[[nodiscard]] Captured CaptureCrash(const Argv& argv, const CaptureOptions& options = {});

}  // namespace zxctl::test
