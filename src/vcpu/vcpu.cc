#include "vcpu/vcpu.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "base/clock.h"
#include "object/koid.h"
#include "vcpu/bell.h"
#include "vcpu/kick_signal.h"

namespace zxctl {
// A thread that has a VCPU, or had one: other threads compare it, and find out whether there is one.
struct Vcpu::ThreadSlot {
  ThreadSlot() {
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    void* lowest = nullptr;
    size_t size = 0;
    if (pthread_attr_getstack(&attributes, &lowest, &size) == 0) {
      stack_start = reinterpret_cast<uintptr_t>(lowest);
      stack_end = stack_start + size;
    }
    pthread_attr_destroy(&attributes);
  }

  const pid_t tid = static_cast<pid_t>(syscall(SYS_gettid));
  std::atomic<bool> has_vcpu = false;
  // Both 0 where it is not known.
  uintptr_t stack_start = 0;
  uintptr_t stack_end = 0;
};

std::shared_ptr<Vcpu::ThreadSlot>& Vcpu::OwnSlot() {
  thread_local std::shared_ptr<ThreadSlot> slot;
  return slot;
}

bool Vcpu::IsMine() const { return OwnSlot() == thread_ && !IsForked(); }

bool Vcpu::IsOnOwnStack(const void* start, size_t bytes) {
  const std::shared_ptr<ThreadSlot>& slot = OwnSlot();
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const auto at = reinterpret_cast<uintptr_t>(start);
  // Programs may switch to stacks of their own.
  return slot && slot->stack_start <= here && here <= at && at < slot->stack_end && bytes <= slot->stack_end - at;
}

Vcpu::Vcpu(RefPtr<GuestMachine> machine, uint32_t index, GuestMachine::KeptVcpu kept)
    : Dispatcher(kType, NewLocalKoid()),
      machine_(std::move(machine)),
      traps_(*machine_),
      index_(index),
      thread_(OwnSlot()),
      kvm_(std::move(kept.kvm)),
      has_begun_(kept.has_begun),
      cpu_(machine_->board(), *kvm_, index) {}

Result<RefPtr<Vcpu>> Vcpu::Create(const RefPtr<GuestMachine>& machine, uint64_t entry) {
  if (entry >= arch::kGuestPhysicalBytes) {
    return Fail(Status{.zx = ZX_ERR_INVALID_ARGS,
                       .what = fmt::format("entry is {:#x}, behind the end of the guest's memory", entry)});
  }
  auto& slot = OwnSlot();
  if (!slot) slot = std::make_shared<ThreadSlot>();
  if (slot->has_vcpu.load()) {
    return Fail(
        Status{.zx = ZX_ERR_BAD_STATE, .what = "this thread has a VCPU already: make each on a thread of its own"});
  }
  if (machine->killed()) return Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = "the guest has lost its last handle"});
  if (auto ready = PrepareForKicks(); !ready) return Fail(ready.error());
  const auto index = machine->TakeIndex();
  if (!index) {
    return Fail(
        Status{.zx = ZX_ERR_NO_RESOURCES, .what = fmt::format("the guest has its {} VCPUs already", arch::kMaxVcpus)});
  }
  auto kept = machine->TakeKvmVcpu(*index);
  if (!kept) {
    machine->GiveIndexBack(*index);
    return Fail(kept.error());
  }
  auto vcpu = RefPtr<Vcpu>::Adopt(new Vcpu(machine, *index, std::move(*kept)));
  machine->Add(*vcpu);
  slot->has_vcpu.store(true);
  if (auto begun = vcpu->cpu_.Begin(machine->kvm(), entry, vcpu->has_begun_); !begun) return Fail(begun.error());
  vcpu->has_begun_ = true;
  return vcpu;
}

Vcpu::~Vcpu() {
  machine_->Remove(*this, index_, {.kvm = std::move(kvm_), .has_begun = has_begun_});
  thread_->has_vcpu.store(false);
}

zx_status_t Vcpu::ReadRecord(uint32_t topic, std::span<std::byte> record) {
  if (topic != ZX_INFO_VCPU) return Dispatcher::ReadRecord(topic, record);
  const zx_info_vcpu_t info = {.flags = kicked_.load() ? ZX_INFO_VCPU_FLAG_KICKED : 0};
  std::memcpy(record.data(), &info, sizeof(info));
  return ZX_OK;
}

// ---- what others want of it ------------------------------------------------------------------------------------------

void Vcpu::Notify() {
  notices_.fetch_add(1);
  // Behind this it does not go into KVM_RUN, or comes out at once.
  __atomic_store_n(&kvm_->page().immediate_exit, uint8_t{1}, __ATOMIC_SEQ_CST);
  if (place_.load() == static_cast<uint32_t>(Place::kRunning)) SendKick(thread_->tid);
  FutexWakeAll(&notices_);
}

void Vcpu::WaitUntilOutside() const {
  for (;;) {
    const uint32_t place = place_.load();
    if (place == static_cast<uint32_t>(Place::kOutside)) return;
    FutexWait(place_, place, kNever);
  }
}

