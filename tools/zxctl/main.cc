// zxctl: the verbs for people.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/complain.h"
#include "cli/option_kinds.h"
#include "cli/print.h"
#include "client/tracer_process.h"
#include "doctor.h"
#include "regs.h"
#include "run.h"
#include "run_command.h"
#include "start_thread.h"

namespace zxctl {
namespace {

// `zxctl guest …` is a program of its own; it takes all words after "guest". Returns only when it could not be started.
int BecomeGuest(std::vector<std::string> words) {
  const auto helper = FindHelper("zxtask-guest");
  if (!helper) {
    Complain(helper.error().ToString());
    return kExitFailure;
  }
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(helper->c_str(), argv.data());
  Complain(Status::FromErrno("cannot execute " + *helper, errno).ToString());
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
  auto* pid_option = AddTaskId(*doctor, "PID", pid, "The process to look at");
  doctor->add_flag("--json", doctor_options.json, "Print JSON");

  StartThreadOptions start_options;
  CLI::App* start_thread = app.add_subcommand("start-thread", "Start a thread in a process that runs");
  DeclareStartThread(*start_thread, start_options);

  RegsOptions regs_options;
  CLI::App* regs = app.add_subcommand("regs", "Print, and set, the registers of threads that run");
  DeclareRegs(*regs, regs_options);

  // For the list of verbs.
  app.add_subcommand("guest", "Run guests on KVM, and say what they can do here");

  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == "guest") return BecomeGuest(std::move(words));
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
  // The program that is run gets the descriptors as they are.
  if (!*run) FillStandardStreams();
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
