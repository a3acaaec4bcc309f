// The crash reporter as a handler: at a fatal exception it stops the process, hands registers to a reporter process, and
// says "next handler" when the report is out or its time is up. Lives in the tracer; parses nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/timer_queue.h"
#include "base/unique_fd.h"
#include "exceptions/router.h"
#include "report/register_set.h"
#include "report/standard_error.h"
#include "ring/channel.h"
#include "ring/protocol.h"
#include "supervisor/tracer.h"

namespace zxctl::report {

// A reporter's exit status when something failed and standard error says what.
inline constexpr int kExitToldWhy = 3;

struct ReportHandlerOptions {
  std::string reporter_path;
  std::vector<std::string> reporter_args;  // how to report; passed on as they are
  int64_t budget_ns = 5 * kNsPerSec;       // a process is held no longer than this
  uint64_t stderr_dev = 0;                 // the file that was standard error at launch
  uint64_t stderr_ino = 0;
  pid_t root_pid = 0;
  bool with_register_sets = false;  // reporters get the further register sets, for a core
};

class ReportHandler final : public ExceptionHandler {
 public:
  ReportHandler(ReportHandlerOptions options, Tracer& tracer, ExceptionRouter& router, TimerQueue& timers,
                const Clock& clock);
  ~ReportHandler() override;

  // ExceptionHandler:
  HandlerAnswer Offer(const ExceptionPacket& packet) override;
  HandlerAnswer Withdraw(pid_t tid) override;
  void OnSilentDeath(pid_t pid, int wait_status) override;

  struct HangOptions {
    bool kill_follows = false;  // the report says so
  };
  // Reports a process that hangs; it goes on afterwards. `done` is called once, at once when it is unknown or already being
  // reported.
  void ReportHang(pid_t pid, HangOptions options, std::function<void()> done);

  // Takes the end of a reporter process; false when `pid` is none of them.
  bool OnChildExit(pid_t pid, int status);
  // Reporter processes that run now.
  [[nodiscard]] size_t running() const { return running_; }
  // True while a report is being made, or a word of it is to be said.
  [[nodiscard]] bool busy() const { return !jobs_.empty() || speaker_.busy(); }

 private:
  struct Waiting {
    pid_t tid = 0;
    SignalRecord signal;
  };
  struct Job {
    ring::CrashRecord crash;
    std::vector<Waiting> waiting;  // threads that wait for an answer, the reported one first
    std::function<void()> done;    // hang reports
    bool out_of_time = false;      // its reporter was killed for that
    bool held = false;             // the process's threads are stopped for us
    pid_t reporter = 0;            // 0: not started yet
    UniqueFd stderr_fd;
    TimerQueue::Id timer = 0;
  };
  using JobId = uint64_t;

  JobId AddJob(const ring::CrashRecord& crash);
  [[nodiscard]] Job* Find(JobId id);
  [[nodiscard]] Job* FindByProcess(pid_t pid);
  void Hold(JobId id);
  // Starts the reporter, now or when one of those that run has ended.
  void Start(JobId id);
  [[nodiscard]] Result<pid_t> Spawn(Job& job);
  [[nodiscard]] Result<ring::Channel> FillChannel(const Job& job);
  [[nodiscard]] std::vector<ring::ThreadRecord> ReadThreads(const Job& job);
  [[nodiscard]] std::vector<RegisterSet> ReadRegisterSets(const std::vector<ring::ThreadRecord>& threads);
  void Expire(JobId id);
  void Finish(JobId id);
  void FindStandardError(Job& job);
  void SayFailed(Job& job, std::string_view why);

  ReportHandlerOptions options_;
  Tracer& tracer_;
  ExceptionRouter& router_;
  TimerQueue& timers_;
  const Clock& clock_;
  PatientSpeaker speaker_;
  std::map<JobId, Job> jobs_;
  std::deque<JobId> queue_;  // jobs that wait for a reporter to end
  size_t running_ = 0;
  JobId last_job_ = 0;
};

}  // namespace zxctl::report
