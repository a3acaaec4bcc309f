// A kernel for component tests: tracees with queued wait statuses, and a record of what was done to them.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "supervisor/ptrace_ops.h"

namespace zxctl {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] int64_t NowNs() const override { return now_ns; }
  int64_t now_ns = 1 * kNsPerSec;
};

struct FakeTracee {
  pid_t tgid = 0;
  std::deque<int> statuses;  // what wait gives next
  bool stopped = false;
  bool dead = false;  // every call but wait says ESRCH
  bool may_make_thread = false;
  bool io_worker = false;
  bool untraced = false;  // there, but no tracee of ours
  uint64_t event_message = 0;
  uint64_t options = 0;
  uint64_t options_at_setregs = 0;  // when its registers were written first
  siginfo_t siginfo{};
  uint64_t signal_mask = 0;
  uint64_t pending_signals = 0;
  arch::Registers registers{};
  bool compat = false;
  uint64_t first_argument = 0;  // of the call that has ended, on machines whose registers lose it
  std::string stat_line;
  std::optional<SleepLook> sleep;
  std::optional<SleepLook> stands;  // looked at next
  int seccomp = 0;
  TaskFacts facts;  // tid and process are filled in
  int64_t socket_timeout_ns = 0;
  bool local_sockets = false;
  std::map<uint64_t, std::vector<uint8_t>> memory;
};

class FakePtraceOps : public PtraceOps {
 public:
  std::map<pid_t, FakeTracee> tracees;
  // "cont 12 11", "syscall 12 0", "listen 12", "interrupt 12", "detach 12 0", "setregs 12", "setoptions 12", "kill 12",
  // "block 12", "setmask 12", "setsiginfo 12", "send 12 64".
  std::vector<std::string> calls;
  int seize_error = 0;
  pid_t exiting = 0;  // a process that has begun to exit
  bool lost_privileges = false;
  int64_t wait_any_cost_ns = 0;  // added to `clock` by a wait for anybody, for each tracee
  int64_t wait_cost_ns = 0;      // added by a wait for one
  FakeClock* clock = nullptr;

  // How often `call` was made.
  [[nodiscard]] int Count(const std::string& call) const;

  OpResult Seize(pid_t tid, uint64_t options) override;
  OpResult SetOptions(pid_t tid, uint64_t options) override;
  OpResult Resume(pid_t tid, ResumeMode mode, int signo) override;
  OpResult Listen(pid_t tid) override;
  OpResult Interrupt(pid_t tid) override;
  OpResult Detach(pid_t tid, int signo) override;
  OpResult GetRegisters(pid_t tid, arch::Registers& out) override;
  OpResult SetRegisters(pid_t tid, const arch::Registers& registers) override;
  size_t GetRegisterSet(pid_t tid, uint32_t note_type, std::span<std::byte> out) override;
  OpResult SetRegisterSet(pid_t tid, uint32_t note_type, std::span<const std::byte> in) override;
  OpResult BlockSignals(pid_t tid) override;
  OpResult GetSignalMask(pid_t tid, uint64_t& out) override;
  OpResult SetSignalMask(pid_t tid, uint64_t mask) override;
  OpResult SetSiginfo(pid_t tid, const siginfo_t& info) override;
  uint64_t ReadPendingSignals(pid_t tid) override;
  bool SendSignal(pid_t tgid, pid_t tid, int signo) override;
  OpResult GetSiginfo(pid_t tid, siginfo_t& out) override;
  uint64_t FindRseq(pid_t /*tid*/) override { return 0; }
  OpResult GetEventMessage(pid_t tid, uint64_t& out) override;
  OpResult IsCompatCall(pid_t tid, bool& out) override;
  OpResult RecoverCall(pid_t tid, arch::Registers& registers) override;
  WaitResult Wait(pid_t tid) override;
  std::optional<TaskFacts> ReadFacts(pid_t tid) override;
  bool MayMakeThread(pid_t tid) override;
  std::vector<pid_t> ListThreads(pid_t pid) override;
  bool IsTracee(pid_t tid) override;
  bool IsThreadOf(pid_t tgid, pid_t tid) override;
  bool IsExiting(pid_t tid) override { return !tracees.contains(tid) || tracees[tid].facts.IsZombie(); }
  bool IsIoWorker(pid_t tid) override { return tracees.contains(tid) && tracees[tid].io_worker; }
  // What `exiting` traces is let go.
  bool AwaitEndOfExiting(pid_t pid) override;
  size_t ReadStat(pid_t tgid, pid_t tid, UniqueFd& fd, char* buffer, size_t size) override;
  std::optional<SleepLook> LookAtSleep(pid_t tgid, pid_t tid) override;
  bool ReadSignalMasks(pid_t tid, uint64_t& ignored, uint64_t& caught) override;
  int ReadSeccompMode(pid_t tid) override;
  size_t ReadMemory(pid_t tid, uint64_t address, void* out, size_t size) override;
  size_t WriteMemory(pid_t tid, uint64_t address, const void* in, size_t size) override;
  std::pair<uint64_t, uint64_t> FindVdso(pid_t /*tid*/) override { return {}; }
  int64_t SocketTimeoutNs(pid_t tgid, int fd, bool receive) override;
  bool IsLocalSocket(pid_t tgid, int fd) override;
  bool LostPrivileges(pid_t tgid) override;
  void Kill(pid_t tgid) override;

 private:
  FakeTracee* Living(pid_t tid);
  OpResult Record(const std::string& call, pid_t tid, const std::string& rest = {});
  WaitResult Take(pid_t tid, FakeTracee& tracee);
};

// A stat line of a task that catches, ignores and blocks these signals (bit n-1 for signal n).
[[nodiscard]] std::string FakeStatLine(uint64_t caught, uint64_t ignored = 0, uint64_t blocked = 0);
[[nodiscard]] constexpr uint64_t SignalBit(int signo) { return uint64_t{1} << (signo - 1); }

}  // namespace zxctl
