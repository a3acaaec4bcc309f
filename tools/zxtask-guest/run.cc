#include "run.h"

#include <fmt/format.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/complain.h"
#include "devices.h"
#include "image.h"
#include "trace.h"
#include "trap_options.h"

namespace zxctl {
namespace {

// An error of what was given for an option.
Status Of(const char* option, Status status) {
  status.what = fmt::format("{}: {}", option, status.what);
  return status;
}

Status LastError(zx_status_t status) { return {.zx = status, .what = zxl_last_error()}; }

// What the library says, without the name of its call.
std::string LastSentence() {
  const std::string text = zxl_last_error();
  const size_t colon = text.find(": ");
  return text.starts_with("zx") && colon != std::string::npos ? text.substr(colon + 2) : text;
}

constexpr uint64_t kNoMoreBells = 0;  // the key of the packet that ends TakeBells()

// The machine that is run: one thread for each VCPU, and one for bells.
class Machine {
 public:
  Machine(const GuestRunOptions& options, GuestTrace& trace) : options_(options), trace_(trace) {}

  Result<void> Build();
  GuestEnd Run();

 private:
  struct Processor {
    zx_handle_t vcpu = ZX_HANDLE_INVALID;
    std::optional<uint64_t> entry;         // where it is to begin
    std::optional<zx_vcpu_state_t> stood;  // its registers when time was over
  };

  Result<void> SetTraps();
  void RunProcessor(uint32_t index);
  void Begin(uint32_t index, std::unique_lock<std::mutex>& lock);
  void Loop(uint32_t index);
  void OnPacket(uint32_t index, const zx_port_packet_t& packet);
  void OnPort(uint32_t index, const zx_packet_guest_io_t& io, uint64_t key);
  void OnProcessor(const zx_packet_guest_vcpu_t& packet);
  void OnStart(const zx_packet_guest_vcpu_startup_t& startup);
  void OnDeath(uint32_t index, zx_status_t status);
  void OnTimeout();
  void NoteStoodLocked(uint32_t index);
  [[nodiscard]] std::string TimeoutReport() const;
  void AwaitEnd();
  void TakeBells();
  void FinishBells(std::thread& taker);
  void EndLocked(GuestEnd end);

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
  GuestTrace& trace_;
  bool missing_said_ = false;  // that the guest starts a VCPU that there is not
  std::optional<GuestEnd> end_;
};

Result<void> Machine::SetTraps() {
  const auto requests = ReadTrapOptions(options_);
  if (!requests) return Fail(requests.error());
  if (const zx_status_t status = zx_port_create(0, &bells_); status != ZX_OK) return Fail(LastError(status));
  for (const TrapRequest& each : *requests) {
    const zx_handle_t port = each.kind == ZX_GUEST_TRAP_BELL ? bells_ : ZX_HANDLE_INVALID;
    const zx_status_t status = zx_guest_set_trap(guest_, each.kind, each.address, each.size, port, each.key);
    if (status != ZX_OK) return Fail(Status{.zx = status, .what = each.option + ": " + LastSentence()});
    if (each.key == kSerialKey) serial_port_ = static_cast<uint16_t>(each.address);
  }
  return {};
}

Result<void> Machine::Build() {
  const auto memory = ParseBytes(options_.memory);
  const auto load = ParseNumber(options_.load);
  if (!memory) return Fail(Of("--memory", memory.error()));
  if (!load) return Fail(Of("--load", load.error()));
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
  if (status != ZX_OK) {
    return Fail(Status{.zx = status, .what = fmt::format("--memory {}: {}", options_.memory, LastSentence())});
  }
  processors_.resize(options_.vcpus);
  processors_[0].entry = image_.entry;
  return SetTraps();
}

// ---- VCPUs -----------------------------------------------------------------------------------------------------------

// A VCPU's number is the lowest that is free when it is made, and where it begins is known only when another one starts it. So each
// takes its number first, in order, and is made anew when it is started.
void Machine::Begin(uint32_t index, std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return waiting_ == index || end_; });
  if (end_) return;
  Processor& mine = processors_[index];
  zx_status_t status = zx_vcpu_create(guest_, 0, mine.entry.value_or(0), &mine.vcpu);
  ++waiting_;
  changed_.notify_all();
  if (status == ZX_OK && index != 0) {
    changed_.wait(lock, [&] { return mine.entry || end_; });
    if (end_) return;
    zx_handle_close(mine.vcpu);
    status = zx_vcpu_create(guest_, 0, *mine.entry, &mine.vcpu);
  }
  if (status == ZX_OK) return;
  EndLocked({.exit_status = kExitFailure, .how = "failed", .report = zxl_last_error(), .vcpu = index});
}

