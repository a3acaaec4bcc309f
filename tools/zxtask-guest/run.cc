#include "run.h"

#include <fmt/format.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "cli/complain.h"
#include "devices.h"
#include "image.h"
#include "trace.h"

namespace zxctl {
namespace {

Status LastError(zx_status_t status) { return {.zx = status, .what = zxl_last_error()}; }

// Keys of the traps that have a device; those of --trap have theirs from kFirstPlain on.
constexpr uint64_t kSerialKey = 1;
constexpr uint64_t kExitKey = 2;
constexpr uint64_t kFirstPlain = 100;

struct TrapRequest {
  uint32_t kind = ZX_GUEST_TRAP_IO;
  uint64_t address = 0;
  uint64_t size = 1;
};

Result<TrapRequest> ParseTrap(const std::string& text) {
  const std::map<std::string, uint32_t> kinds = {
      {"io", ZX_GUEST_TRAP_IO}, {"mem", ZX_GUEST_TRAP_MEM}, {"bell", ZX_GUEST_TRAP_BELL}};
  const size_t first = text.find(':');
  const size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  const auto kind = kinds.find(text.substr(0, first));
  if (kind == kinds.end() || first == std::string::npos) {
    return Fail(Status{
        .zx = ZX_ERR_INVALID_ARGS,
        .what = fmt::format("--trap {}: write io:PORT[:COUNT], mem:ADDRESS[:BYTES] or bell:ADDRESS[:BYTES]", text)});
  }
  const auto address = ParseNumber(text.substr(first + 1, second == std::string::npos ? second : second - first - 1));
  if (!address) return Fail(address.error());
  const bool is_port = kind->second == ZX_GUEST_TRAP_IO;
  if (second == std::string::npos) return TrapRequest{kind->second, *address, is_port ? 1U : 4096U};
  const auto size = ParseBytes(text.substr(second + 1));
  if (!size) return Fail(size.error());
  return TrapRequest{kind->second, *address, *size};
}

// The machine that is run: one thread for each VCPU, and one for bells.
class Machine {
 public:
  explicit Machine(const GuestRunOptions& options) : options_(options), trace_(options.trace) {}

  Result<void> Build();
  // The exit status.
  int Run();

 private:
  struct Processor {
    zx_handle_t vcpu = ZX_HANDLE_INVALID;
    std::optional<uint64_t> entry;  // where it is to begin
  };

  Result<void> SetTraps();
  Result<void> Trap(const TrapRequest& request, uint64_t key);
  void RunProcessor(uint32_t index);
  void Begin(uint32_t index, std::unique_lock<std::mutex>& lock);
  void Loop(uint32_t index);
  void OnPacket(uint32_t index, const zx_port_packet_t& packet);
  void OnPort(uint32_t index, const zx_packet_guest_io_t& io, uint64_t key);
  void OnProcessor(const zx_packet_guest_vcpu_t& packet);
  void OnDeath(uint32_t index, zx_status_t status);
  void TakeBells();
  void EndLocked(int status);

  const GuestRunOptions& options_;
  zx_handle_t guest_ = ZX_HANDLE_INVALID;
  zx_handle_t vmar_ = ZX_HANDLE_INVALID;
  zx_handle_t bells_ = ZX_HANDLE_INVALID;
  GuestImage image_;
  uint16_t serial_port_ = 0;

