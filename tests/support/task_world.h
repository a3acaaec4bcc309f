// A small world of processes on the fake kernel: what is done to them leads to stops and ends, as the kernel would have it.
// For tests that do anything at all to them, and want to know afterwards that nobody was left behind.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "support/fake_ptrace_ops.h"

namespace zxctl {

class TaskWorld final : public FakePtraceOps {
 public:
  // ---- what programs do; nothing happens if the thread does not run, or is not traced ----
  // A process of so many threads, untraced.
  void AddProcess(pid_t pid, int threads);
  void Fault(pid_t tid, int signo);
  // A thread, or with `forks` a process of its own. `child_first`: its first stop is heard of before its creator's.
  void Clone(pid_t tid, bool forks, bool child_first);
  // Any thread, which is known by its leader's tid then.
  void Exec(pid_t tid);
  void Exit(pid_t tid);
  // From now on the process has a handler for the signal.
  void Catch(pid_t pid, int signo);
  // From outside, traced or not.
  void KillFromOutside(pid_t pid) { Die(pid, SIGKILL); }

  [[nodiscard]] std::vector<pid_t> tids() const;
  // Threads that somebody still traces and that have not ended.
  [[nodiscard]] std::vector<pid_t> LeftBehind() const;

  OpResult Seize(pid_t tid, uint64_t options) override;
  OpResult Resume(pid_t tid, ResumeMode mode, int signo) override;
  OpResult Interrupt(pid_t tid) override;
  OpResult Detach(pid_t tid, int signo) override;
  WaitResult Wait(pid_t tid) override;
  int ReadSeccompMode(pid_t /*tid*/) override { return 0; }
  size_t ReadMemory(pid_t tid, uint64_t address, void* out, size_t size) override;
  int64_t SocketTimeoutNs(pid_t /*tgid*/, int /*fd*/, bool /*receive*/) override { return 0; }
  bool IsLocalSocket(pid_t /*tgid*/, int /*fd*/) override { return false; }
  void Kill(pid_t tgid) override { Die(tgid, SIGKILL); }

 private:
  FakeTracee* Find(pid_t tid);
  // Traced, and on its way: the next thing it does is its own.
  FakeTracee* Running(pid_t tid);
  FakeTracee* StoppedOne(pid_t tid);
  void AddThread(pid_t tid, pid_t tgid);
  void Die(pid_t tgid, int signo);
  // Its last stop is behind it.
  void End(pid_t tid, int status);
  void Reap(pid_t tid);

  std::set<pid_t> traced_;
  std::set<pid_t> interrupted_;  // they stop again as soon as they run
  std::set<pid_t> exiting_;      // at their exit stop
  std::set<std::pair<pid_t, int>> caught_;
  std::map<pid_t, int> zombies_;  // leaders, with their statuses, that are told of after their threads
  pid_t last_tid_ = 1000;
};

}  // namespace zxctl
