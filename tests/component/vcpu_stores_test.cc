// The instruction of a store is found among the bytes in front of rip: in code of every size, of every kind, whatever its width.
#include <vector>

#include "vcpu_fixture.h"

namespace zxctl::test {
namespace {

class VcpuStores : public VcpuFixture {
 protected:
  // Code that stands at `at`, and a VCPU that has just carried it out.
  void StandBehind(const std::vector<uint8_t>& code, uint64_t at = kEntry) {
    ASSERT_EQ(vmo_->Write(at, code.data(), code.size()), ZX_OK);
    length_ = code.size();
    first_ = code.front();
    regs().rip = at + code.size();
  }
  void ExpectStore(uint64_t address, uint32_t bytes, const char* name, uint64_t value = 0) {
    fake_->Then(Stores(address, bytes, value));
    ASSERT_EQ(Resume(), ZX_OK) << name << ": " << vcpu_->why();
    EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_MEM) << name;
    EXPECT_EQ(packet_.guest_mem.addr, address) << name;
    EXPECT_EQ(packet_.guest_mem.inst_len, length_) << name;
    EXPECT_EQ(packet_.guest_mem.inst_buf[0], first_) << name;
  }
  // Code of 16 or 32 bits without paging, as after a change of mode.
  void UseCodeOf(int bits, uint64_t code_base, uint64_t data_base) {
    kvm_sregs& sregs = fake_->raw().s.regs.sregs;
    sregs.cr0 = bits == 16 ? 0 : 1;
    sregs.efer = 0;
    sregs.cs.l = 0;
    sregs.cs.db = sregs.ss.db = bits == 32;
    sregs.cs.base = code_base;
    sregs.ds.base = sregs.es.base = sregs.ss.base = data_base;
  }

  size_t length_ = 0;
  uint8_t first_ = 0;
};

TEST_F(VcpuStores, PushesAreAtTheStack) {
  regs().rsp = kTrap + 0x100;  // behind the push
  regs().r15 = 0x1122'3344'5566'7788;
  regs().rbx = 0x1234;
  StandBehind({0x50});
  ExpectStore(kTrap + 0x100, 8, "push %rax");
  StandBehind({0x41, 0x57});
  ExpectStore(kTrap + 0x100, 8, "push %r15", regs().r15);
  StandBehind({0x66, 0x53});
  ExpectStore(kTrap + 0x100, 2, "push %bx", 0x1234);
  StandBehind({0x54});
  ExpectStore(kTrap + 0x100, 8, "push %rsp", kTrap + 0x108);
}

// A prefix that says which register it is is part of the instruction, though without it there is one too.
TEST_F(VcpuStores, WhatWasStoredSaysWhichRegisterItWas) {
  regs().rax = 0x1111'2222'3333'4455;
  regs().rdx = 0x6677;
  regs().rsi = 0x88;
  regs().rdi = kTrap;
  regs().r8 = 0x9999'aaaa'bbbb'ccdd;
  const struct {
    std::vector<uint8_t> code;
    uint32_t bytes;
    uint64_t value;
    const char* name;
  } cases[] = {{{0x89, 0x07}, 4, regs().rax, "mov %eax, (%rdi)"},
               {{0x44, 0x89, 0x07}, 4, regs().r8, "mov %r8d, (%rdi)"},
               {{0x66, 0x44, 0x89, 0x07}, 2, regs().r8, "mov %r8w, (%rdi)"},
               {{0x88, 0x37}, 1, 0x66, "mov %dh, (%rdi)"},
               {{0x40, 0x88, 0x37}, 1, 0x88, "mov %sil, (%rdi)"},
               {{0x44, 0x88, 0x07}, 1, regs().r8, "mov %r8b, (%rdi)"},
               {{0x0f, 0xc3, 0x07}, 4, regs().rax, "movnti %eax, (%rdi)"},
               {{0x44, 0x0f, 0xc3, 0x07}, 4, regs().r8, "movnti %r8d, (%rdi)"}};
  for (const auto& each : cases) {
    StandBehind(each.code);
    ExpectStore(kTrap, each.bytes, each.name, each.value);
  }
}

TEST_F(VcpuStores, StringStoresAreWhereRdiWas) {
  constexpr uint64_t kDirection = 1 << 10;
  const struct {
    std::vector<uint8_t> code;
    uint32_t bytes;
    const char* name;
  } cases[] = {{{0xaa}, 1, "stosb"},       {{0x66, 0xab}, 2, "stosw"}, {{0xab}, 4, "stosl"},
               {{0x48, 0xab}, 8, "stosq"}, {{0xa4}, 1, "movsb"},       {{0x48, 0xa5}, 8, "movsq"}};
  for (const auto& each : cases) {
    StandBehind(each.code);
    regs().rflags = 2;
    regs().rdi = kTrap + 0x100 + each.bytes;
    ExpectStore(kTrap + 0x100, each.bytes, each.name);
    regs().rflags = 2 | kDirection;
    regs().rdi = kTrap + 0x100 - each.bytes;
    ExpectStore(kTrap + 0x100, each.bytes, each.name);
  }
}

TEST_F(VcpuStores, OfMoreThanEightBytesTheFirstPieceIsThePacket) {
  regs().rdi = kTrap + 0x40;
  StandBehind({0x0f, 0x11, 0x07});
  ExpectStore(kTrap + 0x40, 8, "movups %xmm0, (%rdi)");
  fake_->ThenFinish(Stores(kTrap + 0x48, 8));
  fake_->ThenFinish([](kvm_run&) { return FakeVcpu::kIsFinished; });
  fake_->Then(Outs(kPort, 1, 0));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_IO);
}

