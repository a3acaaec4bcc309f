// Accesses of every kind to trapped memory, by real guests: which register, how wide, and what a load leaves.
#include <array>
#include <cstring>
#include <vector>

#include "arm_guest.h"

namespace zxctl::test {
namespace {

struct Access {
  uint64_t offset;
  uint8_t bytes;
  uint8_t xt;
  bool sign_extend = false;
};

GUEST_CODE(kStores, R"(
  mov x1, #0x10000000
  mov x2, #0x20
  ldr x3, =0x8877665544332211
  strb w3, [x1, #1]
  strh w3, [x1, #2]
  str w3, [x1, #4]
  str x3, [x1, #8]
  sturb w3, [x1, #17]
  sturh w3, [x1, #18]
  stur w3, [x1, #20]
  stur x3, [x1, #24]
  strb w3, [x1, x2]
  strh w3, [x1, x2]
  str w3, [x1, x2]
  str x3, [x1, w2, uxtw]
  sttr x3, [x1, #40]
  stlrb w3, [x1]
  stlrh w3, [x1]
  stlr w3, [x1]
  stlr x3, [x1]
  str x30, [x1]
  strb wzr, [x1]
  str xzr, [x1]
)" GUEST_END "\n.ltorg\n");

TEST(ArmAccess, StoresOfEveryWidth) {
  REQUIRE_GUESTS();
  ArmGuest guest(kStores);
  const std::vector<Access> wanted = {{1, 1, 3},    {2, 2, 3},    {4, 4, 3},  {8, 8, 3},    {17, 1, 3},
                                      {18, 2, 3},   {20, 4, 3},   {24, 8, 3}, {0x20, 1, 3}, {0x20, 2, 3},
                                      {0x20, 4, 3}, {0x20, 8, 3}, {40, 8, 3}, {0, 1, 3},    {0, 2, 3},
                                      {0, 4, 3},    {0, 8, 3},    {0, 8, 30}, {0, 1, 31},   {0, 8, 31}};
  guest.SetX(30, 0x1234'5678'9abc'def0);
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto& mem = guest.Next();
    EXPECT_EQ(mem.addr, kTrap + wanted[i].offset) << i;
    EXPECT_EQ(mem.access_size, wanted[i].bytes) << i;
    EXPECT_EQ(mem.xt, wanted[i].xt) << i;
    EXPECT_FALSE(mem.read) << i;
    EXPECT_FALSE(mem.sign_extend) << i;
    const uint64_t value = mem.xt == 3 ? 0x8877665544332211 : mem.xt == 30 ? 0x1234'5678'9abc'def0 : 0;
    EXPECT_EQ(mem.data, value) << i;
    EXPECT_EQ(mem.reserved, 0U);
  }
  guest.ExpectEnd();
}

GUEST_CODE(kLoads, R"(
  mov x1, #0x10000000
  mov x2, #0x20
1:
  ldrb w3, [x1, #1]
  ldrh w3, [x1, #2]
  ldr w3, [x1, #4]
  ldr x3, [x1, #8]
  ldrsb w3, [x1, #1]
  ldrsb x3, [x1, #1]
  ldrsh w3, [x1, #2]
  ldrsh x3, [x1, #2]
  ldrsw x3, [x1, #4]
  ldurb w3, [x1, #17]
  ldursw x3, [x1, #20]
  ldrh w3, [x1, x2]
  ldrsb x3, [x1, w2, sxtw]
  ldtr x3, [x1, #40]
  ldarb w3, [x1]
  ldar x3, [x1]
  ldr x3, [x1]
  b 1b
)");

constexpr Access kLoaded[] = {{1, 1, 3},        {2, 2, 3},       {4, 4, 3},          {8, 8, 3},       {1, 1, 3, true},
                              {1, 1, 3, true},  {2, 2, 3, true}, {2, 2, 3, true},    {4, 4, 3, true}, {17, 1, 3},
                              {20, 4, 3, true}, {0x20, 2, 3},    {0x20, 1, 3, true}, {40, 8, 3},      {0, 1, 3},
                              {0, 8, 3},        {0, 8, 3}};

// Whatever its program has in the target is what the guest goes on with, whether a load could leave it or not.
TEST(ArmAccess, LoadsWithEveryAnswer) {
  REQUIRE_GUESTS();
  ArmGuest guest(kLoads);
  const uint64_t answers[] = {0,
                              1,
                              0x7f,
                              0x80,
                              0xff,
                              0xffff'ff80,
                              ~uint64_t{0x7f},
                              0x8000,
                              0x7fff'ffff,
                              0x8000'0000,
                              0xffff'ffff'8000'0000,
                              0x1234'5678'9abc'def0,
                              ~uint64_t{0}};
  uint64_t present = guest.State().x[3];
  for (const uint64_t answer : answers) {
    for (size_t i = 0; i < std::size(kLoaded); ++i) {
      const auto& mem = guest.Next();
      ASSERT_EQ(mem.addr, kTrap + kLoaded[i].offset) << i;
      EXPECT_EQ(mem.access_size, kLoaded[i].bytes) << i;
      EXPECT_EQ(mem.xt, 3) << i;
      EXPECT_TRUE(mem.read) << i;
      EXPECT_EQ(mem.sign_extend, kLoaded[i].sign_extend) << i;
      EXPECT_EQ(mem.data, 0U) << i;
      const zx_vcpu_state_t state = guest.State();
      // Untouched until it is written.
      EXPECT_EQ(state.x[3], present) << i;
      EXPECT_EQ(state.x[1], kTrap);
      EXPECT_EQ(state.x[2], 0x20U);
      if (i % 3 == 2) continue;
      present = answer;
      guest.SetX(3, answer);
    }
  }
}

GUEST_CODE(kOthers, R"(
  mov x1, #0x10000000
  mov x5, #7
  mov x7, #0
  ldr xzr, [x1, #8]
  add x7, x7, #1
  ldr x5, [x1, #16]
  add x7, x7, #1
  str x7, [x1, #24]
  str x5, [x1, #32]
  ldrb w1, [x1]
  str x1, [x2]
)");

// The zero register takes nothing, registers besides the target are written too, and the base may be the target.
TEST(ArmAccess, AnswersElsewhere) {
  REQUIRE_GUESTS();
  ArmGuest guest(kOthers);
  EXPECT_EQ(guest.Next().xt, 31);
  guest.SetX(7, 10);
  EXPECT_EQ(guest.Next().xt, 5);
  EXPECT_EQ(guest.State().x[7], 11U);
  zx_vcpu_state_t state = guest.State();
  state.x[7] = 20;
  state.x[5] = 0xabcd;
  state.x[29] = 3;
  guest.Set(state);
  EXPECT_EQ(guest.Next().data, 21U);
  EXPECT_EQ(guest.State().x[29], 3U);
  EXPECT_EQ(guest.Next().data, 0xabcdU);
  EXPECT_EQ(guest.Next().xt, 1);
  guest.SetX(2, kTrap + 64);
  EXPECT_EQ(guest.State().x[1], kTrap);
  const auto& mem = guest.Next();
  EXPECT_EQ(mem.addr, kTrap + 64);
  EXPECT_EQ(mem.data, kTrap);
}

// ---- what the processor does not describe ----------------------------------------------------------------------------

GUEST_CODE(kPair, "mov x1, #0x10000000\n stp x2, x3, [x1]\n" GUEST_END);
GUEST_CODE(kWriteback, "mov x1, #0x10000000\n ldr x2, [x1], #8\n" GUEST_END);
GUEST_CODE(kVector, "mov x0, #0x300000\n msr cpacr_el1, x0\n isb\n mov x1, #0x10000000\n str q0, [x1]\n" GUEST_END);

TEST(ArmAccess, ThatNobodyDescribes) {
  REQUIRE_GUESTS();
  for (const GuestCode& code : {kPair, kWriteback, kVector}) {
    ArmGuest guest(code);
    EXPECT_EQ(guest.Resume(), ZX_ERR_IO_DATA_INTEGRITY);
    EXPECT_NE(LastError().find("plain load or store"), std::string::npos) << LastError();
    EXPECT_NE(LastError().find("0x10000000; pc is 0x100"), std::string::npos) << LastError();
    zxl_vcpu_exit_info_t info = {};
    ASSERT_EQ(zxl_vcpu_get_exit_info(guest.vcpu(), &info), ZX_OK);
    EXPECT_EQ(info.access_address, kTrap);
    EXPECT_EQ(info.access_bytes, 0U);
    EXPECT_EQ(guest.Resume(), ZX_ERR_IO_DATA_INTEGRITY);
  }
}

GUEST_CODE(kPairElsewhere, "mov x1, #0x20000000\n ldp x2, x3, [x1]\n" GUEST_END);

TEST(ArmAccess, APairWhereNothingIsCanBeMended) {
  REQUIRE_GUESTS();
  ArmGuest guest(kPairElsewhere);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_FOUND);
  EXPECT_NE(LastError().find("a load of some bytes from 0x20000000"), std::string::npos) << LastError();
  zx_vaddr_t at = 0;
  constexpr uint32_t kOptions = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC;
  guest.SetWord(0x100000, 5);
  guest.SetWord(0x100008, 6);
  ASSERT_EQ(zx_vmar_map(guest.vmar(), kOptions, 0x2000'0000, guest.vmo(), 0x100000, 0x1000, &at), ZX_OK) << LastError();
  guest.ExpectEnd();
  EXPECT_EQ(guest.State().x[2], 5U);
  EXPECT_EQ(guest.State().x[3], 6U);
}

// ---- through the guest's page tables ---------------------------------------------------------------------------------

// Code at 0x10000 is run at its own address and at that of the upper half; the trap is at 0x40'0000 too.
GUEST_CODE(kTranslated, R"(
  mov x0, #0xff            // attributes 0: normal memory
  msr mair_el1, x0
  ldr x0, =0x1b5103510     // 48 bits, 4 KiB, both halves, 40 bits of addresses
  msr tcr_el1, x0
  mov x0, #0x100000
  msr ttbr0_el1, x0
  ldr x0, =0x104000
  msr ttbr1_el1, x0
  isb
  mrs x0, sctlr_el1
  orr x0, x0, #1
  msr sctlr_el1, x0
  isb
  mov x1, #0x400000
  str w0, [x1, #4]
  ldr x0, =0xffff000000000000
  adr x2, 1f
  add x2, x2, x0
  br x2
1:
  strh w2, [x1, #6]
  ldr x3, [x1, #8]
  str x3, [x1, #16]
2:
  b 2b
  .ltorg
)");

TEST(ArmAccess, ThroughTheGuestsPageTables) {
  REQUIRE_GUESTS();
  ArmGuest guest;
  constexpr uint64_t kTable = 3;
  constexpr uint64_t kBlock = 0x701;  // accessed, inner shareable
  constexpr uint64_t kPage = 0x703;
  for (const uint64_t half : {0x100000, 0x104000}) {
    guest.SetWord(half, (half + 0x1000) | kTable);
    guest.SetWord(half + 0x1000, (half + 0x2000) | kTable);
    guest.SetWord(half + 0x2000, 0 | kBlock);
    guest.SetWord(half + 0x2000 + 8 * 2, (half + 0x3000) | kTable);
    guest.SetWord(half + 0x3000, kTrap | kPage);
  }
  guest.Load(kTranslated);
  guest.MakeVcpu();
  const auto& first = guest.Next();
  EXPECT_EQ(first.addr, kTrap + 4);
  EXPECT_EQ(first.access_size, 4);
  const auto& second = guest.Next();
  EXPECT_EQ(second.addr, kTrap + 6);
  EXPECT_EQ(second.access_size, 2);
  EXPECT_EQ(second.xt, 2);
  EXPECT_EQ(second.data >> 48, 0xffffU);
  EXPECT_TRUE(guest.Next().read);
  guest.SetX(3, 0x1'0000'0001);
  EXPECT_EQ(guest.Next().data, 0x1'0000'0001U);
}

}  // namespace
}  // namespace zxctl::test
