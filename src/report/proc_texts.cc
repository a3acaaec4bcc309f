#include "report/proc_texts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/proc_file.h"
#include "report/machine.h"

namespace zxctl::report {
namespace {

constexpr size_t kStartTimeField = 22;  // of /proc/PID/stat, counted from 1
// Columns of /proc/PID/limits.
constexpr size_t kLimitNameWidth = 26;

uint64_t FirstNumber(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string_view TakeWord(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  const size_t end = std::min(text.find_first_of(" \t\n"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

std::vector<std::string> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\0'), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::map<std::string, std::string> ParseEnvironment(std::string_view text) {
  std::map<std::string, std::string> environment;
  for (const std::string& word : SplitWords(text)) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) environment.emplace(word.substr(0, equals), word.substr(equals + 1));
  }
  return environment;
}

uint64_t StatusNumber(std::string_view status, std::string_view field) {
  const auto text = StatusField(status, field);
  return text ? FirstNumber(*text) : 0;
}

pid_t InnermostPid(std::string_view status, pid_t pid) {
  auto text = StatusField(status, "NSpid");
  if (!text) return pid;
  std::string_view last;
  for (std::string_view word = TakeWord(*text); !word.empty(); word = TakeWord(*text)) last = word;
  const uint64_t inner = FirstNumber(last);
  return inner == 0 ? pid : static_cast<pid_t>(inner);
}

double UptimeSeconds(std::string_view stat, std::string_view uptime) {
  // The name in parentheses may hold blanks and parentheses of its own.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return 0;
  stat.remove_prefix(name_end + 1);
  std::string_view word;
  for (size_t field = 2; field < kStartTimeField; ++field) word = TakeWord(stat);
  const double started = static_cast<double>(FirstNumber(word)) / static_cast<double>(sysconf(_SC_CLK_TCK));
  double now = 0;
  const std::string_view now_text = TakeWord(uptime);
  std::from_chars(now_text.data(), now_text.data() + now_text.size(), now);
  return std::max(0.0, now - started);
}

std::map<std::string, std::string> ParseLimits(std::string_view text) {
  std::map<std::string, std::string> limits;
  for (std::string_view line : Lines(text)) {
    if (line.size() <= kLimitNameWidth || line.starts_with("Limit ")) continue;
    std::string_view name = line.substr(0, kLimitNameWidth);
    name = name.substr(0, name.find_last_not_of(' ') + 1);
    line.remove_prefix(kLimitNameWidth);
    std::string values;
    for (std::string_view word = TakeWord(line); !word.empty(); word = TakeWord(line)) {
      values += fmt::format("{}{}", values.empty() ? "" : " ", word);
    }
    limits.emplace(name, values);
  }
  return limits;
}

uint64_t SoftLimit(const std::map<std::string, std::string>& limits, const std::string& name) {
  const auto found = limits.find(name);
  if (found == limits.end() || found->second.starts_with("unlimited")) return 0;
  return FirstNumber(found->second);
}

std::string DescribeThreadState(const arch::Registers& registers) {
  const int64_t number = arch::SystemCallNumber(registers);
  if (number < 0 || number > INT32_MAX) return "running in user code";
  const std::string name = SystemCallName(static_cast<int>(number), arch::CodeBits(registers));
  return name.empty() ? fmt::format("in system call {}", number) : fmt::format("in system call {} ({})", number, name);
}

}  // namespace zxctl::report
