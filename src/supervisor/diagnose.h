// Why ptrace would be refused here, in sentences, each with its remedy. `zxctl doctor` prints them; a refused launch or
// attach takes its error message from here. Judge… are pure; Diagnose… gather the facts and judge them.
//
// May be called from any thread of a process that is not being traced by itself; forks short-lived children. The task
// that is looked at is neither attached nor stopped.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/proc_facts.h"

namespace zxctl {

enum class FindingKind : uint8_t {
  kNote,     // good to know
  kWarning,  // works, but not in every case
  kBlocker,  // ptrace is refused because of it
};

struct Finding {
  FindingKind kind = FindingKind::kNote;
  std::string topic;   // one word for programs: "yama", "uid", "traced", …
  std::string text;    // a sentence without a full stop
  std::string remedy;  // what would mend it, a sentence without a full stop; may be empty
};

struct Diagnosis {
  std::vector<Finding> findings;   // blockers first
  std::optional<TaskName> tracer;  // who traces the task; set by DiagnoseAttach only
  std::vector<TaskName> tracees;   // whom the task traces; set by DiagnoseAttach only
  bool tracees_complete = true;

  [[nodiscard]] bool Refused() const;
  // "TEXT; REMEDY" of the first blocker, for an error message; empty when nothing is refused.
  [[nodiscard]] std::string Reason() const;
};

// What the kernel answered when two children of ours tried it: one asked for a tracer with PR_SET_PTRACER, its sibling
// did PTRACE_SEIZE on it, which is what `zxctl run` does.
struct SeizeTrial {
  bool ran = false;      // the children could be started
  int error = 0;         // errno of PTRACE_SEIZE, or of fork when it did not run
  int death_signal = 0;  // the signal that killed the child that tried
};
[[nodiscard]] SeizeTrial TrySeize();

// What is known of a task that somebody wants to attach to.
struct AttachFacts {
  pid_t pid = 0;
  std::optional<TaskFacts> task;  // nothing: not readable
  int signal_error = 0;           // errno of kill(pid, 0)
  // errno of opening /proc/PID/mem, which the kernel judges by the rules of PTRACE_SEIZE without touching the task.
  int access_error = 0;
  bool not_dumpable = false;  // setuid, PR_SET_DUMPABLE 0, or a program file that its user cannot read
  std::optional<TaskName> tracer;
};

[[nodiscard]] Diagnosis JudgeLaunch(const HostFacts& host, const TaskFacts& self, const SeizeTrial& trial);
[[nodiscard]] Diagnosis JudgeAttach(const HostFacts& host, const TaskFacts& self, const AttachFacts& target);

// Why `zxctl run` would be refused here.
[[nodiscard]] Diagnosis DiagnoseLaunch();
// Why attaching to `pid` would be refused here, who traces it, and whom it traces.
[[nodiscard]] Diagnosis DiagnoseAttach(pid_t pid);

[[nodiscard]] std::string_view FindingKindName(FindingKind kind);

}  // namespace zxctl
