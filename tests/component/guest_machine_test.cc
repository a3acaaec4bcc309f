// Guests of which something cannot be made: nothing of it is left behind, and it can be tried again.
#include <algorithm>
#include <cerrno>
#include <thread>
#include <vector>

#include "object/port.h"
#include "support/fake_kvm.h"
#include "vcpu/bell.h"
#include "vcpu/guest.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmo.h"

namespace zxctl::test {
namespace {

constexpr uint64_t kPage = 4096;

RefPtr<Vmo> NewVmo(uint64_t bytes) {
  RefPtr<Vmo> vmo;
  int error = 0;
  EXPECT_EQ(Vmo::Create(bytes, &vmo, &error), ZX_OK);
  return vmo;
}

class GuestMachines : public ::testing::Test {
 protected:
  void SetUp() override { Make(); }
  void TearDown() override {
    machine_ = {};
    EXPECT_EQ(world().vms, 0);
    EXPECT_TRUE(world().vcpus.empty());
    EXPECT_EQ(world().doorbell_count(), 0U);
  }
  void Make() {
    auto machine = GuestMachine::Create(kvm_);
    ASSERT_TRUE(machine) << machine.error().ToString();
    machine_ = *machine;
  }
  [[nodiscard]] KvmWorld& world() const { return *kvm_->world; }
  [[nodiscard]] Result<void> Map(uint64_t at, uint64_t pages) {
    return machine_->Map({.vmo = vmo_, .address = at, .size = pages * kPage});
  }
  // As KVM has it, in the order of addresses.
  [[nodiscard]] std::map<uint64_t, uint64_t> Slots() const {
    std::map<uint64_t, uint64_t> slots;
    for (const auto& [number, slot] : world().slots) slots[slot.guest_phys_addr] = slot.memory_size / kPage;
    return slots;
  }

  const std::shared_ptr<FakeKvm> kvm_ = std::make_shared<FakeKvm>();
  const RefPtr<Vmo> vmo_ = NewVmo(64 * kPage);
  RefPtr<GuestMachine> machine_;
};

// ---- whatever it is that fails ---------------------------------------------------------------------------------------

// A guest with memory, traps and a VCPU, where the nth thing that is asked of KVM fails. False when not so many are.
bool MakeGuestWithAFailureAt(size_t nth, int error, zx_status_t wanted) {
  const auto kvm = std::make_shared<FakeKvm>();
  const RefPtr<Port> port = Port::Create();
  const RefPtr<Vmo> vmo = NewVmo(16 * kPage);
  kvm->world->FailAfter(nth, error);
  int failures = 0;
  const auto twice = [&](auto make) {
    auto made = make();
    if (made) return made;
    EXPECT_EQ(made.error().zx, wanted) << "call " << nth << ": " << made.error().ToString();
    EXPECT_NE(made.error().what, "");
    ++failures;
    return make();
  };
  {
    const auto machine = twice([&] { return GuestMachine::Create(kvm); });
    EXPECT_TRUE(machine);
    if (!machine) return false;
    EXPECT_TRUE(twice([&] { return (*machine)->Map({.vmo = vmo, .size = 16 * kPage}); }));
    EXPECT_TRUE((*machine)->SetTrap({.kind = ZX_GUEST_TRAP_BELL, .address = 32 * kPage, .size = kPage}, port));
    const auto vcpu = twice([&] { return Vcpu::Create(*machine, 0); });
    EXPECT_TRUE(vcpu) << "call " << nth;
    if (!vcpu) return false;
    EXPECT_TRUE(kvm->world->vcpus.at(0)->has_cpuid) << "call " << nth;
    EXPECT_EQ(kvm->world->vcpus.at(0)->sregs.size(), 1U) << "call " << nth;
  }
  EXPECT_EQ(kvm->world->vms, 0);
  EXPECT_TRUE(kvm->world->vcpus.empty());
  EXPECT_LE(failures, 1);
  return failures == 1;
}

TEST(GuestMachineFailures, WhateverFailsIsTriedAgain) {
  size_t nth = 0;
  while (MakeGuestWithAFailureAt(nth, ENOMEM, ZX_ERR_NO_MEMORY) && !testing::Test::HasFailure()) ++nth;
  EXPECT_GE(nth, 7U);
}

TEST_F(GuestMachines, NoDescriptorForOneIsNoResources) {
  for (const unsigned long request :
       {static_cast<unsigned long>(KVM_CREATE_VM), static_cast<unsigned long>(KVM_ENABLE_CAP)}) {
    world().FailNext(request, EMFILE);
    const auto machine = GuestMachine::Create(kvm_);
    ASSERT_FALSE(machine);
    EXPECT_EQ(machine.error().zx, ZX_ERR_NO_RESOURCES);
    EXPECT_EQ(world().vms, 1);
  }
}

// ---- VCPUs -----------------------------------------------------------------------------------------------------------

TEST_F(GuestMachines, TheNumberOfAVcpuThatCannotBeMadeIsFree) {
  world().FailNext(KVM_CREATE_VCPU, EMFILE);
  const auto failed = Vcpu::Create(machine_, 0);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().zx, ZX_ERR_NO_RESOURCES);
  const auto vcpu = Vcpu::Create(machine_, 0);
  ASSERT_TRUE(vcpu);
  EXPECT_TRUE(world().vcpus.contains(0));
  EXPECT_EQ(Vcpu::Create(machine_, 0).error().zx, ZX_ERR_BAD_STATE);
}

// KVM does not give it up, and so its first registers are set when the number is used again; CPUID is KVM's for ever.
TEST_F(GuestMachines, AVcpuThatDidNotBeginBeginsWhenItsNumberIsUsedAgain) {
  constexpr unsigned long kSetCpuid = _IOW(KVMIO, 0x90, uint64_t);
  for (const unsigned long request : {kSetCpuid, static_cast<unsigned long>(KVM_SET_SREGS)}) {
    world().FailNext(request, EINVAL);
    const auto failed = Vcpu::Create(machine_, 0);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().zx, ZX_ERR_NO_RESOURCES) << failed.error().ToString();
    EXPECT_EQ(world().vcpus.size(), 1U);
  }
  ASSERT_TRUE(Vcpu::Create(machine_, 0));
  EXPECT_TRUE(world().vcpus.at(0)->has_cpuid);
}