// Without its last prefix it would be a store of the piece that KVM tells: whether there is more of it says which it is.
TEST_F(VcpuStores, AShorterOneThatFitsTheFirstPieceIsTakenOnlyIfThereIsNoOther) {
  regs().rdi = kTrap + 0x40;
  StandBehind({0x66, 0x44, 0x0f, 0x7f, 0x07});
  fake_->Then(Stores(kTrap + 0x40, 8));
  fake_->ThenFinish(Stores(kTrap + 0x48, 8));
  ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
  EXPECT_EQ(packet_.guest_mem.addr, kTrap + 0x40);
  EXPECT_EQ(packet_.guest_mem.inst_len, 5) << "movdqa %xmm8, (%rdi)";
  fake_->ThenFinish([](kvm_run&) { return FakeVcpu::kIsFinished; });
  // The same bytes, of which the first is another instruction's.
  fake_->Then(Stores(kTrap + 0x40, 8));
  fake_->ThenFinish([](kvm_run&) { return FakeVcpu::kIsFinished; });
  ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
  EXPECT_EQ(packet_.guest_mem.inst_len, 3) << "movq %mm0, (%rdi)";
  fake_->Then(Outs(kPort, 1, 0));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_IO);
}

TEST_F(VcpuStores, AFirstPieceAsLongAsAWholeOne) {
  regs().rdi = kTrap + 0x1000 - 4;
  regs().rax = 0x8877'6655'4433'2211;
  StandBehind({0x48, 0x89, 0x07});
  fake_->Then(Stores(kTrap + 0x1000 - 4, 4, 0x4433'2211));
  fake_->ThenFinish(Stores(kTrap + 0x1000, 4, 0x8877'6655));
  ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
  EXPECT_EQ(packet_.guest_mem.addr, kTrap + 0x1000 - 4);
  EXPECT_EQ(packet_.guest_mem.inst_len, 3) << "mov %rax, (%rdi)";
  fake_->ThenFinish([](kvm_run&) { return FakeVcpu::kIsFinished; });
  fake_->Then(Outs(kPort, 1, 0));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_IO);
}

// A store of which a part is in front of the trap: KVM makes that part by itself.
TEST_F(VcpuStores, OverTheEndOfAPage) {
  regs().rdi = kTrap + 0x1000 - 3;
  StandBehind({0x48, 0x89, 0x07});
  ExpectStore(kTrap + 0x1000 - 3, 3, "mov %rax, (%rdi), its first piece");
  fake_->ThenFinish(Stores(kTrap + 0x1000, 5));
  fake_->ThenFinish([](kvm_run&) { return FakeVcpu::kIsFinished; });
  fake_->Then(Outs(kPort, 1, 0));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.type, ZX_PKT_TYPE_GUEST_IO);
  regs().rdi = kTrap - 3;
  regs().rax = 0x8877'6655'4433'2211;
  StandBehind({0x48, 0x89, 0x07});
  ExpectStore(kTrap, 5, "mov %rax, (%rdi), its second piece", regs().rax >> 24);
  StandBehind({0x90, 0x89, 0x07});
  fake_->Then(Stores(kTrap, 1, 0x44));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.guest_mem.inst_len, 2) << "mov %eax, (%rdi)";
}

TEST_F(VcpuStores, AnInstructionOverTheEndOfAPage) {
  regs().rdi = kTrap;
  StandBehind({0x48, 0xc7, 0x87, 0, 1, 0, 0, 1, 2, 3, 4}, kEntry + 0x1000 - 5);  // movq $…, 0x100(%rdi)
  ExpectStore(kTrap + 0x100, 8, "movq");
  // The page in front of it is not there any more.
  SetWord(0x2000 + 8 * 0, 0);
  fake_->Then(Stores(kTrap + 0x100, 8));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.guest_mem.inst_len, 0);
  // Nothing says whether more of it comes.
  fake_->ThenFinish([](kvm_run&) { return FakeVcpu::kIsFinished; });
  fake_->Then(Outs(kPort, 1, 0));
  ASSERT_EQ(Resume(), ZX_OK);
}

