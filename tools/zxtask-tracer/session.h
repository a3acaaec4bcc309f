// One tracer with everything around it: the loop, the exception chain, the handlers that live in the tracer, and the client
// that it works for.
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
#include "service/client.h"
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

class Session final : TracerObserver {
 public:
  Session(SessionOptions options, Wakeups& wakeups);
  ~Session() override;

  [[nodiscard]] Result<void> SeizeRoot();
  // Works for a program with task handles: until that ends, and the last of its tasks is gone or let go.
  void Serve(std::unique_ptr<service::Client> client);
  // The parts that a client works with.
  [[nodiscard]] Tracer& tracer() { return tracer_; }
  [[nodiscard]] ExceptionRouter& router() { return router_; }
  // Runs until the last tracee has ended and the last report is out.
  void Run();
  [[nodiscard]] const TracerStats& stats() const { return tracer_.stats(); }

 private:
  void BindHandlers();
  void ArmTimeout();
  void OnTimeout();
  void KillAfterTimeout(const std::vector<pid_t>& pids);
  void OnWait(const WaitResult& result);
  [[nodiscard]] service::Client::News News() const;
  bool TakeCommands();
  void LookForClient();
  void LookForBrokenClient();
  void LeaveClient();
  void WatchClient();

  // TracerObserver:
  void OnExec(Process& process, bool lost_privileges) override;
  void OnProcessBorn(Process& process) override;
  void OnParked(Process& process) override;
  void OnInterrupted(pid_t tid) override { finder_.Expect(tid); }
  void OnTakesOver(Thread& thread, pid_t leader) override;
  void OnThreadChanged(Thread& thread) override;
  void OnThreadGone(Thread& thread) override;
  void OnProcessGone(Process& process, int wait_status) override;
  void OnProcessDetached(Process& process) override;

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
  std::unique_ptr<service::Client> client_;
  bool client_is_there_ = false;
  bool timeout_armed_ = false;
};

}  // namespace zxctl
