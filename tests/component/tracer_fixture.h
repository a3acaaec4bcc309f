// A tracer over the fake kernel, with a sink that answers as a test wants.
#pragma once

#include <gtest/gtest.h>
#include <sys/ptrace.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "supervisor/tracer.h"
#include "support/fake_ptrace_ops.h"

namespace zxctl {

inline int SignalStop(int signo) { return (signo << 8) | 0x7f; }
inline int EventStop(int event, int signo = SIGTRAP) { return (event << 16) | (signo << 8) | 0x7f; }
inline int Exited(int code) { return code << 8; }
inline int Killed(int signo) { return signo; }
inline constexpr int kSyscallStop = ((SIGTRAP | 0x80) << 8) | 0x7f;

class RecordingSink final : public ExceptionSink {
 public:
  Verdict verdict = Verdict::kDeliver;
  Answer answer = Answer::kPending;
  std::vector<FaultStop> raised;
  std::vector<pid_t> withdrawn;
  Answer given = Answer::kPending;  // what has been answered when it is withdrawn
  std::vector<pid_t> silent_deaths;
  FaultStop consulted;
  bool wants_starts = false;
  bool wants_exits = false;
  std::vector<pid_t> told_exits;

  bool AsksDebugger(const Thread& /*thread*/) override { return false; }
  bool WantsFirstChance() override { return false; }
  bool WantsStart(const Thread& /*thread*/, bool /*first_thread*/) override { return wants_starts; }
  bool WantsExit(const Process& /*process*/) override { return wants_exits; }
  void TellExit(const Thread& thread) override { told_exits.push_back(thread.tid); }
  Verdict Consult(const FaultStop& fault) override {
    consulted = fault;
    return verdict;
  }
  Answer Raise(const FaultStop& fault) override {
    raised.push_back(fault);
    return answer;
  }
  Answer Withdraw(pid_t tid) override {
    withdrawn.push_back(tid);
    return given;
  }
  void OnSilentDeath(pid_t pid, int /*wait_status*/) override { silent_deaths.push_back(pid); }
};

// One process 100 under supervision from the start.
class TracerTest : public testing::Test {
 protected:
  static constexpr pid_t kRoot = 100;

  explicit TracerTest(TracerOptions options = {}) : tracer(ops, sink, observer, timers, clock, options) {
    EXPECT_TRUE(tracer.SeizeRoot(kRoot));
    ops.calls.clear();
  }

  void Wait(pid_t tid, int status) { tracer.OnWait({.tid = tid, .status = status}); }

  // A thread of kRoot, announced and running.
  void AddThread(pid_t tid) {
    ops.tracees[tid].tgid = kRoot;
    ops.tracees[kRoot].event_message = static_cast<uint64_t>(tid);
    Wait(kRoot, EventStop(PTRACE_EVENT_CLONE));
    Wait(tid, EventStop(PTRACE_EVENT_STOP));
    ops.calls.clear();
  }

  void SetFault(pid_t tid, int signo, int code, uint64_t address = 0) {
    siginfo_t& info = ops.tracees[tid].siginfo;
    info = {};
    info.si_signo = signo;
    info.si_code = code;
    if (code > 0) info.si_addr = reinterpret_cast<void*>(address);
  }

  void AdvanceTo(int64_t now_ns) {
    clock.now_ns = now_ns;
    timers.RunDue(now_ns);
  }

  FakeClock clock;
  FakePtraceOps ops;
  RecordingSink sink;
  TracerObserver observer;
  TimerQueue timers;
  Tracer tracer;
};

}  // namespace zxctl
