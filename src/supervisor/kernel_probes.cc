#include "supervisor/kernel_probes.h"

namespace zxctl {

const std::vector<KernelProbe>& KernelProbes() {
  using namespace probe;
  static const std::vector<KernelProbe> probes = {
      {"seize", "PTRACE_SEIZE and PTRACE_EVENT_STOP", "nothing can be supervised", true, SeizeStops},
      {"inherit", "ptrace options pass on to auto-attached children", "grandchildren would escape supervision", true,
       OptionsAreInherited},
      {"exec", "exec by a thread that is not the leader names the former thread",
       "the threads of a program would be mixed up after such an exec", true, ExecTakesLeaderId},
      {"listen", "PTRACE_LISTEN keeps a job-control stop until SIGCONT", "^Z and fg would not work under supervision",
       true, ListenKeepsGroupStop},
      {"tgkill", "tgkill(tgid, tid, 0) tells a thread from a process", "new threads would be taken for processes", true,
       TgkillTellsThreads},
      {"restart", "an interrupted epoll_wait can be made to restart",
       "supervised programs would see EINTR that they would not see otherwise", false, InterruptedCallRestarts},
      {"wake", "a signal that is ignored wakes a traced task", "nothing: then there is no stray EINTR to repair", false,
       IgnoredSignalWakes},
      {"sigchld", "SIGCHLD names the thread that stopped",
       "stops are found by a search, which costs more with many threads", false, SigchldNamesThread},
      {"syscall-info", "PTRACE_GET_SYSCALL_INFO", "32-bit system calls cannot be told from 64-bit ones", false,
       SyscallInfo},
      {"exitkill", "PTRACE_O_EXITKILL", "--on-tracer-death=kill has no effect", false, ExitKill},
      {"seccomp-kill", "a seccomp kill stops at PTRACE_EVENT_EXIT", "such a death is reported without its threads",
       false, SeccompKillStopsAtExit},
      {"pidfd", "pidfd_open and pidfd_getfd", "the report goes to our standard error, not to the program's", false,
       PidfdGetfd},
      {"memory", "process_vm_readv of a tracee", "reports read memory through /proc/PID/mem, which is slower", false,
       ReadsForeignMemory},
      {"map-files", "/proc/PID/map_files can be opened",
       "a program file that was deleted or replaced while it ran is reported without names", false, MapFilesOpen},
      {"wait-cost", "waitpid(-1) with 1 and with 500 tracees", "", false, WaitCost},
  };
  return probes;
}

std::vector<KernelProbeResult> RunKernelProbes() {
  std::vector<KernelProbeResult> results;
  for (const KernelProbe& probe : KernelProbes()) results.push_back({probe, probe::RunIsolated(probe.test)});
  return results;
}

namespace probe {

std::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kMissing:
      return "missing";
    case Outcome::kFigure:
      return "info";
  }
  return "?";
}

}  // namespace probe
}  // namespace zxctl