void Vcpu::Interrupt(uint32_t vector) {
  interrupts_.Raise(vector);
  Notify();
}

void Vcpu::Kick() {
  kicked_.store(true);
  Notify();
}

// ---- its own thread --------------------------------------------------------------------------------------------------

std::optional<zxl_vcpu_exit_info_t> Vcpu::ExitInfo() {
  const std::lock_guard lock(info_lock_);
  return info_;
}

Vcpu::Outcome Vcpu::LookAtFlags() {
  if (machine_->killed()) {
    why_ = "the guest has lost its last handle";
    return ZX_ERR_CANCELED;
  }
  if (kicked_.load(std::memory_order_relaxed) && kicked_.exchange(false)) {
    why_ = "it was kicked";
    return ZX_ERR_CANCELED;
  }
  if (machine_->pausing()) machine_->WaitWhilePaused();
  return std::nullopt;
}

zx_status_t Vcpu::Resume(zx_port_packet_t* out) {
  for (;;) {
    if (const Outcome outcome = RunOnce(out)) return *outcome;
  }
}

Vcpu::Outcome Vcpu::RunOnce(zx_port_packet_t* out) {
  const uint32_t seen = notices_.load();
  if (const Outcome outcome = LookAtFlags()) return outcome;
  if (std::exchange(exit_stays_, false)) return Act(out);
  if (halted_) return WaitForInterrupt();
  if (cpu_.Prepare() == arch::GuestCpu::Before::kFinish) return Finish(out);
  if (const zx_status_t status = cpu_.Offer(interrupts_); status != ZX_OK) {
    return FailWith(status, status == ZX_ERR_NOT_SUPPORTED
                                ? "an interrupt with a vector that no processor has was raised"
                                : "KVM did not take an interrupt");
  }
  const int error = Enter(seen);
  if (error == EINTR || error == EAGAIN) return std::nullopt;
  if (error == 0) return Act(out);
  const ExitAction action = HandleRunError(error);
  return FailWith(action.status, fmt::format("{} ({})", action.why, strerrorname_np(error)));
}

int Vcpu::Enter(uint32_t seen) {
  kvm_run& page = kvm_->page();
  place_.store(static_cast<uint32_t>(Place::kRunning));
  if (page.immediate_exit != 0) __atomic_store_n(&page.immediate_exit, uint8_t{0}, __ATOMIC_SEQ_CST);
  int error = EINTR;
  if (notices_.load() == seen) {
    cpu_.OnEntering();
    error = kvm_->Run();
  }
  place_.store(static_cast<uint32_t>(Place::kOutside));
  if (machine_->pausing()) FutexWakeAll(&place_);
  return error;
}

Vcpu::Outcome Vcpu::Finish(zx_port_packet_t* out) {
  for (;;) {
    __atomic_store_n(&kvm_->page().immediate_exit, uint8_t{1}, __ATOMIC_SEQ_CST);
    const int error = kvm_->Run();
    if (error == EINTR) {
      cpu_.OnFinished();
      return std::nullopt;
    }
    if (error != 0) return FailWith(ZX_ERR_INTERNAL, fmt::format("KVM_RUN failed ({})", strerrorname_np(error)));
    if (!cpu_.OnUnfinished()) return Act(out);
  }
}

// ---- after an exit ---------------------------------------------------------------------------------------------------

Vcpu::Outcome Vcpu::Act(zx_port_packet_t* out) {
  cpu_.OnExit();
  return ActOn(HandleExit(kvm_->page(), traps_), out);
}

Vcpu::Outcome Vcpu::ActOn(const ExitAction& action, zx_port_packet_t* out) {
  using Kind = ExitAction::Kind;
  switch (action.kind) {
    case Kind::kRunAgain:
      return std::nullopt;
    case Kind::kHalt:
      halted_ = true;
      return std::nullopt;
    case Kind::kMemory: {
      *out = {};
      GuestMemory::View memory(machine_->memory());
      if (cpu_.FillMemoryPacket(memory, &out->guest_mem) == ZX_ERR_IO_DATA_INTEGRITY) {
        exit_stays_ = true;
        return FailAtExit(ZX_ERR_IO_DATA_INTEGRITY,
                          "the instruction of an access to a trap cannot be read, or has been changed since: leave "
                          "the guest's code and its page tables in place while it runs");
      }
      return Packet(ZX_PKT_TYPE_GUEST_MEM, action.trap->key, out);
    }
    case Kind::kPort: {
      *out = {};
      GuestMemory::View memory(machine_->memory());
      if (cpu_.FillIoPacket(memory, &out->guest_io) != ZX_OK) {
        return FailAtExit(ZX_ERR_NOT_SUPPORTED,
                          "the guest used INS or OUTS, or a prefix of repetition, on a trapped I/O port");
      }
      return Packet(ZX_PKT_TYPE_GUEST_IO, action.trap->key, out);
    }
    case Kind::kBell:
      return RingBell(*action.trap);
    case Kind::kPerform:
      return Perform();
    case Kind::kMachine:
      return OnMachineExit(out);
    case Kind::kFail:
      exit_stays_ = action.stays;
      return FailAtExit(action.status, action.why);
  }
  return std::nullopt;
}

