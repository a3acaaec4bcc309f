// VCPUs of arm64 over a KVM that is made up: what it is given for loads, which interrupts, and what happens where it fails.
#include "arch/guest.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <thread>

#include "arm_kvm.h"
#include "vcpu/guest.h"
#include "vcpu/linux_kvm.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmo.h"

namespace zxctl::test {
namespace {

constexpr uint64_t kEntry = 0x10000;
constexpr uint64_t kTrap = 0x1000'0000;
constexpr uint32_t kDist = KVM_DEV_ARM_VGIC_GRP_DIST_REGS;
constexpr uint32_t kRedist = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS;
constexpr uint64_t kPrivatePending = 0x1'0200;
constexpr uint64_t kPrivateActive = 0x1'0300;
constexpr uint64_t kPrivateInactive = 0x1'0380;

class ArmComponent : public ::testing::Test {
 protected:
  void SetUp() override {
    auto machine = GuestMachine::Create(kvm_);
    ASSERT_TRUE(machine) << machine.error().ToString();
    machine_ = *machine;
    int error = 0;
    ASSERT_EQ(Vmo::Create(1 << 20, &vmo_, &error), ZX_OK);
    ASSERT_TRUE(machine_->Map({.vmo = vmo_, .size = 1 << 20}));
    ASSERT_TRUE(machine_->SetTrap({.kind = ZX_GUEST_TRAP_MEM, .address = kTrap, .size = 0x10000, .key = 1}, {}));
    MakeVcpu();
  }
  void MakeVcpu() {
    vcpu_ = {};
    auto vcpu = Vcpu::Create(machine_, kEntry);
    ASSERT_TRUE(vcpu) << vcpu.error().ToString();
    vcpu_ = *vcpu;
    fake_ = kvm_->vcpus.at(0);
  }
  // The instruction that leaves the guest next.
  void SetCode(uint32_t instruction) {
    ASSERT_EQ(vmo_->Write(kEntry, &instruction, sizeof(instruction)), ZX_OK);
    fake_->registers[kPcId] = kEntry;
  }
  void SetX(size_t which, uint64_t value) {
    zx_vcpu_state_t state = {};
    vcpu_->ReadState(&state);
    state.x[which] = value;
    vcpu_->WriteState(state);
  }
  zx_status_t Resume() { return vcpu_->Resume(&packet_); }
  // A load of x5 from [x1], told; then what is next.
  void ExpectLoad(uint32_t instruction, uint32_t size) {
    SetCode(instruction);
    fake_->steps.push_back(Loads(kTrap, size, 5));
    ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
    EXPECT_EQ(packet_.guest_mem.xt, 5);
    EXPECT_TRUE(packet_.guest_mem.read);
  }
  void GoOn() {
    SetX(9, 7);
    fake_->steps.push_back([this](ArmVcpu& vcpu) {
      const uint32_t store = 0xf9000029;  // str x9, [x1]
      EXPECT_EQ(vmo_->Write(kEntry + 4, &store, sizeof(store)), ZX_OK);
      EXPECT_EQ(vcpu.registers[kPcId], kEntry + 4);
      return Stores(kTrap, 8, 7)(vcpu);
    });
    EXPECT_EQ(Resume(), ZX_OK) << vcpu_->why();
  }