void Machine::RunProcessor(uint32_t index) {
  {
    std::unique_lock lock(lock_);
    Begin(index, lock);
    if (end_) return;
  }
  if (index == 0) {
    zx_vcpu_state_t state = {};
    state.rsp = std::min(image_.bytes, kMappedBytes);
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
    if (end_) return NoteStoodLocked(index);
    if (status == ZX_ERR_CANCELED) continue;
    if (status != ZX_OK) return OnDeath(index, status);
    trace_.Add(index, packet);
    OnPacket(index, packet);
  }
}

void Machine::EndLocked(GuestEnd end) {
  if (!end_) end_ = std::move(end);
  for (const Processor& processor : processors_) {
    if (processor.vcpu != ZX_HANDLE_INVALID) zx_vcpu_kick(processor.vcpu);
  }
  changed_.notify_all();
}

void Machine::OnDeath(uint32_t index, zx_status_t status) {
  const std::string why = LastSentence();
  zxl_vcpu_exit_info_t info = {};
  zxl_vcpu_get_exit_info(processors_[index].vcpu, &info);
  EndLocked({.exit_status = kExitGuestDied,
             .how = "died",
             .report = GuestReport(index, status, why, info, image_.vmo, trace_),
             .vcpu = index});
}

void Machine::NoteStoodLocked(uint32_t index) {
  zx_vcpu_state_t state = {};
  if (zx_vcpu_read_state(processors_[index].vcpu, ZX_VCPU_STATE, &state, sizeof(state)) == ZX_OK) {
    processors_[index].stood = state;
  }
}

// After all threads have ended.
std::string Machine::TimeoutReport() const {
  std::string text = "the guest has not ended in its time\n";
  for (size_t i = 0; i < processors_.size(); ++i) {
    const auto& stood = processors_[i].stood;
    text += stood ? fmt::format("\nVCPU {}\n{}", i, GuestRegisters(*stood))
                  : fmt::format("\nVCPU {} had not been started\n", i);
  }
  return text + "\n" + trace_.Last();
}

// ---- what they do ----------------------------------------------------------------------------------------------------

void Machine::OnPacket(uint32_t index, const zx_port_packet_t& packet) {
  if (packet.type == ZX_PKT_TYPE_GUEST_IO) return OnPort(index, packet.guest_io, packet.key);
  if (packet.type == ZX_PKT_TYPE_GUEST_VCPU) return OnProcessor(packet.guest_vcpu);
}

void Machine::OnPort(uint32_t index, const zx_packet_guest_io_t& io, uint64_t key) {
  if (key == kExitKey && !io.input) {
    return EndLocked({.exit_status = static_cast<int>((io.u32 << 1 | 1) & 0xff), .how = "exited", .vcpu = index});
  }
  const auto offset = static_cast<uint16_t>(io.port - serial_port_);
  if (!io.input) {
    if (key != kSerialKey) return;
    const auto written = serial_.Write(offset, io.u8);
    if (written) return;
    if (written.error().zx == ZX_ERR_TIMED_OUT) return OnTimeout();
    return EndLocked({.exit_status = kExitFailure, .how = "failed", .report = written.error().ToString()});
  }
  // Nobody else answers: an open bus is all ones.
  zx_vcpu_io_t answer = {.access_size = io.access_size};
  answer.u32 = key == kSerialKey ? serial_.Read(offset) : ~0U;
  zx_vcpu_write_state(processors_[index].vcpu, ZX_VCPU_IO, &answer, sizeof(answer));
}