Vcpu::Outcome Vcpu::Packet(uint32_t type, uint64_t key, zx_port_packet_t* out) {
  out->type = type;
  out->key = key;
  return ZX_OK;
}

Vcpu::Outcome Vcpu::OnMachineExit(zx_port_packet_t* out) {
  const arch::MachineExit exit = cpu_.OnMachineExit();
  switch (exit.kind) {
    case arch::MachineExit::Kind::kRunAgain:
      return std::nullopt;
    case arch::MachineExit::Kind::kPacket:
      *out = {};
      out->guest_vcpu = exit.packet;
      return Packet(ZX_PKT_TYPE_GUEST_VCPU, 0, out);
    case arch::MachineExit::Kind::kRaiseSelf:
      interrupts_.Raise(exit.vector);
      return std::nullopt;
    case arch::MachineExit::Kind::kFail:
      return FailWith(exit.status, exit.why);
  }
  return std::nullopt;
}

// KVM has found memory in the middle of a change: what it wanted there is done here.
Vcpu::Outcome Vcpu::Perform() {
  auto& mmio = kvm_->page().mmio;
  const auto done = machine_->memory().Perform(mmio.phys_addr, mmio.data, mmio.len, mmio.is_write != 0);
  // It has changed again.
  exit_stays_ = done != GuestMemory::Access::kDone;
  return std::nullopt;
}

Vcpu::Outcome Vcpu::RingBell(const Trap& trap) {
  const uint64_t address = kvm_->page().mmio.phys_addr;
  zx_status_t status = trap.bell->Ring(address);
  if (status == ZX_ERR_SHOULD_WAIT) {
    trap.bell->AddWaiter(notices_);
    for (;;) {
      const uint32_t seen = notices_.load();
      status = trap.bell->Ring(address);
      if (status != ZX_ERR_SHOULD_WAIT) break;
      // The write has not been told: it is looked at again when the VCPU is resumed.
      if (const Outcome outcome = LookAtFlags()) {
        trap.bell->RemoveWaiter(notices_);
        exit_stays_ = true;
        return outcome;
      }
      FutexWait(notices_, seen, kNever);
    }
    trap.bell->RemoveWaiter(notices_);
  }
  if (status == ZX_OK) {
    machine_->doorbells().Count(trap.bell, address);
    return std::nullopt;
  }
  // The guest has ended, as the flags say.
  if (status == ZX_ERR_CANCELED) return std::nullopt;
  return FailAtExit(status, status == ZX_ERR_BAD_STATE ? "the guest rang a bell whose port has lost its last handle"
                                                       : "there is no memory for a bell's packet");
}

Vcpu::Outcome Vcpu::WaitForInterrupt() {
  const uint32_t seen = notices_.load();
  if (const Outcome outcome = LookAtFlags()) return outcome;
  if (!interrupts_.empty()) {
    halted_ = false;
    return std::nullopt;
  }
  FutexWait(notices_, seen, kNever);
  return std::nullopt;
}

Vcpu::Outcome Vcpu::FailAtExit(zx_status_t status, std::string_view why) {
  const GuestAccess access = AccessOf(kvm_->page());
  if (access.kind == ZXL_VCPU_ACCESS_NONE) return FailWith(status, why);
  const std::string_view behind = access.is_behind() ? ", behind it" : "";
  return EndWith(status,
                 fmt::format("{}: {}; {} is {:#x}{}", why, access.ToString(), arch::kPcName, cpu_.LastPc(), behind),
                 access);
}

Vcpu::Outcome Vcpu::FailWith(zx_status_t status, std::string_view why) {
  const std::string_view older =
      cpu_.LastIsOlder() ? "; KVM has kept nothing of its end here: its registers are those of its last exit" : "";
  return EndWith(status, fmt::format("{}, at {:#x}{}", why, cpu_.LastPc(), older), {});
}

Vcpu::Outcome Vcpu::EndWith(zx_status_t status, std::string why, const GuestAccess& access) {
  const kvm_run& page = kvm_->page();
  zxl_vcpu_exit_info_t info = {};
  info.kvm_exit_reason = page.exit_reason;
  if (page.exit_reason == KVM_EXIT_INTERNAL_ERROR) info.suberror = page.internal.suberror;
  if (page.exit_reason == KVM_EXIT_FAIL_ENTRY) info.hardware_reason = page.fail_entry.hardware_entry_failure_reason;
  cpu_.LastSnapshot().Tell(&info);
  info.access = access.kind;
  info.access_address = access.address;
  info.access_bytes = access.bytes;
  why_ = std::move(why);
  const std::lock_guard lock(info_lock_);
  info_ = info;
  return status;
}

}  // namespace zxctl
