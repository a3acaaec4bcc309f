// What a guest does, as packets: each access that is trapped, with the registers as Zircon shows them.
#include <cstring>
#include <thread>

#include "support/test_guest.h"

namespace zxctl::test {
namespace {

GUEST_CODE(kOut, R"(
  mov $0x3f8, %dx
  mov $0x11223344, %eax
  out %al, %dx
  out %ax, %dx
  out %eax, %dx
  out %al, $0x7e
  hlt
)");

TEST(VcpuIo, OutGivesPortWidthAndData) {
  REQUIRE_GUESTS();
  TestGuest guest(kOut);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0x3f8, 8, 77), ZX_OK) << LastError();
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0x7e, 1, 78), ZX_OK) << LastError();
  for (const uint8_t size : {1, 2, 4}) {
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    EXPECT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_IO);
    EXPECT_EQ(guest.packet.key, 77U);
    EXPECT_EQ(guest.packet.guest_io.port, 0x3f8);
    EXPECT_EQ(guest.packet.guest_io.access_size, size);
    EXPECT_FALSE(guest.packet.guest_io.input);
    EXPECT_EQ(guest.packet.guest_io.u32, size == 4 ? 0x11223344U : size == 2 ? 0x3344U : 0x44U);
  }
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.key, 78U);
  EXPECT_EQ(guest.packet.guest_io.port, 0x7e);
}

GUEST_CODE(kIn, R"(
  mov $0x1234567890abcdef, %rax
  mov $0x60, %dx
  in %dx, %al
  mov %rax, 0x30000
  in %dx, %ax
  mov %rax, 0x30008
  mov $-1, %rax
  in %dx, %eax
  mov %rax, 0x30010
  out %al, %dx
)");

TEST(VcpuIo, InTakesWhatIsWrittenAndKeepsTheRest) {
  REQUIRE_GUESTS();
  TestGuest guest(kIn);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0x60, 1), ZX_OK);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_TRUE(guest.packet.guest_io.input);
  EXPECT_EQ(guest.packet.guest_io.u32, 0U);
  EXPECT_EQ(guest.State().rax, 0x1234567890abcdefU);
  guest.Answer(1, 0x55);
  EXPECT_EQ(guest.State().rax, 0x1234567890abcd55U);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  guest.Answer(2, 0x6677);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.guest_io.access_size, 4);
  EXPECT_EQ(guest.State().rax, 0U);
  guest.Answer(4, 0x8899aabb);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.Word(0x30000), 0x1234567890abcd55U);
  EXPECT_EQ(guest.Word(0x30008), 0x1234567890ab6677U);
  EXPECT_EQ(guest.Word(0x30010), 0x8899aabbU);
}

TEST(VcpuIo, InThatIsNotAnsweredLeavesTheRegister) {
  REQUIRE_GUESTS();
  TestGuest guest(kIn);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0x60, 1), ZX_OK);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.Word(0x30000), 0x1234567890abcdefU);
  EXPECT_EQ(guest.Word(0x30008), 0x1234567890abcdefU);
  EXPECT_EQ(guest.Word(0x30010), 0U);
}

// All registers may be written while KVM waits for what the IN has read.
TEST(VcpuIo, RegistersWrittenAfterAnInAreThere) {
  REQUIRE_GUESTS();
  TestGuest guest(kIn);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0x60, 1), ZX_OK);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    zx_vcpu_state_t state = guest.State();
    state.rax = 0xaaaa0000bbbb0000 + static_cast<uint64_t>(i);
    state.rbx = 0x1111 * static_cast<uint64_t>(i + 1);
    state.r15 = ~state.rbx;
    guest.Set(state);
  }
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.Word(0x30000), 0xaaaa0000bbbb0000U);
  EXPECT_EQ(guest.Word(0x30008), 0xaaaa0000bbbb0001U);
  EXPECT_EQ(guest.Word(0x30010), 0xaaaa0000bbbb0002U);
  EXPECT_EQ(guest.State().rbx, 0x3333U);
  EXPECT_EQ(guest.State().r15, ~uint64_t{0x3333});
}

GUEST_CODE(kStores, R"(
  mov $0x100000, %rdi
  mov $0x1122334455667788, %rax
  mov %al, (%rdi)
  mov %ax, 2(%rdi)
  mov %eax, 4(%rdi)
  mov %rax, 8(%rdi)
  mov %rax, 0x100ff8
  out %al, $1
)");

TEST(VcpuMem, StoreGivesAddressAndTheInstruction) {
  REQUIRE_GUESTS();
  TestGuest guest(kStores);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x100000, 0x1000, 9), ZX_OK) << LastError();
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  const struct {
    uint64_t address;
    size_t length;
  } wanted[] = {{0x100000, 2}, {0x100002, 4}, {0x100004, 3}, {0x100008, 4}};
  for (const auto& want : wanted) {
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    EXPECT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_MEM);
    EXPECT_EQ(guest.packet.key, 9U);
    EXPECT_EQ(guest.packet.guest_mem.addr, want.address);
    EXPECT_EQ(guest.packet.guest_mem.inst_len, want.length);
    EXPECT_EQ(guest.packet.guest_mem.default_operand_size, 4);
  }
  EXPECT_EQ(guest.packet.guest_mem.inst_buf[0], 0x48);
  EXPECT_EQ(guest.packet.guest_mem.inst_buf[1], 0x89);
}

