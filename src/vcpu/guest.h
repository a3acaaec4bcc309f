// Guests as objects: the machine that VCPUs, memory and traps belong to, and the two handles that lead to it.
#pragma once

#include <zircon/rights.h>
#include <zircon/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "arch/guest.h"
#include "arch/kvm.h"
#include "base/status.h"
#include "object/dispatcher.h"
#include "object/port.h"
#include "vcpu/doorbells.h"
#include "vcpu/guest_memory.h"
#include "vcpu/handle_exit.h"
#include "vcpu/traps.h"

namespace zxctl {

class Vcpu;

// What a guest is, whoever refers to it. Any thread.
class GuestMachine final : public RefCounted, public GuestView {
 public:
  static Result<RefPtr<GuestMachine>> Create(std::shared_ptr<Kvm> kvm);
  ~GuestMachine() override;

  static constexpr std::string_view kForkedSentence =
      "this process was forked from the one that has the guest: it can have its own after exec";
  [[nodiscard]] bool IsForked() const;

  [[nodiscard]] Kvm& kvm() { return *kvm_; }
  [[nodiscard]] KvmVm& vm() { return *vm_; }
  [[nodiscard]] GuestMemory& memory() { return memory_; }
  [[nodiscard]] arch::GuestBoard& board() { return board_; }
  [[nodiscard]] Doorbells& doorbells() { return *doorbells_; }

  // A trap that was checked. ALREADY_EXISTS, BAD_STATE (the port is closed), NO_MEMORY.
  [[nodiscard]] Result<void> SetTrap(Trap trap, const RefPtr<Port>& port);
  // As GuestMemory::Map(), but for what is trapped.
  [[nodiscard]] Result<void> Map(const GuestMemory::Request& request);

  // The lowest range of this length in which nothing is mapped or trapped, above the first page.
  [[nodiscard]] std::optional<uint64_t> FindSpace(uint64_t size) const;

  // ---- GuestView; a trap that it gives lives as long as the machine ----
  [[nodiscard]] GuestPlace AtMemory(uint64_t address) const override;
  [[nodiscard]] const Trap* AtPort(uint16_t port) const override;

  // ---- VCPUs ----
  // The lowest number that is free; nothing if all are taken.
  [[nodiscard]] std::optional<uint32_t> TakeIndex();
  void GiveIndexBack(uint32_t index);
  // A VCPU of KVM's with this number. KVM never gives one up, so it may be one that was used before.
  struct KeptVcpu {
    std::unique_ptr<KvmVcpu> kvm;
    // Its first registers and its CPUID have been set.
    bool has_begun = false;
  };
  [[nodiscard]] Result<KeptVcpu> TakeKvmVcpu(uint32_t index);
  // May throw std::bad_alloc.
  void Add(Vcpu& vcpu);
  void Remove(Vcpu& vcpu, uint32_t index, KeptVcpu kept);

  // No VCPU runs any more, nor ever again: the last handle of the guest is closed.
  void Kill();
  [[nodiscard]] bool killed() const { return killed_.load(); }
  // No VCPU is inside KVM_RUN while `change` is made.
  void Pause(const std::function<void()>& change);
  [[nodiscard]] bool pausing() const { return pausing_.load() != 0; }
  void WaitWhilePaused();

 private:
  GuestMachine(std::shared_ptr<Kvm> kvm, std::shared_ptr<KvmVm> vm);
  // Before anybody else knows of it.
  [[nodiscard]] Result<void> Prepare();

  const std::shared_ptr<Kvm> kvm_;
  const std::shared_ptr<KvmVm> vm_;
  GuestMemory memory_;
  arch::GuestBoard board_;
  const RefPtr<Doorbells> doorbells_;

  mutable std::shared_mutex traps_lock_;
  TrapMap traps_;  // traps_lock_

  std::mutex pause_lock_;  // one pause at a time; taken before vcpus_lock_
  std::mutex vcpus_lock_;
  std::vector<Vcpu*> vcpus_;                    // vcpus_lock_
  uint64_t indexes_ = 0;                        // vcpus_lock_; a bit for each that is taken
  std::array<KeptVcpu, arch::kMaxVcpus> kept_;  // vcpus_lock_; of those that are not
  std::atomic<bool> killed_ = false;
  std::atomic<uint32_t> pausing_ = 0;
};

// What a guest has where, as one thread sees it. Traps stay where they are: those that it met last are known without a lock.
class LatestTraps final : public GuestView {
 public:
  explicit LatestTraps(const GuestMachine& machine) : machine_(machine) {}

  [[nodiscard]] GuestPlace AtMemory(uint64_t address) const override {
    if (memory_ != nullptr && memory_->Has(address)) return {.trap = memory_};
    const GuestPlace place = machine_.AtMemory(address);
    if (place.trap != nullptr) memory_ = place.trap;
    return place;
  }
  [[nodiscard]] const Trap* AtPort(uint16_t port) const override {
    if (port_ != nullptr && port_->Has(port)) return port_;
    const Trap* trap = machine_.AtPort(port);
    if (trap != nullptr) port_ = trap;
    return trap;
  }

 private:
  const GuestMachine& machine_;
  mutable const Trap* memory_ = nullptr;
  mutable const Trap* port_ = nullptr;
};

// The handle to a guest. When its last one is closed the guest is killed.
class Guest final : public Dispatcher {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_GUEST;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_GUEST_RIGHTS;

  explicit Guest(RefPtr<GuestMachine> machine);

  [[nodiscard]] const RefPtr<GuestMachine>& machine() const { return machine_; }
  void OnLastHandleClosed() override { machine_->Kill(); }

 private:
  const RefPtr<GuestMachine> machine_;
};

// The handle to a guest's physical address space.
class Vmar final : public Dispatcher {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_VMAR;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_VMAR_RIGHTS;

  explicit Vmar(RefPtr<GuestMachine> machine);

  [[nodiscard]] GuestMachine& machine() const { return *machine_; }

 private:
  const RefPtr<GuestMachine> machine_;
};

// What allows to create guests.
class HypervisorResource final : public Dispatcher {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_RESOURCE;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_RESOURCE_RIGHTS;

  explicit HypervisorResource(std::shared_ptr<Kvm> kvm);

  [[nodiscard]] const std::shared_ptr<Kvm>& kvm() const { return kvm_; }

 private:
  const std::shared_ptr<Kvm> kvm_;
};

}  // namespace zxctl
