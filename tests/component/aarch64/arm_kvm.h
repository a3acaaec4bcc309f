// KVM of arm64's component tests. No guest runs: a test says what KVM_RUN does, step by step; what was asked of KVM is written
// down. Registers are kept by their numbers; a load is finished as the kernel does it, sign and all.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "arch/kvm.h"

namespace zxctl::test {

constexpr uint64_t CoreId(size_t offset) {
  return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | offset / sizeof(uint32_t);
}
constexpr uint64_t XId(size_t which) { return CoreId(offsetof(kvm_regs, regs.regs) + 8 * which); }
inline constexpr uint64_t kPcId = CoreId(offsetof(kvm_regs, regs.pc));
inline constexpr uint64_t kSctlrId = ARM64_SYS_REG(3, 0, 1, 0, 0);

struct ArmWorld {
  // A request of the machine's or a VCPU's that fails, and how often it does still.
  std::map<unsigned long, std::pair<int, int>> failures;
  [[nodiscard]] int Ask(unsigned long request) {
    asked.push_back(request);
    auto found = failures.find(request);
    if (found == failures.end() || found->second.second == 0) return 0;
    --found->second.second;
    return found->second.first;
  }

  std::vector<unsigned long> asked;
  std::map<int, int> extensions;
  int device_error = 0;
  // The controller's attributes: the group, and the number.
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> attributes;
  std::vector<std::pair<uint32_t, uint64_t>> attributes_set;
  int busy = 0;  // so many of its next accesses are refused
  std::vector<kvm_irq_level> lines;
};

class ArmVcpu final : public KvmVcpu {
 public:
  using Step = std::function<int(ArmVcpu&)>;
  explicit ArmVcpu(std::shared_ptr<ArmWorld> world) : world_(std::move(world)) {}

  kvm_run& page() override { return *reinterpret_cast<kvm_run*>(memory_.data()); }
  int Run() override {
    ++runs;
    kvm_run& page = this->page();
    if (waits_for_load) {
      waits_for_load = false;
      std::memcpy(&load_data, page.mmio.data, sizeof(load_data));
      registers[XId(load_target)] = load_data;
      registers[kPcId] += 4;
    }
    if (page.immediate_exit != 0) return EINTR;
    if (steps.empty()) {
      ADD_FAILURE() << "the guest is entered, and nothing is planned for it";
      return ENOSYS;
    }
    const Step step = std::move(steps.front());
    steps.pop_front();
    return step(*this);
  }
  int Control(unsigned long request, void* argument) override {
    if (const int error = world_->Ask(request); error != 0) return error;
    auto* const one = static_cast<kvm_one_reg*>(argument);
    if (request == KVM_GET_ONE_REG) std::memcpy(reinterpret_cast<void*>(one->addr), &registers[one->id], 8);
    if (request == KVM_SET_ONE_REG) std::memcpy(&registers[one->id], reinterpret_cast<void*>(one->addr), 8);
    if (request == KVM_ARM_VCPU_INIT) {
      ++times_begun;
      registers.clear();
    }
    return 0;
  }

  std::map<uint64_t, uint64_t> registers;
  std::deque<Step> steps;
  int runs = 0;
  int times_begun = 0;
  // A load that waits for its data, and what it was given.
  bool waits_for_load = false;
  size_t load_target = 0;
  uint64_t load_data = 0;

 private:
  const std::shared_ptr<ArmWorld> world_;
  alignas(4096) std::array<std::byte, 8192> memory_ = {};
};

class ArmController final : public KvmDevice {
 public:
  explicit ArmController(std::shared_ptr<ArmWorld> world) : world_(std::move(world)) {}

  int Set(uint32_t group, uint64_t attribute, const void* value) override {
    if (world_->busy > 0 && world_->busy-- > 0) return EBUSY;
    uint64_t word = 0;
    const bool is_wide = group == KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS || group == KVM_DEV_ARM_VGIC_GRP_ADDR;
    if (value != nullptr) std::memcpy(&word, value, is_wide ? 8 : 4);
    world_->attributes[{group, attribute}] = word;
    world_->attributes_set.emplace_back(group, attribute);
    return 0;
  }
  int Get(uint32_t group, uint64_t attribute, void* value) override {
    if (world_->busy > 0 && world_->busy-- > 0) return EBUSY;
    std::memcpy(value, &world_->attributes[{group, attribute}], 4);
    return 0;
  }

 private:
  const std::shared_ptr<ArmWorld> world_;
};

class ArmVm final : public KvmVm {
 public:
  ArmVm(std::shared_ptr<ArmWorld> world, std::map<uint32_t, ArmVcpu*>& vcpus)
      : world_(std::move(world)), vcpus_(vcpus) {}

  int CreateVcpu(uint32_t id, std::unique_ptr<KvmVcpu>* out) override {
    if (const int error = world_->Ask(KVM_CREATE_VCPU); error != 0) return error;
    auto made = std::make_unique<ArmVcpu>(world_);
    vcpus_[id] = made.get();
    *out = std::move(made);
    return 0;
  }
  int SetMemory(const kvm_userspace_memory_region& /*slot*/) override {
    return world_->Ask(KVM_SET_USER_MEMORY_REGION);
  }
  int SetDoorbell(const kvm_ioeventfd& /*doorbell*/) override { return world_->Ask(KVM_IOEVENTFD); }
  int CreateDevice(uint32_t type, std::unique_ptr<KvmDevice>* out) override {
    EXPECT_EQ(type, static_cast<uint32_t>(KVM_DEV_TYPE_ARM_VGIC_V3));
    if (world_->device_error != 0) return world_->device_error;
    *out = std::make_unique<ArmController>(world_);
    return 0;
  }
  int Control(unsigned long request, void* argument) override {
    if (const int error = world_->Ask(request); error != 0) return error;
    if (request == KVM_IRQ_LINE) world_->lines.push_back(*static_cast<kvm_irq_level*>(argument));
    return 0;
  }

 private:
  const std::shared_ptr<ArmWorld> world_;
  std::map<uint32_t, ArmVcpu*>& vcpus_;
};

class ArmKvm final : public Kvm {
 public:
  int Extension(int capability) override {
    const auto said = world->extensions.find(capability);
    return said == world->extensions.end() ? 1 : said->second;
  }
  int CreateVm(std::unique_ptr<KvmVm>* out) override {
    *out = std::make_unique<ArmVm>(world, vcpus);
    return 0;
  }
  int Control(unsigned long request, void* /*argument*/) override { return world->Ask(request); }

  const std::shared_ptr<ArmWorld> world = std::make_shared<ArmWorld>();
  std::map<uint32_t, ArmVcpu*> vcpus;
};

// ---- steps -----------------------------------------------------------------------------------------------------------

inline ArmVcpu::Step Stores(uint64_t address, uint32_t size, uint64_t value) {
  return [=](ArmVcpu& vcpu) {
    kvm_run& page = vcpu.page();
    page.exit_reason = KVM_EXIT_MMIO;
    page.mmio.phys_addr = address;
    page.mmio.len = size;
    page.mmio.is_write = 1;
    std::memcpy(page.mmio.data, &value, sizeof(value));
    return 0;
  };
}

inline ArmVcpu::Step Loads(uint64_t address, uint32_t size, size_t target) {
  return [=](ArmVcpu& vcpu) {
    kvm_run& page = vcpu.page();
    page.exit_reason = KVM_EXIT_MMIO;
    page.mmio.phys_addr = address;
    page.mmio.len = size;
    page.mmio.is_write = 0;
    vcpu.waits_for_load = true;
    vcpu.load_target = target;
    return 0;
  };
}

}  // namespace zxctl::test
