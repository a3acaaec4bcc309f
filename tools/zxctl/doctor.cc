#include "doctor.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/print.h"
#include "supervisor/diagnose.h"
#include "supervisor/kernel_probes.h"

namespace zxctl {
namespace {

using Json = nlohmann::ordered_json;

std::string KernelName() {
  utsname name = {};
  uname(&name);
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

// ---- text ----------------------------------------------------------------------------------------------------------

void PrintFinding(const Finding& finding) {
  Print("  {:<8} {:<15} {}\n", FindingKindName(finding.kind), finding.topic, finding.text);
  if (!finding.remedy.empty()) Print("  {:<24} remedy: {}\n", "", finding.remedy);
}

void PrintDiagnosis(const Diagnosis& diagnosis) {
  for (const Finding& finding : diagnosis.findings) PrintFinding(finding);
}

void PrintProbes(const std::vector<KernelProbeResult>& results) {
  size_t width = 0;
  for (const auto& result : results) width = std::max(width, result.probe.name.size());
  for (const auto& [probe, answer] : results) {
    Print("  {:<8} {:<{}}  {}\n", probe::OutcomeName(answer.outcome), probe.name, width, answer.detail);
    if (answer.outcome == probe::Outcome::kMissing) Print("  {:<8} this means: {}\n", "", probe.meaning);
  }
}

std::string Describe(const TaskName& task) {
  return task.command_line.empty() ? task.ToString() : fmt::format("{}: {}", task.ToString(), task.command_line);
}

void PrintRelations(const Diagnosis& diagnosis) {
  Print("  traced by  {}\n", diagnosis.tracer ? Describe(*diagnosis.tracer) : "nobody");
  if (diagnosis.tracees.empty()) Print("  traces     nobody\n");
  for (const TaskName& tracee : diagnosis.tracees) Print("  traces     {}\n", Describe(tracee));
  if (!diagnosis.tracees_complete) Print("  traces     (too many tasks here to look at all of them)\n");
}

// ---- JSON ----------------------------------------------------------------------------------------------------------

Json ToJson(const Diagnosis& diagnosis) {
  Json findings = Json::array();
  for (const Finding& finding : diagnosis.findings) {
    findings.push_back({{"kind", FindingKindName(finding.kind)},
                        {"topic", finding.topic},
                        {"text", finding.text},
                        {"remedy", finding.remedy}});
  }
  return {{"refused", diagnosis.Refused()}, {"findings", std::move(findings)}};
}

Json ToJson(const TaskName& task) {
  return {{"tid", task.tid}, {"pid", task.process}, {"name", task.name}, {"command_line", task.command_line}};
}

Json ToJson(const KernelProbeResult& result) {
  return {{"id", result.probe.id},
          {"name", result.probe.name},
          {"outcome", probe::OutcomeName(result.answer.outcome)},
          {"needed", result.probe.needed},
          {"detail", result.answer.detail},
          {"meaning", result.probe.meaning}};
}

Json AttachToJson(pid_t pid, const Diagnosis& diagnosis) {
  Json document = {{"schema_version", 1}, {"kernel", KernelName()}, {"pid", pid}, {"attach", ToJson(diagnosis)}};
  document["traced_by"] = diagnosis.tracer ? ToJson(*diagnosis.tracer) : Json();
  document["traces"] = Json::array();
  for (const TaskName& tracee : diagnosis.tracees) document["traces"].push_back(ToJson(tracee));
  document["traces_complete"] = diagnosis.tracees_complete;
  return document;
}

// Names of programs are any bytes: what is no UTF-8 must not end the document.
void PrintJson(const Json& document) { Print("{}\n", document.dump(-1, ' ', false, Json::error_handler_t::replace)); }

// ---- the two questions ---------------------------------------------------------------------------------------------

int DoctorOfProcess(pid_t pid, bool json) {
  const Diagnosis diagnosis = DiagnoseAttach(pid);
  if (json) {
    PrintJson(AttachToJson(pid, diagnosis));
  } else {
    Print("Process {}\n", pid);
    PrintRelations(diagnosis);
    Print("\nAttaching to it {}\n", diagnosis.Refused() ? "would be refused" : "would be allowed");
    PrintDiagnosis(diagnosis);
  }
  return diagnosis.Refused() ? 1 : 0;
}

void PrintHere(const Diagnosis& launch, const std::vector<KernelProbeResult>& probes, bool works) {
  Print("{}\n\nStarting programs (zxctl run)\n", KernelName());
  PrintDiagnosis(launch);
  Print("\nThis kernel, tried just now\n");
  PrintProbes(probes);
  Print("\n{}\n", works ? "Supervision works here." : "Supervision does not work here.");
}

int DoctorOfThisPlace(bool json) {
  const Diagnosis launch = DiagnoseLaunch();
  const std::vector<KernelProbeResult> probes = RunKernelProbes();
  const bool fatal = std::any_of(probes.begin(), probes.end(), [](const auto& result) { return result.Fatal(); });
  const bool works = !launch.Refused() && !fatal;
  if (!json) {
    PrintHere(launch, probes, works);
  } else {
    Json document = {{"schema_version", 1}, {"kernel", KernelName()}, {"works", works}, {"launch", ToJson(launch)}};
    for (const auto& result : probes) document["probes"].push_back(ToJson(result));
    PrintJson(document);
  }
  return works ? 0 : 1;
}

}  // namespace

int Doctor(const DoctorOptions& options) {
  // The children of the tests are waited for by pid; a parent may have handed SIG_IGN down.
  signal(SIGCHLD, SIG_DFL);
  return EndOutput(options.pid ? DoctorOfProcess(*options.pid, options.json) : DoctorOfThisPlace(options.json));
}

}  // namespace zxctl
