// zxctl: the verbs for people.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "doctor.h"
#include "regs.h"
#include "run.h"
#include "run_command.h"
#include "start_thread.h"

namespace zxctl {
namespace {

// What CLI11 has to say, in our words: help on standard output, an error in one line on standard error.
int Explain(const CLI::App& app, const std::string& first_word, const CLI::Error& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const bool is_verb =
      !app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == first_word; }).empty();
  Complain(fmt::format("{}; `zxctl {}--help` lists what there is", error.what(), is_verb ? first_word + " " : ""));
  return kExitFailure;
}

int Main(int argc, char** argv) {
  CLI::App app("Zircon's task and exception model for Linux programs", "zxctl");
  app.set_version_flag("--version", "zxctl " ZX_VERSION);
  app.require_subcommand(1);

  RunOptions run_options;
  CLI::App* run = app.add_subcommand("run", "Run a program under supervision");
  DeclareRun(*run, run_options);

  DoctorOptions doctor_options;
  pid_t pid = 0;
  CLI::App* doctor = app.add_subcommand("doctor", "Say whether supervision works here, and who traces a process");
  auto* pid_option = doctor->add_option("PID", pid, "The process to look at")->check(CLI::Range(1, 1 << 22));
  doctor->add_flag("--json", doctor_options.json, "Print JSON");

  StartThreadOptions start_options;
  CLI::App* start_thread = app.add_subcommand("start-thread", "Start a thread in a process that runs");
  DeclareStartThread(*start_thread, start_options);

  RegsOptions regs_options;
  CLI::App* regs = app.add_subcommand("regs", "Print, and set, the registers of threads that run");
  DeclareRegs(*regs, regs_options);

  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == "run") {
    std::vector<std::string> own(words.begin() + 1, words.end());
    run_options.program = CutProgram(*run, own);
    words.resize(1);
    words.insert(words.end(), own.begin(), own.end());
  }
  try {
    // CLI11 takes the words last first.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Error& error) {
    return Explain(app, words.empty() ? std::string() : words[0], error);
  }
  if (*doctor) {
    if (pid_option->count() > 0) doctor_options.pid = pid;
    return Doctor(doctor_options);
  }
  if (*start_thread) return StartThread(start_options);
  if (*regs) return Regs(regs_options);
  if (run_options.program.empty()) {
    Complain("no program is given; write `zxctl run -- PROGRAM ARGUMENTS…`");
    return kExitFailure;
  }
  return Run(run_options);
}

}  // namespace
}  // namespace zxctl

int main(int argc, char** argv) { return zxctl::Main(argc, argv); }