  const std::shared_ptr<ArmKvm> kvm_ = std::make_shared<ArmKvm>();
  RefPtr<GuestMachine> machine_;
  RefPtr<Vmo> vmo_;
  RefPtr<Vcpu> vcpu_;
  ArmVcpu* fake_ = nullptr;
  zx_port_packet_t packet_ = {};
};

// ---- loads -----------------------------------------------------------------------------------------------------------

TEST_F(ArmComponent, ALoadIsGivenWhatItsTargetHas) {
  ExpectLoad(0xb9400025, 4);  // ldr w5, [x1]
  SetX(5, 0x8899'aabb);
  const int runs = fake_->runs;
  GoOn();
  EXPECT_EQ(fake_->load_data, 0x8899'aabbU);
  EXPECT_EQ(fake_->runs, runs + 1);
  EXPECT_EQ(fake_->registers[XId(5)], 0x8899'aabbU);
}

TEST_F(ArmComponent, WhatNoLoadLeavesIsSetBehindIt) {
  for (const uint64_t value : {uint64_t{0x1'0000'0000}, ~uint64_t{0}}) {
    ExpectLoad(0xb9400025, 4);
    SetX(5, value);
    const int runs = fake_->runs;
    GoOn();
    EXPECT_EQ(fake_->load_data, 0U);
    EXPECT_EQ(fake_->runs, runs + 2);
    EXPECT_EQ(fake_->registers[XId(5)], value);
    EXPECT_EQ(fake_->registers[XId(9)], 7U);
  }
}

// KVM would leave 0x80.
TEST_F(ArmComponent, ASignIsNeverLeftToKvm) {
  ExpectLoad(0x39800025, 1);  // ldrsb x5, [x1]
  SetX(5, ~uint64_t{0x7f});
  GoOn();
  EXPECT_EQ(fake_->registers[XId(5)], ~uint64_t{0x7f});
}

TEST_F(ArmComponent, BytesInTheOtherOrderAreNotLeftToKvm) {
  ExpectLoad(0xb9400025, 4);
  fake_->registers[kSctlrId] = 1U << 25;
  // It is looked at when the packet is made.
  SetX(5, 5);
  GoOn();
  ExpectLoad(0xb9400025, 4);
  SetX(5, 0x0102'0304);
  const int runs = fake_->runs;
  GoOn();
  EXPECT_EQ(fake_->runs, runs + 2);
  EXPECT_EQ(fake_->registers[XId(5)], 0x0102'0304U);
}

// An answer that was changed because the VCPU did not get in is the one that counts.
TEST_F(ArmComponent, TheLastAnswerCounts) {
  ExpectLoad(0xb9400025, 4);
  SetX(5, 1);
  vcpu_->Kick();
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  SetX(5, 2);
  GoOn();
  EXPECT_EQ(fake_->registers[XId(5)], 2U);
}

TEST_F(ArmComponent, AnInstructionThatIsNotThereAnyMore) {
  SetCode(0xd503201f);  // nop
  fake_->steps.push_back(Stores(kTrap, 4, 0));
  EXPECT_EQ(Resume(), ZX_ERR_IO_DATA_INTEGRITY);
  EXPECT_NE(vcpu_->why().find("page tables"), std::string::npos) << vcpu_->why();
  EXPECT_EQ(Resume(), ZX_ERR_IO_DATA_INTEGRITY);
  const int runs = fake_->runs;
  SetCode(0xb9000025);  // str w5, [x1]
  EXPECT_EQ(Resume(), ZX_OK) << vcpu_->why();
  EXPECT_EQ(packet_.guest_mem.xt, 5);
  EXPECT_EQ(fake_->runs, runs);
}

// ---- what the guest calls --------------------------------------------------------------------------------------------

TEST_F(ArmComponent, AStartIsAPacket) {
  for (const uint64_t call : {uint64_t{0xc400'0003}, uint64_t{0x8400'0003}}) {
    fake_->steps.push_back([call](ArmVcpu& vcpu) {
      vcpu.page().exit_reason = KVM_EXIT_HYPERCALL;
      vcpu.page().hypercall.nr = call;
      vcpu.registers[XId(0)] = call;
      vcpu.registers[XId(1)] = 3;
      vcpu.registers[XId(2)] = 0x1'0000'4000;
      return 0;
    });
    ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
    EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_VCPU);
    EXPECT_EQ(packet_.guest_vcpu.type, ZX_PKT_GUEST_VCPU_STARTUP);
    EXPECT_EQ(packet_.guest_vcpu.startup.id, 3U);
    EXPECT_EQ(packet_.guest_vcpu.startup.entry, call == 0x8400'0003 ? 0x4000U : 0x1'0000'4000U);
    zx_vcpu_state_t state = {};
    vcpu_->ReadState(&state);
    EXPECT_EQ(state.x[0], 0U);
  }
}

// ---- interrupts ------------------------------------------------------------------------------------------------------

TEST_F(ArmComponent, InterruptsAsTheyAreGiven) {
  auto& attributes = kvm_->world->attributes;
  attributes[{kRedist, kPrivatePending}] = 1U << 4;
  attributes[{kRedist, kPrivateActive}] = 1U << 20 | 1U << 3;
  for (const uint32_t vector : {100U, 20U, 3U, 33U}) vcpu_->Interrupt(vector);
  kvm_->world->attributes_set.clear();
  SetCode(0xb9000025);
  fake_->steps.push_back(Stores(kTrap, 4, 0));
  ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
  // What was pending stays so, and a level-triggered one that is active is ended.
  EXPECT_EQ((attributes[{kRedist, kPrivatePending}]), 1U << 4 | 1U << 20 | 1U << 3);
  EXPECT_EQ((attributes[{kRedist, kPrivateInactive}]), 1U << 20);
  ASSERT_EQ(kvm_->world->lines.size(), 2U);
  EXPECT_EQ(kvm_->world->lines[0].irq, KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | 33U);
  EXPECT_EQ(kvm_->world->lines[1].irq, KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | 100U);
  // They are the first VCPU's from the beginning.
  for (const auto& [group, attribute] : kvm_->world->attributes_set) EXPECT_NE(group, kDist) << attribute;
}

TEST_F(ArmComponent, AControllerThatIsBusyIsAskedAgain) {
  vcpu_->Interrupt(3);
  kvm_->world->busy = 5;
  SetCode(0xb9000025);
  fake_->steps.push_back(Stores(kTrap, 4, 0));
  ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
  EXPECT_EQ((kvm_->world->attributes[{kRedist, kPrivatePending}]), 1U << 3);
  EXPECT_EQ(kvm_->world->busy, 0);
}

TEST_F(ArmComponent, SharedOnesAreRoutedOnce) {
  std::thread([this] {
    auto second = Vcpu::Create(machine_, kEntry);
    ASSERT_TRUE(second);
    ArmVcpu* fake = kvm_->vcpus.at(1);
    kvm_->world->attributes_set.clear();
    for (int i = 0; i < 3; ++i) {
      (*second)->Interrupt(50);
      fake->registers[kPcId] = kEntry;
      const uint32_t store = 0xb9000025;
      ASSERT_EQ(vmo_->Write(kEntry, &store, sizeof(store)), ZX_OK);
      fake->steps.push_back(Stores(kTrap, 4, 0));
      zx_port_packet_t packet = {};
      EXPECT_EQ((*second)->Resume(&packet), ZX_OK);
    }
  }).join();
  EXPECT_EQ(kvm_->world->lines.size(), 3U);
  const std::pair<uint32_t, uint64_t> route = {kDist, 0x6000 + 8 * 50};
  EXPECT_EQ(kvm_->world->attributes[route], 1U);
  EXPECT_EQ(std::count(kvm_->world->attributes_set.begin(), kvm_->world->attributes_set.end(), route), 1);
}

// ---- beginning, and what is missing ----------------------------------------------------------------------------------

TEST_F(ArmComponent, OneThatIsMadeAgainBeginsAgain) {
  EXPECT_EQ(fake_->times_begun, 1);
  fake_->registers[XId(4)] = 5;
  fake_->waits_for_load = true;
  MakeVcpu();
  EXPECT_EQ(fake_->times_begun, 2);
  EXPECT_FALSE(fake_->waits_for_load);
  EXPECT_EQ(fake_->registers[kPcId], kEntry);
  EXPECT_EQ(fake_->registers[XId(4)], 0U);
  EXPECT_EQ((kvm_->world->attributes[{kRedist, kPrivatePending}]), 0U);
}

TEST(ArmOpen, EachThatKvmLacksIsNamed) {
  const auto kvm = std::make_shared<ArmKvm>();
  EXPECT_EQ(arch::VmType(*kvm), 0U);
  kvm->world->extensions[KVM_CAP_ARM_VM_IPA_SIZE] = 48;
  EXPECT_EQ(arch::VmType(*kvm), 40U);
  EXPECT_TRUE(CheckKvm(*kvm));
  kvm->world->extensions[KVM_CAP_ARM_VM_IPA_SIZE] = 36;
  EXPECT_NE(CheckKvm(*kvm).error().what.find("37 bits (it has 36)"), std::string::npos);
  kvm->world->extensions[KVM_CAP_ARM_VM_IPA_SIZE] = 40;
  for (const int capability :
       {KVM_CAP_USER_MEMORY, KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_IOEVENTFD_ANY_LENGTH, KVM_CAP_ONE_REG,
        KVM_CAP_ARM_PSCI_0_2, KVM_CAP_ARM_NISV_TO_USER, KVM_CAP_IRQCHIP, KVM_CAP_DEVICE_CTRL}) {
    kvm->world->extensions[capability] = 0;
    EXPECT_FALSE(CheckKvm(*kvm)) << capability;
    kvm->world->extensions[capability] = 1;
  }
}

TEST(ArmOpen, WhatFailsWhileAGuestIsMade) {
  const auto kvm = std::make_shared<ArmKvm>();
  const auto status_with = [&] {
    auto machine = GuestMachine::Create(kvm);
    return machine ? ZX_OK : machine.error().zx;
  };
  for (const unsigned long request : std::initializer_list<unsigned long>{
           KVM_CREATE_VCPU, KVM_ENABLE_CAP, KVM_ARM_PREFERRED_TARGET, KVM_ARM_VCPU_INIT}) {
    kvm->world->failures[request] = {ENOMEM, 1};
    EXPECT_EQ(status_with(), ZX_ERR_NO_MEMORY) << request;
    kvm->world->failures[request] = {EMFILE, 1};
    EXPECT_EQ(status_with(), ZX_ERR_NO_RESOURCES) << request;
  }
  kvm->world->device_error = ENODEV;
  EXPECT_EQ(status_with(), ZX_ERR_NOT_SUPPORTED);
  kvm->world->device_error = 0;
  // Kernels before 6.4 know of no filter.
  kvm->world->failures[KVM_SET_DEVICE_ATTR] = {ENXIO, 2};
  EXPECT_EQ(status_with(), ZX_OK);
}

}  // namespace
}  // namespace zxctl::test
