#include "guest_board.h"

#include <sched.h>

#include <cerrno>
#include <string>
#include <utility>

namespace zxctl::arch {
namespace {

// Above the highest address that a guest can have memory or traps at, and below the least that a KVM has.
constexpr uint64_t kDistributor = (uint64_t{1} << 37) - (2 << 20);
constexpr uint64_t kRedistributors = kDistributor + (1 << 20);

// Vectors below it are each VCPU's own.
constexpr uint32_t kFirstShared = 32;
constexpr uint32_t kInWord = 32;
constexpr uint32_t kWords = InterruptSet::kVectors / kInWord;

// Registers, by their offsets. A redistributor has its own interrupts in its second page of 64 KiB.
constexpr uint64_t kControl = 0x0;
constexpr uint64_t kGroup = 0x80;
constexpr uint64_t kEnable = 0x100;
constexpr uint64_t kPending = 0x200;
constexpr uint64_t kActive = 0x300;
constexpr uint64_t kInactive = 0x380;
constexpr uint64_t kTrigger = 0xc00;
constexpr uint64_t kRoute = 0x6000;
constexpr uint64_t kPrivatePage = 0x1'0000;

constexpr uint32_t kControlGroup1 = 2;
constexpr uint32_t kAll = ~0U;
constexpr uint32_t kEdge = 0xaaaa'aaaa;
// Of a VCPU's own: 16 to 31, and KVM does not let that be changed.
constexpr uint32_t kLevelTriggered = 0xffff'0000;

// ICC registers, by their encoding.
constexpr uint64_t Interface(uint64_t crn, uint64_t crm, uint64_t op2) { return 3U << 14 | crn << 7 | crm << 3 | op2; }
constexpr uint64_t kPriorityMask = Interface(4, 6, 0);
constexpr uint64_t kActive0 = Interface(12, 8, 4);
constexpr uint64_t kActive1 = Interface(12, 9, 0);
constexpr uint64_t kSplit1 = Interface(12, 12, 3);
constexpr uint64_t kEnableGroup1 = Interface(12, 12, 7);
constexpr uint64_t kAnyPriority = 0xf8;

constexpr uint64_t Of(uint32_t index, uint64_t offset) {
  return uint64_t{index} << KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT | offset;
}

int SetShared(KvmDevice& controller, uint64_t offset, uint32_t value) {
  return controller.Set(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, offset, &value);
}

int SetPrivate(KvmDevice& controller, uint32_t index, uint64_t offset, uint32_t value) {
  return controller.Set(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, Of(index, kPrivatePage + offset), &value);
}

int SetInterface(KvmDevice& controller, uint32_t index, uint64_t which, uint64_t value) {
  return controller.Set(KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, Of(index, which), &value);
}

Status Errno(const char* what, int error) {
  Status status = Status::FromErrno(what, error);
  status.zx = error == ENOMEM ? ZX_ERR_NO_MEMORY : ZX_ERR_NO_RESOURCES;
  return status;
}

// Since Linux 6.4, and younger than the headers that this is built with: which of the guest's calls KVM leaves to its user.
struct CallFilter {
  uint32_t base = 0;
  uint32_t count = 0;
  uint8_t action = 0;
  uint8_t padding[15] = {};
};
constexpr uint32_t kFilterGroup = 0;
constexpr uint64_t kFilterAttribute = 0;
constexpr uint8_t kForward = 2;

void AskForStarts(KvmVm& vm) {
  for (const uint32_t call : {0x8400'0003U, 0xc400'0003U}) {
    const CallFilter filter = {.base = call, .count = 1, .action = kForward};
    kvm_device_attr one = {
        .group = kFilterGroup, .attr = kFilterAttribute, .addr = reinterpret_cast<uintptr_t>(&filter)};
    // Without it the guest has KVM's own answer.
    static_cast<void>(vm.Control(KVM_SET_DEVICE_ATTR, &one));
  }
}

}  // namespace

// ---- a new guest -----------------------------------------------------------------------------------------------------

Result<void> GuestBoard::Prepare(std::span<KvmVcpu* const> vcpus) {
  kvm_enable_cap undescribed = {.cap = KVM_CAP_ARM_NISV_TO_USER};
  if (const int error = vm_.Control(KVM_ENABLE_CAP, &undescribed); error != 0) {
    return Fail(Errno("cannot ask KVM for accesses that it cannot carry out", error));
  }
  AskForStarts(vm_);
  if (const int error = vm_.Control(KVM_ARM_PREFERRED_TARGET, &first_); error != 0) {
    return Fail(Errno("cannot ask KVM for the kind of its VCPUs", error));
  }
  first_.features[0] |= 1U << KVM_ARM_VCPU_PSCI_0_2;
  for (KvmVcpu* vcpu : vcpus) {
    if (const int error = Reset(*vcpu); error != 0) return Fail(Errno("KVM does not let a VCPU begin", error));
  }
  return MakeController();
}

int GuestBoard::Reset(KvmVcpu& vcpu) { return vcpu.Control(KVM_ARM_VCPU_INIT, &first_); }

Result<void> GuestBoard::MakeController() {
  if (const int error = vm_.CreateDevice(KVM_DEV_TYPE_ARM_VGIC_V3, &controller_); error != 0) {
    if (error != ENODEV) return Fail(Errno("KVM does not make an interrupt controller", error));
    return Fail(Status{.zx = ZX_ERR_NOT_SUPPORTED,
                       .what = "KVM has no GICv3 for guests here: it takes a machine with a GICv3, or a later one"});
  }
  const uint32_t interrupts = InterruptSet::kVectors;
  int error = controller_->Set(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &interrupts);
  if (error == 0) error = controller_->Set(KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &kDistributor);
  if (error == 0) error = controller_->Set(KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, &kRedistributors);
  if (error == 0) error = controller_->Set(KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, nullptr);
  if (error == 0) error = OpenDistributor();
  for (uint32_t index = 0; error == 0 && index < kMaxVcpus; ++index) error = OpenInterface(index);
  if (error != 0) return Fail(Errno("KVM's interrupt controller cannot be set up", error));
  return {};
}

int GuestBoard::OpenDistributor() {
  int error = SetShared(*controller_, kControl, kControlGroup1);
  for (uint32_t word = kFirstShared / kInWord; word < kWords; ++word) {
    if (error == 0) error = SetShared(*controller_, kGroup + word * 4, kAll);
    if (error == 0) error = SetShared(*controller_, kEnable + word * 4, kAll);
    // Two bits for each.
    if (error == 0) error = SetShared(*controller_, kTrigger + word * 8, kEdge);
    if (error == 0) error = SetShared(*controller_, kTrigger + word * 8 + 4, kEdge);
  }
  return error;
}

int GuestBoard::OpenInterface(uint32_t index) {
  int error = SetPrivate(*controller_, index, kGroup, kAll);
  if (error == 0) error = SetPrivate(*controller_, index, kEnable, kAll);
  if (error == 0) error = SetInterface(*controller_, index, kPriorityMask, kAnyPriority);
  if (error == 0) error = SetInterface(*controller_, index, kEnableGroup1, 1);
  return error;
}

// ---- a VCPU that was used before -------------------------------------------------------------------------------------

int GuestBoard::ForgetInterrupts(uint32_t index) {
  const std::lock_guard lock(lock_);
  return WhileQuiet([this, index] {
    int error = SetPrivate(*controller_, index, kPending, 0);
    if (error == 0) error = SetPrivate(*controller_, index, kInactive, kAll);
    if (error == 0) error = ForgetShared(index);
    for (const uint64_t which : {kActive0, kActive1, kSplit1}) {
      if (error == 0) error = SetInterface(*controller_, index, which, 0);
    }
    return error == 0 ? OpenInterface(index) : error;
  });
}

int GuestBoard::ForgetShared(uint32_t index) {
  for (uint32_t word = kFirstShared / kInWord; word < kWords; ++word) {
    uint32_t mine = 0;
    for (uint32_t bit = 0; bit < kInWord; ++bit) {
      if (routes_[word * kInWord + bit] == index) mine |= 1U << bit;
    }
    if (mine == 0) continue;
    uint32_t pending = 0;
    int error = controller_->Get(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, kPending + word * 4, &pending);
    if (error == 0) error = SetShared(*controller_, kPending + word * 4, pending & ~mine);
    if (error == 0) error = SetShared(*controller_, kInactive + word * 4, mine);
    if (error != 0) return error;
  }
  return 0;
}

// ---- interrupts ------------------------------------------------------------------------------------------------------

int GuestBoard::WhileQuiet(const std::function<int()>& change) {
  int error = 0;
  pause_([&] {
    // Nobody goes into the guest meanwhile; who is in KVM for something else is soon out of it.
    while ((error = change()) == EBUSY) sched_yield();
  });
  return error;
}

int GuestBoard::Raise(uint32_t index, InterruptSet& interrupts) {
  uint32_t own = 0;
  auto vector = interrupts.Lowest();
  for (; vector && *vector < kFirstShared; vector = interrupts.Lowest()) {
    if (interrupts.Take(*vector)) own |= 1U << *vector;
  }
  if (own != 0) {
    if (const int error = RaisePrivate(index, own); error != 0) return error;
  }
  for (; vector && *vector >= kFirstShared; vector = interrupts.Lowest()) {
    interrupts.Take(*vector);
    if (const int error = RaiseShared(index, *vector); error != 0) return error;
  }
  return 0;
}

// What is written is what is pending: whatever comes between reading and writing would be lost, so nobody runs.
int GuestBoard::RaisePrivate(uint32_t index, uint32_t vectors) {
  return WhileQuiet([this, index, vectors] {
    const auto get = [this, index](uint64_t offset, uint32_t* out) {
      return controller_->Get(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, Of(index, kPrivatePage + offset), out);
    };
    uint32_t pending = 0;
    uint32_t active = 0;
    int error = get(kPending, &pending);
    if (error == 0) error = get(kActive, &active);
    // At its end KVM would forget a level-triggered one that was raised during it: for KVM it has ended then.
    active &= vectors & kLevelTriggered;
    if (error == 0 && active != 0) error = SetPrivate(*controller_, index, kInactive, active);
    return error == 0 ? SetPrivate(*controller_, index, kPending, pending | vectors) : error;
  });
}

int GuestBoard::RaiseShared(uint32_t index, uint32_t vector) {
  const std::lock_guard lock(lock_);
  if (routes_[vector] != index) {
    if (const int error = WhileQuiet([this, index, vector] { return Route(index, vector); }); error != 0) return error;
    routes_[vector] = static_cast<uint8_t>(index);
  }
  kvm_irq_level line = {.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | vector, .level = 1};
  return vm_.Control(KVM_IRQ_LINE, &line);
}

int GuestBoard::Route(uint32_t index, uint32_t vector) {
  const uint64_t word = vector / kInWord * 4;
  const uint32_t bit = 1U << vector % kInWord;
  uint32_t active = 0;
  int error = controller_->Get(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, kActive + word, &active);
  // It would stay with the VCPU that has not told its end.
  if (error == 0 && (active & bit) != 0) error = SetShared(*controller_, kInactive + word, bit);
  return error == 0 ? SetShared(*controller_, kRoute + vector * 8, index) : error;
}

}  // namespace zxctl::arch
