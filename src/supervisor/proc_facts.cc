#include "supervisor/proc_facts.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <set>

#include "base/proc_file.h"

namespace zxctl {
namespace {

constexpr size_t kStatusBytes = 16384;
// Inode numbers that the kernel gives the initial namespaces (include/linux/proc_ns.h).
constexpr ino_t kInitialUserNamespace = 0xEFFFFFFD;
constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;

template <typename T>
std::optional<T> ToNumber(std::string_view text, int base = 10) {
  T value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

std::vector<std::string_view> Words(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n";
  std::vector<std::string_view> words;
  while (true) {
    const size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return words;
    text.remove_prefix(first);
    const size_t end = std::min(text.find_first_of(kBlanks), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

template <typename T>
T NumberOr(std::string_view status, std::string_view field, T otherwise, int base = 10) {
  const auto text = StatusField(status, field);
  return text ? ToNumber<T>(*text, base).value_or(otherwise) : otherwise;
}

Ids ParseIds(std::string_view text) {
  const auto words = Words(text);
  Ids ids;
  if (words.size() < 3) return ids;
  ids.real = ToNumber<uint32_t>(words[0]).value_or(0);
  ids.effective = ToNumber<uint32_t>(words[1]).value_or(0);
  ids.saved = ToNumber<uint32_t>(words[2]).value_or(0);
  return ids;
}

std::vector<pid_t> ParsePids(std::string_view text) {
  std::vector<pid_t> pids;
  for (const std::string_view word : Words(text)) pids.push_back(ToNumber<pid_t>(word).value_or(0));
  return pids;
}

// Kernels before 6.7 have no "Kthread:" line. A task without memory lines that still runs has no memory of its own.
bool IsKernelThread(std::string_view status, char state) {
  if (const auto flag = StatusField(status, "Kthread")) return *flag == "1";
  return state != 'Z' && state != 'X' && !StatusField(status, "VmSize");
}

void ParsePrivileges(std::string_view status, TaskFacts& task) {
  task.uid = ParseIds(StatusField(status, "Uid").value_or(""));
  task.gid = ParseIds(StatusField(status, "Gid").value_or(""));
  task.permitted_capabilities = NumberOr<uint64_t>(status, "CapPrm", 0, 16);
  task.effective_capabilities = NumberOr<uint64_t>(status, "CapEff", 0, 16);
  task.seccomp_mode = NumberOr<int>(status, "Seccomp", 0);
  task.no_new_privileges = NumberOr<int>(status, "NoNewPrivs", 0) != 0;
}

bool IsNamespace(const char* link, ino_t inode) {
  struct stat info = {};
  return stat(link, &info) == 0 && info.st_ino == inode;
}

std::string ReadLine(const std::string& path) {
  std::string text = ReadFile(path, 4096).value_or("");
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
  return text;
}

std::string ContainerHint() {
  for (const char* file : {"/.dockerenv", "/run/.containerenv", "/run/systemd/container"}) {
    if (access(file, F_OK) == 0) return file;
  }
  const std::string groups = ReadLine("/proc/1/cgroup");
  for (const char* word : {"docker", "kubepods", "lxc", "libpod"}) {
    if (groups.find(word) != std::string::npos) return fmt::format("\"{}\" in /proc/1/cgroup", word);
  }
  return "";
}

uint64_t SoftLimit(__rlimit_resource resource) {
  rlimit limit = {};
  getrlimit(resource, &limit);
  return limit.rlim_cur;
}

// Calls `visit` with each entry of a directory whose name is a number, until it returns false.
void ForEachNumber(const std::string& path, const std::function<bool(pid_t)>& visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()), closedir);
  if (!dir) return;
  while (const dirent* entry = readdir(dir.get())) {
    const auto number = ToNumber<pid_t>(entry->d_name);
    if (number && !visit(*number)) return;
  }
}

std::set<int64_t> ThreadsOf(pid_t process) {
  const auto tids = ReadThreadIds(process);
  return {tids.begin(), tids.end()};
}

}  // namespace

std::vector<pid_t> ReadThreadIds(pid_t process) {
  std::vector<pid_t> tids;
  ForEachNumber(fmt::format("/proc/{}/task", process), [&](pid_t tid) { return tids.push_back(tid), true; });
  return tids;
}

std::optional<TaskFacts> ParseTaskStatus(std::string_view status) {
  TaskFacts task;
  task.tid = NumberOr<pid_t>(status, "Pid", 0);
  if (task.tid == 0) return std::nullopt;
  task.process = NumberOr<pid_t>(status, "Tgid", task.tid);
  task.parent = NumberOr<pid_t>(status, "PPid", 0);
  task.tracer = NumberOr<pid_t>(status, "TracerPid", 0);
  task.name = StatusField(status, "Name").value_or("");
  const std::string_view state = StatusField(status, "State").value_or("");
  if (!state.empty()) task.state = state.front();
  task.kernel_thread = IsKernelThread(status, task.state);
  task.namespace_pids = ParsePids(StatusField(status, "NSpid").value_or(""));
  ParsePrivileges(status, task);
  return task;
}

std::optional<TaskFacts> ReadTaskFacts(pid_t tid) {
  const auto status = ReadFile(fmt::format("/proc/{}/status", tid), kStatusBytes);
  if (!status) return std::nullopt;
  return ParseTaskStatus(*status);
}

bool HasCapability(uint64_t set, int capability) { return (set >> capability & 1) != 0; }

bool IsMappedUserNamespace(std::string_view uid_map) {
  const auto words = Words(uid_map);
  return words.size() != 3 || words[0] != "0" || words[1] != "0" || words[2] != "4294967295";
}

std::optional<int> ParseYamaScope(std::string_view text) {
  const auto words = Words(text);
  if (words.size() != 1) return std::nullopt;
  return ToNumber<int>(words[0]);
}

HostFacts ReadHostFacts() {
  HostFacts host;
  if (const auto yama = ReadFile("/proc/sys/kernel/yama/ptrace_scope", 64)) host.yama_scope = ParseYamaScope(*yama);
  host.security_modules = ReadLine("/sys/kernel/security/lsm");
  host.security_label = ReadLine("/proc/self/attr/current");
  // A namespace can map all ids onto themselves and still not be the initial one.
  host.user_namespace = !IsNamespace("/proc/self/ns/user", kInitialUserNamespace) ||
                        IsMappedUserNamespace(ReadLine("/proc/self/uid_map"));
  host.pid_namespace = !IsNamespace("/proc/self/ns/pid", kInitialPidNamespace);
  host.container = ContainerHint();
  host.max_processes = SoftLimit(RLIMIT_NPROC);
  host.max_files = SoftLimit(RLIMIT_NOFILE);
  const pid_t tracer = static_cast<pid_t>(ReadStatusNumber(getpid(), "TracerPid").value_or(0));
  if (tracer != 0) host.our_tracer = ReadTaskName(tracer);
  return host;
}

std::string TaskName::ToString() const {
  if (tid == process) return fmt::format("{} (process {})", name, process);
  return fmt::format("{} (thread {} of process {})", name, tid, process);
}

std::string PrintableCommandLine(std::string_view cmdline, size_t max_bytes) {
  while (!cmdline.empty() && cmdline.back() == '\0') cmdline.remove_suffix(1);
  std::string text(cmdline.substr(0, max_bytes));
  for (char& byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if (value == 0) byte = ' ';
    if (value != 0 && (value < 0x20 || value == 0x7F)) byte = '?';
  }
  if (cmdline.size() > max_bytes) text += "...";
  return text;
}

std::optional<TaskName> ReadTaskName(pid_t tid) {
  const auto task = ReadTaskFacts(tid);
  if (!task) return std::nullopt;
  const std::string cmdline = ReadFile(fmt::format("/proc/{}/cmdline", tid), 4096).value_or("");
  return TaskName{
      .tid = tid, .process = task->process, .name = task->name, .command_line = PrintableCommandLine(cmdline)};
}

TraceeScan FindTracees(pid_t process, size_t max_tasks) {
  TraceeScan scan;
  const std::set<int64_t> tracers = ThreadsOf(process);
  size_t looked_at = 0;
  ForEachNumber("/proc", [&](pid_t pid) {
    ForEachNumber(fmt::format("/proc/{}/task", pid), [&](pid_t tid) {
      if (++looked_at > max_tasks) return scan.complete = false;
      const auto tracer = ReadStatusNumber(tid, "TracerPid");
      if (!tracer || *tracer == 0 || !tracers.contains(*tracer)) return true;
      if (auto name = ReadTaskName(tid)) scan.tracees.push_back(std::move(*name));
      return true;
    });
    return scan.complete;
  });
  return scan;
}

}  // namespace zxctl
