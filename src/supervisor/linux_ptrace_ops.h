// PtraceOps on the running kernel.
#pragma once

#include "supervisor/ptrace_ops.h"

namespace zxctl {

class LinuxPtraceOps final : public PtraceOps {
 public:
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
  uint64_t FindRseq(pid_t tid) override;
  OpResult GetEventMessage(pid_t tid, uint64_t& out) override;
  OpResult IsCompatCall(pid_t tid, bool& out) override;
  OpResult RecoverCall(pid_t tid, arch::Registers& registers) override;
  WaitResult Wait(pid_t tid) override;
  std::optional<TaskFacts> ReadFacts(pid_t tid) override;
  bool MayMakeThread(pid_t tid) override;
  std::vector<pid_t> ListThreads(pid_t pid) override;
  bool IsTracee(pid_t tid) override;
  bool IsThreadOf(pid_t tgid, pid_t tid) override;
  bool IsIoWorker(pid_t tid) override;
  bool IsExiting(pid_t tid) override;
  bool AwaitEndOfExiting(pid_t pid) override;
  size_t ReadStat(pid_t tgid, pid_t tid, UniqueFd& fd, char* buffer, size_t size) override;
  std::optional<SleepLook> LookAtSleep(pid_t tgid, pid_t tid) override { return zxctl::LookAtSleep(tgid, tid); }
  bool ReadSignalMasks(pid_t tid, uint64_t& ignored, uint64_t& caught) override;
  int ReadSeccompMode(pid_t tid) override;
  size_t ReadMemory(pid_t tid, uint64_t address, void* out, size_t size) override;
  size_t WriteMemory(pid_t tid, uint64_t address, const void* in, size_t size) override;
  std::pair<uint64_t, uint64_t> FindVdso(pid_t tid) override;
  int64_t SocketTimeoutNs(pid_t tgid, int fd, bool receive) override;
  bool IsLocalSocket(pid_t tgid, int fd) override;
  bool LostPrivileges(pid_t tgid) override;
  void Kill(pid_t tgid) override;
};

}  // namespace zxctl
