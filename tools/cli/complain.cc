#include "cli/complain.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/print.h"

namespace zxctl {

void Complain(const std::string& text) {
  const std::string line = "zxctl: " + text + "\n";
  (void)!write(STDERR_FILENO, line.data(), line.size());
}

int Explain(const CLI::App& app, const std::string& first_word, const CLI::Error& error) {
  if (error.get_exit_code() == 0) return EndOutput(app.exit(error));
  const bool is_verb =
      !app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == first_word; }).empty();
  // CLI11 says only that a subcommand is required.
  const bool is_word = !first_word.empty() && first_word[0] != '-';
  if (!is_verb && (is_word || error.get_name() == "RequiredError")) {
    const std::string what = is_word ? fmt::format("there is no verb '{}'", first_word) : "no verb is given";
    Complain(fmt::format("{}; `{} --help` lists what there is", what, app.get_name()));
    return kExitFailure;
  }
  Complain(fmt::format("{}; `{} {}--help` lists what there is", error.what(), app.get_name(),
                       is_verb ? first_word + " " : ""));
  return kExitFailure;
}

}  // namespace zxctl
