#include "options.h"

#include <charconv>
#include <optional>
#include <string_view>

namespace zxctl {
namespace {

// The text after "--name=" if `word` starts so.
std::optional<std::string_view> ValueOf(std::string_view word, std::string_view name) {
  if (!word.starts_with("--") || word.substr(2, name.size()) != name) return std::nullopt;
  word.remove_prefix(2 + name.size());
  if (!word.starts_with('=')) return std::nullopt;
  return word.substr(1);
}

std::optional<report::Format> FormatOf(std::string_view text) {
  if (text == "text") return report::Format::kText;
  if (text == "json") return report::Format::kJson;
  if (text == "none") return report::Format::kNone;
  return std::nullopt;
}

std::optional<report::ColorMode> ColorOf(std::string_view text) {
  if (text == "auto") return report::ColorMode::kAuto;
  if (text == "always") return report::ColorMode::kAlways;
  if (text == "never") return report::ColorMode::kNever;
  return std::nullopt;
}

std::optional<pid_t> PidOf(std::string_view text) {
  pid_t pid = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

template <typename T>
bool Take(const std::optional<T>& from, T& to) {
  if (from) to = *from;
  return from.has_value();
}

bool TakeWord(std::string_view word, ReportOptions& options) {
  if (const auto value = ValueOf(word, "format")) return Take(FormatOf(*value), options.output.format);
  if (const auto value = ValueOf(word, "color")) return Take(ColorOf(*value), options.output.color);
  if (const auto value = ValueOf(word, "pid")) return Take(PidOf(*value), options.pid);
  if (const auto value = ValueOf(word, "report-file")) {
    options.output.report_file = *value;
  } else if (const auto dir = ValueOf(word, "report-dir")) {
    options.output.report_dir = *dir;
  } else if (const auto core = ValueOf(word, "core")) {
    options.core_dir = *core;
  } else if (const auto symbol = ValueOf(word, "symbol")) {
    options.symbol = *symbol;
  } else if (const auto module = ValueOf(word, "module")) {
    options.module = *module;
  } else if (word == "--with-memory") {
    options.with_memory = true;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Result<ReportOptions> ParseReportOptions(int argc, char* const argv[]) {
  ReportOptions options;
  for (int i = 1; i < argc; ++i) {
    if (TakeWord(argv[i], options)) continue;
    return Fail(Status{.zx = ZX_ERR_INVALID_ARGS, .what = std::string("unknown argument ") + argv[i]});
  }
  return options;
}

}  // namespace zxctl