void Machine::OnProcessor(const zx_packet_guest_vcpu_t& packet) {
  if (packet.type == ZX_PKT_GUEST_VCPU_STARTUP) return OnStart(packet.startup);
  for (size_t i = 0; i < processors_.size(); ++i) {
    const bool meant = (packet.interrupt.mask >> i & 1) != 0 && processors_[i].entry;
    if (meant) zx_vcpu_interrupt(processors_[i].vcpu, packet.interrupt.vector);
  }
}

void Machine::OnStart(const zx_packet_guest_vcpu_startup_t& startup) {
  if (startup.id >= processors_.size()) {
    // It does not answer. A kernel that looks for processors tries many.
    if (std::exchange(missing_said_, true)) return;
    return trace_.Note(fmt::format("the guest starts VCPU {}; --vcpus gives only {}", startup.id, processors_.size()));
  }
  Processor& processor = processors_[startup.id];
  // One that runs does not begin again.
  if (startup.id == 0 || processor.entry) return;
  processor.entry = startup.entry;
  changed_.notify_all();
}

void Machine::OnTimeout() { EndLocked({.exit_status = kExitGuestTimeout, .how = "timeout"}); }

void Machine::TakeBells() {
  zx_port_packet_t packet = {};
  while (zx_port_wait(bells_, ZX_TIME_INFINITE, &packet) == ZX_OK && packet.type != ZX_PKT_TYPE_USER) {
    const std::lock_guard lock(lock_);
    trace_.Add(std::nullopt, packet);
  }
}

// What is in the port is told first: the guest's packets leave it when the guest ends.
void Machine::FinishBells(std::thread& taker) {
  const zx_port_packet_t last = {.key = kNoMoreBells, .type = ZX_PKT_TYPE_USER};
  const bool queued = zx_port_queue(bells_, &last) == ZX_OK;
  if (!queued) zx_handle_close(bells_);
  taker.join();
  zx_handle_close(guest_);
  if (queued) zx_handle_close(bells_);
}

void Machine::AwaitEnd() {
  std::unique_lock lock(lock_);
  const auto is_over = [this] { return end_.has_value(); };
  if (options_.timeout_ns == 0) return changed_.wait(lock, is_over);
  if (!changed_.wait_for(lock, std::chrono::nanoseconds(options_.timeout_ns), is_over)) OnTimeout();
}

GuestEnd Machine::Run() {
  if (options_.timeout_ns != 0) serial_.SetDeadline(MonotonicNs() + options_.timeout_ns);
  std::thread bells([this] { TakeBells(); });
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < options_.vcpus; ++i) threads.emplace_back([this, i] { RunProcessor(i); });
  AwaitEnd();
  for (std::thread& thread : threads) thread.join();
  FinishBells(bells);
  if (end_->exit_status == kExitGuestTimeout && end_->report.empty()) end_->report = TimeoutReport();
  return *end_;
}

}  // namespace

int GuestRun(const GuestRunOptions& options) {
  // Somebody who reads what the guest prints may go.
  std::signal(SIGPIPE, SIG_IGN);
  GuestTrace trace(options.trace);
  Machine machine(options, trace);
  GuestEnd end;
  if (const auto built = machine.Build(); !built) {
    end = {.exit_status = kExitFailure, .how = "failed", .report = built.error().ToString()};
  } else {
    end = machine.Run();
  }
  trace.End(end);
  return end.exit_status;
}

}  // namespace zxctl
