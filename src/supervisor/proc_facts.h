// What /proc says about a task and about this machine's rules for ptrace. The Parse… functions are pure: text in, values
// out; the Read… functions fetch the text. A task can vanish between two reads: every reader answers that with nothing.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zxctl {

// Real, effective and saved id, as the lines "Uid:" and "Gid:" give them.
struct Ids {
  uint32_t real = 0;
  uint32_t effective = 0;
  uint32_t saved = 0;

  // True when all three are `id`: the kernel's condition for tracing without a capability.
  [[nodiscard]] bool AllAre(uint32_t id) const { return real == id && effective == id && saved == id; }
};

// One task, from /proc/TID/status.
struct TaskFacts {
  pid_t tid = 0;
  pid_t process = 0;  // thread group leader
  pid_t parent = 0;
  pid_t tracer = 0;  // the tracing thread as seen from here; 0: none, or one in a PID namespace out of sight
  std::string name;
  char state = '?';  // R S D T t Z X I
  Ids uid;
  Ids gid;
  uint64_t permitted_capabilities = 0;
  uint64_t effective_capabilities = 0;
  int seccomp_mode = 0;  // 0 off, 1 strict, 2 filter
  bool no_new_privileges = false;
  bool kernel_thread = false;
  std::vector<pid_t> namespace_pids;  // this task's id in each PID namespace, from ours inwards

  [[nodiscard]] bool IsZombie() const { return state == 'Z' || state == 'X'; }
};

// Nothing when the text is not a status file of a task.
[[nodiscard]] std::optional<TaskFacts> ParseTaskStatus(std::string_view status);
[[nodiscard]] std::optional<TaskFacts> ReadTaskFacts(pid_t tid);
// The tids of a process's threads; empty when it is gone.
[[nodiscard]] std::vector<pid_t> ReadThreadIds(pid_t process);

inline constexpr int kCapSysPtrace = 19;
[[nodiscard]] bool HasCapability(uint64_t set, int capability);

// True when a uid_map maps anything but all ids onto themselves: we are in a user namespace of our own.
[[nodiscard]] bool IsMappedUserNamespace(std::string_view uid_map);

// The level in /proc/sys/kernel/yama/ptrace_scope; nothing when the text is no number.
[[nodiscard]] std::optional<int> ParseYamaScope(std::string_view text);

// A task by name, for sentences: "gdb (process 71)".
struct TaskName {
  pid_t tid = 0;
  pid_t process = 0;
  std::string name;
  std::string command_line;  // arguments joined by blanks, at most 160 bytes; empty for kernel threads and zombies

  [[nodiscard]] std::string ToString() const;
};
[[nodiscard]] std::optional<TaskName> ReadTaskName(pid_t tid);
// The text of a cmdline file made printable: NUL becomes a blank, other control bytes '?'.
[[nodiscard]] std::string PrintableCommandLine(std::string_view cmdline, size_t max_bytes = 160);

// What limits everybody here.
struct HostFacts {
  std::optional<int> yama_scope;  // nothing: this kernel has no Yama, or it is off
  std::string security_modules;   // /sys/kernel/security/lsm, or empty
  std::string security_label;     // our own AppArmor or SELinux label, or empty
  bool user_namespace = false;    // we are in one that is not the initial
  bool pid_namespace = false;
  std::string container;               // what gave it away ("/.dockerenv"), or empty
  uint64_t max_processes = 0;          // RLIMIT_NPROC, soft
  uint64_t max_files = 0;              // RLIMIT_NOFILE, soft
  std::optional<TaskName> our_tracer;  // who traces this process
};
[[nodiscard]] HostFacts ReadHostFacts();

// The tasks traced by a thread of `process`. Reads at most `max_tasks` status files; `complete` says whether that was all.
struct TraceeScan {
  std::vector<TaskName> tracees;
  bool complete = true;
};
[[nodiscard]] TraceeScan FindTracees(pid_t process, size_t max_tasks = 65536);

}  // namespace zxctl
