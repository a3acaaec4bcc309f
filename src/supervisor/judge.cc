// The pure half of the diagnosis: facts in, findings out.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "supervisor/diagnose.h"

namespace zxctl {
namespace {

constexpr const char* kNeedCapability =
    "run it as root, or give it CAP_SYS_PTRACE (in a container: --cap-add=SYS_PTRACE)";

void Add(Diagnosis& diagnosis, FindingKind kind, std::string topic, std::string text, std::string remedy = "") {
  diagnosis.findings.push_back({kind, std::move(topic), std::move(text), std::move(remedy)});
}

void BlockersFirst(Diagnosis& diagnosis) {
  std::stable_sort(diagnosis.findings.begin(), diagnosis.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.kind > b.kind; });
}

bool CanTraceAll(const TaskFacts& self) { return HasCapability(self.effective_capabilities, kCapSysPtrace); }

const char* ErrnoName(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "an unknown error";
}

FindingKind KindIf(bool blocks) { return blocks ? FindingKind::kBlocker : FindingKind::kNote; }

// Yama's levels: 0 the classic rules, 1 descendants or a tracer that the program itself has named, 2 only with the
// capability, 3 nobody until the next boot.
void JudgeYama(const HostFacts& host, const TaskFacts& self, bool launch, bool refused, Diagnosis& out) {
  if (!host.yama_scope) return Add(out, FindingKind::kNote, "yama", "This kernel has no Yama, so it restricts nothing");
  const int scope = *host.yama_scope;
  const std::string level = fmt::format("Yama is at level {} (kernel.yama.ptrace_scope)", scope);
  if (scope <= 0) return Add(out, FindingKind::kNote, "yama", level + ": it restricts nothing");
  if (scope >= 3) {
    return Add(out, FindingKind::kBlocker, "yama", level + ": nobody may trace anything",
               "the level cannot be lowered while the system runs: set kernel.yama.ptrace_scope=1 in "
               "/etc/sysctl.d and boot again");
  }
  if (CanTraceAll(self)) return Add(out, FindingKind::kNote, "yama", level + ", and we have CAP_SYS_PTRACE");
  if (scope == 2) {
    return Add(out, FindingKind::kBlocker, "yama", level + ": only tracers with CAP_SYS_PTRACE are allowed",
               fmt::format("sudo sysctl kernel.yama.ptrace_scope=1, or {}", kNeedCapability));
  }
  if (launch) {
    return Add(out, FindingKind::kNote, "yama", level + ": a program that we start ourselves may still be traced");
  }
  Add(out, KindIf(refused), "yama", level + ": only our own descendants may be traced",
      fmt::format("start the program with \"zxctl run\", or sudo sysctl kernel.yama.ptrace_scope=0, or {}",
                  kNeedCapability));
}

void JudgeSelf(const TaskFacts& self, bool refused, Diagnosis& out) {
  Add(out, FindingKind::kNote, "capability",
      CanTraceAll(self) ? "CAP_SYS_PTRACE is in force: programs of any user can be traced"
                        : "CAP_SYS_PTRACE is not in force: only programs of our own user can be traced");
  if (self.seccomp_mode != 0) {
    Add(out, FindingKind::kNote, "seccomp",
        fmt::format("A seccomp filter is on for us (Seccomp: {}){}", self.seccomp_mode,
                    refused ? ", and it may be what refuses ptrace" : ", and it lets ptrace pass"));
  }
  if (self.no_new_privileges) {
    Add(out, FindingKind::kNote, "no-new-privs",
        "NoNewPrivs is set: setuid programs gain nothing here, supervised or not");
  }
}

// Children of a traced process usually belong to its tracer from birth.
void JudgeOurTracer(const HostFacts& host, const TaskFacts& self, bool refused, Diagnosis& out) {
  if (self.tracer == 0) return;
  const std::string who = host.our_tracer ? host.our_tracer->ToString() : fmt::format("process {}", self.tracer);
  Add(out, refused ? FindingKind::kBlocker : FindingKind::kWarning, "self-traced",
      fmt::format("We are traced ourselves, by {}, and Linux allows one tracer for a program", who),
      "start zxctl outside of that tracer");
}

void JudgeNamespaces(const HostFacts& host, Diagnosis& out) {
  if (host.user_namespace) {
    Add(out, FindingKind::kNote, "user-namespace",
        "We are in a user namespace of our own: capabilities count only for programs in it");
  }
  if (host.pid_namespace) {
    Add(out, FindingKind::kNote, "pid-namespace",
        "We are in a PID namespace of our own: programs outside of it cannot be seen, and a tracer outside shows as 0");
  }
  if (!host.container.empty()) {
    Add(out, FindingKind::kNote, "container", fmt::format("This looks like a container ({})", host.container));
  }
}

void JudgeHost(const HostFacts& host, Diagnosis& out) {
  JudgeNamespaces(host, out);
  if (!host.security_modules.empty()) {
    Add(out, FindingKind::kNote, "lsm", fmt::format("Security modules: {}", host.security_modules));
  }
  if (!host.security_label.empty() && host.security_label != "unconfined") {
    Add(out, FindingKind::kNote, "lsm", fmt::format("We run under the security label \"{}\"", host.security_label));
  }
  const auto limit = [](uint64_t value) { return value == UINT64_MAX ? "any number of" : fmt::format("{}", value); };
  Add(out, FindingKind::kNote, "limits",
      fmt::format("Limits: {} processes for this user, {} open files", limit(host.max_processes),
                  limit(host.max_files)));
}

// A finding of this kind already explains the refusal.
bool Explained(const Diagnosis& diagnosis) { return diagnosis.Refused(); }

std::string UnexplainedRemedy(const HostFacts& host, const TaskFacts& self) {
  if (CanTraceAll(self)) {
    return host.user_namespace
               ? "CAP_SYS_PTRACE counts only inside our user namespace: ask from outside of it"
               : "CAP_SYS_PTRACE is in force, so a security module, a seccomp filter or the sandbox around us "
                 "refuses it: look in the kernel log (dmesg, ausearch -m avc)";
  }
  if (self.seccomp_mode != 0 || !host.container.empty()) {
    return "allow ptrace in the container's seccomp profile (docker and podman: --cap-add=SYS_PTRACE or "
           "--security-opt seccomp=unconfined)";
  }
  if (!host.security_modules.empty() || !host.security_label.empty()) {
    return "look for a denial of a security module in the kernel log (dmesg, ausearch -m avc)";
  }
  return kNeedCapability;
}

void JudgeTrial(const HostFacts& host, const TaskFacts& self, const SeizeTrial& trial, Diagnosis& out) {
  if (!trial.ran) {
    return Add(out, FindingKind::kBlocker, "fork", fmt::format("No child can be started: {}", ErrnoName(trial.error)),
               "raise the limit of processes (ulimit -u, the pids limit of the control group)");
  }
  if (trial.death_signal != 0) {
    return Add(out, FindingKind::kBlocker, "seccomp",
               fmt::format("A child that called ptrace was killed by SIG{}", sigabbrev_np(trial.death_signal)),
               UnexplainedRemedy(host, self));
  }
  if (trial.error == 0) {
    return Add(out, FindingKind::kNote, "seize", "Tried: PTRACE_SEIZE of a program that we start is allowed");
  }
  const bool explained = Explained(out);
  Add(out, KindIf(!explained), "seize",
      fmt::format("Tried: PTRACE_SEIZE of a child was refused with {}", ErrnoName(trial.error)),
      explained ? "" : UnexplainedRemedy(host, self));
}

// ---- attach ------------------------------------------------------------------------------------------------------

void JudgeMissing(const HostFacts& host, const AttachFacts& target, Diagnosis& out) {
  if (target.signal_error == ESRCH) {
    return Add(out, FindingKind::kBlocker, "no-such-pid", fmt::format("There is no process {} here", target.pid),
               host.pid_namespace ? "the number may belong to another PID namespace: ask there, or on the host" : "");
  }
  Add(out, FindingKind::kBlocker, "hidden", fmt::format("Process {} exists, but /proc does not show it", target.pid),
      "/proc is mounted with hidepid: run it as root or as the program's user");
}

// States in which no task can be traced, whatever the rights.
bool JudgeNature(const TaskFacts& self, const AttachFacts& target, Diagnosis& out) {
  const TaskFacts& task = *target.task;
  const std::string who = fmt::format("{} ({})", task.name, task.tid);
  if (task.kernel_thread) {
    Add(out, FindingKind::kBlocker, "kernel-thread", who + " is a kernel thread: it has no program to trace");
  } else if (task.IsZombie()) {
    Add(out, FindingKind::kBlocker, "zombie", who + " has already ended and waits to be reaped",
        fmt::format("its parent is process {}: it has to wait for its child", task.parent));
  } else if (task.process == self.process) {
    Add(out, FindingKind::kBlocker, "self", "A process cannot trace itself");
  } else {
    return true;
  }
  return false;
}

void JudgeTracer(const AttachFacts& target, Diagnosis& out) {
  if (target.task->tracer == 0) return;
  const std::string who = target.tracer ? target.tracer->ToString() : fmt::format("process {}", target.task->tracer);
  Add(out, FindingKind::kBlocker, "traced",
      fmt::format("{} ({}) is already traced by {}, and Linux allows one tracer", target.task->name, target.pid, who),
      fmt::format("let {} detach, or end it", target.tracer ? target.tracer->name : "that process"));
}

void JudgeUser(const TaskFacts& self, const AttachFacts& target, Diagnosis& out) {
  if (CanTraceAll(self)) return;
  const TaskFacts& task = *target.task;
  if (!task.uid.AllAre(self.uid.real) || !task.gid.AllAre(self.gid.real)) {
    return Add(out, FindingKind::kBlocker, "uid",
               fmt::format("{} ({}) runs as user {} group {}, we as user {} group {}", task.name, target.pid,
                           task.uid.effective, task.gid.effective, self.uid.real, self.gid.real),
               fmt::format("run zxctl as that user; or {}", kNeedCapability));
  }
  if (target.not_dumpable) {
    return Add(
        out, FindingKind::kBlocker, "dumpable",
        fmt::format("{} ({}) is protected: it was started setuid, or has switched itself to not dumpable, or its "
                    "file is not readable",
                    task.name, target.pid),
        kNeedCapability);
  }
  if ((task.permitted_capabilities & ~self.permitted_capabilities) != 0) {
    Add(out, FindingKind::kBlocker, "capability",
        fmt::format("{} ({}) has capabilities that we have not", task.name, target.pid), kNeedCapability);
  }
}

void JudgeAccess(const HostFacts& host, const TaskFacts& self, const AttachFacts& target, Diagnosis& out) {
  const bool refused = target.access_error == EACCES || target.access_error == EPERM;
  if (!refused || Explained(out)) return;
  Add(out, FindingKind::kBlocker, "access",
      fmt::format("The kernel refuses access to {} ({}) with {}", target.task->name, target.pid,
                  ErrnoName(target.access_error)),
      UnexplainedRemedy(host, self));
}

void DescribeTarget(const AttachFacts& target, Diagnosis& out) {
  const TaskFacts& task = *target.task;
  if (task.tid != task.process) {
    Add(out, FindingKind::kNote, "thread", fmt::format("{} is a thread of process {}", task.tid, task.process));
  }
  if (task.namespace_pids.size() > 1) {
    Add(out, FindingKind::kNote, "pid-namespace",
        fmt::format("{} is in a PID namespace below ours, where it is {}", task.tid, task.namespace_pids.back()));
  }
  if (task.state == 'T') {
    Add(out, FindingKind::kNote, "stopped", fmt::format("{} is stopped by job control (SIGCONT ends that)", task.tid));
  }
  if (task.seccomp_mode != 0) {
    Add(out, FindingKind::kNote, "seccomp",
        fmt::format("{} runs under seccomp (mode {})", task.tid, task.seccomp_mode));
  }
}

}  // namespace

