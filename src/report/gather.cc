#include "report/gather.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <ctime>

#include "base/clock.h"
#include "base/proc_file.h"
#include "report/proc_texts.h"
#include "report/signal_names.h"

namespace zxctl::report {
namespace {

constexpr size_t kMaxThreads = 100'000;
constexpr size_t kMaxMapsBytes = 64u << 20;
constexpr size_t kMaxCommandLineBytes = 1u << 20;
constexpr std::string_view kDefaultDebugPath = ":.debug:/usr/lib/debug";

std::string ReadOrEmpty(const std::string& path, size_t max_bytes = 1u << 20) {
  return ReadFile(path, max_bytes).value_or(std::string());
}

std::string ReadLink(const std::string& path) {
  std::array<char, 4096> target;
  const ssize_t length = readlink(path.c_str(), target.data(), target.size());
  return length < 0 ? std::string() : std::string(target.data(), static_cast<size_t>(length));
}

std::string Comm(pid_t pid, pid_t tid) {
  std::string name = ReadOrEmpty(fmt::format("/proc/{}/task/{}/comm", pid, tid), 256);
  while (name.ends_with('\n')) name.pop_back();
  return name;
}

std::string NowText() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / kNsPerMs);
}

// The faulting thread lives; its leader may have exited.
pid_t ViewTid(const ring::CrashRecord& crash) { return crash.tid != 0 ? crash.tid : crash.pid; }

ProcessInfo GatherProcess(const CrashMessages& messages) {
  const pid_t pid = messages.crash.pid;
  const std::string root = fmt::format("/proc/{}", ViewTid(messages.crash));
  ProcessInfo info;
  info.pid = pid;
  const std::string status = ReadOrEmpty(root + "/status", 16384);
  info.name = Comm(pid, pid);
  info.executable = ReadLink(root + "/exe");
  info.working_directory = ReadLink(root + "/cwd");
  info.command_line = SplitWords(ReadOrEmpty(root + "/cmdline", kMaxCommandLineBytes));
  if (info.command_line.empty()) info.command_line = messages.program;
  info.parent_pid = static_cast<int32_t>(StatusNumber(status, "PPid"));
  info.uid = static_cast<int32_t>(StatusNumber(status, "Uid"));
  info.thread_count = static_cast<uint32_t>(StatusNumber(status, "Threads"));
  info.memory_bytes = StatusNumber(status, "VmRSS") * 1024;
  info.uptime_seconds =
      UptimeSeconds(ReadOrEmpty(fmt::format("/proc/{}/stat", pid), 4096), ReadOrEmpty("/proc/uptime", 128));
  info.limits = ParseLimits(ReadOrEmpty(root + "/limits", 16384));
  if (info.thread_count == 0) info.thread_count = static_cast<uint32_t>(messages.threads.size());
  return info;
}

// ---- the exception ------------------------------------------------------------------------------------------------

std::string CoreText(const ProcessInfo& process, const std::string& core_pattern) {
  const auto limit = process.limits.find("Max core file size");
  const bool piped = core_pattern.starts_with('|');
  if (!piped && limit != process.limits.end() && limit->second.starts_with("0 ")) {
    return "; no core file, the limit of its size is 0";
  }
  return piped ? "; the kernel hands the core to a program" : "; the kernel may write a core file";
}

std::string StatusText(int wait_status) {
  if (WIFSIGNALED(wait_status)) return fmt::format("the process has died of {}", SignalName(WTERMSIG(wait_status)));
  return fmt::format("the process has exited with status {}", WEXITSTATUS(wait_status));
}

std::string Consequence(const CrashMessages& messages, const ProcessInfo& process) {
  const ring::CrashRecord& crash = messages.crash;
  const std::string signal = SignalName(crash.signal.signo);
  switch (crash.reason) {
    case ring::CrashReason::kException:
      return fmt::format("the process dies of {}{}", signal,
                         CoreText(process, ReadOrEmpty("/proc/sys/kernel/core_pattern", 4096)));
    case ring::CrashReason::kForcedDeath:
      return fmt::format("the kernel ends the process with {}", signal);
    case ring::CrashReason::kHang:
      return crash.kill_follows != 0 ? "the process is killed, as --on-timeout=kill asks" : "the process goes on";
    case ring::CrashReason::kGone:
      return StatusText(crash.wait_status);
  }
  return {};
}

ExceptionInfo GatherException(const CrashMessages& messages, const ProcessInfo& process) {
  const ring::CrashRecord& crash = messages.crash;
  const SignalRecord& subject = crash.first.signo != 0 ? crash.first : crash.signal;
  ExceptionInfo info;
  info.reason = crash.reason;
  info.type = crash.type;
  info.signal = crash.signal;
  info.first = crash.first;
  if (subject.signo != 0) {
    const CodeName code = NameCode(subject);
    info.signal_name = SignalName(subject.signo);
    info.code_name = code.name;
    info.code_text = code.text;
  }
  info.consequence = Consequence(messages, process);
  return info;
}

std::string StateOf(const ring::ThreadRecord& thread) {
  if (thread.has_registers == 0) return "could not be stopped";
  if (thread.signal.signo != 0) {
    return fmt::format("crashed too: {} {}, address {:#x}", SignalName(thread.signal.signo),
                       NameCode(thread.signal).name, thread.signal.address);
  }
  return DescribeThreadState(thread.registers);
}

ThreadInfo GatherThread(pid_t pid, const ring::ThreadRecord& thread) {
  ThreadInfo info;
  info.tid = thread.tid;
  info.name = Comm(pid, thread.tid);
  info.has_registers = thread.has_registers != 0;
  info.state = StateOf(thread);
  return info;
}

