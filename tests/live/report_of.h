// Reports of target_fault's crashes.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/crash_capture.h"

namespace zxctl::test {

inline std::string Target(const std::string& name) { return std::string(ZX_TEST_TARGETS_DIR) + "/" + name; }

inline report::Report ReportOf(const std::string& kind, const CaptureOptions& options = {}) {
  const Captured captured = CaptureCrash({Target("target_fault"), kind}, options);
  EXPECT_EQ(captured.reporter_status, 0);
  EXPECT_TRUE(captured.report.has_value()) << captured.output;
  return captured.report.value_or(report::Report{});
}

}  // namespace zxctl::test
