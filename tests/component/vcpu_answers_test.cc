// What KVM is told when an access that was a packet is gone on with: data that was written for it, instructions that have to be
// finished first, and accesses that KVM made in the middle of a change of memory.
#include <cerrno>
#include <vector>

#include "vcpu_fixture.h"

namespace zxctl::test {
namespace {

class VcpuAnswers : public VcpuFixture {
 protected:
  // The next thing that the guest does is one that tells a port; what KVM was given before it.
  const FakeVcpu::Entry& GoOn() {
    fake_->Then(Outs(kPort, 1, 0));
    EXPECT_EQ(Resume(), ZX_OK) << vcpu_->why();
    EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_IO);
    EXPECT_FALSE(fake_->entries.back().immediate);
    return fake_->entries.back();
  }
  static uint64_t Data(const FakeVcpu::Entry& entry, size_t bytes) {
    uint64_t data = 0;
    std::memcpy(&data, entry.data.data(), bytes);
    return data;
  }
  void SetRegister(uint64_t zx_vcpu_state_t::*name, uint64_t value) {
    zx_vcpu_state_t state = State();
    state.*name = value;
    vcpu_->WriteState(state);
  }
};

// What KVM leaves behind when it finishes an IN or a load with what was in the page.
FakeVcpu::Step Clobbers(FakeVcpu& vcpu, uint8_t length) {
  return [&vcpu, length](kvm_run& page) {
    page.s.regs.regs.rax = 0xdead;
    page.s.regs.regs.rbx = 0xdead;
    page.s.regs.regs.rip += length;
    EXPECT_TRUE(vcpu.entries.back().immediate);
    return FakeVcpu::kIsFinished;
  };
}

// ---- answers that are given anew ---------------------------------------------------------------------------------------

// A kick keeps it out of KVM_RUN at the last moment. What is written then is what counts.
TEST_F(VcpuAnswers, AreTheLatestThoughItWasKickedOnItsWayIn) {
  int kicks = 0;
  for (int point = 0; point < 3; ++point) {
    SetCode({0xed});
    fake_->Then(Ins(kPort, 4));
    ASSERT_EQ(Resume(), ZX_OK);
    Answer(4, 0x1111);
    const size_t entered = fake_->times_in_guest;
    int points = 0;
    fake_->on_point = [&] {
      if (points++ == point) vcpu_->Kick();
    };
    const zx_status_t status = Resume();
    fake_->on_point = nullptr;
    ASSERT_EQ(status, ZX_ERR_CANCELED) << point;
    if (fake_->times_in_guest != entered) break;
    ++kicks;
    Answer(4, 0x2222);
    EXPECT_EQ(Data(GoOn(), 4), 0x2222U) << point;
  }
  EXPECT_GT(kicks, 1);
}

// ---- IN --------------------------------------------------------------------------------------------------------------

TEST_F(VcpuAnswers, AnInIsGivenWhatWasWritten) {
  for (const uint8_t size : {1, 2, 4}) {
    SetCode({0xed});
    fake_->Then(Ins(kPort, size));
    ASSERT_EQ(Resume(), ZX_OK);
    EXPECT_TRUE(packet_.guest_io.input);
    Answer(size, 0xa1b2c3d4);
    const uint64_t wanted = size == 4 ? 0xa1b2c3d4 : 0xa1b2c3d4 & ((1U << 8 * size) - 1);
    const FakeVcpu::Entry& entry = GoOn();
    EXPECT_EQ(Data(entry, size), wanted);
    // Registers that nobody has written are not KVM's business: it puts the data there itself.
    EXPECT_EQ(entry.dirty, 0U);
  }
}

TEST_F(VcpuAnswers, AnInThatIsNotAnsweredGivesWhatTheRegisterHas) {
  SetCode({0xec});
  regs().rax = 0x1234;
  fake_->Then(Ins(kPort, 1));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(State().rax, 0x1234U);
  EXPECT_EQ(Data(GoOn(), 1), 0x34U);
  fake_->Then(Ins(kPort, 4));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(State().rax, 0U);
  EXPECT_EQ(Data(GoOn(), 4), 0U);
}

TEST_F(VcpuAnswers, WhatNoInCanLeaveIsPutBackBehindIt) {
  SetCode({0xed});
  fake_->Then(Ins(kPort, 4));
  ASSERT_EQ(Resume(), ZX_OK);
  SetRegister(&zx_vcpu_state_t::rax, 0x1'0000'0005);
  SetRegister(&zx_vcpu_state_t::rbx, 7);
  fake_->ThenFinish(Clobbers(*fake_, 1));
  const FakeVcpu::Entry& entry = GoOn();
  ASSERT_EQ(fake_->entries.size(), 3U);
  // Registers that are taken before the instruction ends would be lost to what it leaves.
  EXPECT_EQ(fake_->entries[1].dirty, 0U);
  EXPECT_EQ(entry.dirty, static_cast<uint64_t>(KVM_SYNC_X86_REGS));
  EXPECT_EQ(entry.regs.rax, 0x1'0000'0005U);
  EXPECT_EQ(entry.regs.rbx, 7U);
  EXPECT_EQ(entry.regs.rip, kEntry + 1);
}

TEST_F(VcpuAnswers, AnAnswerToNothingIsARegisterThatWasWritten) {
  Answer(2, 0x7788);
  const FakeVcpu::Entry& entry = GoOn();
  EXPECT_EQ(entry.regs.rax, 0x7788U);
  EXPECT_EQ(entry.dirty, static_cast<uint64_t>(KVM_SYNC_X86_REGS));
}

// ---- loads -----------------------------------------------------------------------------------------------------------

TEST_F(VcpuAnswers, ALoadIsGivenWhatItsTargetHas) {
  SetCode({0x8b, 0x1e});  // mov (%rsi), %ebx
  fake_->Then(Loads(kTrap, 4));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_MEM);
  EXPECT_EQ(packet_.guest_mem.inst_len, 2);
  SetRegister(&zx_vcpu_state_t::rbx, 0x55667788);
  EXPECT_EQ(Data(GoOn(), 4), 0x55667788U);
}