void GatherThreads(const CrashMessages& messages, Report& report) {
  const pid_t pid = messages.crash.pid;
  report.thread.tid = messages.crash.tid;
  for (size_t i = 0; i < messages.threads.size(); ++i) {
    ThreadInfo info = GatherThread(pid, messages.threads[i]);
    if (i == 0) {
      report.thread = std::move(info);
    } else {
      report.threads.push_back(std::move(info));
    }
  }
  if (messages.crash.threads_missing > 0) {
    report.notes.limits.push_back(
        fmt::format("{} threads could not be stopped in time and are missing", messages.crash.threads_missing));
  }
}

void GatherPrivate(const GatherOptions& options, pid_t view_tid, Report& report) {
  if (!options.with_memory) {
    report.notes.withheld.push_back("environment and raw stack memory; --with-memory shows them");
    return;
  }
  report.environment = ParseEnvironment(ReadOrEmpty(fmt::format("/proc/{}/environ", view_tid), kMaxCommandLineBytes));
}

std::string SenderName(const SignalRecord& signal) {
  return WasSent(signal) && signal.pid > 0 ? Comm(signal.pid, signal.pid) : std::string();
}

std::string PerfMapPath(pid_t pid) {
  const std::string status = ReadOrEmpty(fmt::format("/proc/{}/status", pid), 16384);
  return fmt::format("/proc/{}/root/tmp/perf-{}.map", pid, InnermostPid(status, pid));
}

std::string DebugPath() {
  const char* own = secure_getenv("ZXCTL_DEBUG_PATH");
  return own == nullptr ? std::string(kDefaultDebugPath) : fmt::format("{}:{}", kDefaultDebugPath, own);
}

// ---- the ring -----------------------------------------------------------------------------------------------------

Result<void> TakeText(const ring::Message& message, CrashMessages& out) {
  uint32_t kind = 0;
  if (!ring::UnpackHead(message, kind)) {
    return Fail(Status{.zx = ZX_ERR_IO_DATA_INTEGRITY, .what = "a text message is too short for its kind"});
  }
  const auto* text = reinterpret_cast<const char*>(message.payload.data()) + sizeof(kind);
  if (static_cast<ring::TextKind>(kind) == ring::TextKind::kProgram) {
    out.program = SplitWords({text, message.payload.size() - sizeof(kind)});
  }
  return {};
}

Result<void> TakeRegisterSet(const ring::Message& message, CrashMessages& out) {
  ring::RegisterSetHead head;
  if (!ring::UnpackHead(message, head)) {
    return Fail(Status{.zx = ZX_ERR_IO_DATA_INTEGRITY, .what = "a register set is too short for its head"});
  }
  const auto* data = message.payload.data() + sizeof(head);
  out.register_sets.push_back(
      {.tid = head.tid, .note_type = head.note_type, .data = {data, data + message.payload.size() - sizeof(head)}});
  return {};
}

template <typename T>
Result<void> TakeValue(const ring::Message& message, T& out) {
  const auto value = ring::Unpack<T>(message);
  if (!value) return Fail(value.error());
  out = *value;
  return {};
}

Result<void> TakeMessage(const ring::Message& message, CrashMessages& out) {
  const auto type = static_cast<ring::MessageType>(message.type);
  if (type == ring::MessageType::kCrash) return TakeValue(message, out.crash);
  if (type == ring::MessageType::kText) return TakeText(message, out);
  if (type == ring::MessageType::kRegisterSet) return TakeRegisterSet(message, out);
  if (type != ring::MessageType::kThread || out.threads.size() >= kMaxThreads) return {};
  return TakeValue(message, out.threads.emplace_back());
}

}  // namespace

Result<CrashMessages> ReceiveCrash(ring::Channel& channel, int64_t deadline_ns) {
  CrashMessages messages;
  ring::Message message;
  for (;;) {
    const auto got = channel.Receive(message, deadline_ns);
    if (!got) return Fail(got.error());
    if (!*got)
      return Fail(Status{.zx = ZX_ERR_TIMED_OUT, .what = "the tracer did not finish the description of a crash"});
    if (static_cast<ring::MessageType>(message.type) == ring::MessageType::kEndOfCrash) return messages;
    if (const auto taken = TakeMessage(message, messages); !taken) return Fail(taken.error());
  }
}

CrashInput Gather(CrashMessages messages, int mem_fd, const GatherOptions& options) {
  const pid_t view = ViewTid(messages.crash);
  CrashInput input{
      .messages = std::move(messages), .view_tid = view, .mem_fd = mem_fd, .with_memory = options.with_memory};
  input.report.time = NowText();
  input.report.machine = arch::kMachineName;
  input.report.process = GatherProcess(input.messages);
  input.report.exception = GatherException(input.messages, input.report.process);
  GatherThreads(input.messages, input.report);
  GatherPrivate(options, view, input.report);
  input.maps = ReadOrEmpty(fmt::format("/proc/{}/maps", view), kMaxMapsBytes);
  input.stack_limit = SoftLimit(input.report.process.limits, "Max stack size");
  const ring::CrashRecord& crash = input.messages.crash;
  input.sender = SenderName(crash.first.signo != 0 ? crash.first : crash.signal);
  input.perf_map = PerfMapPath(view);
  input.debug_path = DebugPath();
  if (input.maps.empty() && crash.reason != ring::CrashReason::kGone) {
    input.report.notes.limits.push_back("the list of mappings could not be read; frames have no modules");
  }
  return input;
}

}  // namespace zxctl::report
