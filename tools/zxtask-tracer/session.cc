#include "session.h"

#include <memory>
#include <utility>

namespace zxctl {
namespace {

// How often it is looked whether the client lives, where no signal tells.
constexpr int64_t kLookNs = 1 * kNsPerSec;

// Answers every breakpoint with "go on"; for measuring what a handler inside the tracer costs.
class BreakpointSkipper final : public ExceptionHandler {
 public:
  HandlerAnswer Offer(const ExceptionPacket& packet) override {
    return packet.type == ExceptionType::kSwBreakpoint ? HandlerAnswer::kResume : HandlerAnswer::kTryNext;
  }
  HandlerAnswer Withdraw(pid_t /*tid*/) override { return HandlerAnswer::kPending; }
};

TracerOptions MakeTracerOptions(const ring::LaunchRequest& launch) {
  return {.follow_processes = launch.follow_processes != 0, .kill_on_tracer_death = launch.kill_on_tracer_death != 0};
}

}  // namespace

Session::Session(SessionOptions options, Wakeups& wakeups)
    : options_(std::move(options)),
      notices_({options_.launch.stderr_dev, options_.launch.stderr_ino}, options_.launch.root_pid),
      router_(timers_, clock_),  // NOLINT(bugprone-throw-keyword-missing): routes exceptions, is none
      tracer_(ops_, router_, *this, timers_, clock_, MakeTracerOptions(options_.launch)),
      finder_(ops_, clock_, [this] { return tracer_.tree().RunningThreadIds(); }),
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
  finder_.SetPopulation(tracer_.child_count() + reporters, tracer_.tree().births());
  // Threads that nobody will ever hear of again must not keep us here.
  return !client_is_there_ && (finder_.no_children() || tracer_.idle()) && (reporter_ == nullptr || !reporter_->busy());
}

void Session::Run() {
  WaitLoop::Callbacks callbacks{.on_wait = [this](const WaitResult& result) { OnWait(result); },
                                .on_hangup = [this] { LookForClient(); },
                                .on_terminate = [this] { tracer_.DetachAll(); },
                                .done = [this] { return Done(); }};
  if (client_ != nullptr) {
    callbacks.on_command = [this] { return TakeCommands(); };
    callbacks.before_sleep = [this] { return !client_is_there_ || client_->BeginSleep(News()); };
    callbacks.after_sleep = [this] { client_->EndSleep(); };
  }
  loop_.Run(callbacks);
}

// ---- the client ------------------------------------------------------------------------------------------------------

void Session::Serve(std::unique_ptr<service::Client> client) {
  client_ = std::move(client);
  client_is_there_ = true;
  WatchClient();
}

// Its end is told by a signal, unless a child of the client has inherited the descriptor.
void Session::WatchClient() {
  timers_.Add(clock_.NowNs() + kLookNs, [this] {
    LookForClient();
    if (client_is_there_) WatchClient();
  });
}

service::Client::News Session::News() const {
  return finder_.expects_many() ? service::Client::News::kGathered : service::Client::News::kAtOnce;
}

bool Session::TakeCommands() {
  if (!client_is_there_) return false;
  const bool any = client_->TakeCommands();
  client_->Flush(News());
  // It may have written what cannot be.
  LookForBrokenClient();
  return any;
}

void Session::LookForBrokenClient() {
  if (client_->broken()) LeaveClient();
}

void Session::LookForClient() {
  if (client_is_there_ && !client_->IsThere()) LeaveClient();
}

void Session::LeaveClient() {
  client_is_there_ = false;
  client_->Leave();
}

// ---- news ------------------------------------------------------------------------------------------------------------

void Session::OnExec(Process& process, bool lost_privileges) { notices_.OnExec(process, lost_privileges); }

void Session::OnProcessBorn(Process& process) {
  if (client_is_there_) client_->OnProcessBorn(process);
}

void Session::OnParked(Process& process) {
  if (client_is_there_) client_->OnParked(process);
}

void Session::OnTakesOver(Thread& thread, pid_t leader) {
  if (client_is_there_) client_->OnTakesOver(thread, leader);
}

void Session::OnThreadChanged(Thread& thread) {
  if (client_is_there_) client_->OnThreadChanged(thread);
}

void Session::OnThreadGone(Thread& thread) {
  router_.EndTask(thread.koid);
  if (client_is_there_) client_->OnThreadGone(thread);
}

void Session::OnProcessGone(Process& process, int wait_status) {
  router_.EndTask(process.koid);
  if (client_is_there_) client_->OnProcessGone(process, wait_status);
}

void Session::OnProcessDetached(Process& process) {
  router_.EndTask(process.koid);
  if (client_is_there_) client_->OnProcessDetached(process);
}

}  // namespace zxctl
