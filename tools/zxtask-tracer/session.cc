#include "session.h"

#include <memory>
#include <utility>

namespace zxctl {
namespace {

// Answers every breakpoint with "go on"; for measuring what a handler inside the tracer costs.
class BreakpointSkipper final : public ExceptionHandler {
 public:
  HandlerAnswer Offer(const ExceptionPacket& packet) override {
    return packet.type == ExceptionType::kSwBreakpoint ? HandlerAnswer::kResume : HandlerAnswer::kTryNext;
  }
  void Withdraw(pid_t /*tid*/) override {}
};

TracerOptions MakeTracerOptions(const ring::LaunchRequest& launch) {
  return {.follow_processes = launch.follow_processes != 0, .kill_on_tracer_death = launch.kill_on_tracer_death != 0};
}

}  // namespace

Session::Session(SessionOptions options, Wakeups& wakeups)
    : options_(std::move(options)),
      notices_({options_.launch.stderr_dev, options_.launch.stderr_ino}, options_.launch.root_pid),
      router_(timers_, clock_),
      tracer_(ops_, router_, notices_, timers_, clock_, MakeTracerOptions(options_.launch)),
      finder_(ops_, clock_, [this] { return tracer_.tree().ThreadIds(); }),
      loop_(wakeups, finder_, timers_, clock_, spin_) {
  router_.Attach(tracer_);
  BindHandlers();
}

Session::~Session() = default;

void Session::BindHandlers() {
  const Koid root_job = tracer_.tree().root_job().koid;
  if (options_.reporter_path.empty()) return;
  report::ReportHandlerOptions handler{.reporter_path = options_.reporter_path,
                                       .reporter_args = options_.reporter_args,
                                       .budget_ns = options_.launch.report_budget_ns,
                                       .stderr_dev = options_.launch.stderr_dev,
                                       .stderr_ino = options_.launch.stderr_ino,
                                       .root_pid = options_.launch.root_pid,
                                       .with_register_sets = options_.launch.wants_register_sets != 0};
  reporter_ = std::make_unique<report::ReportHandler>(std::move(handler), tracer_, router_, timers_, clock_);
  (void)router_.bindings().Bind(root_job, ChainLevel::kJob, {.handler = reporter_.get()});
}

Result<void> Session::SeizeRoot() {
  auto seized = tracer_.SeizeRoot(options_.launch.root_pid);
  if (!seized || !options_.skip_breakpoints) return seized;
  skipper_ = std::make_unique<BreakpointSkipper>();
  const Koid program = tracer_.tree().FindProcess(options_.launch.root_pid)->koid;
  return router_.bindings().Bind(program, ChainLevel::kDebugger, {.handler = skipper_.get()});
}

void Session::ArmTimeout() {
  if (timeout_armed_ || options_.launch.timeout_ns <= 0 || !notices_.program_started()) return;
  timeout_armed_ = true;
  timers_.Add(clock_.NowNs() + options_.launch.timeout_ns, [this] { OnTimeout(); });
}

void Session::OnTimeout() {
  const auto pids = std::make_shared<std::vector<pid_t>>(tracer_.tree().ProcessIds());
  // All reports first: whoever waits for the program would take its death for the end of what there is to read.
  auto missing = std::make_shared<size_t>(pids->size());
  const auto reported = [this, pids, missing] {
    if (--*missing == 0) KillAfterTimeout(*pids);
  };
  const bool kills = options_.launch.timeout_kills != 0;
  for (const pid_t pid : *pids) {
    if (reporter_ == nullptr) {
      reported();
    } else {
      reporter_->ReportHang(pid, {.kill_follows = kills}, reported);
    }
  }
}

void Session::KillAfterTimeout(const std::vector<pid_t>& pids) {
  if (options_.launch.timeout_kills == 0) return;
  for (const pid_t pid : pids) {
    if (tracer_.tree().FindProcess(pid) != nullptr) ops_.Kill(pid);
  }
}

void Session::OnWait(const WaitResult& result) {
  if (tracer_.tree().FindThread(result.tid) == nullptr && reporter_ != nullptr &&
      reporter_->OnChildExit(result.tid, result.status)) {
    return;
  }
  tracer_.OnWait(result);
  ArmTimeout();
}

bool Session::Done() {
  const size_t reporters = reporter_ != nullptr ? reporter_->running() : 0;
  finder_.SetPopulation(tracer_.tree().thread_count() + reporters);
  // Threads that nobody will ever hear of again must not keep us here.
  return (finder_.no_children() || tracer_.idle()) && (reporter_ == nullptr || !reporter_->busy());
}

void Session::Run() {
  loop_.Run({.on_wait = [this](const WaitResult& result) { OnWait(result); },
             .on_command = [] {},
             .on_terminate = [this] { tracer_.DetachAll(); },
             .done = [this] { return Done(); }});
}

}  // namespace zxctl