TEST_F(GuestMachines, OneThatWasUsedForgetsWhatItWas) {
  ASSERT_TRUE(Vcpu::Create(machine_, 0x1000));
  FakeVcpu& fake = *world().vcpus.at(0);
  fake.raw().s.regs.sregs.cr2 = fake.raw().s.regs.sregs.cr8 = fake.raw().cr8 = 5;
  fake.asked.clear();
  ASSERT_TRUE(Vcpu::Create(machine_, 0x2000));
  EXPECT_EQ(&fake, world().vcpus.at(0));
  // What it was in the middle of is ended without entering it.
  ASSERT_FALSE(fake.entries.empty());
  EXPECT_TRUE(fake.entries.front().immediate);
  EXPECT_EQ(fake.times_in_guest, 0U);
  EXPECT_EQ(fake.raw().s.regs.regs.rip, 0x2000U);
  EXPECT_EQ(fake.sregs.back().cr2, 0U);
  EXPECT_EQ(fake.sregs.back().cr8, 0U);
  EXPECT_EQ(fake.raw().cr8, 0U);
  // 4,096 bytes: a request with another size is one that KVM does not know.
  EXPECT_EQ(std::ranges::count(fake.asked, _IOW(KVMIO, 0xa5, char[4096])), 1);
  EXPECT_EQ(std::ranges::count(fake.asked, static_cast<unsigned long>(KVM_SET_DEBUGREGS)), 1);
  EXPECT_EQ(std::ranges::count(fake.asked, static_cast<unsigned long>(KVM_SET_VCPU_EVENTS)), 1);
  // CPUID cannot be set a second time.
  EXPECT_EQ(std::ranges::count_if(fake.asked, [](unsigned long request) { return _IOC_NR(request) == 0x90; }), 0);
}

TEST_F(GuestMachines, SixtyFourVcpusHaveTheLowestNumbersThatAreFree) {
  std::vector<RefPtr<Vcpu>> vcpus(arch::kMaxVcpus);
  const auto make = [&](RefPtr<Vcpu>& vcpu) {
    std::thread([&] {
      auto made = Vcpu::Create(machine_, 0x1000);
      ASSERT_TRUE(made) << made.error().ToString();
      vcpu = *made;
    }).join();
  };
  for (size_t i = 0; i < vcpus.size(); ++i) {
    make(vcpus[i]);
    EXPECT_EQ(world().vcpus.size(), i + 1);
  }
  const auto more = Vcpu::Create(machine_, 0);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().zx, ZX_ERR_NO_RESOURCES);
  EXPECT_NE(more.error().what.find("64"), std::string::npos) << more.error().what;
  vcpus[40] = {};
  vcpus[7] = {};
  for (const uint32_t number : {7, 40}) {
    EXPECT_EQ(machine_->TakeIndex(), number);
    machine_->GiveIndexBack(number);
    make(vcpus[number]);
  }
  EXPECT_FALSE(machine_->TakeIndex());
}

