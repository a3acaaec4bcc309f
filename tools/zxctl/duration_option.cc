#include "duration_option.h"

#include <CLI/CLI.hpp>

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

}  // namespace zxctl
