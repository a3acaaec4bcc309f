// Accesses of every kind to trapped memory, by real guests: pushes and string stores, wide ones, over the end of a page, from code
// of 16 and 32 bits; and those that KVM cannot carry out.
#include <cstring>
#include <thread>
#include <vector>

#include "support/test_guest.h"

namespace zxctl::test {
namespace {

constexpr uint64_t kTrap = 0x100000;

// A guest whose second and third MiB are a trap.
class VcpuAccess : public ::testing::Test {
 protected:
  void Start(const GuestCode& code) {
    guest_.emplace(code);
    ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_MEM, kTrap, 0x100000, 9), ZX_OK) << LastError();
    ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  }
  void ExpectAccess(uint64_t address, std::vector<uint8_t> code) {
    ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
    ASSERT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_MEM);
    EXPECT_EQ(guest_->packet.key, 9U);
    EXPECT_EQ(guest_->packet.guest_mem.addr, address);
    const auto& mem = guest_->packet.guest_mem;
    EXPECT_EQ(std::vector<uint8_t>(mem.inst_buf, mem.inst_buf + mem.inst_len), code) << std::hex << address;
  }
  void ExpectEnd() {
    ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
    EXPECT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_IO);
  }

  std::optional<TestGuest> guest_;
};

GUEST_CODE(kPushes, R"(
  mov $0x100100, %rsp
  mov $0x77, %r15d
  push %rax
  push %r15
  push %bx
  mov $0x20000, %rsp
  out %al, $1
)");

TEST_F(VcpuAccess, PushesOfRegisters) {
  REQUIRE_GUESTS();
  Start(kPushes);
  ExpectAccess(kTrap + 0xf8, {0x50});
  EXPECT_EQ(guest_->State().rsp, kTrap + 0xf8);
  ExpectAccess(kTrap + 0xf0, {0x41, 0x57});
  ExpectAccess(kTrap + 0xee, {0x66, 0x53});
  ExpectEnd();
}

GUEST_CODE(kStrings, R"(
  mov $0x100010, %rdi
  mov $0x30000, %rsi
  stosb
  stosw
  stosl
  stosq
  movsb
  movsw
  movsl
  movsq
  std
  stosl
  cld
  mov $3, %ecx
  rep stosl
  out %al, $1
)");

TEST_F(VcpuAccess, StringStores) {
  REQUIRE_GUESTS();
  Start(kStrings);
  ExpectAccess(kTrap + 0x10, {0xaa});
  ExpectAccess(kTrap + 0x11, {0x66, 0xab});
  ExpectAccess(kTrap + 0x13, {0xab});
  ExpectAccess(kTrap + 0x17, {0x48, 0xab});
  EXPECT_EQ(guest_->State().rdi, kTrap + 0x1f);
  ExpectAccess(kTrap + 0x1f, {0xa4});
  ExpectAccess(kTrap + 0x20, {0x66, 0xa5});
  ExpectAccess(kTrap + 0x22, {0xa5});
  ExpectAccess(kTrap + 0x26, {0x48, 0xa5});
  EXPECT_EQ(guest_->State().rsi, 0x3000fU);
  ExpectAccess(kTrap + 0x2e, {0xab});
  EXPECT_EQ(guest_->State().rdi, kTrap + 0x2a);
  // Each turn of a repetition is an access; rip is at the instruction until the last.
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
    ASSERT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_MEM);
    EXPECT_EQ(guest_->packet.guest_mem.addr, kTrap + 0x2a + 4 * i);
    EXPECT_EQ(guest_->State().rcx, 2 - i);
  }
  ExpectEnd();
}

GUEST_CODE(kRegisters, R"(
  mov $0x100000, %rdi
  mov $0x11111111, %eax
  mov $0x22222222, %r8d
  mov $0x3344, %edx
  mov $0x55, %esi
  mov %eax, (%rdi)
  mov %r8d, (%rdi)
  mov %dh, (%rdi)
  mov %sil, (%rdi)
  movnti %r8d, (%rdi)
  movabs %al, 0x100008
  out %al, $1
)");

TEST_F(VcpuAccess, WhatWasStoredSaysWhichRegisterItWas) {
  REQUIRE_GUESTS();
  Start(kRegisters);
  ExpectAccess(kTrap, {0x89, 0x07});
  ExpectAccess(kTrap, {0x44, 0x89, 0x07});
  ExpectAccess(kTrap, {0x88, 0x37});
  ExpectAccess(kTrap, {0x40, 0x88, 0x37});
  ExpectAccess(kTrap, {0x44, 0x0f, 0xc3, 0x07});
  ExpectAccess(kTrap + 8, {0xa2, 8, 0, 0x10, 0, 0, 0, 0, 0});
  ExpectEnd();
}