TEST_F(GuestMachines, NoVcpuAfterTheEnd) {
  machine_->Kill();
  const auto vcpu = Vcpu::Create(machine_, 0);
  ASSERT_FALSE(vcpu);
  EXPECT_EQ(vcpu.error().zx, ZX_ERR_BAD_STATE);
}

// ---- memory ----------------------------------------------------------------------------------------------------------

TEST_F(GuestMachines, AMappingThatFailsHalfWayIsNotThere) {
  ASSERT_TRUE(machine_->SetTrap({.kind = ZX_GUEST_TRAP_MEM, .address = 4 * kPage, .size = kPage}, {}));
  ASSERT_TRUE(machine_->SetTrap({.kind = ZX_GUEST_TRAP_MEM, .address = 8 * kPage, .size = kPage}, {}));
  ASSERT_TRUE(Map(20 * kPage, 1));
  for (const size_t piece : {0, 1, 2}) {
    world().FailAfter(piece, EINVAL);
    const auto mapped = Map(0, 16);
    ASSERT_FALSE(mapped);
    EXPECT_EQ(mapped.error().zx, ZX_ERR_NO_RESOURCES);
    EXPECT_EQ(Slots(), (std::map<uint64_t, uint64_t>{{20 * kPage, 1}})) << piece;
    EXPECT_EQ(machine_->memory().piece_count(), 1U);
  }
  ASSERT_TRUE(Map(0, 16));
  EXPECT_EQ(Slots(), (std::map<uint64_t, uint64_t>{{0, 4}, {5 * kPage, 3}, {9 * kPage, 7}, {20 * kPage, 1}}));
}

TEST_F(GuestMachines, CutsLeaveTheRestAndNumbersOfSlotsAreUsedAgain) {
  ASSERT_TRUE(Map(0, 16));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(machine_->memory().Unmap(4 * kPage, 2 * kPage));
    EXPECT_EQ(Slots(), (std::map<uint64_t, uint64_t>{{0, 4}, {6 * kPage, 10}}));
    ASSERT_TRUE(machine_->memory().Unmap(0, 16 * kPage));
    ASSERT_TRUE(Map(0, 16));
  }
  for (const auto& [number, slot] : world().slots) EXPECT_LT(number, 4U);
}

// What is left of a piece that was cut is lost where KVM does not take it back; what KVM has and what is known of it agree.
TEST_F(GuestMachines, ARestThatKvmDoesNotTakeBackIsLost) {
  ASSERT_TRUE(Map(0, 16));
  world().FailAfter(2, ENOMEM);  // the piece is taken away, the first rest put back, and the second not
  const auto set = machine_->SetTrap({.kind = ZX_GUEST_TRAP_MEM, .address = 4 * kPage, .size = kPage}, {});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().zx, ZX_ERR_NO_MEMORY);
  EXPECT_EQ(Slots(), (std::map<uint64_t, uint64_t>{{0, 4}}));
  EXPECT_EQ(machine_->memory().piece_count(), 1U);
  EXPECT_FALSE(machine_->AtMemory(8 * kPage).mapped);
  EXPECT_NE(machine_->AtMemory(4 * kPage).trap, nullptr);
  EXPECT_TRUE(Map(5 * kPage, 11));
}

TEST_F(GuestMachines, ABellAtAPortThatIsGoneIsNotSet) {
  const RefPtr<Port> port = Port::Create();
  port->OnLastHandleClosed();
  const auto set = machine_->SetTrap({.kind = ZX_GUEST_TRAP_BELL, .address = 0, .size = kPage}, port);
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().zx, ZX_ERR_BAD_STATE);
  EXPECT_EQ(machine_->AtMemory(0).trap, nullptr);
  EXPECT_TRUE(Map(0, 1));
}

}  // namespace
}  // namespace zxctl::test
