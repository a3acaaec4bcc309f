#include "cli/option_kinds.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "base/duration.h"

namespace zxctl {

void AddDuration(CLI::App& app, const std::string& name, int64_t& out, const std::string& help) {
  app.add_option_function<std::string>(
         name,
         [&out, name](const std::string& text) {
           const auto parsed = ParseDuration(text);
           if (!parsed) throw CLI::ValidationError(name, parsed.error().what);
           out = *parsed;
         },
         help)
      ->type_name("T");
}

CLI::Option* AddTaskId(CLI::App& app, const std::string& name, pid_t& out, const std::string& help) {
  // The kernel's PID_MAX_LIMIT.
  constexpr pid_t kMaxTasks = 1 << 22;
  const auto check = [](const std::string& text) {
    pid_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    const bool is_id = error == std::errc() && end == text.data() + text.size() && id > 0 && id <= kMaxTasks;
    return is_id ? std::string() : fmt::format("{} is not the id of a process or thread, a number such as 4711", text);
  };
  return app.add_option(name, out, help)->check(check)->type_name("");
}

}  // namespace zxctl
