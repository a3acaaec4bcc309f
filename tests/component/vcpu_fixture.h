// A guest with one VCPU over the fake KVM: memory at 0 with page tables for long mode, a MEM trap, an I/O trap, a bell.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>

#include "object/port.h"
#include "support/fake_kvm.h"
#include "vcpu/guest.h"
#include "vcpu/vcpu.h"
#include "vcpu/vmo.h"

namespace zxctl::test {

class VcpuFixture : public ::testing::Test {
 protected:
  static constexpr uint64_t kEntry = 0x10000;
  static constexpr uint64_t kMemoryBytes = 4 << 20;
  static constexpr uint64_t kTrap = 0x100'0000;
  static constexpr uint64_t kBell = 0x200'0000;
  static constexpr uint64_t kNothing = 0x300'0000;
  static constexpr uint16_t kPort = 0x60;

  void SetUp() override {
    auto machine = GuestMachine::Create(kvm_);
    ASSERT_TRUE(machine) << machine.error().ToString();
    machine_ = *machine;
    int error = 0;
    ASSERT_EQ(Vmo::Create(kMemoryBytes, &vmo_, &error), ZX_OK);
    ASSERT_TRUE(machine_->Map({.vmo = vmo_, .size = kMemoryBytes}));
    ASSERT_TRUE(machine_->SetTrap({.kind = ZX_GUEST_TRAP_MEM, .address = kTrap, .size = 0x10000, .key = 1}, {}));
    ASSERT_TRUE(machine_->SetTrap({.kind = ZX_GUEST_TRAP_IO, .address = kPort, .size = 8, .key = 2}, {}));
    ASSERT_TRUE(machine_->SetTrap({.kind = ZX_GUEST_TRAP_BELL, .address = kBell, .size = 0x10000, .key = 3}, port_));
    // The first GiB, and the second, at their own addresses.
    SetWord(0, 0x1007);
    SetWord(0x1000, 0x2007);
    for (uint64_t i = 0; i < 512; ++i) SetWord(0x2000 + 8 * i, i << 21 | 0x87);
    MakeVcpu();
  }
  void TearDown() override {
    if (fake_ != nullptr) {
      EXPECT_TRUE(fake_->IsDone()) << "the guest was not entered as often as it was planned";
    }
  }
  void MakeVcpu() {
    auto vcpu = Vcpu::Create(machine_, kEntry);
    ASSERT_TRUE(vcpu) << vcpu.error().ToString();
    vcpu_ = *vcpu;
    fake_ = kvm_->world->vcpus.at(0);
  }
  void SetWord(uint64_t address, uint64_t word) { ASSERT_EQ(vmo_->Write(address, &word, sizeof(word)), ZX_OK); }
  [[nodiscard]] uint64_t Word(uint64_t address) const {
    uint64_t word = 0;
    EXPECT_EQ(vmo_->Read(address, &word, sizeof(word)), ZX_OK);
    return word;
  }
  zx_status_t Resume() { return vcpu_->Resume(&packet_); }
  // The instruction that leaves the guest next.
  void SetCode(std::initializer_list<uint8_t> code) {
    ASSERT_EQ(vmo_->Write(kEntry, std::data(code), code.size()), ZX_OK);
    fake_->raw().s.regs.regs.rip = kEntry;
  }
  [[nodiscard]] kvm_regs& regs() { return fake_->raw().s.regs.regs; }
  [[nodiscard]] zx_vcpu_state_t State() const {
    zx_vcpu_state_t state = {};
    vcpu_->ReadState(&state);
    return state;
  }
  void Answer(uint8_t size, uint32_t value) {
    zx_vcpu_io_t io = {.access_size = size};
    io.u32 = value;
    ASSERT_TRUE(vcpu_->WriteIo(io));
  }

  const std::shared_ptr<FakeKvm> kvm_ = std::make_shared<FakeKvm>();
  const RefPtr<Port> port_ = Port::Create();
  RefPtr<GuestMachine> machine_;
  RefPtr<Vmo> vmo_;
  RefPtr<Vcpu> vcpu_;
  FakeVcpu* fake_ = nullptr;
  zx_port_packet_t packet_ = {};
};

}  // namespace zxctl::test
