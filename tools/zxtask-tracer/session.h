// One tracer with everything around it: the loop, the exception chain and the handlers that live in the tracer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/timer_queue.h"
#include "exceptions/router.h"
#include "notices.h"
#include "report/report_handler.h"
#include "ring/protocol.h"
#include "supervisor/linux_ptrace_ops.h"
#include "supervisor/spin_policy.h"
#include "supervisor/stop_finder.h"
#include "supervisor/tracer.h"
#include "supervisor/wait_loop.h"

namespace zxctl {

struct SessionOptions {
  ring::LaunchRequest launch;
  std::string reporter_path;  // empty: no reports
  std::vector<std::string> reporter_args;
  bool skip_breakpoints = false;  // bind a debugger in the tracer that resumes every SW_BREAKPOINT of the program
};

class Session {
 public:
  Session(SessionOptions options, Wakeups& wakeups);
  ~Session();

  [[nodiscard]] Result<void> SeizeRoot();
  // Runs until the last tracee has ended and the last report is out.
  void Run();
  [[nodiscard]] const TracerStats& stats() const { return tracer_.stats(); }

 private:
  void BindHandlers();
  void ArmTimeout();
  void OnTimeout();
  void KillAfterTimeout(const std::vector<pid_t>& pids);
  void OnWait(const WaitResult& result);
  // True when nobody is left; asked at each turn of the loop.
  bool Done();

  SessionOptions options_;
  Clock clock_;
  TimerQueue timers_;
  LinuxPtraceOps ops_;
  Notices notices_;
  ExceptionRouter router_;
  Tracer tracer_;
  StopFinder finder_;
  SpinPolicy spin_;
  WaitLoop loop_;
  std::unique_ptr<ExceptionHandler> skipper_;
  std::unique_ptr<report::ReportHandler> reporter_;
  bool timeout_armed_ = false;
};

}  // namespace zxctl
