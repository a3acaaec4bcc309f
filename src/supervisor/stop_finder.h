// Who stopped? The kernel answers in time that grows with the number of tracees; this asks it seldom.
//
// SIGCHLD names one tid, but it does not queue: of two stops close together one may go unnamed. So the named tid is
// looked at first, then the tids that stopped a moment ago; and at the latest kMaxScanDelayNs after a SIGCHLD was taken all
// stops there are are collected before any of them is dealt with, which bounds the delay of an unnamed one however busy
// the named are.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "supervisor/ptrace_ops.h"

namespace zxctl {

class StopFinder {
 public:
  // An unnamed stop waits no longer than this and the duration of one scan.
  static constexpr int64_t kMaxScanDelayNs = 2 * kNsPerMs;

  // `all_tids` gives the tids there are; it is asked when many stops went unnamed at once.
  StopFinder(PtraceOps& ops, const Clock& clock, std::function<std::vector<pid_t>()> all_tids)
      : ops_(ops), clock_(clock), all_tids_(std::move(all_tids)) {}

  // The stop of the tid that a SIGCHLD named, if it is still there to be taken. From now on a scan is owed.
  [[nodiscard]] WaitResult TakeNamed(pid_t tid);
  // A stop of one of the tids that stopped a moment ago. Looks only while stops go unnamed: a crowd is at work.
  [[nodiscard]] WaitResult TakeRecent();
  // A stop that the last scan collected, or that a scan collects now if one is due. With `idle`, before a sleep, a scan
  // that is owed is made at once if it is cheaper than setting a timer for it.
  [[nodiscard]] WaitResult TakeOwed(bool idle);
  // The stop of the tid that stopped last, or among few tids anybody's: one cheap look, for spinning on.
  [[nodiscard]] WaitResult TakeLikely();

  // When TakeOwed() has to be called; kNever when no scan is owed.
  [[nodiscard]] int64_t scan_due_ns() const { return scan_due_ns_; }
  // True once the kernel has said that there are no children left, until somebody knows of another.
  [[nodiscard]] bool no_children() const { return no_children_; }
  // How many children there are, and how many there have ever been. The only one can't go unnamed.
  void SetPopulation(size_t children, uint64_t births = 0);
  // Owes a scan now, whatever is known: after attaching to others.
  void OweScan() { scan_due_ns_ = 0; }

 private:
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
  void Sweep(const std::vector<pid_t>& tids);

  PtraceOps& ops_;
  const Clock& clock_;
  std::function<std::vector<pid_t>()> all_tids_;
  std::vector<Recent> recents_;  // newest last
  size_t cursor_ = 0;
  std::deque<WaitResult> collected_;
  int64_t crowded_until_ns_ = 0;
  int64_t scan_due_ns_ = kNever;
  int64_t scanned_ns_ = 0;
  int64_t scan_cost_ns_ = 0;
  size_t population_ = 0;
  uint64_t births_ = 0;
  bool no_children_ = false;
};

}  // namespace zxctl
