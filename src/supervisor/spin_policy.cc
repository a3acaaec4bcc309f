#include "supervisor/spin_policy.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <charconv>

namespace zxctl {
namespace {

constexpr int64_t kSpinNs = 20 * kNsPerUs;
// How long a look at the machine's load is believed.
constexpr int64_t kBeliefNs = 1 * kNsPerMs;

}  // namespace

std::optional<int> ParseRunningTasks(std::string_view loadavg) {
  for (int field = 0; field < 3; ++field) {
    const size_t blank = loadavg.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    loadavg.remove_prefix(blank + 1);
  }
  int running = 0;
  const auto parsed = std::from_chars(loadavg.data(), loadavg.data() + loadavg.size(), running);
  if (parsed.ec != std::errc() || parsed.ptr == loadavg.data() + loadavg.size() || *parsed.ptr != '/')
    return std::nullopt;
  return running;
}

SpinPolicy::SpinPolicy() : loadavg_(open("/proc/loadavg", O_RDONLY | O_CLOEXEC)), cpus_(1) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cpus_ = CPU_COUNT(&set);
}

bool SpinPolicy::CpuIsIdle() const {
  std::array<char, 64> buffer;
  const ssize_t got = pread(loadavg_.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  // The count includes us and the tracee that was just made to run.
  const auto running = ParseRunningTasks({buffer.data(), static_cast<size_t>(got)});
  return running && *running <= cpus_;
}

int64_t SpinPolicy::SpinUntilNs(const Clock& clock) {
  if (cpus_ < 2) return 0;
  const int64_t now_ns = clock.NowNs();
  if (now_ns - checked_ns_ > kBeliefNs) {
    checked_ns_ = now_ns;
    idle_ = CpuIsIdle();
  }
  return idle_ ? now_ns + kSpinNs : 0;
}

}  // namespace zxctl