  std::mutex lock_;  // guards all below
  std::condition_variable changed_;
  std::vector<Processor> processors_;
  size_t waiting_ = 0;  // processors that have their number and wait for their start
  SerialPort serial_;
  GuestTrace trace_;
  std::optional<int> status_;
};

Result<void> Machine::Trap(const TrapRequest& request, uint64_t key) {
  const zx_handle_t port = request.kind == ZX_GUEST_TRAP_BELL ? bells_ : ZX_HANDLE_INVALID;
  const zx_status_t status = zx_guest_set_trap(guest_, request.kind, request.address, request.size, port, key);
  return status == ZX_OK ? Result<void>() : Fail(LastError(status));
}

Result<void> Machine::SetTraps() {
  if (const zx_status_t status = zx_port_create(0, &bells_); status != ZX_OK) return Fail(LastError(status));
  if (options_.serial != "none") {
    const auto port = ParseNumber(options_.serial);
    if (!port) return Fail(port.error());
    if (auto set = Trap({ZX_GUEST_TRAP_IO, *port, SerialPort::kPorts}, kSerialKey); !set) return set;
    serial_port_ = static_cast<uint16_t>(*port);
  }
  if (options_.debug_exit != "none") {
    const auto port = ParseNumber(options_.debug_exit);
    if (!port) return Fail(port.error());
    if (auto set = Trap({ZX_GUEST_TRAP_IO, *port, 1}, kExitKey); !set) return set;
  }
  uint64_t key = kFirstPlain;
  for (const std::string& text : options_.traps) {
    const auto request = ParseTrap(text);
    if (!request) return Fail(request.error());
    if (auto set = Trap(*request, key++); !set) return set;
  }
  return {};
}

Result<void> Machine::Build() {
  const auto memory = ParseBytes(options_.memory);
  const auto load = ParseNumber(options_.load);
  if (!memory) return Fail(memory.error());
  if (!load) return Fail(load.error());
  zx_handle_t resource = ZX_HANDLE_INVALID;
  zx_status_t status = zxl_get_hypervisor_resource(&resource);
  if (status == ZX_OK) status = zx_guest_create(resource, 0, &guest_, &vmar_);
  if (status != ZX_OK) return Fail(LastError(status));
  zx_handle_close(resource);
  const auto image = LoadGuestImage(options_.image, *memory, *load);
  if (!image) return Fail(image.error());
  image_ = *image;
  zx_vaddr_t at = 0;
  constexpr uint32_t kOptions = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE | ZX_VM_SPECIFIC;
  status = zx_vmar_map(vmar_, kOptions, 0, image_.vmo, 0, image_.bytes, &at);
  if (status != ZX_OK) return Fail(LastError(status));
  processors_.resize(options_.vcpus);
  processors_[0].entry = image_.entry;
  return SetTraps();
}

// ---- VCPUs -----------------------------------------------------------------------------------------------------------

// A VCPU's number is the lowest that is free when it is made, and where it begins is known only when another one starts it. So each
// takes its number first, in order, and is made anew when it is started.
void Machine::Begin(uint32_t index, std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return waiting_ == index || status_; });
  if (status_) return;
  Processor& mine = processors_[index];
  zx_status_t status = zx_vcpu_create(guest_, 0, mine.entry.value_or(0), &mine.vcpu);
  ++waiting_;
  changed_.notify_all();
  if (status == ZX_OK && index != 0) {
    changed_.wait(lock, [&] { return mine.entry || status_; });
    if (status_) return;
    zx_handle_close(mine.vcpu);
    status = zx_vcpu_create(guest_, 0, *mine.entry, &mine.vcpu);
  }
  if (status == ZX_OK) return;
  Complain(zxl_last_error());
  EndLocked(kExitFailure);
}

void Machine::RunProcessor(uint32_t index) {
  {
    std::unique_lock lock(lock_);
    Begin(index, lock);
    if (status_) return;
  }
  if (index == 0) {
    zx_vcpu_state_t state = {};
    state.rsp = image_.bytes;
    state.rdi = image_.bytes;
    state.rsi = options_.vcpus;
    zx_vcpu_write_state(processors_[0].vcpu, ZX_VCPU_STATE, &state, sizeof(state));
  }
  Loop(index);
}

void Machine::Loop(uint32_t index) {
  for (;;) {
    zx_port_packet_t packet = {};
    const zx_status_t status = zx_vcpu_resume(processors_[index].vcpu, &packet);
    const std::lock_guard lock(lock_);
    if (status_) return;
    if (status == ZX_ERR_CANCELED) continue;
    if (status != ZX_OK) return OnDeath(index, status);
    trace_.Add(index, packet);
    OnPacket(index, packet);
  }
}

