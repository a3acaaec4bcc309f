// The seam to the kernel: every ptrace and wait call the tracer makes, so that a fake can stand in for it.
//
// All calls are for the one thread that attached. Each can find the tracee gone, at any time: SIGKILL asks nobody.
// That is news for the state machine, not an error, and so has a name of its own.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "arch/arch.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "supervisor/proc_facts.h"
#include "supervisor/sleep_clock.h"

namespace zxctl {

// The outcome of a call on a tracee: an errno, 0 for success.
class [[nodiscard]] OpResult {
 public:
  OpResult() = default;
  explicit OpResult(int error) : error_(error) {}
  [[nodiscard]] bool ok() const { return error_ == 0; }
  // The tracee was killed, or is no longer stopped because it is being killed.
  [[nodiscard]] bool gone() const;
  [[nodiscard]] int error() const { return error_; }

 private:
  int error_ = 0;
};

enum class ResumeMode : uint8_t {
  kContinue,      // PTRACE_CONT
  kUntilSyscall,  // PTRACE_SYSCALL
  kStep,          // PTRACE_SINGLESTEP
  kSkipSyscall    // PTRACE_SYSEMU: to the entry of a call that is then not made. EIO where the kernel does not have it
};

struct WaitResult {
  pid_t tid = 0;  // 0: nothing to report; -1: there is no such child (any more)
  int status = 0;
};

class PtraceOps {
 public:
  virtual ~PtraceOps() = default;

  // EBUSY when a thread of the process is executing a program: the kernel lets nobody attach meanwhile. That may last until
  // the caller has dealt with the ends of threads that it traces already.
  virtual OpResult Seize(pid_t tid, uint64_t options) = 0;
  virtual OpResult SetOptions(pid_t tid, uint64_t options) = 0;
  virtual OpResult Resume(pid_t tid, ResumeMode mode, int signo) = 0;
  virtual OpResult Listen(pid_t tid) = 0;
  virtual OpResult Interrupt(pid_t tid) = 0;
  virtual OpResult Detach(pid_t tid, int signo) = 0;
  virtual OpResult GetRegisters(pid_t tid, arch::Registers& out) = 0;
  virtual OpResult SetRegisters(pid_t tid, const arch::Registers& registers) = 0;
  // Another register set, by its note type, or arch::kUserWordSet; the bytes of it, 0 when the machine has none.
  virtual size_t GetRegisterSet(pid_t tid, uint32_t note_type, std::span<std::byte> out) = 0;
  // A set of which the kernel refuses a part may have been written in part.
  virtual OpResult SetRegisterSet(pid_t tid, uint32_t note_type, std::span<const std::byte> in) = 0;
  // From now on it takes no signal that can be blocked. One that it is about to take, and is resumed with, goes back to
  // where it came from: to the process, if it was sent to that.
  virtual OpResult BlockSignals(pid_t tid) = 0;
  // Which signals it blocks; of a thread in a call with a mask of its own, those that it blocks afterwards.
  virtual OpResult GetSignalMask(pid_t tid, uint64_t& out) = 0;
  virtual OpResult SetSignalMask(pid_t tid, uint64_t mask) = 0;
  virtual OpResult GetSiginfo(pid_t tid, siginfo_t& out) = 0;
  virtual OpResult SetSiginfo(pid_t tid, const siginfo_t& info) = 0;
  // Where the thread has its struct rseq; 0 when it has none, or the kernel does not tell.
  virtual uint64_t FindRseq(pid_t tid) = 0;
  virtual OpResult GetEventMessage(pid_t tid, uint64_t& out) = 0;
  // True when the system call the tracee is in, or comes from, entered through the 32-bit interface.
  virtual OpResult IsCompatCall(pid_t tid, bool& out) = 0;
  // Completes registers that show a call which has ended with what its result has overwritten.
  virtual OpResult RecoverCall(pid_t tid, arch::Registers& registers) = 0;

  // waitpid(tid, …, __WALL | WNOHANG); tid -1 is any.
  virtual WaitResult Wait(pid_t tid) = 0;
  // True for a tracee of ours, also for one whose end was not waited for yet.
  virtual bool IsTracee(pid_t tid) = 0;

  // What /proc says of a task; nothing when there is none.
  virtual std::optional<TaskFacts> ReadFacts(pid_t tid) = 0;
  // False when the task waits in a system call that makes no thread; true when that cannot be told.
  virtual bool MayMakeThread(pid_t tid) = 0;
  // The tids of a process's threads now.
  virtual std::vector<pid_t> ListThreads(pid_t pid) = 0;
  // True when `tid` is a thread of process `tgid`; false when it is not, or is gone.
  virtual bool IsThreadOf(pid_t tgid, pid_t tid) = 0;
  // True for a thread in which the kernel works for io_uring: it runs nothing of its program.
  virtual bool IsIoWorker(pid_t tid) = 0;
  // True once a thread is past its exit stop, or is gone.
  virtual bool IsExiting(pid_t tid) = 0;
  // Waits for the end of a process that has begun to exit, a second at most: until then its tracees are its own. False when it
  // has not begun.
  virtual bool AwaitEndOfExiting(pid_t pid) = 0;
  // The line of /proc/PID/task/TID/stat. `fd` caches the open file between calls. Empty when the task is gone.
  virtual size_t ReadStat(pid_t tgid, pid_t tid, UniqueFd& fd, char* buffer, size_t size) = 0;
  // Since when a thread has been asleep: sleep_clock.h.
  virtual std::optional<SleepLook> LookAtSleep(pid_t tgid, pid_t tid) = 0;
  // SigIgn and SigCgt of /proc/TID/status, for real-time signals, which stat does not show.
  virtual bool ReadSignalMasks(pid_t tid, uint64_t& ignored, uint64_t& caught) = 0;
  // SigPnd and ShdPnd of /proc/TID/status: what waits for the thread, or for any of its process.
  virtual uint64_t ReadPendingSignals(pid_t tid) = 0;
  // False when that is refused: for want of rights, or of room for queued signals.
  virtual bool SendSignal(pid_t tgid, pid_t tid, int signo) = 0;
  // The Seccomp field of /proc/TID/status: 0 none, 1 strict, 2 filter.
  virtual int ReadSeccompMode(pid_t tid) = 0;
  // Copies from the tracee's memory; the number of bytes read.
  virtual size_t ReadMemory(pid_t tid, uint64_t address, void* out, size_t size) = 0;
  // Copies into the tracee's memory, also where it cannot write for itself; the number of bytes written.
  virtual size_t WriteMemory(pid_t tid, uint64_t address, const void* in, size_t size) = 0;
  // Where the vDSO of a thread's process begins and ends; zeros if it has none.
  virtual std::pair<uint64_t, uint64_t> FindVdso(pid_t tid) = 0;
  // SO_RCVTIMEO or SO_SNDTIMEO of a descriptor of the tracee in ns, 0 when it has none or is no socket.
  virtual int64_t SocketTimeoutNs(pid_t tgid, int fd, bool receive) = 0;
  // True when a descriptor of the tracee is a socket of this machine (AF_UNIX).
  virtual bool IsLocalSocket(pid_t tgid, int fd) = 0;
  // True when the program the process has just executed asks for other credentials than it got (a setuid file whose
  // privileges were withheld).
  virtual bool LostPrivileges(pid_t tgid) = 0;
  virtual void Kill(pid_t tgid) = 0;
};

}  // namespace zxctl
