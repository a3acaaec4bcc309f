#include "report/report_handler.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "report/standard_error.h"

namespace zxctl::report {
namespace {

// Reporters that run at a time; more only take turns on the machine's CPUs.
constexpr size_t kMaxRunning = 4;
// Threads get this share of the budget to stop; one that sleeps in the kernel may not stop at all.
constexpr int64_t kStopShare = 4;
constexpr int64_t kMaxStopNs = 500 * kNsPerMs;
// Where the reporter finds its ring and the crashed process's memory.
constexpr int kRingFd = 3;
constexpr int kMemoryFd = 4;
constexpr int kFirstOwnFd = 10;
// How many processes are asked for the standard error of the launch.
constexpr size_t kMaxStderrCandidates = 64;
constexpr size_t kRingSlackBytes = 64 * 1024;
constexpr size_t kMessageSlackBytes = 64;

// A program of thousands of threads gets a core in which the last ones lack their vector registers.
constexpr size_t kMaxRegisterSetsBytes = 64u << 20;

// A set as its message carries it.
std::vector<std::byte> Packed(const RegisterSet& set) {
  const ring::RegisterSetHead head{.tid = set.tid, .note_type = set.note_type};
  const auto bytes = std::as_bytes(std::span(&head, 1));
  std::vector<std::byte> packed(bytes.begin(), bytes.end());
  packed.insert(packed.end(), set.data.begin(), set.data.end());
  return packed;
}

// More than its message takes in the ring, whatever a message is rounded up to.
size_t PackedBytes(const RegisterSet& set) {
  return sizeof(ring::MessageHeader) + sizeof(ring::RegisterSetHead) + set.data.size() + kMessageSlackBytes;
}

UniqueFd OpenMemory(pid_t pid, pid_t tid) {
  const UniqueFd fd(open(fmt::format("/proc/{0}/task/{1}/mem", pid, tid).c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() ? UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, kFirstOwnFd)) : UniqueFd();
}

// posix_spawn's attributes and file actions, freed together.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  void Give(int fd, int as) {
    if (fd >= 0) posix_spawn_file_actions_adddup2(&actions_, fd, as);
  }