void Machine::EndLocked(int status) {
  if (!status_) status_ = status;
  for (const Processor& processor : processors_) {
    if (processor.vcpu != ZX_HANDLE_INVALID) zx_vcpu_kick(processor.vcpu);
  }
  changed_.notify_all();
}

void Machine::OnDeath(uint32_t index, zx_status_t status) {
  constexpr std::string_view kCall = "zx_vcpu_resume: ";
  std::string why = zxl_last_error();
  if (why.starts_with(kCall)) why.erase(0, kCall.size());
  zxl_vcpu_exit_info_t info = {};
  zxl_vcpu_get_exit_info(processors_[index].vcpu, &info);
  fmt::print(stderr, "{}", GuestReport(index, status, why, info, image_.vmo, trace_));
  EndLocked(kExitGuestDied);
}

// ---- what they do ----------------------------------------------------------------------------------------------------

void Machine::OnPacket(uint32_t index, const zx_port_packet_t& packet) {
  if (packet.type == ZX_PKT_TYPE_GUEST_IO) return OnPort(index, packet.guest_io, packet.key);
  if (packet.type == ZX_PKT_TYPE_GUEST_VCPU) return OnProcessor(packet.guest_vcpu);
}

void Machine::OnPort(uint32_t index, const zx_packet_guest_io_t& io, uint64_t key) {
  if (key == kExitKey && !io.input) return EndLocked(static_cast<int>((io.u32 << 1 | 1) & 0xff));
  const auto offset = static_cast<uint16_t>(io.port - serial_port_);
  if (!io.input) {
    if (key == kSerialKey) serial_.Write(offset, io.u8);
    return;
  }
  // Nobody else answers: an open bus is all ones.
  zx_vcpu_io_t answer = {.access_size = io.access_size};
  answer.u32 = key == kSerialKey ? serial_.Read(offset) : ~0U;
  zx_vcpu_write_state(processors_[index].vcpu, ZX_VCPU_IO, &answer, sizeof(answer));
}

void Machine::OnProcessor(const zx_packet_guest_vcpu_t& packet) {
  if (packet.type == ZX_PKT_GUEST_VCPU_STARTUP) {
    const uint64_t id = packet.startup.id;
    // A processor that there is not does not answer; one that runs does not begin again.
    if (id == 0 || id >= processors_.size() || processors_[id].entry) return;
    processors_[id].entry = packet.startup.entry;
    return changed_.notify_all();
  }
  for (size_t i = 0; i < processors_.size(); ++i) {
    const bool meant = (packet.interrupt.mask >> i & 1) != 0 && processors_[i].entry;
    if (meant) zx_vcpu_interrupt(processors_[i].vcpu, packet.interrupt.vector);
  }
}

void Machine::TakeBells() {
  zx_port_packet_t packet = {};
  while (zx_port_wait(bells_, ZX_TIME_INFINITE, &packet) == ZX_OK) {
    const std::lock_guard lock(lock_);
    trace_.Add(0, packet);
  }
}

int Machine::Run() {
  std::thread bells([this] { TakeBells(); });
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < options_.vcpus; ++i) threads.emplace_back([this, i] { RunProcessor(i); });
  {
    std::unique_lock lock(lock_);
    const auto is_over = [this] { return status_.has_value(); };
    if (options_.timeout_ns == 0) {
      changed_.wait(lock, is_over);
    } else if (!changed_.wait_for(lock, std::chrono::nanoseconds(options_.timeout_ns), is_over)) {
      Complain("the guest has not ended in its time");
      EndLocked(kExitGuestTimeout);
    }
  }
  for (std::thread& thread : threads) thread.join();
  zx_handle_close(guest_);
  zx_handle_close(bells_);
  bells.join();
  return *status_;
}

}  // namespace

int GuestRun(const GuestRunOptions& options) {
  // Somebody who reads what the guest prints may go.
  std::signal(SIGPIPE, SIG_IGN);
  Machine machine(options);
  if (const auto built = machine.Build(); !built) {
    Complain(built.error().ToString());
    return kExitFailure;
  }
  return machine.Run();
}

}  // namespace zxctl
