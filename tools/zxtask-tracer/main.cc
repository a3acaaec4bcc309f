// The tracer process: `zxtask-tracer RING_FD FRONT_END_PID REPORTER [REPORTER_ARGS…]`. Started by zxctl, not by people.
// REPORTER is the reporter's path, or empty for no reports. Or by libzxtask: then descriptor 4 is at its end once the
// program that works with the library has ended.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string>

#include "base/clock.h"
#include "life_word.h"
#include "ring/channel.h"
#include "ring/task_protocol.h"
#include "session.h"
#include "stats_file.h"
#include "supervisor/wakeups.h"

namespace zxctl {
namespace {

// How long the front end has for its next message.
constexpr int64_t kHandshakeNs = 10 * kNsPerSec;
// How often it is looked whether the front end still lives.
constexpr int64_t kLookNs = 100 * kNsPerMs;
constexpr int kAliveFd = 4;

// The next message, unless the front end dies before it sends one.
Result<bool> ReceiveFrom(ring::Channel& channel, pid_t front_end, ring::Message& message) {
  const int64_t deadline = MonotonicNs() + kHandshakeNs;
  for (;;) {
    auto got = channel.Receive(message, std::min(deadline, MonotonicNs() + kLookNs));
    if (!got || *got || MonotonicNs() >= deadline) return got;
    if (kill(front_end, 0) != 0 && errno == ESRCH) return false;
  }
}

template <typename T>
Result<T> UnpackAs(const ring::Message& message, uint32_t type) {
  if (message.type != type) return Fail(Status{.zx = ZX_ERR_TIMED_OUT, .what = "no request came"});
  return ring::Unpack<T>(message);
}

void Reply(ring::Channel& channel, const Result<void>& outcome) {
  ring::LaunchReply reply;
  if (!outcome) reply = {.zx = outcome.error().zx, .sys_errno = outcome.error().sys_errno};
  (void)channel.Send(static_cast<uint32_t>(ring::MessageType::kLaunched), reply);
}

// When memory runs out, the programs should go before the one who reports it. Needs privileges; without them nothing is
// lost.
void LowerOomScore() { std::ofstream("/proc/self/oom_score_adj") << "-500"; }

int Finish(const Session& session) {
  if (const char* path = getenv("ZXCTL_STATS"); path != nullptr) WriteStats(path, session.stats());
  return EXIT_SUCCESS;
}

// For `zxctl run`: one program, and reports of its crashes.
int Trace(ring::Channel channel, const ring::Message& request, std::string reporter,
          std::vector<std::string> reporter_args, Wakeups& wakeups) {
  const auto launch = UnpackAs<ring::LaunchRequest>(request, static_cast<uint32_t>(ring::MessageType::kLaunch));
  if (!launch) return EXIT_FAILURE;
  Session session({.launch = *launch,
                   .reporter_path = std::move(reporter),
                   .reporter_args = std::move(reporter_args),
                   .skip_breakpoints = getenv("ZXCTL_BENCH_SKIP_INT3") != nullptr},
                  wakeups);
  const auto seized = session.SeizeRoot();
  Reply(channel, seized);
  if (!seized) return EXIT_FAILURE;
  session.Run();
  return Finish(session);
}

// For a program that works with task handles.
int Serve(ring::Channel channel, const ring::Message& request, Wakeups& wakeups) {
  const auto hello = ring::Unpack<ring::HelloCommand>(request);
  if (!hello || channel.shared().size() != sizeof(ring::SharedState)) return EXIT_FAILURE;
  UniqueFd alive(kAliveFd);
  const bool watched = fcntl(kAliveFd, F_SETOWN, getpid()) == 0 && fcntl(kAliveFd, F_SETSIG, CommandSignal()) == 0 &&
                       fcntl(kAliveFd, F_SETFL, O_ASYNC | O_NONBLOCK) == 0;
  if (!watched) return EXIT_FAILURE;
  auto* shared = std::launder(reinterpret_cast<ring::SharedState*>(channel.shared().data()));
  Session session({}, wakeups);
  // Goes before the session, which has the memory that it is in.
  const LifeWord life(shared->tracer_life);
  session.Serve(std::make_unique<service::Client>(std::move(channel), std::move(alive), *hello, session.tracer(),
                                                  session.router()));
  session.Run();
  return Finish(session);
}

int Run(ring::Channel channel, pid_t front_end, std::string reporter, std::vector<std::string> reporter_args) {
  SignalWakeups wakeups;
  const ring::HelloRecord hello{.tracer_pid = getpid()};
  if (!channel.Send(static_cast<uint32_t>(ring::MessageType::kHello), hello)) return EXIT_FAILURE;
  ring::Message request;
  const auto got = ReceiveFrom(channel, front_end, request);
  if (!got || !*got) return EXIT_FAILURE;
  if (request.type == static_cast<uint32_t>(ring::CommandType::kHello)) {
    return Serve(std::move(channel), request, wakeups);
  }
  return Trace(std::move(channel), request, std::move(reporter), std::move(reporter_args), wakeups);
}

}  // namespace
}  // namespace zxctl

int main(int argc, char** argv) {
  if (argc < 4) {
    fputs("zxtask-tracer is started by zxctl; run `zxctl run -- PROGRAM` instead\n", stderr);
    return EXIT_FAILURE;
  }
  auto channel = zxctl::ring::Channel::Attach(zxctl::UniqueFd(atoi(argv[1])));
  if (!channel) {
    fprintf(stderr, "zxtask-tracer: %s; it is started by zxctl\n", channel.error().ToString().c_str());
    return EXIT_FAILURE;
  }
  zxctl::LowerOomScore();
  return zxctl::Run(std::move(*channel), atoi(argv[2]), argv[3], {argv + 4, argv + argc});
}
