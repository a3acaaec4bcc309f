#include "symbols.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>

#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>

#include "base/proc_file.h"
#include "base/unique_fd.h"
#include "report/find_symbol.h"
#include "report/maps.h"
#include "report/sandbox.h"

namespace zxctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxMapsBytes = size_t{64} << 20;
constexpr uint64_t kCpuSeconds = 60;
constexpr const char* kDebugPath = ":.debug:/usr/lib/debug";

Json ToJson(const report::FoundSymbol& found) {
  return {{"name", found.name},
          {"module", found.module},
          {"address", found.address},
          {"function", found.is_function},
          {"resolver", found.is_resolver}};
}

}  // namespace

Result<void> TellSymbols(const ReportOptions& options) {
  // Nobody wants the answer any more.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto text = ReadFile(fmt::format("/proc/{}/maps", options.pid), kMaxMapsBytes);
  if (!text) return Fail(text.error());
  const UniqueFd mem(open(fmt::format("/proc/{}/mem", options.pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!mem.valid()) return FailErrno(fmt::format("cannot read the memory of process {}", options.pid));
  if (auto caged = report::EnterSandbox({.cpu_seconds = kCpuSeconds}); !caged) return caged;
  const std::vector<report::Mapping> maps = report::ParseMaps(*text);
  report::MemoryReader memory(mem.get());
  report::ModuleTable modules(maps, memory);
  report::ModuleFiles files(options.pid, kDebugPath);
  Json answer = Json::array();
  for (const auto& found : report::FindSymbols(modules, files, memory, options.module, options.symbol)) {
    answer.push_back(ToJson(found));
  }
  fmt::print("{}\n", answer.dump(-1, ' ', false, Json::error_handler_t::replace));
  return {};
}

}  // namespace zxctl
