#include "supervisor/stop_finder.h"

#include <sys/wait.h>

#include <algorithm>

namespace zxctl {
namespace {

// A tid counts as recent for this long; hot threads stop more often.
constexpr int64_t kRecentNs = 8 * kNsPerMs;
constexpr size_t kMaxRecents = 128;
// Walks that find cold tids may together take so many times what a walk past all tracees takes.
constexpr int64_t kMaxWalks = 2;
// A scan may take this share of the time between scans: one part in so many.
constexpr int64_t kScanShare = 20;
constexpr int64_t kMinScanDelayNs = 200 * kNsPerUs;
// To walk past so many costs about as much as a timer does.
constexpr size_t kCheapPopulation = 32;
// After a stop that went unnamed, more are expected for this long.
constexpr int64_t kCrowdedNs = 10 * kNsPerMs;
// Of those that were asked to stop nobody has come for so long: they are stopped by something else than want of a CPU.
constexpr int64_t kPatienceNs = 10 * kNsPerMs;
// Among so few, asking for anybody's stop costs no more than asking for one tid's.
constexpr size_t kFew = 4;

}  // namespace

WaitResult StopFinder::Found(WaitResult result) {
  const bool ended = WIFEXITED(result.status) || WIFSIGNALED(result.status);
  if (EndExpectation(result.tid) && !ended) return result;
  if (!ended) {
    Remember(result.tid);
    return result;
  }
  Forget(result.tid);
  // Its SIGCHLD, too, may have hidden somebody's.
  OweScanSoon(clock_.NowNs());
  return result;
}

WaitResult StopFinder::AskFor(pid_t tid) {
  const WaitResult result = ops_.Wait(tid);
  if (result.tid > 0) return Found(result);
  if (result.tid < 0) {
    Forget(tid);
    expected_.erase(tid);
  }
  return {};
}

void StopFinder::Expect(pid_t tid) {
  if (!expected_.insert(tid).second) return;
  asked_.push_back(tid);
  progress_ns_ = clock_.NowNs();
}

bool StopFinder::EndExpectation(pid_t tid) {
  if (expected_.erase(tid) == 0) return false;
  progress_ns_ = clock_.NowNs();
  if (expected_.empty()) asked_.clear();
  // Its SIGCHLD may have hidden somebody's.
  if (population_ != 1) OweScanSoon(progress_ns_);
  return true;
}

WaitResult StopFinder::TakeExpected() {
  if (expected_.empty()) return {};
  for (size_t looks = 0, at = 0; looks < 2 && at < asked_.size();) {
    const pid_t tid = asked_[at];
    if (expected_.contains(tid)) {
      ++looks;
      const WaitResult result = AskFor(tid);
      if (expected_.contains(tid)) {
        ++at;
        continue;
      }
      if (at < asked_.size()) asked_.erase(asked_.begin() + static_cast<ptrdiff_t>(at));
      if (result.tid > 0) return result;
    } else {
      asked_.erase(asked_.begin() + static_cast<ptrdiff_t>(at));
    }
  }
  if (clock_.NowNs() - progress_ns_ > kPatienceNs) {
    expected_.clear();
    asked_.clear();
    OweScanSoon(clock_.NowNs());
  }
  return {};
}

void StopFinder::Remember(pid_t tid) {
  if (population_ == 1 && !recents_.empty() && recents_.back().tid == tid) return;
  const int64_t now = clock_.NowNs();
  // However it was found: while this one is dealt with, the only SIGCHLD may name another and hide a third.
  OweScanSoon(now);
  if (!recents_.empty() && recents_.back().tid == tid) {
    recents_.back().seen_ns = now;
    return;
  }
  std::erase_if(recents_, [&](const Recent& r) { return r.tid == tid || now - r.seen_ns > kRecentNs; });
  if (recents_.size() == kMaxRecents) recents_.erase(recents_.begin());
  recents_.push_back({tid, now});
}

void StopFinder::Forget(pid_t tid) {
  std::erase_if(recents_, [&](const Recent& r) { return r.tid == tid; });
}

void StopFinder::OweScanSoon(int64_t now_ns) {
  if (expects_many()) {
    if (scan_due_ns_ == kNever) scan_due_ns_ = now_ns + kMaxCrowdDelayNs;
    return;
  }
  if (scan_due_ns_ <= now_ns + kMaxScanDelayNs) return;
  // Soon after a rest: a crowd that starts to work is unknown yet, and none of its stops is recent.
  scan_due_ns_ =
      std::clamp(scanned_ns_ + kScanShare * scan_cost_ns_, now_ns + kMinScanDelayNs, now_ns + kMaxScanDelayNs);
}

void StopFinder::SetPopulation(size_t children, uint64_t births) {
  if (children == population_ && births == births_) return;
  population_ = children;
  births_ = births;
  no_children_ = false;
  // A newcomer may have stopped unnamed while its creator was thought to be alone.
  OweScanSoon(clock_.NowNs());
}

WaitResult StopFinder::TakeNamed(pid_t tid) {
  const WaitResult result = tid > 0 ? AskFor(tid) : WaitResult{};
  // Only a stop that is really there shows that its SIGCHLD hid nobody's: one that was dealt with before, or a task that
  // is gone, may have kept the stop of the only one left from being named.
  if (result.tid <= 0 || population_ != 1) OweScanSoon(clock_.NowNs());
  return result;
}

WaitResult StopFinder::TakeLikely() {
  if (population_ <= kFew) {
    const WaitResult result = ops_.Wait(-1);
    return result.tid > 0 ? Found(result) : WaitResult{};
  }
  if (!expected_.empty()) return TakeExpected();
  return recents_.empty() ? WaitResult{} : AskFor(recents_.back().tid);
}

WaitResult StopFinder::TakeRecent() {
  if (recents_.empty() || crowded_until_ns_ == 0) return {};
  const int64_t now = clock_.NowNs();
  if (now > crowded_until_ns_) {
    crowded_until_ns_ = 0;
    return {};
  }
  const int64_t oldest = now - kRecentNs;
  for (size_t left = recents_.size(); left > 0 && !recents_.empty(); --left) {
    cursor_ = (cursor_ + 1) % recents_.size();
    const Recent recent = recents_[cursor_];
    if (recent.seen_ns < oldest) continue;
    const WaitResult result = AskFor(recent.tid);
    if (result.tid <= 0) continue;
    crowded_until_ns_ = now + kCrowdedNs;
    return result;
  }
  return {};
}

void StopFinder::Sweep(const std::vector<pid_t>& tids) {
  for (const pid_t tid : tids) {
    const WaitResult result = AskFor(tid);
    if (result.tid > 0) collected_.push_back(result);
  }
}

// First those that are hot, each at the price of one look, and again after each walk past all tracees: such a walk takes
// long enough for the hot ones to stop again. If walks find many others far down the kernel's list, one look at each of
// all that run costs less.
void StopFinder::Collect() {
  if (expects_many()) return CollectExpected();
  std::vector<pid_t> hot;
  if (population_ > kCheapPopulation) {
    for (const Recent& recent : recents_) hot.push_back(recent.tid);
  }
  bool swept = false;
  for (int64_t walked_ns = 0;;) {
    Sweep(hot);
    const int64_t before = clock_.NowNs();
    const WaitResult result = ops_.Wait(-1);
    if (result.tid > 0) {
      collected_.push_back(Found(result));
      walked_ns += clock_.NowNs() - before;
      if (!swept && walked_ns >= kMaxWalks * scan_cost_ns_) {
        swept = true;
        Sweep(running_());
      }
      continue;
    }
    no_children_ = result.tid < 0;
    // Only a walk past all tracees tells what one costs.
    scanned_ns_ = clock_.NowNs();
    // A walk during which we lost the CPU took longer than it cost.
    const int64_t took_ns = scanned_ns_ - before;
    scan_cost_ns_ = scan_cost_ns_ == 0 ? took_ns : std::min(took_ns, 2 * scan_cost_ns_);
    scan_due_ns_ = kNever;
    return;
  }
}

// A walk past all tracees would find those that are on their way, again and again, and take as long as it takes many of them
// to come. Whoever is hidden by them is found by looking at the others; newcomers and the dead wait for the next scan.
void StopFinder::CollectExpected() {
  std::vector<pid_t> others = running_();
  std::erase_if(others, [this](pid_t tid) { return expected_.contains(tid); });
  Sweep(others);
  const WaitResult result = ops_.Wait(-1);
  if (result.tid > 0) collected_.push_back(Found(result));
  scan_due_ns_ = clock_.NowNs() + (expects_many() ? kMaxCrowdDelayNs : kMaxScanDelayNs);
}

WaitResult StopFinder::TakeOwed(bool idle) {
  if (collected_.empty()) {
    if (scan_due_ns_ == kNever) return {};
    const bool now = idle && population_ <= kCheapPopulation;
    if (!now && clock_.NowNs() < scan_due_ns_) return {};
    Collect();
    // One may just have come; a second can only be there because its SIGCHLD was lost.
    if (collected_.size() > 1) crowded_until_ns_ = clock_.NowNs() + kCrowdedNs;
    if (collected_.empty()) return {};
  }
  const WaitResult result = collected_.front();
  collected_.pop_front();
  return result;
}

}  // namespace zxctl
