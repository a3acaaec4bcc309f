#include "trap_options.h"

#include <fmt/format.h>
#include <zircon/syscalls/hypervisor.h>

#include <algorithm>
#include <map>

#include "arch/guest.h"
#include "devices.h"
#include "image.h"

namespace zxctl {
namespace {

Status Bad(const std::string& option, const std::string& what) {
  return {.zx = ZX_ERR_INVALID_ARGS, .what = option + ": " + what};
}

Result<void> CheckPorts(const TrapRequest& request) {
  if (request.address < arch::kIoPorts && request.size <= arch::kIoPorts - request.address) {
    return {};
  }
  const bool one = request.size == 1;
  return Fail(Bad(request.option,
                  fmt::format("the I/O ports that can be trapped are 0 to {:#x}: give one of them{}",
                              arch::kIoPorts - 1, one ? "" : fmt::format(", with all {} inside", request.size))));
}

Result<TrapRequest> ReadPort(const std::string& name, const std::string& text, uint64_t size, uint64_t key) {
  TrapRequest request{.option = name + " " + text, .kind = ZX_GUEST_TRAP_IO, .size = size, .key = key};
  const auto port = ParseNumber(text);
  if (!port) return Fail(Bad(name, port.error().what + ", or none"));
  request.address = *port;
  if (auto checked = CheckPorts(request); !checked) return Fail(checked.error());
  return request;
}

Result<TrapRequest> ReadTrap(const std::string& text, uint64_t key) {
  static constexpr const char* kForm = "write io:PORT[:COUNT], mem:ADDRESS[:BYTES] or bell:ADDRESS[:BYTES]";
  const std::map<std::string, uint32_t> kinds = {
      {"io", ZX_GUEST_TRAP_IO}, {"mem", ZX_GUEST_TRAP_MEM}, {"bell", ZX_GUEST_TRAP_BELL}};
  const size_t first = text.find(':');
  const size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  const auto kind = kinds.find(text.substr(0, first));
  TrapRequest request{.option = "--trap " + text, .key = key};
  const std::string quoted = fmt::format("--trap '{}'", text);
  if (kind == kinds.end() || first == std::string::npos) return Fail(Bad(quoted, kForm));
  const auto address = ParseNumber(text.substr(first + 1, second == std::string::npos ? second : second - first - 1));
  if (!address) return Fail(Bad(quoted, fmt::format("{}; {}", address.error().what, kForm)));
  request.kind = kind->second;
  request.address = *address;
  const bool is_port = request.kind == ZX_GUEST_TRAP_IO;
  request.size = is_port ? 1 : 4096;
  if (second != std::string::npos) {
    const auto size = ParseBytes(text.substr(second + 1));
    if (!size) return Fail(Bad(quoted, fmt::format("{}; {}", size.error().what, kForm)));
    request.size = *size;
  }
  if (request.size == 0) return Fail(Bad(request.option, "a size of 0 traps nothing: leave it out, or give more"));
  if (is_port) {
    if (auto checked = CheckPorts(request); !checked) return Fail(checked.error());
  }
  return request;
}

bool Overlap(const TrapRequest& a, const TrapRequest& b) {
  const bool same_space = (a.kind == ZX_GUEST_TRAP_IO) == (b.kind == ZX_GUEST_TRAP_IO);
  const TrapRequest& low = a.address <= b.address ? a : b;
  const TrapRequest& high = a.address <= b.address ? b : a;
  return same_space && high.address - low.address < low.size;
}

std::string WhyOverlap(const TrapRequest& earlier) {
  if (earlier.key == kSerialKey) {
    return fmt::format("this overlaps the serial port, {:#x} to {:#x}: give another, or move that with --serial",
                       earlier.address, earlier.address + earlier.size - 1);
  }
  if (earlier.key == kExitKey) {
    return fmt::format("this overlaps the debug-exit port, {:#x}: give another, or move that with --debug-exit",
                       earlier.address);
  }
  return fmt::format("this overlaps another trap, {}: give one of them other addresses", earlier.option);
}

}  // namespace

Result<std::vector<TrapRequest>> ReadTrapOptions(const GuestRunOptions& options) {
  std::vector<TrapRequest> all;
  const auto add = [&all](Result<TrapRequest> request) -> Result<void> {
    if (!request) return Fail(request.error());
    const auto same = std::find_if(all.begin(), all.end(), [&](const auto& other) { return Overlap(other, *request); });
    if (same != all.end()) return Fail(Bad(request->option, WhyOverlap(*same)));
    all.push_back(std::move(*request));
    return {};
  };
  if (options.serial != "none") {
    if (auto added = add(ReadPort("--serial", options.serial, SerialPort::kPorts, kSerialKey)); !added)
      return Fail(added.error());
  }
  if (options.debug_exit != "none") {
    if (auto added = add(ReadPort("--debug-exit", options.debug_exit, 1, kExitKey)); !added) return Fail(added.error());
  }
  uint64_t key = kFirstPlainKey;
  for (const std::string& text : options.traps) {
    if (auto added = add(ReadTrap(text, key++)); !added) return Fail(added.error());
  }
  return all;
}

}  // namespace zxctl
