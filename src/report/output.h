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

// What became of a report.
struct Delivery {
  std::vector<Status> failures;  // in the order in which they happened
  bool told = false;             // standard error has taken everything it was to say, the failures before included

  [[nodiscard]] bool has_value() const { return failures.empty(); }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const Status& error() const { return failures.front(); }
};

// Writes the report everywhere. Files come first, then standard error, which also says what went wrong with the files.
// Every destination is tried. A partial file in report_dir is removed. The caller's
// signal dispositions are as before afterwards; one thread at a time.
[[nodiscard]] Delivery Deliver(const OutputOptions& options, const Report& report);

}  // namespace zxctl::report