// More than eight bytes: each piece is asked for while the instruction is finished, and only the first was told.
TEST_F(VcpuAnswers, AWideLoadIsFinishedPieceByPiece) {
  SetCode({0x0f, 0x10, 0x06});  // movups (%rsi), %xmm0
  fake_->Then(Loads(kTrap, 8));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.guest_mem.inst_len, 3);
  fake_->ThenFinish(Loads(kTrap + 8, 8));
  fake_->ThenFinish(Clobbers(*fake_, 3));
  SetRegister(&zx_vcpu_state_t::rbx, 9);
  const FakeVcpu::Entry& entry = GoOn();
  ASSERT_EQ(fake_->entries.size(), 4U);
  for (const size_t piece : {1, 2}) {
    EXPECT_TRUE(fake_->entries[piece].immediate);
    EXPECT_EQ(Data(fake_->entries[piece], 8), 0U) << piece;
  }
  EXPECT_EQ(entry.regs.rbx, 9U);
  EXPECT_EQ(entry.regs.rip, kEntry + 3);
}

// A load, then a store; the store goes nowhere, and is no packet.
TEST_F(VcpuAnswers, AReadModifyWriteIsFinishedWithoutAnEffect) {
  SetCode({0xf0, 0x01, 0x06});  // lock add %eax, (%rsi)
  fake_->Then(Loads(kTrap, 4));
  ASSERT_EQ(Resume(), ZX_OK);
  const uint64_t flags = regs().rflags;
  fake_->ThenFinish(Stores(kTrap, 4));
  fake_->ThenFinish([this](kvm_run&) {
    regs().rflags ^= 1;
    regs().rip += 3;
    return FakeVcpu::kIsFinished;
  });
  const FakeVcpu::Entry& entry = GoOn();
  EXPECT_EQ(entry.regs.rflags, flags);
  EXPECT_EQ(entry.regs.rip, kEntry + 3);
}

TEST_F(VcpuAnswers, AKickWhileItIsFinishedWaitsForTheEnd) {
  SetCode({0x0f, 0x10, 0x06});
  fake_->Then(Loads(kTrap, 8));
  ASSERT_EQ(Resume(), ZX_OK);
  fake_->ThenFinish([this](kvm_run& page) {
    vcpu_->Kick();
    return Loads(kTrap + 8, 8)(page);
  });
  fake_->ThenFinish(Clobbers(*fake_, 3));
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  EXPECT_EQ(fake_->times_in_guest, 1U);
  EXPECT_EQ(GoOn().regs.rip, kEntry + 3);
}