GUEST_CODE(kLoads, R"(
  mov $0x100000, %rsi
  mov $-1, %rax
  mov $-1, %rbx
  mov $-1, %rcx
  mov $-1, %rdx
  mov (%rsi), %al
  mov (%rsi), %bx
  mov (%rsi), %ecx
  mov (%rsi), %rdx
  movzbl (%rsi), %r8d
  movswq (%rsi), %r9
  mov (%rsi), %ah
  out %al, $1
)");

TEST(VcpuMem, LoadLeavesItsTargetToTheOneWhoAnswers) {
  REQUIRE_GUESTS();
  TestGuest guest(kLoads);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x100000, 0x1000), ZX_OK);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  const size_t lengths[] = {2, 3, 2, 3, 4, 4, 2};
  for (size_t i = 0; i < std::size(lengths); ++i) {
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    ASSERT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_MEM) << i;
    EXPECT_EQ(guest.packet.guest_mem.addr, 0x100000U);
    EXPECT_EQ(guest.packet.guest_mem.inst_len, lengths[i]) << i;
    zx_vcpu_state_t state = guest.State();
    switch (i) {
      case 0:
        EXPECT_EQ(state.rax, ~uint64_t{0});
        state.rax = 0xffffffffffffff12;
        break;
      case 1:
        state.rbx = 0xffffffffffff3456;
        break;
      case 2:
        state.rcx = 0x789abcde;
        break;
      case 3:
        state.rdx = 0x1020304050607080;
        break;
      case 4:
        state.r8 = 0xfe;
        break;
      case 5:
        state.r9 = 0xffffffffffff8001;
        break;
      default:
        state.rax = 0xffffffffffff9912;
        break;
    }
    guest.Set(state);
  }
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  const zx_vcpu_state_t state = guest.State();
  EXPECT_EQ(state.rax, 0xffffffffffff9912U);
  EXPECT_EQ(state.rbx, 0xffffffffffff3456U);
  EXPECT_EQ(state.rcx, 0x789abcdeU);
  EXPECT_EQ(state.rdx, 0x1020304050607080U);
  EXPECT_EQ(state.r8, 0xfeU);
  EXPECT_EQ(state.r9, 0xffffffffffff8001U);
}

// What no load could have left there.
TEST(VcpuMem, LoadWithAnyAnswerAtAll) {
  REQUIRE_GUESTS();
  TestGuest guest(kLoads);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x100000, 0x1000), ZX_OK);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  for (int i = 0; i < 7; ++i) {
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    zx_vcpu_state_t state = guest.State();
    state.rcx = 0x1234567812345678;
    state.r8 = 0xabcdef0123456789;
    state.rbp = static_cast<uint64_t>(i);
    guest.Set(state);
  }
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  const zx_vcpu_state_t state = guest.State();
  EXPECT_EQ(state.rcx, 0x1234567812345678U);
  EXPECT_EQ(state.r8, 0xabcdef0123456789U);
  EXPECT_EQ(state.rbp, 6U);
  EXPECT_EQ(state.rdx, ~uint64_t{0});
}

GUEST_CODE(kModify, R"(
  mov $0x100000, %rsi
  mov $5, %rax
  xor %rbx, %rbx
  stc
  add %rax, (%rsi)
  setc %bl
  add (%rsi), %rax
  out %al, $1
)");

// One packet, and nothing has happened yet: neither to the registers nor to the flags.
TEST(VcpuMem, ReadModifyWriteIsOnePacket) {
  REQUIRE_GUESTS();
  TestGuest guest(kModify);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x100000, 0x1000), ZX_OK);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.guest_mem.inst_len, 3);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_MEM);
  EXPECT_EQ(guest.packet.guest_mem.inst_len, 3);
  EXPECT_EQ(guest.packet.guest_mem.inst_buf[1], 0x03);
  EXPECT_EQ(guest.State().rbx, 1U);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_IO);
  EXPECT_EQ(guest.State().rax, 5U);
}

GUEST_CODE(kBells, R"(
  mov $0x200000, %rdi
  mov $1000, %ecx
1:
  mov %eax, 0x10(%rdi)
  mov %eax, 0x20(%rdi)
  dec %ecx
  jnz 1b
  out %al, $1
)");

TEST(VcpuBell, EveryRingIsOnePacketAndTheGuestGoesOn) {
  REQUIRE_GUESTS();
  TestGuest guest(kBells);
  const OwnedHandle port(NewPort());
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x200000, 0x1000, 5, port), ZX_OK) << LastError();
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  int rings[2] = {};
  std::thread taker([&] {
    for (int i = 0; i < 2000; ++i) {
      zx_port_packet_t packet = {};
      ASSERT_EQ(zx_port_wait(port, ZX_TIME_INFINITE, &packet), ZX_OK);
      EXPECT_EQ(packet.type, ZX_PKT_TYPE_GUEST_BELL);
      EXPECT_EQ(packet.key, 5U);
      ++rings[packet.guest_bell.addr == 0x200020];
    }
  });
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_IO);
  taker.join();
  EXPECT_EQ(rings[0], 1000);
  EXPECT_EQ(rings[1], 1000);
}

}  // namespace
}  // namespace zxctl::test