TEST_F(VcpuStores, AnInstructionThatTheGuestHasChanged) {
  regs().rdi = kTrap;
  StandBehind({0x90, 0x90, 0x90});
  fake_->Then(Stores(kTrap, 4));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.guest_mem.inst_len, 0);
  for (const uint8_t byte : packet_.guest_mem.inst_buf) EXPECT_EQ(byte, 0);
}

TEST_F(VcpuStores, InRealMode) {
  UseCodeOf(16, kEntry, kTrap);
  regs().rdi = 0x30;
  regs().rbx = 0x20;
  StandBehind({0x88, 0x01}, kEntry);  // mov %al, (%bx,%di)
  regs().rip -= kEntry;
  ExpectStore(kTrap + 0x50, 1, "mov %al, (%bx,%di)");
  EXPECT_EQ(packet_.guest_mem.default_operand_size, 2);
  StandBehind({0x66, 0x89, 0x05});  // mov %eax, (%di)
  regs().rip -= kEntry;
  ExpectStore(kTrap + 0x30, 4, "mov %eax, (%di)");
  // What is above 16 bits does not count.
  regs().rsp = 0x2'0080;
  StandBehind({0x50});
  regs().rip -= kEntry;
  ExpectStore(kTrap + 0x80, 2, "push %ax");
  regs().rdi = 0x5'0042;
  StandBehind({0xab});
  regs().rip -= kEntry;
  ExpectStore(kTrap + 0x40, 2, "stosw");
}

TEST_F(VcpuStores, InCodeOf32Bits) {
  UseCodeOf(32, 0, kTrap - 0x1000);
  regs().rdi = 0x1030;
  StandBehind({0x89, 0x47, 0x08});  // mov %eax, 8(%edi)
  ExpectStore(kTrap + 0x38, 4, "mov %eax, 8(%edi)");
  EXPECT_EQ(packet_.guest_mem.default_operand_size, 4);
  regs().rsp = 0x7'0000'1100;
  StandBehind({0x51});
  ExpectStore(kTrap + 0x100, 4, "push %ecx");
  regs().rsp = 0;
  StandBehind({0x66, 0x89, 0x07});
  ExpectStore(kTrap + 0x30, 2, "mov %ax, (%edi)");
  EXPECT_EQ(packet_.guest_mem.default_operand_size, 4);
}

TEST_F(VcpuStores, LoadsInEveryMode) {
  UseCodeOf(16, kEntry, kTrap);
  SetCode({0x8b, 0x05});  // mov (%di), %ax
  regs().rip = 0;
  regs().rax = 0xffff'0000;
  fake_->Then(Loads(kTrap + 0x30, 2));
  ASSERT_EQ(Resume(), ZX_OK);
  EXPECT_EQ(packet_.guest_mem.inst_len, 2);
  EXPECT_EQ(packet_.guest_mem.default_operand_size, 2);
  vcpu_->WriteState({.rax = 0x1234'5678});
  fake_->Then([](kvm_run& page) {
    EXPECT_EQ(page.mmio.data[0], 0x78);
    EXPECT_EQ(page.mmio.data[1], 0x56);
    return Outs(kPort, 1, 0)(page);
  });
  EXPECT_EQ(Resume(), ZX_OK);
}

}  // namespace
}  // namespace zxctl::test