TEST_F(VcpuAnswers, ErrorsWhileItIsFinished) {
  SetCode({0x0f, 0x10, 0x06});
  fake_->Then(Loads(kTrap, 8));
  ASSERT_EQ(Resume(), ZX_OK);
  fake_->ThenFinish(Fails(EFAULT));
  EXPECT_EQ(Resume(), ZX_ERR_INTERNAL);
  EXPECT_NE(vcpu_->why().find("EFAULT"), std::string::npos) << vcpu_->why();
  fake_->ThenFinish(Exits(KVM_EXIT_INTERNAL_ERROR));
  EXPECT_EQ(Resume(), ZX_ERR_INTERNAL);
  fake_->ThenFinish(Clobbers(*fake_, 3));
  EXPECT_EQ(GoOn().regs.rip, kEntry + 3);
}

// ---- memory that is being changed ------------------------------------------------------------------------------------

// KVM has found nothing at an address where there is something: what it wanted is done for it.
TEST_F(VcpuAnswers, MemoryThatIsThereAfterAllIsLoaded) {
  SetWord(0x30000, 0x1122334455667788);
  fake_->Then(Loads(0x30002, 4));
  EXPECT_EQ(Data(GoOn(), 4), 0x33445566U);
}

TEST_F(VcpuAnswers, MemoryThatIsThereAfterAllIsStored) {
  fake_->Then(Stores(0x30002, 2, 0xabcd));
  GoOn();
  EXPECT_EQ(Word(0x30000), 0xabcd0000U);
}