GUEST_CODE(kWide, R"(
  mov %cr4, %rax
  or $0x600, %rax
  mov %rax, %cr4
  mov $0x100000, %rdi
  mov $5, %ebx
  movups %xmm0, 0x40(%rdi)
  movups 0x80(%rdi), %xmm1
  out %al, $1
)");

// Of an access that comes in pieces one is told, and rip and the registers are those behind it.
TEST_F(VcpuAccess, OfMoreThanEightBytes) {
  REQUIRE_GUESTS();
  Start(kWide);
  ExpectAccess(kTrap + 0x40, {0x0f, 0x11, 0x47, 0x40});
  ExpectAccess(kTrap + 0x80, {0x0f, 0x10, 0x8f, 0x80, 0, 0, 0});
  zx_vcpu_state_t state = guest_->State();
  EXPECT_EQ(state.rbx, 5U);
  state.rbx = 6;
  guest_->Set(state);
  ExpectEnd();
  EXPECT_EQ(guest_->State().rbx, 6U);
}

GUEST_CODE(kWideStores, R"(
  mov %cr4, %rax
  or $0x600, %eax
  mov %rax, %cr4
  mov $0x100000, %rdi
  movdqu %xmm0, (%rdi)
  movdqa %xmm8, (%rdi)
  movntdq %xmm1, (%rdi)
  movq %mm0, (%rdi)
  out %al, $1
)");

// Without a prefix each would be a store of eight bytes, as which the first piece of it looks.
TEST_F(VcpuAccess, OfSixteenBytesThatLookLikeEight) {
  REQUIRE_GUESTS();
  Start(kWideStores);
  ExpectAccess(kTrap, {0xf3, 0x0f, 0x7f, 0x07});
  ExpectAccess(kTrap, {0x66, 0x44, 0x0f, 0x7f, 0x07});
  ExpectAccess(kTrap, {0x66, 0x0f, 0xe7, 0x0f});
  ExpectAccess(kTrap, {0x0f, 0x7f, 0x07});
  ExpectEnd();
}

GUEST_CODE(kOverTheEnd, R"(
  mov $0x101000, %rdi
  mov $0x1122334455667788, %rax
  mov %rax, -4(%rdi)
  mov %rax, -3(%rdi)
  mov %eax, -1(%rdi)
  mov -3(%rdi), %rbx
  mov $0x100000, %rdi
  mov %rax, -3(%rdi)
  mov $0x200000, %rdi
  mov %rax, -3(%rdi)
  out %al, $1
)");

TEST_F(VcpuAccess, OverTheEndOfAPage) {
  REQUIRE_GUESTS();
  Start(kOverTheEnd);
  ExpectAccess(kTrap + 0xffc, {0x48, 0x89, 0x47, 0xfc});
  ExpectAccess(kTrap + 0xffd, {0x48, 0x89, 0x47, 0xfd});
  ExpectAccess(kTrap + 0xfff, {0x89, 0x47, 0xff});
  ExpectAccess(kTrap + 0xffd, {0x48, 0x8b, 0x5f, 0xfd});
  zx_vcpu_state_t state = guest_->State();
  state.rbx = 0x1234567812345678;
  guest_->Set(state);
  // Only its second piece is in the trap: the first one is in memory.
  ExpectAccess(kTrap, {0x48, 0x89, 0x47, 0xfd});
  EXPECT_EQ(guest_->State().rbx, 0x1234567812345678U);
  EXPECT_EQ(guest_->Word(kTrap - 8) >> 40, 0x667788U);
  // And only its first: KVM makes the other in memory.
  ExpectAccess(0x1ffffd, {0x48, 0x89, 0x47, 0xfd});
  ExpectEnd();
  EXPECT_EQ(guest_->Word(0x200000), 0x1122334455U);
}

// ---- what cannot be carried out --------------------------------------------------------------------------------------

GUEST_CODE(kFarAway, R"(
  movabs $0x1000000000087, %rax
  mov %rax, 0x1008
  mov $0x40000000, %rdi
  mov %eax, (%rdi)
  out %al, $1
)");
GUEST_CODE(kWidth, R"(
  mov $0x80000008, %eax
  cpuid
  out %al, $1
)");

TEST_F(VcpuAccess, BehindTheEndOfMemoryIsOutOfRange) {
  REQUIRE_GUESTS();
  Start(kWidth);
  ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
  if ((guest_->State().rax & 0xff) <= 48) GTEST_SKIP() << "no guest's processor has such addresses here";
  guest_.reset();
  Start(kFarAway);
  EXPECT_EQ(guest_->Resume(), ZX_ERR_OUT_OF_RANGE) << LastError();
  EXPECT_EQ(guest_->Resume(), ZX_ERR_OUT_OF_RANGE) << LastError();
}

GUEST_CODE(kUnknownToKvm, R"(
  mov $0x100000, %rdi
  fldl (%rdi)
  out %al, $1
)");