  Result<pid_t> Run(const std::string& path, const std::vector<std::string>& args) {
    std::vector<char*> argv = {const_cast<char*>(path.c_str())};
    for (const auto& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int error = posix_spawn(&pid, path.c_str(), &actions_, &attributes_, argv.data(), environ);
    if (error != 0) return Fail(Status::FromErrno("cannot start " + path, error));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Whose stack tells what a process is at: its leader's, unless that has exited.
pid_t FirstLivingThread(const Process& process) {
  const auto living = [](const Thread* thread) { return thread->state.life != Lifecycle::kExiting; };
  const auto leads = [&](const Thread* thread) { return living(thread) && thread->tid == process.pid; };
  auto found = std::find_if(process.threads.begin(), process.threads.end(), leads);
  if (found == process.threads.end()) found = std::find_if(process.threads.begin(), process.threads.end(), living);
  return found == process.threads.end() ? process.pid : (*found)->tid;
}

}  // namespace

ReportHandler::ReportHandler(ReportHandlerOptions options, Tracer& tracer, ExceptionRouter& router, TimerQueue& timers,
                             const Clock& clock)
    : options_(std::move(options)),
      tracer_(tracer),
      router_(router),
      timers_(timers),
      clock_(clock),
      speaker_(timers, clock) {}

ReportHandler::~ReportHandler() {
  for (const auto& [id, job] : jobs_) {
    if (job.reporter != 0) kill(job.reporter, SIGKILL);
  }
}

ReportHandler::Job* ReportHandler::Find(JobId id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

ReportHandler::Job* ReportHandler::FindByProcess(pid_t pid) {
  const auto found = std::find_if(jobs_.begin(), jobs_.end(), [pid](const auto& entry) {
    return entry.second.crash.pid == pid && entry.second.held;
  });
  return found == jobs_.end() ? nullptr : &found->second;
}

ReportHandler::JobId ReportHandler::AddJob(const ring::CrashRecord& crash) {
  const JobId id = ++last_job_;
  Job& job = jobs_[id];
  job.crash = crash;
  job.crash.deadline_ns = clock_.NowNs() + options_.budget_ns;
  job.timer = timers_.Add(job.crash.deadline_ns, [this, id] { Expire(id); });
  return id;
}

HandlerAnswer ReportHandler::Offer(const ExceptionPacket& packet) {
  if (Job* job = FindByProcess(packet.pid); job != nullptr) {
    // Another thread of a process that is being reported: one report tells of both.
    job->waiting.push_back({packet.tid, packet.signal});
    return HandlerAnswer::kPending;
  }
  ring::CrashRecord crash{.pid = packet.pid, .tid = packet.tid, .type = packet.type, .signal = packet.signal};
  crash.reason =
      packet.kind == FaultKind::kForcedDeath ? ring::CrashReason::kForcedDeath : ring::CrashReason::kException;
  if (packet.first) {
    crash.first = packet.first->signal;
    crash.first_registers = packet.first->registers;
  }
  const JobId id = AddJob(crash);
  jobs_[id].waiting.push_back({packet.tid, packet.signal});
  Hold(id);
  return HandlerAnswer::kPending;
}

void ReportHandler::ReportHang(pid_t pid, HangOptions options, std::function<void()> done) {
  const Process* process = tracer_.tree().FindProcess(pid);
  if (process == nullptr || FindByProcess(pid) != nullptr) return done();
  const JobId id = AddJob({.pid = pid,
                           .tid = FirstLivingThread(*process),
                           .reason = ring::CrashReason::kHang,
                           .kill_follows = options.kill_follows ? 1 : 0});
  jobs_[id].done = std::move(done);
  Hold(id);
}

void ReportHandler::OnSilentDeath(pid_t pid, int wait_status) {
  ring::CrashRecord crash{.pid = pid, .tid = pid, .reason = ring::CrashReason::kGone, .wait_status = wait_status};
  crash.signal.signo = WTERMSIG(wait_status);
  crash.type = crash.signal.signo == SIGSYS ? ExceptionType::kPolicyError : ExceptionType::kGeneral;
  Start(AddJob(crash));
}

void ReportHandler::Hold(JobId id) {
  Job& job = *Find(id);
  const int64_t stop_deadline = clock_.NowNs() + std::min(options_.budget_ns / kStopShare, kMaxStopNs);
  job.held = tracer_.HoldProcess(job.crash.pid, stop_deadline, [this, id](size_t missing) {
    Job* held = Find(id);
    if (held == nullptr) return;
    held->crash.threads_missing = missing;
    Start(id);
  });
  if (!job.held) Start(id);
}

std::vector<ring::ThreadRecord> ReportHandler::ReadThreads(const Job& job) {
  std::vector<ring::ThreadRecord> records;
  const auto read = [&](pid_t tid) {
    ring::ThreadRecord record{.tid = tid};
    record.has_registers = tracer_.ops().GetRegisters(tid, record.registers).ok() ? 1 : 0;
    for (const Waiting& waiting : job.waiting) {
      if (waiting.tid == tid && tid != job.crash.tid) record.signal = waiting.signal;
    }
    records.push_back(record);
  };
  if (job.crash.reason != ring::CrashReason::kGone) read(job.crash.tid);
  const Process* process = job.held ? tracer_.tree().FindProcess(job.crash.pid) : nullptr;
  if (process == nullptr) return records;
  for (const Thread* thread : process->threads) {
    if (thread->tid != job.crash.tid && thread->state.life != Lifecycle::kExiting) read(thread->tid);
  }
  return records;
}

std::vector<RegisterSet> ReportHandler::ReadRegisterSets(const std::vector<ring::ThreadRecord>& threads) {
  std::vector<RegisterSet> sets;
  std::vector<std::byte> buffer(arch::kMaxRegisterSetBytes);
  size_t total = 0;
  for (const auto& thread : threads) {
    for (const uint32_t type : arch::kFurtherRegisterSets) {
      if (thread.has_registers == 0 || total > kMaxRegisterSetsBytes) continue;
      const size_t size = tracer_.ops().GetRegisterSet(thread.tid, type, buffer);
      if (size == 0) continue;
      total += size;
      sets.push_back({.tid = thread.tid, .note_type = type, .data = {buffer.data(), buffer.data() + size}});
    }
  }
  return sets;
}

Result<ring::Channel> ReportHandler::FillChannel(const Job& job) {
  const auto threads = ReadThreads(job);
  const auto sets = options_.with_register_sets ? ReadRegisterSets(threads) : std::vector<RegisterSet>();
  size_t bytes = threads.size() * (sizeof(ring::MessageHeader) + sizeof(ring::ThreadRecord)) + kRingSlackBytes;
  for (const auto& set : sets) bytes += PackedBytes(set);
  auto channel = ring::Channel::Create(bytes);
  if (!channel) return channel;
  ring::CrashRecord crash = job.crash;
  crash.thread_count = threads.size();
  bool sent = channel->Send(static_cast<uint32_t>(ring::MessageType::kCrash), crash);
  for (const auto& thread : threads)
    sent = sent && channel->Send(static_cast<uint32_t>(ring::MessageType::kThread), thread);
  for (const auto& set : sets)
    sent = sent && channel->SendBytes(static_cast<uint32_t>(ring::MessageType::kRegisterSet), Packed(set));
  sent = sent && channel->SendBytes(static_cast<uint32_t>(ring::MessageType::kEndOfCrash), {});
  if (!sent) return Fail(Status{.zx = ZX_ERR_INTERNAL, .what = "the reporter's ring is too small"});
  return channel;
}

Result<pid_t> ReportHandler::Spawn(Job& job) {
  auto channel = FillChannel(job);
  if (!channel) return Fail(channel.error());
  const UniqueFd ring(fcntl(channel->fd(), F_DUPFD_CLOEXEC, kFirstOwnFd));
  const UniqueFd memory =
      job.crash.reason == ring::CrashReason::kGone ? UniqueFd() : OpenMemory(job.crash.pid, job.crash.tid);
  SpawnPlan plan;
  plan.Give(job.stderr_fd.get(), STDERR_FILENO);
  plan.Give(ring.get(), kRingFd);
  plan.Give(memory.get(), kMemoryFd);
  return plan.Run(options_.reporter_path, options_.reporter_args);
}

void ReportHandler::FindStandardError(Job& job) {
  if (job.stderr_fd.valid()) return;
  std::vector<pid_t> tids = {job.crash.tid, job.crash.pid, options_.root_pid};
  for (const pid_t pid : tracer_.tree().ProcessIds()) {
    if (tids.size() < kMaxStderrCandidates) tids.push_back(pid);
  }
  job.stderr_fd = BorrowStandardError({options_.stderr_dev, options_.stderr_ino}, tids);
}

void ReportHandler::Start(JobId id) {
  if (running_ >= kMaxRunning) {
    queue_.push_back(id);
    return;
  }
  Job& job = *Find(id);
  FindStandardError(job);
  const auto reporter = Spawn(job);
  if (!reporter) {
    SayFailed(job, reporter.error().ToString());
    return Finish(id);
  }
  job.reporter = *reporter;
  ++running_;
}

bool ReportHandler::OnChildExit(pid_t pid, int status) {
  const auto found =
      std::find_if(jobs_.begin(), jobs_.end(), [pid](const auto& entry) { return entry.second.reporter == pid; });
  if (found == jobs_.end()) return false;
  if (!WIFEXITED(status) && !WIFSIGNALED(status)) return true;
  --running_;
  Job& job = found->second;
  job.reporter = 0;
  if (job.out_of_time) {
    SayFailed(job, "its time was up (--report-budget gives it more)");
  } else if (WIFSIGNALED(status)) {
    SayFailed(job, fmt::format("the reporter died of signal {}", WTERMSIG(status)));
  } else if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != kExitToldWhy) {
    SayFailed(job, fmt::format("the reporter ended with status {}", WEXITSTATUS(status)));
  }
  Finish(found->first);
  while (!queue_.empty() && running_ < kMaxRunning) {
    const JobId next = queue_.front();
    queue_.pop_front();
    if (Find(next) != nullptr) Start(next);
  }
  return true;
}

void ReportHandler::SayFailed(Job& job, std::string_view why) {
  FindStandardError(job);
  const SignalRecord& signal = job.crash.first.signo != 0 ? job.crash.first : job.crash.signal;
  speaker_.Say(std::move(job.stderr_fd),
               fmt::format("zxctl: process {} thread {}: {} (signal {}, code {}, address {:#x}); no full report: {}\n",
                           job.crash.pid, job.crash.tid, ExceptionTypeName(job.crash.type), signal.signo, signal.code,
                           signal.address, why));
}

void ReportHandler::Expire(JobId id) {
  Job* job = Find(id);
  if (job == nullptr) return;
  job->timer = 0;
  if (job->reporter != 0) {
    job->out_of_time = true;
    kill(job->reporter, SIGKILL);  // its end comes as any other's
    return;
  }
  SayFailed(*job, "its time was up before a reporter was free, so many crashed (--report-budget gives it more)");
  Finish(id);
}

void ReportHandler::Finish(JobId id) {
  auto node = jobs_.extract(id);
  Job& job = node.mapped();
  timers_.Cancel(job.timer);
  // First the signals, then the other threads: the process is dead before they could run.
  for (const Waiting& waiting : job.waiting) router_.AnswerOf(*this, waiting.tid, HandlerAnswer::kTryNext);
  if (job.held) tracer_.ReleaseProcess(job.crash.pid);
  if (job.done) job.done();
}

HandlerAnswer ReportHandler::Withdraw(pid_t tid) {
  for (auto& [id, job] : jobs_) {
    std::erase_if(job.waiting, [tid](const Waiting& waiting) { return waiting.tid == tid; });
    // A killed process's hold went with it; its pid may be somebody else's soon.
    if (job.crash.tid == tid) job.held = false;
  }
  return HandlerAnswer::kPending;
}

}  // namespace zxctl::report