TEST_F(VcpuAnswers, MemoryForReadingIsNotStored) {
  ASSERT_TRUE(
      machine_->Map({.vmo = vmo_, .vmo_offset = 0x30000, .address = kNothing, .size = 0x1000, .writable = false}));
  fake_->Then(Stores(kNothing, 4, 0xabcd));
  EXPECT_EQ(Resume(), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(Resume(), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(Word(0x30000), 0U);
  // It is made again once it may be.
  ASSERT_TRUE(machine_->memory().Unmap(kNothing, 0x1000));
  ASSERT_TRUE(machine_->Map({.vmo = vmo_, .vmo_offset = 0x30000, .address = kNothing, .size = 0x1000}));
  GoOn();
  EXPECT_EQ(Word(0x30000), 0xabcdU);
}

TEST_F(VcpuAnswers, AnAccessThatFailedIsMadeAgain) {
  fake_->Then(Loads(kNothing, 8));
  EXPECT_EQ(Resume(), ZX_ERR_NOT_FOUND);
  EXPECT_EQ(fake_->times_in_guest, 1U);
  ASSERT_TRUE(machine_->Map({.vmo = vmo_, .vmo_offset = 0x30000, .address = kNothing, .size = 0x1000}));
  SetWord(0x30000, 77);
  EXPECT_EQ(Data(GoOn(), 8), 77U);
  fake_->Then(Outs(0x500, 1, 9));
  EXPECT_EQ(Resume(), ZX_ERR_NOT_FOUND);
  ASSERT_TRUE(machine_->SetTrap({.kind = ZX_GUEST_TRAP_IO, .address = 0x500, .size = 1, .key = 44}, {}));
  EXPECT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.key, 44U);
  EXPECT_EQ(packet_.guest_io.u32, 9U);
}

TEST_F(VcpuAnswers, AnAddressBehindTheEndOfMemory) {
  fake_->Then(Stores(arch::kGuestPhysicalBytes, 8));
  EXPECT_EQ(Resume(), ZX_ERR_OUT_OF_RANGE);
  EXPECT_NE(vcpu_->why().find("behind the end"), std::string::npos) << vcpu_->why();
  EXPECT_EQ(Resume(), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(fake_->times_in_guest, 1U);
}

// ---- model-specific registers ----------------------------------------------------------------------------------------

FakeVcpu::Step ReadsMsr(uint32_t index) {
  return [=](kvm_run& page) {
    page.msr.index = index;
    page.msr.data = ~uint64_t{0};
    page.msr.error = 9;
    return Exits(KVM_EXIT_X86_RDMSR)(page);
  };
}

FakeVcpu::Step WritesMsr(uint32_t index, uint64_t value) {
  return [=](kvm_run& page) {
    page.msr.index = index;
    page.msr.data = value;
    page.msr.error = 9;
    return Exits(KVM_EXIT_X86_WRMSR)(page);
  };
}

TEST_F(VcpuAnswers, RegistersOfTheApicAndThoseThatNobodyHas) {
  const struct {
    uint32_t index;
    uint64_t data;
    uint8_t error;
  } cases[] = {{0x802, 0, 0}, {0x803, 0x50014, 0}, {0x80b, 0, 0}, {0x8ff, 0, 0}, {0x7ff, 0, 1}, {0x900, 0, 1}};
  for (const auto& each : cases) {
    fake_->Then(ReadsMsr(each.index));
    fake_->Then([&](kvm_run& page) {
      EXPECT_EQ(page.msr.data, each.data) << std::hex << each.index;
      EXPECT_EQ(page.msr.error, each.error) << std::hex << each.index;
      return Outs(kPort, 1, 0)(page);
    });
    EXPECT_EQ(Resume(), ZX_OK);
  }
}

// Nothing is told of them; who writes one that nobody has gets a fault.
TEST_F(VcpuAnswers, WritesThatTellNobody) {
  const struct {
    uint32_t index;
    uint64_t value;
    uint8_t error;
  } cases[] = {{0x80b, 0, 0}, {0x830, 0x4500, 0}, {0x830, 0x8500, 0}, {0x7ff, 1, 1}, {0x900, 1, 1}};
  for (const auto& each : cases) {
    fake_->Then(WritesMsr(each.index, each.value));
    fake_->Then([&](kvm_run& page) {
      EXPECT_EQ(page.msr.error, each.error) << std::hex << each.index;
      return Outs(kPort, 1, 0)(page);
    });
    EXPECT_EQ(Resume(), ZX_OK);
    EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_IO);
  }
}

TEST_F(VcpuAnswers, WhomAnInterruptIsFor) {
  const struct {
    uint64_t command;
    uint64_t mask;
  } cases[] = {
      {0x41, 1},                                    // itself, by its number
      {uint64_t{63} << 32 | 0x42, 1ULL << 63},      //
      {uint64_t{64} << 32 | 0x43, 0},               // there is none with this number
      {uint64_t{0xffff'ffff} << 32 | 0x44, ~0ULL},  // all, by number
      {0x8'0045, ~0ULL},                            // all
      {0xc'0046, ~1ULL},                            // all others
      {uint64_t{5} << 32 | 0xc'0847, ~1ULL},        // where a shorthand stands, the kind of destination does not count
      {uint64_t{2} << 32 | 0xc048, 1 << 2},         // with level and trigger
  };
  for (const auto& each : cases) {
    fake_->Then(WritesMsr(0x830, each.command));
    EXPECT_EQ(Resume(), ZX_OK) << std::hex << each.command;
    EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_VCPU);
    EXPECT_EQ(packet_.key, 0U);
    EXPECT_EQ(packet_.guest_vcpu.type, ZX_PKT_GUEST_VCPU_INTERRUPT);
    EXPECT_EQ(packet_.guest_vcpu.interrupt.mask, each.mask) << std::hex << each.command;
    EXPECT_EQ(packet_.guest_vcpu.interrupt.vector, each.command & 0xff);
  }
  EXPECT_TRUE(fake_->injected.empty());
}

TEST_F(VcpuAnswers, InterruptsThatHaveNoPacket) {
  const struct {
    uint64_t command;
    std::string_view why;
  } cases[] = {{0x841, "logical destination"},
               {uint64_t{1} << 32 | 0xe41, "logical destination"},  // a start
               {0x141, "neither fixed nor one of a start"},         // of the lowest priority
               {0x241, "neither fixed"},                            // to the firmware
               {0x441, "neither fixed"}};                           // not to be masked
  for (const auto& each : cases) {
    fake_->Then(WritesMsr(0x830, each.command));
    EXPECT_EQ(Resume(), ZX_ERR_NOT_SUPPORTED) << std::hex << each.command;
    EXPECT_NE(vcpu_->why().find(each.why), std::string::npos) << vcpu_->why();
  }
}

TEST_F(VcpuAnswers, AnInterruptToItselfIsRaisedAndTellsNobody) {
  fake_->Then(WritesMsr(0x83f, 0x50));
  fake_->Then(WritesMsr(0x830, 0x4'0060));
  GoOn();
  EXPECT_EQ(fake_->injected, (std::vector<uint32_t>{0x50, 0x60}));
}

}  // namespace
}  // namespace zxctl::test
