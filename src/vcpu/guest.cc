#include "vcpu/guest.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>
#include <utility>

#include "base/clock.h"
#include "base/fork_mark.h"
#include "object/koid.h"
#include "vcpu/bell.h"
#include "vcpu/vcpu.h"

namespace zxctl {
namespace {

// Set while there are guests.
ForkMark g_fork_mark;

}  // namespace

Guest::Guest(RefPtr<GuestMachine> machine) : Dispatcher(kType, NewLocalKoid()), machine_(std::move(machine)) {}

Vmar::Vmar(RefPtr<GuestMachine> machine) : Dispatcher(kType, NewLocalKoid()), machine_(std::move(machine)) {}

HypervisorResource::HypervisorResource(std::shared_ptr<Kvm> kvm)
    : Dispatcher(kType, NewLocalKoid()), kvm_(std::move(kvm)) {}

bool GuestMachine::IsForked() const { return g_fork_mark.IsForked(); }

// ---- the machine -----------------------------------------------------------------------------------------------------

GuestMachine::GuestMachine(std::shared_ptr<Kvm> kvm, std::shared_ptr<KvmVm> vm)
    : kvm_(std::move(kvm)),
      vm_(std::move(vm)),
      memory_(*vm_, [this](const std::function<void()>& change) { Pause(change); }),
      board_(*vm_, [this](const std::function<void()>& change) { Pause(change); }),
      doorbells_(MakeRefCounted<Doorbells>(vm_)) {}

GuestMachine::~GuestMachine() {
  traps_.ForEachBell([](Bell& bell) { bell.End(); });
  doorbells_->Stop();
}

Result<RefPtr<GuestMachine>> GuestMachine::Create(std::shared_ptr<Kvm> kvm) {
  if (g_fork_mark.IsForked()) return Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = std::string(kForkedSentence)});
  if (const auto marked = g_fork_mark.Set(); !marked) return Fail(marked.error());
  std::unique_ptr<KvmVm> vm;
  if (const int error = kvm->CreateVm(&vm); error != 0) {
    Status status = Status::FromErrno("KVM does not make a virtual machine", error);
    status.zx = error == ENOMEM ? ZX_ERR_NO_MEMORY : ZX_ERR_NO_RESOURCES;
    return Fail(std::move(status));
  }
  auto machine = RefPtr<GuestMachine>::Adopt(new (std::nothrow) GuestMachine(std::move(kvm), std::move(vm)));
  if (!machine) return Fail(Status{.zx = ZX_ERR_NO_MEMORY, .what = "no memory for a guest"});
  if (auto prepared = machine->Prepare(); !prepared) return Fail(prepared.error());
  return machine;
}

Result<void> GuestMachine::Prepare() {
  std::vector<KvmVcpu*> vcpus;
  if constexpr (arch::kVcpusComeFirst) {
    for (uint32_t index = 0; index < arch::kMaxVcpus; ++index) {
      auto made = TakeKvmVcpu(index);
      if (!made) return Fail(made.error());
      kept_[index] = std::move(*made);
      vcpus.push_back(kept_[index].kvm.get());
    }
  }
  return board_.Prepare(vcpus);
}

// ---- what is where ---------------------------------------------------------------------------------------------------

Result<void> GuestMachine::SetTrap(Trap trap, const RefPtr<Port>& port) {
  const uint64_t address = trap.address;
  const uint64_t size = trap.size;
  const bool in_memory = trap.kind != ZX_GUEST_TRAP_IO;
  const std::unique_lock lock(traps_lock_);
  if (traps_.Intersects(trap)) {
    return Fail(Status{.zx = ZX_ERR_ALREADY_EXISTS, .what = "another trap has a part of it"});
  }
  if (port) {
    auto bell = MakeRefCounted<Bell>(port, trap.key, doorbells_);
    const zx_status_t status = bell ? port->AddSource(RefPtr<PacketSource>(bell.get())) : ZX_ERR_NO_MEMORY;
    if (status != ZX_OK) {
      return Fail(
          Status{.zx = status, .what = status == ZX_ERR_BAD_STATE ? "the port has lost its last handle" : "no memory"});
    }
    trap.bell = std::move(bell);
  }
  // From now on an access there is one to the trap.
  traps_.Add(std::move(trap));
  if (!in_memory) return {};
  auto unmapped = memory_.Unmap(address, size);
  if (!unmapped && unmapped.error().zx != ZX_ERR_NOT_FOUND) return unmapped;
  return {};
}

