#include "supervisor/stop_finder.h"

#include <algorithm>

namespace zxctl {
namespace {

// A tid counts as recent for this long; hot threads stop more often.
constexpr int64_t kRecentNs = 2 * kNsPerMs;
constexpr size_t kMaxRecents = 128;
// A scan may take this share of the time between scans: one part in so many.
constexpr int64_t kScanShare = 20;
// Scans cheaper than this are not worth putting off.
constexpr int64_t kCheapScanNs = 2 * kNsPerUs;

}  // namespace

WaitResult StopFinder::Found(WaitResult result) {
  if (result.tid > 0) Remember(result.tid);
  return result;
}

void StopFinder::Remember(pid_t tid) {
  const int64_t now = clock_.NowNs();
  if (!recents_.empty() && recents_.back().tid == tid) {
    recents_.back().seen_ns = now;
    return;
  }
  std::erase_if(recents_, [&](const Recent& r) { return r.tid == tid || now - r.seen_ns > kRecentNs; });
  if (recents_.size() == kMaxRecents) recents_.erase(recents_.begin());
  recents_.push_back({tid, now});
}

void StopFinder::PostponeScan(int64_t now_ns) {
  if (scan_due_ns_ != kNever) return;
  const int64_t delay = scan_cost_ns_ < kCheapScanNs ? 0 : std::min(kScanShare * scan_cost_ns_, kMaxScanDelayNs);
  scan_due_ns_ = now_ns + delay;
}

WaitResult StopFinder::TakeNamed(pid_t tid) {
  PostponeScan(clock_.NowNs());
  if (tid <= 0) return {};
  const WaitResult result = ops_.Wait(tid);
  return result.tid > 0 ? Found(result) : WaitResult{};
}

WaitResult StopFinder::TakeLast() {
  if (recents_.empty()) return {};
  const WaitResult result = ops_.Wait(recents_.back().tid);
  return result.tid > 0 ? Found(result) : WaitResult{};
}

WaitResult StopFinder::TakeRecent() {
  if (recents_.empty()) return {};
  const int64_t oldest = clock_.NowNs() - kRecentNs;
  for (size_t tried = 0; tried < recents_.size(); ++tried) {
    cursor_ = (cursor_ + 1) % recents_.size();
    const Recent recent = recents_[cursor_];
    if (recent.seen_ns < oldest) continue;
    const WaitResult result = ops_.Wait(recent.tid);
    if (result.tid > 0) return Found(result);
  }
  return {};
}

WaitResult StopFinder::TakeAny() {
  const int64_t before = clock_.NowNs();
  if (before < scan_due_ns_) return {};
  const WaitResult result = ops_.Wait(-1);
  if (result.tid < 0) no_children_ = true;
  if (result.tid <= 0) {
    // Only a scan that went through all tracees tells what one costs.
    scan_cost_ns_ = clock_.NowNs() - before;
    scan_due_ns_ = kNever;
    return {};
  }
  return Found(result);
}

}  // namespace zxctl
