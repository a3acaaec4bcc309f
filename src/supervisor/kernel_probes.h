// The kernel's behaviour that supervision is built on, tested on the spot with small children. Takes some tens of
// milliseconds; no probe outlives its time limit, and none leaves a process behind.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "supervisor/probe_child.h"

namespace zxctl {

struct KernelProbe {
  std::string_view id;       // stable, for programs: "listen"
  std::string_view name;     // for people, one line
  std::string_view meaning;  // what is lost when it is missing
  bool needed = false;       // `zxctl run` cannot work without it
  probe::Answer (*test)() = nullptr;
};

struct KernelProbeResult {
  KernelProbe probe;
  probe::Answer answer;

  // Something that `zxctl run` needs is not there.
  [[nodiscard]] bool Fatal() const { return probe.needed && answer.outcome == probe::Outcome::kMissing; }
};

// All probes, in the order in which they are shown.
[[nodiscard]] const std::vector<KernelProbe>& KernelProbes();

// Runs each probe in a process of its own. SIGCHLD must not be ignored by the caller.
[[nodiscard]] std::vector<KernelProbeResult> RunKernelProbes();

namespace probe {

[[nodiscard]] std::string_view OutcomeName(Outcome outcome);

// kernel_probes_stops.cc
[[nodiscard]] Answer SeizeStops();
[[nodiscard]] Answer InterruptedCallRestarts();
[[nodiscard]] Answer IgnoredSignalWakes();
[[nodiscard]] Answer ListenKeepsGroupStop();
[[nodiscard]] Answer SigchldNamesThread();
[[nodiscard]] Answer ExecTakesLeaderId();
[[nodiscard]] Answer OptionsAreInherited();
[[nodiscard]] Answer SyscallInfo();
[[nodiscard]] Answer ExitKill();
[[nodiscard]] Answer SeccompKillStopsAtExit();

// kernel_probes_calls.cc
[[nodiscard]] Answer PidfdGetfd();
[[nodiscard]] Answer ReadsForeignMemory();
[[nodiscard]] Answer TgkillTellsThreads();
[[nodiscard]] Answer MapFilesOpen();
[[nodiscard]] Answer WaitCost();

}  // namespace probe
}  // namespace zxctl
