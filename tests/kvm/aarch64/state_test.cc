// Registers of a VCPU: how it begins, what is read and written, and what a VCPU that is made again has forgotten.
#include <cstring>
#include <random>
#include <thread>

#include "arm_guest.h"

namespace zxctl::test {
namespace {

GUEST_CODE(kEnd, GUEST_END);
GUEST_CODE(kTell, R"(
  mrs x20, currentel
  mrs x21, daif
  mrs x22, sctlr_el1
  mrs x23, spsel
  mrs x24, mpidr_el1
  mov x25, sp
)" GUEST_END);

TEST(ArmState, ItsBeginning) {
  REQUIRE_GUESTS();
  ArmGuest guest;
  guest.Load(kTell);
  zx_handle_t vcpu = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, uint64_t{1} << 36, &vcpu), ZX_ERR_INVALID_ARGS);
  ASSERT_EQ(zx_vcpu_create(guest.guest(), 0, TestGuest::kEntry, &vcpu), ZX_OK) << LastError();
  const OwnedHandle owned(vcpu);
  zx_vcpu_state_t state;
  std::memset(&state, 0xff, sizeof(state));
  ASSERT_EQ(zx_vcpu_read_state(vcpu, ZX_VCPU_STATE, &state, sizeof(state)), ZX_OK);
  for (const uint64_t x : state.x) EXPECT_EQ(x, 0U);
  EXPECT_EQ(state.sp, 0U);
  EXPECT_EQ(state.cpsr, 0U);
  EXPECT_EQ(state.padding1, 0U);
  zx_port_packet_t packet = {};
  ASSERT_EQ(zx_vcpu_resume(vcpu, &packet), ZX_OK) << LastError();
  ASSERT_EQ(zx_vcpu_read_state(vcpu, ZX_VCPU_STATE, &state, sizeof(state)), ZX_OK);
  EXPECT_EQ(state.x[20], 4U);  // EL1
  EXPECT_EQ(state.x[21], 0x3c0U);
  EXPECT_EQ(state.x[22] & 1, 0U);
  EXPECT_EQ(state.x[23], 1U);
  EXPECT_EQ(state.x[24] & 0xff, 0U);
  EXPECT_EQ(state.x[25], 0U);
}

GUEST_CODE(kEndAfresh, "1: mov x30, #0x10000000\n str wzr, [x30]\n b 1b\n");

TEST(ArmState, WhatIsWrittenIsThere) {
  REQUIRE_GUESTS();
  ArmGuest guest(kEndAfresh);
  std::mt19937_64 random(3);
  for (int i = 0; i < 200; ++i) {
    zx_vcpu_state_t state = {};
    for (uint64_t& x : state.x) x = random();
    state.sp = random();
    state.cpsr = static_cast<uint32_t>(random());
    guest.Set(state);
    state.cpsr &= 0xf000'0000;
    zx_vcpu_state_t got = guest.State();
    EXPECT_EQ(std::memcmp(&got, &state, sizeof(state)), 0) << i;
    guest.ExpectEnd();
    state.x[30] = kTrap;
    got = guest.State();
    EXPECT_EQ(std::memcmp(&got, &state, sizeof(state)), 0) << i;
  }
}

GUEST_CODE(kFlags, R"(
1:
  mrs x0, nzcv
  mov x1, #0x10000000
  str x0, [x1, #8]
  cmp x2, x3
  str x0, [x1, #16]
  b 1b
)");

// Really replaced: flags can be cleared, and the rest of the state stays.
TEST(ArmState, Flags) {
  REQUIRE_GUESTS();
  ArmGuest guest(kFlags);
  for (const uint32_t flags : {0xf000'0000U, 0U, 0x5000'0000U, 0xa000'0000U}) {
    zx_vcpu_state_t state = guest.State();
    state.cpsr = flags | 0x0fff'ffff;
    state.x[2] = 1;
    state.x[3] = 2;
    guest.Set(state);
    EXPECT_EQ(guest.Next().data, flags);
    guest.Next();
    EXPECT_EQ(guest.State().cpsr, 0x8000'0000U);
  }
}

TEST(ArmState, ErrorsInOrder) {
  REQUIRE_GUESTS();
  ArmGuest guest(kEnd);
  zx_vcpu_state_t state = {};
  zx_vcpu_io_t io = {.access_size = 1};
  EXPECT_EQ(zx_vcpu_read_state(guest.vcpu(), ZX_VCPU_STATE, &state, sizeof(state) - 1), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_read_state(guest.vcpu(), ZX_VCPU_IO, &io, sizeof(io)), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_write_state(guest.vcpu(), ZX_VCPU_IO, &io, sizeof(io)), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_write_state(guest.vcpu(), ZX_VCPU_STATE, &state, 8), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_ERR_NOT_SUPPORTED);
  EXPECT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, uint64_t{1} << 36, 0x1000), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), 256), ZX_ERR_OUT_OF_RANGE);
}

GUEST_CODE(kLeaveTraces, R"(
  mov x0, #0x55
  msr tpidr_el1, x0
  msr vbar_el1, x0
  msr s3_0_c4_c6_0, xzr
  msr s3_0_c12_c12_7, xzr
  mov x1, #0x10000000
  ldr x3, [x1, #8]
)");
GUEST_CODE(kLookForTraces, R"(
  mrs x2, tpidr_el1
  mrs x3, vbar_el1
  mrs x4, s3_0_c4_c6_0
  mrs x5, s3_0_c12_c12_7
  mrs x6, isr_el1
)" GUEST_END);

// KVM gives no VCPU up: one that is made again is the same, in the middle of a load.
TEST(ArmState, OneThatIsMadeAgainHasForgotten) {
  REQUIRE_GUESTS();
  ArmGuest guest(kLeaveTraces);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), 3), ZX_OK);
    EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), 77), ZX_OK);
    EXPECT_EQ(guest.Next().addr, kTrap + 8);
    guest.CloseVcpu();
    guest.Load(kLookForTraces, 0x30000);
    guest.MakeVcpu(0x30000);
    for (const uint64_t x : guest.State().x) EXPECT_EQ(x, 0U);
    guest.ExpectEnd();
    const zx_vcpu_state_t state = guest.State();
    EXPECT_NE(state.x[2], 0x55U);
    EXPECT_NE(state.x[3], 0x55U);
    EXPECT_EQ(state.x[4], 0xf8U);
    EXPECT_EQ(state.x[5], 1U);
    EXPECT_EQ(state.x[6], 0U);
    guest.CloseVcpu();
    guest.MakeVcpu();
  }
}

}  // namespace
}  // namespace zxctl::test
