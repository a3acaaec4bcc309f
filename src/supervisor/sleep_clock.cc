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

// The CPU that a thread was on last which sleeps or stands; nothing when it runs.
std::optional<size_t> CpuOfSleeper(pid_t tgid, pid_t tid) {
  const auto stat = ReadFile(fmt::format("/proc/{}/task/{}/stat", tgid, tid), kStatBytes);
  if (!stat) return std::nullopt;
  const std::string_view state = StatFieldsFrom(*stat, kStateField);
  size_t cpu = 0;
  const bool rests = !state.empty() && std::string_view("SDt").find(state.front()) != std::string_view::npos;
  if (!rests || !TakeNumber(StatFieldsFrom(*stat, kProcessorField), cpu)) return std::nullopt;
  return cpu;
}

// By how much CLOCK_MONOTONIC is ahead of a CPU's clock, or more; nothing when we are not there.
std::optional<int64_t> AheadOf(size_t cpu) {
  unsigned before = 0;
  unsigned after = 0;
  timespec used{};
  if (getcpu(&before, nullptr) != 0 || before != cpu) return std::nullopt;
  // Has the scheduler note the time for us.
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  const auto ours = ReadSchedule(getpid(), gettid());
  const int64_t now = MonotonicNs();
  if (!ours || getcpu(&after, nullptr) != 0 || after != cpu) return std::nullopt;
  return now - ours->exec_start_ns;
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

std::optional<SleepLook> LookAtSleep(pid_t tgid, pid_t tid) {
  const auto schedule = ReadSchedule(tgid, tid);
  const auto cpu = CpuOfSleeper(tgid, tid);
  if (!schedule || !cpu) return std::nullopt;
  return SleepLook{.cpu = *cpu, .schedule = *schedule, .now_ns = MonotonicNs(), .ahead_ns = AheadOf(*cpu)};
}

std::optional<int64_t> SleptSince(const SleepLook& before, const SleepLook& after) {
  if (after.schedule.voluntary_switches != before.schedule.voluntary_switches + 1) return std::nullopt;
  int64_t slept = 0;
  if (before.cpu == after.cpu) {
    slept = after.schedule.exec_start_ns - before.schedule.exec_start_ns;
  } else if (before.ahead_ns) {
    slept = after.now_ns - (before.schedule.exec_start_ns + *before.ahead_ns);
  } else {
    return std::nullopt;
  }
  slept = std::max<int64_t>(slept, 0);
  return after.now_ns - slept + slept / kDriftShare;
}

}  // namespace zxctl
