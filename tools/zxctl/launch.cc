#include "launch.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "client/tracer_process.h"
#include "ring/channel.h"
#include "ring/protocol.h"
#include "supervisor/diagnose.h"

namespace zxctl {
namespace {

constexpr size_t kRingBytes = 4096;
constexpr int64_t kAnswerNs = 10 * kNsPerSec;

std::string Absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

bool WantsReports(const RunOptions& options) {
  return options.report != "none" || !options.report_file.empty() || !options.report_dir.empty() || options.core;
}

// How to report, for zxtask-report; paths are absolute because the tracer stands elsewhere.
std::vector<std::string> ReporterArguments(const RunOptions& options) {
  std::vector<std::string> args = {"--format=" + options.report, "--color=" + options.color};
  if (!options.report_file.empty()) args.push_back("--report-file=" + Absolute(options.report_file));
  if (!options.report_dir.empty()) args.push_back("--report-dir=" + Absolute(options.report_dir));
  if (options.core) args.push_back("--core=" + Absolute(options.core_dir.empty() ? "." : options.core_dir));
  if (options.with_memory) args.emplace_back("--with-memory");
  return args;
}

Result<std::vector<std::string>> TracerCommand(const RunOptions& options) {
  auto tracer = FindHelper("zxtask-tracer");
  if (!tracer) return Fail(tracer.error());
  std::string reporter;
  if (WantsReports(options)) {
    auto found = FindHelper("zxtask-report");
    if (!found) return Fail(found.error());
    reporter = *found;
  }
  std::vector<std::string> command = {*tracer, "3", std::to_string(getpid()), reporter};
  for (auto& argument : ReporterArguments(options)) command.push_back(std::move(argument));
  return command;
}

ring::LaunchRequest MakeRequest(const RunOptions& options) {
  ring::LaunchRequest request{.root_pid = getpid(),
                              .follow_processes = options.follow_processes,
                              .kill_on_tracer_death = options.kill_on_tracer_death,
                              .timeout_kills = options.timeout_kills,
                              .wants_register_sets = options.core,
                              .timeout_ns = options.timeout_ns,
                              .report_budget_ns = options.report_budget_ns};
  struct stat info {};
  if (fstat(STDERR_FILENO, &info) == 0) {
    request.stderr_dev = info.st_dev;
    request.stderr_ino = info.st_ino;
  }
  return request;
}

template <typename T>
Result<T> Await(ring::Channel& channel, ring::MessageType type) {
  ring::Message message;
  const auto got = channel.Receive(message, MonotonicNs() + kAnswerNs);
  if (!got) return Fail(got.error());
  if (!*got || message.type != static_cast<uint32_t>(type)) {
    return Fail(Status{.zx = ZX_ERR_TIMED_OUT, .what = "the tracer does not answer; the machine may be out of memory"});
  }
  return ring::Unpack<T>(message);
}

}  // namespace

Result<void> LaunchTracer(const RunOptions& options) {
  const auto command = TracerCommand(options);
  if (!command) return Fail(command.error());
  auto channel = ring::Channel::Create(kRingBytes);
  if (!channel) return Fail(channel.error());
  if (auto started = StartDetached(*command, channel->fd()); !started) return started;
  const auto hello = Await<ring::HelloRecord>(*channel, ring::MessageType::kHello);
  if (!hello) return Fail(hello.error());
  // Yama lets a process be traced by those it names. Where there is no Yama, the call fails and nothing is lost.
  prctl(PR_SET_PTRACER, static_cast<unsigned long>(hello->tracer_pid), 0, 0, 0);
  if (!channel->Send(static_cast<uint32_t>(ring::MessageType::kLaunch), MakeRequest(options))) {
    return Fail(Status{.zx = ZX_ERR_INTERNAL, .what = "the ring is too small for a launch request"});
  }
  const auto reply = Await<ring::LaunchReply>(*channel, ring::MessageType::kLaunched);
  if (!reply) return Fail(reply.error());
  if (reply->zx == ZX_OK) return {};
  return Fail(Status{.zx = reply->zx, .sys_errno = reply->sys_errno, .what = "ptrace was refused"});
}

}  // namespace zxctl