TEST_F(VcpuAccess, AnInstructionThatKvmDoesNotEmulateIsInternal) {
  REQUIRE_GUESTS();
  Start(kUnknownToKvm);
  EXPECT_EQ(guest_->Resume(), ZX_ERR_INTERNAL);
  EXPECT_NE(LastError().find("KVM cannot carry out an instruction"), std::string::npos) << LastError();
  zxl_vcpu_exit_info_t info = {};
  ASSERT_EQ(zxl_vcpu_get_exit_info(guest_->vcpu(), &info), ZX_OK);
  EXPECT_EQ(info.kvm_exit_reason, 17U);  // KVM_EXIT_INTERNAL_ERROR
  EXPECT_EQ(info.suberror, 1U);          // KVM_INTERNAL_ERROR_EMULATION
}

// ---- code of 16 and 32 bits ------------------------------------------------------------------------------------------

// Real mode, as other VCPUs than the first begin; then code of 32 bits without paging.
GUEST_CODE(kOldModes, R"(
.code16
  mov $0xf000, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  mov $0xffff, %sp
  mov $0x20, %di
  mov %al, (%di)
  mov %eax, 4(%di)
  mov (%di), %bx
  add $1, %sp
  push %cx
  stosw
  in $1, %ax
  mov %ax, %cx
  mov $0, %ax
  mov %ax, %ds
  lgdtl 0x7e00
  mov %cr0, %eax
  or $1, %al
  mov %eax, %cr0
  ljmpl $8, $0x9100
.code64
)");
GUEST_CODE(k32Bits, R"(
.code32
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $0xf0200, %esp
  mov $0xf0080, %edi
  mov %eax, (%edi)
  mov (%edi), %ebx
  mov %ax, 2(%edi)
  push %ecx
  out %eax, $1
.code64
)");

class VcpuOldModes : public ::testing::Test {
 protected:
  static constexpr uint64_t kLow = 0xf0000;  // what real mode can reach

  void SetUp() override {
    REQUIRE_GUESTS();
    guest_.emplace();
    guest_->Load(kOldModes, 0x9000);
    guest_->Load(k32Bits, 0x9100);
    guest_->SetWord(0x7e00, 0x17 | uint64_t{0x7000} << 16);
    const uint64_t table[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
    for (size_t i = 0; i < std::size(table); ++i) guest_->SetWord(0x7000 + 8 * i, table[i]);
    ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_MEM, kLow, 0x10000, 9), ZX_OK) << LastError();
    ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
    // The first VCPU is another thread's.
    std::thread([&] { ASSERT_EQ(zx_vcpu_create(guest_->guest(), 0, 0, &first_), ZX_OK); }).join();
    guest_->MakeVcpu(0x9000);
  }
  void TearDown() override { zx_handle_close(first_); }
  void ExpectAccess(uint64_t address, std::vector<uint8_t> code, int operand_size) {
    ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
    ASSERT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_MEM);
    const auto& mem = guest_->packet.guest_mem;
    EXPECT_EQ(mem.addr, address);
    EXPECT_EQ(std::vector<uint8_t>(mem.inst_buf, mem.inst_buf + mem.inst_len), code) << std::hex << address;
    EXPECT_EQ(mem.default_operand_size, operand_size);
  }

  std::optional<TestGuest> guest_;
  zx_handle_t first_ = ZX_HANDLE_INVALID;
};

TEST_F(VcpuOldModes, RealModeAndThen32Bits) {
  ExpectAccess(kLow + 0x20, {0x88, 0x05}, 2);
  ExpectAccess(kLow + 0x24, {0x66, 0x89, 0x45, 0x04}, 2);
  ExpectAccess(kLow + 0x20, {0x8b, 0x1d}, 2);
  zx_vcpu_state_t state = guest_->State();
  state.rbx = 0x4321;
  guest_->Set(state);
  ExpectAccess(kLow + 0xfffe, {0x51}, 2);
  ExpectAccess(kLow + 0x20, {0xab}, 2);
  ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
  ASSERT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_IO);
  EXPECT_TRUE(guest_->packet.guest_io.input);
  EXPECT_EQ(guest_->packet.guest_io.access_size, 2);
  EXPECT_EQ(guest_->State().rbx, 0x4321U);
  guest_->Answer(2, 0x6789);
  ExpectAccess(kLow + 0x80, {0x89, 0x07}, 4);
  ExpectAccess(kLow + 0x80, {0x8b, 0x1f}, 4);
  state = guest_->State();
  EXPECT_EQ(state.rcx & 0xffff, 0x6789U);
  state.rbx = 0x87654321;
  guest_->Set(state);
  ExpectAccess(kLow + 0x82, {0x66, 0x89, 0x47, 0x02}, 4);
  EXPECT_EQ(guest_->State().rbx, 0x87654321U);
  ExpectAccess(kLow + 0x1fc, {0x51}, 4);
  ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_IO);
  EXPECT_EQ(guest_->packet.guest_io.access_size, 4);
}

}  // namespace
}  // namespace zxctl::test
