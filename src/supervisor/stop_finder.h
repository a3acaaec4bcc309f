// Who stopped? The kernel answers in time that grows with the number of tracees; this asks it seldom.
//
// SIGCHLD names one tid, but it does not queue: of two stops close together one may go unnamed. So the named tid is
// looked at first, then the tids that stopped a moment ago; and at the latest kMaxScanDelayNs after a SIGCHLD was taken all
// stops there are are collected before any of them is dealt with, which bounds the delay of an unnamed one however busy
// the named are.
//
// Threads that we interrupt ourselves, a whole process of them maybe, are looked at in the order of asking. While many of
// those are on their way, others may wait longer, but no longer than kMaxCrowdDelayNs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "supervisor/ptrace_ops.h"

namespace zxctl {

class StopFinder {
 public:
  // An unnamed stop waits no longer than this and the duration of one scan.
  static constexpr int64_t kMaxScanDelayNs = 2 * kNsPerMs;
  static constexpr int64_t kMaxCrowdDelayNs = 10 * kNsPerMs;

  // `running` gives the tids that may stop; it is asked when many stops went unnamed at once.
  StopFinder(PtraceOps& ops, const Clock& clock, std::function<std::vector<pid_t>()> running)
      : ops_(ops), clock_(clock), running_(std::move(running)) {}

  // The stop of the tid that a SIGCHLD named, if it is still there to be taken. From now on a scan is owed.
  [[nodiscard]] WaitResult TakeNamed(pid_t tid);
  // A stop of one of the tids that stopped a moment ago. Looks only while stops go unnamed: a crowd is at work.
  [[nodiscard]] WaitResult TakeRecent();
  // A stop that the last scan collected, or that a scan collects now if one is due. With `idle`, before a sleep, a scan
  // that is owed is made at once if it is cheaper than setting a timer for it.
  [[nodiscard]] WaitResult TakeOwed(bool idle);
  // The stop of one that was asked to stop: the first two of those are looked at, which is one for each of two CPUs.
  [[nodiscard]] WaitResult TakeExpected();
  // The stop of the tid that stopped last, or among few tids anybody's: one cheap look, for spinning on.
  [[nodiscard]] WaitResult TakeLikely();

  // A tid was asked to stop. That makes it neither hot nor likely to stop again.
  void Expect(pid_t tid);
  // So many are on their way that being woken for each would cost more than the stops themselves.
  [[nodiscard]] bool expects_many() const { return expected_.size() > kMany; }
  // When TakeOwed() has to be called; kNever when no scan is owed.
  [[nodiscard]] int64_t scan_due_ns() const { return scan_due_ns_; }
  // True once the kernel has said that there are no children left, until somebody knows of another.
  [[nodiscard]] bool no_children() const { return no_children_; }
  // How many children there are, and how many there have ever been. The only one can't go unnamed.
  void SetPopulation(size_t children, uint64_t births = 0);
  // Owes a scan now, whatever is known: after attaching to others.
  void OweScan() { scan_due_ns_ = 0; }

 private:
  static constexpr size_t kMany = 8;

  struct Recent {
    pid_t tid;
    int64_t seen_ns;
  };
  WaitResult Found(WaitResult result);
  WaitResult AskFor(pid_t tid);
  void Remember(pid_t tid);
  void Forget(pid_t tid);
  void OweScanSoon(int64_t now_ns);
  void Collect();
  void CollectExpected();
  [[nodiscard]] bool EndExpectation(pid_t tid);
  void Sweep(const std::vector<pid_t>& tids);

  PtraceOps& ops_;
  const Clock& clock_;
  std::function<std::vector<pid_t>()> running_;
  std::vector<Recent> recents_;  // newest last
  size_t cursor_ = 0;
  std::deque<WaitResult> collected_;
  std::deque<pid_t> asked_;             // in the order of asking; those that are not expected any more are passed over
  std::unordered_set<pid_t> expected_;  // asked to stop, and not seen since
  int64_t progress_ns_ = 0;             // when one of them was asked, or came, last
  int64_t crowded_until_ns_ = 0;
  int64_t scan_due_ns_ = kNever;
  int64_t scanned_ns_ = 0;
  int64_t scan_cost_ns_ = 0;
  size_t population_ = 0;
  uint64_t births_ = 0;
  bool no_children_ = false;
};

}  // namespace zxctl
