// Brings a finished report to where it was asked for: standard error, a file that collects reports, a directory with one
// file a crash. Nothing here waits past the deadline, and nothing is ever overwritten.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "report/model.h"

namespace zxctl::report {

enum class Format : uint8_t {
  kText,
  kJson,
  kNone,  // nothing on standard error; files that were asked for are written as JSON
};

enum class ColorMode : uint8_t {
  kAuto,  // on a terminal, unless NO_COLOR is set or TERM is "dumb"
  kAlways,
  kNever,
};

struct OutputOptions {
  using Format = report::Format;
  using Color = report::ColorMode;

  Format format = Format::kText;
  std::string report_file;  // appended to, with one write; empty: none
  std::string report_dir;   // "<name>.<pid>.<time>.<n>.json" or ".txt" is made there; empty: none
  Color color = Color::kAuto;
  int stderr_fd = 2;
  int64_t deadline_ns = kNever;  // CLOCK_MONOTONIC: what is not written by then stays unwritten
};

// True when text for `fd` should be coloured.
[[nodiscard]] bool WantsColor(ColorMode mode, int fd);

// Writes the report everywhere. Files come first, then standard error, which also says what went wrong with the files;
// the first failure is the result, but every destination is tried. A partial file in report_dir is removed. The caller's
// signal dispositions are as before afterwards; one thread at a time.
Result<void> Deliver(const OutputOptions& options, const Report& report);

}  // namespace zxctl::report
