// What the kernel probes are written with: a probe runs in a process of its own, which is killed with all its children
// when it answers or does not answer in time, so no probe can hang or leave something behind. Handshakes, no sleeps.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "arch/arch.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace zxctl::probe {

enum class Outcome : uint8_t {
  kOk,       // the kernel does what is expected
  kMissing,  // it does not
  kFigure,   // a measurement, for information
};

struct Answer {
  Outcome outcome = Outcome::kMissing;
  std::string detail;  // what was seen, one short sentence
};

using Body = std::function<Answer()>;

// Runs `body` in a child and returns what it answers; kMissing with a reason when it dies or takes longer than `limit_ns`.
[[nodiscard]] Answer RunIsolated(const Body& body, int64_t limit_ns = 10 * kNsPerSec);

// A gate between processes: Pass() blocks until some process has called Open() once for it.
class Gate {
 public:
  Gate();
  void Open() const;
  void Pass() const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

// A pipe for numbers from a child to its parent.
class NumberPipe {
 public:
  NumberPipe();
  void Send(int number) const;
  // Blocks until one comes; -1 when that fails.
  [[nodiscard]] int Receive() const;

 private:
  UniqueFd read_, write_;
};

// Forks a child that exits with what `work` returns and dies with its parent. -1 when fork fails.
[[nodiscard]] pid_t Fork(const std::function<int()>& work);

// A task being traced, as a script of steps. The first step that fails is remembered, and the later ones do nothing.
class Tracee {
 public:
  explicit Tracee(pid_t tid) : tid_(tid) {}

  Tracee& Seize(uint64_t options);
  // PTRACE_CONT, PTRACE_SYSCALL or PTRACE_LISTEN; `signal` is delivered.
  Tracee& Resume(int request, int signal = 0);
  Tracee& Interrupt();
  // The next stop must be this one: `event` 0 is a signal-delivery stop.
  Tracee& ExpectStop(int signal, int event = 0);
  Tracee& ExpectExit(int code);
  Tracee& ExpectDeath(int signal);
  // Runs to the entry of system call `number`; the task must be stopped, and seized with PTRACE_O_TRACESYSGOOD.
  Tracee& RunToSyscall(uint64_t number);
  // The stop that stands must be the entry of system call `number`.
  Tracee& ExpectSyscallEntry(uint64_t number);
  Tracee& ReadRegisters(arch::Registers& registers);
  Tracee& WriteRegisters(const arch::Registers& registers);
  Tracee& ReadEventMessage(uint64_t& message);
  // Fails with `complaint` unless `condition`.
  Tracee& Require(bool condition, const std::string& complaint);

  [[nodiscard]] pid_t tid() const { return tid_; }
  [[nodiscard]] bool ok() const { return failure_.empty(); }
  // kOk with `seen`, or kMissing with what went wrong.
  [[nodiscard]] Answer Verdict(const std::string& seen) const;

 private:
  Tracee& Check(bool success, const char* operation);
  Tracee& FailWith(std::string failure);
  Tracee& ExpectStatus(int expected);

  pid_t tid_;
  std::string failure_;
};

}  // namespace zxctl::probe