Result<void> GuestMachine::Map(const GuestMemory::Request& request) {
  const std::shared_lock lock(traps_lock_);
  return memory_.Map(request, [this](uint64_t address, uint64_t end) -> GuestMemory::Hole {
    const Trap* next = traps_.NextMemory(address);
    if (next == nullptr || next->address >= end) return {.inside = false, .until = end};
    if (next->address > address) return {.inside = false, .until = next->address};
    return {.inside = true, .until = std::min(end, next->address + next->size)};
  });
}

std::optional<uint64_t> GuestMachine::FindSpace(uint64_t size) const {
  const std::shared_lock lock(traps_lock_);
  uint64_t least = kPageBytes;
  for (;;) {
    const auto found = memory_.FindSpace(size, least, arch::kGuestPhysicalBytes);
    const Trap* trap = found ? traps_.NextMemory(*found) : nullptr;
    if (trap == nullptr || trap->address - *found >= size) return found;
    least = trap->address + trap->size;
  }
}

GuestPlace GuestMachine::AtMemory(uint64_t address) const {
  {
    const std::shared_lock lock(traps_lock_);
    if (const Trap* trap = traps_.FindMemory(address); trap != nullptr) return {.trap = trap};
  }
  const auto writable = memory_.IsWritable(address);
  return {.mapped = writable.has_value(), .writable = writable.value_or(false)};
}

const Trap* GuestMachine::AtPort(uint16_t port) const {
  const std::shared_lock lock(traps_lock_);
  return traps_.FindPort(port);
}

// ---- VCPUs -----------------------------------------------------------------------------------------------------------

std::optional<uint32_t> GuestMachine::TakeIndex() {
  const std::lock_guard lock(vcpus_lock_);
  const auto index = static_cast<uint32_t>(std::countr_one(indexes_));
  if (index >= arch::kMaxVcpus) return std::nullopt;
  indexes_ |= uint64_t{1} << index;
  return index;
}

void GuestMachine::GiveIndexBack(uint32_t index) {
  const std::lock_guard lock(vcpus_lock_);
  indexes_ &= ~(uint64_t{1} << index);
}

Result<GuestMachine::KeptVcpu> GuestMachine::TakeKvmVcpu(uint32_t index) {
  KeptVcpu kept;
  {
    const std::lock_guard lock(vcpus_lock_);
    kept = std::move(kept_[index]);
  }
  if (kept.kvm) return kept;
  kept.has_begun = false;
  if (const int error = vm_->CreateVcpu(index, &kept.kvm); error != 0) {
    Status status = Status::FromErrno("KVM does not make a VCPU", error);
    status.zx = error == ENOMEM ? ZX_ERR_NO_MEMORY : ZX_ERR_NO_RESOURCES;
    return Fail(std::move(status));
  }
  return kept;
}

void GuestMachine::Add(Vcpu& vcpu) {
  const std::lock_guard lock(vcpus_lock_);
  vcpus_.push_back(&vcpu);
}

void GuestMachine::Remove(Vcpu& vcpu, uint32_t index, KeptVcpu kept) {
  const std::lock_guard lock(vcpus_lock_);
  std::erase(vcpus_, &vcpu);
  kept_[index] = std::move(kept);
  indexes_ &= ~(uint64_t{1} << index);
}

void GuestMachine::Kill() {
  killed_.store(true);
  {
    const std::lock_guard lock(vcpus_lock_);
    for (Vcpu* vcpu : vcpus_) vcpu->Notify();
  }
  const std::shared_lock lock(traps_lock_);
  traps_.ForEachBell([](Bell& bell) { bell.End(); });
}

void GuestMachine::Pause(const std::function<void()>& change) {
  const std::lock_guard pause(pause_lock_);
  pausing_.store(1);
  {
    // Those that come or go meanwhile wait for the lock, or are outside.
    const std::lock_guard lock(vcpus_lock_);
    for (Vcpu* vcpu : vcpus_) vcpu->Notify();
    for (const Vcpu* vcpu : vcpus_) vcpu->WaitUntilOutside();
  }
  change();
  pausing_.store(0);
  FutexWakeAll(&pausing_);
}

void GuestMachine::WaitWhilePaused() {
  while (pausing_.load() != 0) FutexWait(pausing_, 1, kNever);
}

}  // namespace zxctl
