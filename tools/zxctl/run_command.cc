#include "run_command.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/option_kinds.h"

namespace zxctl {
namespace {

// The program's words are cut off before the options are parsed, so the parser doesn't know of them.
class RunFormatter final : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return "Usage: zxctl run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n";
  }
};

void AddChoice(CLI::App& app, const std::string& name, const std::vector<std::string>& choices, const std::string& help,
               const std::function<void(const std::string&)>& store) {
  app.add_option_function<std::string>(name, store, help)->check(CLI::IsMember(choices))->type_name("");
}

}  // namespace

void DeclareRun(CLI::App& app, RunOptions& options) {
  app.formatter(std::make_shared<RunFormatter>());
  AddChoice(app, "--follow", {"all", "threads"},
            "Supervise the processes that the program starts too, or only its threads (all)",
            [&options](const std::string& v) { options.follow_processes = v == "all"; });
  AddChoice(app, "--on-tracer-death", {"kill", "continue"},
            "What becomes of the program if the tracer is killed (continue)",
            [&options](const std::string& v) { options.kill_on_tracer_death = v == "kill"; });
  AddChoice(app, "--report", {"text", "json", "none"}, "How a crash report looks (text)",
            [&options](const std::string& v) { options.report = v; });
  app.add_option("--report-file", options.report_file, "Append reports to this file too")->type_name("PATH");
  app.add_option("--report-dir", options.report_dir, "Write each report to a file of its own in this directory")
      ->type_name("DIR");
  AddDuration(app, "--report-budget", options.report_budget_ns, "How long a dying process is held for its report (5s)");
  app.add_flag("--with-memory", options.with_memory, "Put the environment and raw stack memory into reports");
  app.add_option_function<std::string>(
         "--core",
         [&options](const std::string& dir) {
           options.core = true;
           options.core_dir = dir;
         },
         "Write an ELF core of each crash (in the current directory)")
      ->expected(0, 1)
      ->default_str("")
      ->type_name("[=DIR]");
  AddChoice(app, "--color", {"auto", "always", "never"},
            "Colour in text reports (auto: on a terminal, unless NO_COLOR is set)",
            [&options](const std::string& v) { options.color = v; });
  AddDuration(app, "--timeout", options.timeout_ns, "Report a hang when the program still runs after this time");
  AddChoice(app, "--on-timeout", {"report", "kill"}, "After a hang's report let it run on, or kill it (report)",
            [&options](const std::string& v) { options.timeout_kills = v == "kill"; });
  app.footer(
      "Durations are 500ms, 30s, 2m, or a number of seconds. The exit status is the program's own; 125: zxctl itself "
      "failed, 126: the program cannot be executed, 127: it was not found.");
}

std::vector<std::string> CutProgram(const CLI::App& app, std::vector<std::string>& words) {
  size_t at = 0;
  size_t skip = 0;
  for (; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--") {
      skip = 1;
      break;
    }
    if (word.size() < 2 || word[0] != '-') break;
    const CLI::Option* option = app.get_option_no_throw(word);
    if (option != nullptr && option->get_items_expected_min() > 0) ++at;  // its value is the next word
  }
  at = std::min(at, words.size());
  std::vector<std::string> program(words.begin() + static_cast<ptrdiff_t>(std::min(at + skip, words.size())),
                                   words.end());
  words.resize(at);
  return program;
}

}  // namespace zxctl
