#include "report/thread_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace zxctl::report {
namespace {

constexpr size_t kLongestCycle = 8;
// A cycle is told once when that leaves out at least so many frames.
constexpr size_t kWorthCollapsing = 6;
constexpr size_t kTidsInFull = 4;
constexpr size_t kNamesInFull = 3;

struct StackKey {
  std::vector<std::pair<uint64_t, std::string>> frames;
  std::string state;
  bool operator<(const StackKey& other) const { return std::tie(frames, state) < std::tie(other.frames, other.state); }
};

StackKey KeyOf(const ThreadInfo& thread) {
  StackKey key;
  for (const Frame& frame : thread.frames) key.frames.emplace_back(frame.pc, frame.function);
  if (thread.frames.empty()) key.state = thread.state;
  return key;
}

std::string Tids(const ThreadGroup& group) {
  const size_t count = group.threads.size();
  const size_t shown = count <= kTidsInFull ? count : 2;
  std::string out;
  for (size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == count;
    out += i == 0 ? "" : last ? " and " : ", ";
    out += fmt::format("{}", group.threads[i]->tid);
  }
  if (shown < count) out += fmt::format(" and {} more", count - shown);
  return out;
}

std::string Names(const ThreadGroup& group) {
  std::vector<std::string> names;
  for (const ThreadInfo* thread : group.threads) {
    if (std::find(names.begin(), names.end(), thread->name) == names.end()) names.push_back(thread->name);
    if (names.size() > kNamesInFull) break;
  }
  const bool more = names.size() > kNamesInFull;
  if (more) names.pop_back();
  return fmt::format("{}{}", fmt::join(names, ", "), more ? ", ..." : "");
}

bool SameFrame(const Frame& a, const Frame& b) {
  return a.pc == b.pc && a.inlined == b.inlined && a.function == b.function && a.line == b.line;
}

size_t CountRepeats(std::span<const Frame> frames, size_t first, size_t length) {
  size_t end = first + length;
  while (end < frames.size() && SameFrame(frames[end], frames[end - length])) ++end;
  return (end - first) / length;
}

FrameRun LongestRun(std::span<const Frame> frames, size_t first) {
  for (size_t length = 1; length <= kLongestCycle; ++length) {
    const size_t times = CountRepeats(frames, first, length);
    if ((times - 1) * length >= kWorthCollapsing) return {first, length, times};
  }
  return {first, 1, 1};
}

}  // namespace

std::vector<ThreadGroup> GroupThreads(const std::vector<ThreadInfo>& threads) {
  std::vector<ThreadGroup> groups;
  std::map<StackKey, size_t> places;
  for (const ThreadInfo& thread : threads) {
    const auto [place, is_new] = places.try_emplace(KeyOf(thread), groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].threads.push_back(&thread);
  }
  return groups;
}

std::string DescribeGroup(const ThreadGroup& group) {
  return fmt::format("{} {} ({})", group.threads.size() == 1 ? "thread" : "threads", Tids(group), Names(group));
}

std::vector<FrameRun> CollapseRecursion(std::span<const Frame> frames) {
  std::vector<FrameRun> runs;
  for (size_t next = 0; next < frames.size(); next += runs.back().length * runs.back().times) {
    runs.push_back(LongestRun(frames, next));
  }
  return runs;
}

}  // namespace zxctl::report
