#include "supervisor/sleep_clock.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <string>

#include "base/clock.h"
#include "base/proc_file.h"

namespace zxctl {
namespace {

constexpr size_t kSchedBytes = 8192;
constexpr size_t kStatBytes = 2048;
constexpr int kStateField = 3;
constexpr int kProcessorField = 39;
// The CPU's clock and CLOCK_MONOTONIC need not go equally fast: adjtimex(2) lets them differ by 500 ppm.
constexpr int64_t kDriftShare = 1000;

// The number behind "name   :".
std::optional<std::string_view> SchedField(std::string_view sched, std::string_view name) {
  const size_t at = sched.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view line = sched.substr(at + name.size());
  line = line.substr(0, line.find('\n'));
  const size_t value = line.find_first_not_of(" :");
  if (value == std::string_view::npos || line.substr(0, value).find(':') == std::string_view::npos) return std::nullopt;
  return line.substr(value);
}

template <typename T>
bool TakeNumber(std::string_view text, T& out) {
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}

std::optional<Schedule> ReadSchedule(pid_t tgid, pid_t tid) {
  const auto text = ReadFile(fmt::format("/proc/{}/task/{}/sched", tgid, tid), kSchedBytes);
  return text ? ParseSchedule(*text) : std::nullopt;
}

// The CPU that a sleeping thread was on last; nothing when it does not sleep.
std::optional<size_t> CpuOfSleeper(pid_t tgid, pid_t tid) {
  const auto stat = ReadFile(fmt::format("/proc/{}/task/{}/stat", tgid, tid), kStatBytes);
  if (!stat) return std::nullopt;
  const std::string_view state = StatFieldsFrom(*stat, kStateField);
  size_t cpu = 0;
  const bool sleeps = state.starts_with('S') || state.starts_with('D');
  if (!sleeps || !TakeNumber(StatFieldsFrom(*stat, kProcessorField), cpu)) return std::nullopt;
  return cpu;
}

// Keeps the calling thread on one CPU.
class StayOn {
 public:
  explicit StayOn(size_t cpu) {
    if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(before_), &before_) != 0) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    there_ = sched_setaffinity(0, sizeof(one), &one) == 0;
  }
  StayOn(const StayOn&) = delete;
  StayOn& operator=(const StayOn&) = delete;
  ~StayOn() {
    if (there_) sched_setaffinity(0, sizeof(before_), &before_);
  }
  [[nodiscard]] bool there() const { return there_; }

 private:
  cpu_set_t before_{};
  bool there_ = false;
};

// By how much CLOCK_MONOTONIC is ahead of a CPU's clock, or more; nothing when we may not run there.
std::optional<int64_t> AheadOf(size_t cpu) {
  const StayOn stay(cpu);
  if (!stay.there()) return std::nullopt;
  // Has the scheduler note the time for us.
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  const auto ours = ReadSchedule(getpid(), gettid());
  if (!ours) return std::nullopt;
  return MonotonicNs() - ours->exec_start_ns;
}

}  // namespace

std::optional<Schedule> ParseSchedule(std::string_view sched) {
  const auto start = SchedField(sched, "se.exec_start");
  const auto switches = SchedField(sched, "nr_voluntary_switches");
  if (!start || !switches) return std::nullopt;
  // Milliseconds, and behind the point six digits more.
  const size_t point = start->find('.');
  if (point == std::string_view::npos || start->size() < point + 7) return std::nullopt;
  int64_t ms = 0;
  int64_t ns = 0;
  Schedule schedule;
  if (!TakeNumber(start->substr(0, point), ms) || !TakeNumber(start->substr(point + 1, 6), ns) ||
      !TakeNumber(*switches, schedule.voluntary_switches) || ms < 0 || ms > INT64_MAX / kNsPerMs - 1 || ns < 0) {
    return std::nullopt;
  }
  schedule.exec_start_ns = ms * kNsPerMs + ns;
  return schedule;
}

bool TellsSleep() { return ReadSchedule(getpid(), gettid()).has_value(); }

std::optional<Sleep> ReadSleep(pid_t tgid, pid_t tid) {
  const auto schedule = ReadSchedule(tgid, tid);
  const auto cpu = CpuOfSleeper(tgid, tid);
  if (!schedule || !cpu) return std::nullopt;
  const auto ahead = AheadOf(*cpu);
  if (!ahead) return std::nullopt;
  const int64_t now = MonotonicNs();
  const int64_t slept = std::max<int64_t>(now - (schedule->exec_start_ns + *ahead), 0);
  return Sleep{.since_ns = now - slept + slept / kDriftShare, .switches = schedule->voluntary_switches};
}

std::optional<uint64_t> ReadSwitches(pid_t tgid, pid_t tid) {
  const auto schedule = ReadSchedule(tgid, tid);
  if (!schedule) return std::nullopt;
  return schedule->voluntary_switches;
}

}  // namespace zxctl
