// Texts of /proc and of people, into every small parser.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/duration.h"
#include "base/proc_file.h"
#include "supervisor/disposition.h"
#include "supervisor/sleep_clock.h"
#include "supervisor/spin_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(input), size);
  (void)zxctl::ParseStatSignals(text);
  (void)zxctl::ParseRunningTasks(text);
  const auto schedule = zxctl::ParseSchedule(text);
  if (schedule && schedule->exec_start_ns < 0) __builtin_trap();
  (void)zxctl::StatusField(text, "SigIgn");
  const auto duration = zxctl::ParseDuration(text);
  if (duration && *duration < 0) __builtin_trap();
  return 0;
}