bool Diagnosis::Refused() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.kind == FindingKind::kBlocker; });
}

std::string Diagnosis::Reason() const {
  for (const Finding& finding : findings) {
    if (finding.kind != FindingKind::kBlocker) continue;
    return finding.remedy.empty() ? finding.text : finding.text + "; " + finding.remedy;
  }
  return "";
}

Diagnosis JudgeLaunch(const HostFacts& host, const TaskFacts& self, const SeizeTrial& trial) {
  Diagnosis out;
  const bool refused = trial.error != 0 || trial.death_signal != 0;
  JudgeOurTracer(host, self, refused, out);
  JudgeYama(host, self, true, refused, out);
  JudgeTrial(host, self, trial, out);
  JudgeSelf(self, refused, out);
  JudgeHost(host, out);
  BlockersFirst(out);
  return out;
}

Diagnosis JudgeAttach(const HostFacts& host, const TaskFacts& self, const AttachFacts& target) {
  Diagnosis out;
  if (!target.task) {
    JudgeMissing(host, target, out);
  } else if (JudgeNature(self, target, out)) {
    JudgeTracer(target, out);
    JudgeUser(self, target, out);
    const bool refused = target.access_error != 0 && !Explained(out);
    JudgeYama(host, self, false, refused, out);
    JudgeAccess(host, self, target, out);
    DescribeTarget(target, out);
  }
  JudgeOurTracer(host, self, false, out);
  JudgeSelf(self, Explained(out), out);
  JudgeNamespaces(host, out);
  BlockersFirst(out);
  return out;
}

std::string_view FindingKindName(FindingKind kind) {
  switch (kind) {
    case FindingKind::kNote:
      return "note";
    case FindingKind::kWarning:
      return "warning";
    case FindingKind::kBlocker:
      return "blocker";
  }
  return "?";
}

}  // namespace zxctl
