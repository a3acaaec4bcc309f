#include "symbols.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <vector>

#include "attached.h"
#include "base/unique_fd.h"
#include "client/tracer_process.h"
#include "supervisor/proc_facts.h"

namespace zxctl {
namespace {

// The answer about one name.
constexpr size_t kMaxAnswerBytes = 16 << 20;
constexpr size_t kMaxListed = 6;

tl::unexpected<Status> Wrong(std::string what) {
  return Fail(Status{.zx = ZX_ERR_INVALID_ARGS, .what = std::move(what)});
}

tl::unexpected<Status> NotFound(std::string what) {
  return Fail(Status{.zx = ZX_ERR_NOT_FOUND, .what = std::move(what)});
}

// ---- asking the process that reads the program's files -------------------------------------------------------------

struct FoundSymbol {
  std::string module;
  uint64_t address = 0;
  bool function = false;
  bool resolver = false;
};

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 65536> chunk;
  while (text.size() < kMaxAnswerBytes) {
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(chunk.data(), static_cast<size_t>(got));
  }
  return text;
}

// What a program prints on standard output; what it says on standard error is for our user.
Result<std::string> OutputOf(const std::vector<std::string>& words) {
  // It is waited for; a parent may have handed SIG_IGN down.
  signal(SIGCHLD, SIG_DFL);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return FailErrno("cannot create a pipe");
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Fail(Status::FromErrno("cannot start " + words[0], error));
  writer.Reset();
  std::string text = ReadAll(reader.get());
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return text;
}

// It is made by a process that has read hostile files.
std::optional<std::vector<FoundSymbol>> ParseAnswer(const std::string& text) {
  const auto answer = nlohmann::json::parse(text, nullptr, false);
  if (!answer.is_array()) return std::nullopt;
  std::vector<FoundSymbol> symbols;
  for (const auto& item : answer) {
    if (!item.is_object() || !item.contains("address") || !item["address"].is_number_unsigned()) return std::nullopt;
    if (!item.contains("module") || !item["module"].is_string()) return std::nullopt;
    const auto flag = [&item](const char* key) { return item.contains(key) && item[key] == true; };
    symbols.push_back({.module = PrintableCommandLine(item["module"].get<std::string>()),
                       .address = item["address"].get<uint64_t>(),
                       .function = flag("function"),
                       .resolver = flag("resolver")});
  }
  return symbols;
}

Result<std::vector<FoundSymbol>> FindSymbols(pid_t pid, const ValueText& text) {
  const auto helper = FindHelper("zxtask-report");
  if (!helper) return Fail(helper.error());
  const auto output =
      OutputOf({*helper, "--symbol=" + text.name, "--module=" + text.module, fmt::format("--pid={}", LiveThread(pid))});
  if (!output) return Fail(output.error());
  auto symbols = ParseAnswer(*output);
  if (!symbols) {
    return NotFound(fmt::format("{} cannot be looked up in process {}; give its address as a number", text.name, pid));
  }
  return std::move(*symbols);
}

// ---- choosing one ----------------------------------------------------------------------------------------------------

std::string FileOf(const std::string& module) { return module.substr(module.rfind('/') + 1); }

std::string Unknown(pid_t pid, const ValueText& text) {
  const std::string where = text.module.empty() ? std::string("nothing in process {}")
                                                : "nothing that process {} has loaded as " + text.module;
  return fmt::format(
      fmt::runtime(where + " is called {}; `nm -C` lists the names of a file (`nm -CD` where it is stripped), and an "
                           "address that is a number is always taken"),
      pid, text.name);
}

std::string Ambiguous(const ValueText& text, const std::vector<FoundSymbol>& symbols) {
  const auto same_module = [&](const FoundSymbol& symbol) { return symbol.module == symbols.front().module; };
  const bool one_module = std::all_of(symbols.begin(), symbols.end(), same_module);
  std::string list;
  for (size_t i = 0; i < std::min(symbols.size(), kMaxListed); ++i) {
    list += fmt::format("{}{:#x} in {}{}", i == 0 ? "" : ", ", symbols[i].address, FileOf(symbols[i].module),
                        symbols[i].resolver ? " (which only chooses the function, as the program starts)" : "");
  }
  if (symbols.size() > kMaxListed) list += ", …";
  const std::string remedy = one_module
                                 ? "give the address of the one that is meant"
                                 : fmt::format("write {}!{}, or an address", FileOf(symbols[0].module), text.name);
  return fmt::format("{} is the name of {} things: {}; {}", text.name, symbols.size(), list, remedy);
}

Result<uint64_t> Choose(pid_t pid, const ValueText& text, std::vector<FoundSymbol> symbols, ValueUse use) {
  const auto is_function = [](const FoundSymbol& symbol) { return symbol.function; };
  if (use == ValueUse::kCode && std::any_of(symbols.begin(), symbols.end(), is_function)) {
    std::erase_if(symbols, [&](const FoundSymbol& symbol) { return !symbol.function; });
  }
  if (symbols.empty()) return NotFound(Unknown(pid, text));
  const auto is_resolver = [](const FoundSymbol& symbol) { return symbol.resolver; };
  if (std::all_of(symbols.begin(), symbols.end(), is_resolver)) {
    return NotFound(
        fmt::format("{} is not one function: which one it stands for was chosen as the program started, and is "
                    "not known here; give the address of the one that is meant",
                    text.name));
  }
  if (symbols.size() > 1) return NotFound(Ambiguous(text, symbols));
  return symbols[0].address + text.offset;
}

}  // namespace

std::optional<uint64_t> ParseNumber(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  if (negative && value > uint64_t{1} << 63) return std::nullopt;
  return negative ? 0 - value : value;
}

Result<ValueText> ParseValue(std::string_view text) {
  ValueText value;
  std::string_view rest = text;
  if (const size_t mark = rest.find('!'); mark != std::string_view::npos) {
    value.module = rest.substr(0, mark);
    rest.remove_prefix(mark + 1);
  }
  // "-1" is a number, and "operator+" has no offset.
  if (const size_t sign = rest.find_last_of("+-"); sign != std::string_view::npos && sign > 0) {
    if (const auto offset = ParseNumber(rest.substr(sign + 1))) {
      value.offset = rest[sign] == '-' ? 0 - *offset : *offset;
      rest = rest.substr(0, sign);
    }
  }
  const auto number = value.module.empty() ? ParseNumber(rest) : std::nullopt;
  const bool like_a_name = !rest.empty() && std::string_view("0123456789-").find(rest[0]) == std::string_view::npos;
  if (number) {
    value.base = *number;
  } else if (like_a_name) {
    value.name = rest;
  } else {
    return Wrong(
        fmt::format("'{}' is neither a number of 64 bits (17, 0x1f, -1) nor a name (main, libc.so.6!getpid, "
                    "buffer+0x40)",
                    text));
  }
  return value;
}

std::string WhyNoValue(const std::string& text) {
  const auto value = ParseValue(text);
  return value ? std::string() : value.error().what;
}

Result<uint64_t> ResolveValue(pid_t pid, std::string_view text, ValueUse use) {
  const auto value = ParseValue(text);
  if (!value) return Fail(value.error());
  if (value->name.empty()) return value->base + value->offset;
  auto found = FindSymbols(pid, *value);
  if (!found) return Fail(found.error());
  return Choose(pid, *value, std::move(*found), use);
}

}  // namespace zxctl
