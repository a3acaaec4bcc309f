// Running a VCPU: what ends it, what interrupts it; every status of zx_vcpu_resume() that this machine has, by a real situation.
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "arm_guest.h"

namespace zxctl::test {
namespace {

constexpr uint64_t kBell = 0x3000'0000;
constexpr uint64_t kNothing = 0x2000'0000;
constexpr uint32_t kThere = ZX_VM_PERM_READ | ZX_VM_SPECIFIC;

GUEST_CODE(kEnd, GUEST_END);
GUEST_CODE(kSpin, "mov x1, #0x10000000\n str w0, [x1]\n 1: add x2, x2, #1\n b 1b\n");
GUEST_CODE(kWait, "mov x1, #0x10000000\n str w0, [x1]\n 1: wfi\n b 1b\n");
GUEST_CODE(kTouch, "mov x1, #0x20000000\n str x0, [x1]\n ldr w2, [x1, #8]\n" GUEST_END);
GUEST_CODE(kBehind, "mov x1, #0x1000000000\n str w0, [x1, #4]\n" GUEST_END);
GUEST_CODE(
    kRingTwice,
    "mov x1, #0x30000000\n 1: str w0, [x1, #8]\n str w0, [x1, #8]\n mov x2, #0x10000000\n str w0, [x2]\n b 1b\n");
GUEST_CODE(kReadBell, "mov x1, #0x30000000\n ldr w0, [x1]\n" GUEST_END);
GUEST_CODE(kSwitchOff, "movz w0, #0x8400, lsl #16\n movk w0, #8\n hvc #0\n" GUEST_END);
GUEST_CODE(kStartAnother,
           "movz w0, #0xc400, lsl #16\n movk w0, #3\n mov x1, #1\n mov x2, #0x40000\n hvc #0\n" GUEST_END);
GUEST_CODE(kLoad, "mov x1, #0x10000000\n 1: ldr x3, [x1, #8]\n str x3, [x1, #16]\n b 1b\n");
GUEST_CODE(kJumpAway, "mov x1, #0x10000000\n str w0, [x1]\n mov x0, #0x20000000\n br x0\n");

TEST(ArmRun, UnmappedMemoryIsNotFoundAndCanBeMended) {
  REQUIRE_GUESTS();
  ArmGuest guest(kTouch);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_FOUND);
  EXPECT_NE(LastError().find("a store of 8 bytes to 0x20000000; pc is 0x10004"), std::string::npos) << LastError();
  EXPECT_EQ(LastError().find("behind it"), std::string::npos) << LastError();
  zxl_vcpu_exit_info_t info = {};
  ASSERT_EQ(zxl_vcpu_get_exit_info(guest.vcpu(), &info), ZX_OK);
  EXPECT_EQ(info.pc, TestGuest::kEntry + 4);
  EXPECT_EQ(info.access, ZXL_VCPU_ACCESS_STORE);
  EXPECT_EQ(info.access_address, kNothing);
  EXPECT_EQ(info.access_bytes, 8U);
  EXPECT_EQ(info.code_bits, 64U);
  EXPECT_EQ(info.state.cpsr & 0x3ff, 0x3c5U);
  EXPECT_EQ(info.sctlr & 1, 0U);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_FOUND);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, kNothing, 0x1000, kTrapKey), ZX_OK);
  EXPECT_EQ(guest.Next().addr, kNothing);
  EXPECT_EQ(guest.Next().addr, kNothing + 8);
  guest.ExpectEnd();
}

TEST(ArmRun, MemoryThatComesIsWrittenAndRead) {
  REQUIRE_GUESTS();
  ArmGuest guest(kTouch);
  zx_vcpu_state_t state = guest.State();
  state.x[0] = 0x1122334455667788;
  guest.Set(state);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_FOUND);
  zx_vaddr_t at = 0;
  guest.SetWord(0x200008, 0xaabbccdd);
  ASSERT_EQ(zx_vmar_map(guest.vmar(), kThere | ZX_VM_PERM_WRITE, kNothing, guest.vmo(), 0x200000, 0x1000, &at), ZX_OK);
  guest.ExpectEnd();
  EXPECT_EQ(guest.Word(0x200000), 0x1122334455667788U);
  EXPECT_EQ(guest.State().x[2], 0xaabbccddU);
}

TEST(ArmRun, MemoryForReadingOnly) {
  REQUIRE_GUESTS();
  ArmGuest guest(kTouch);
  zx_vaddr_t at = 0;
  ASSERT_EQ(zx_vmar_map(guest.vmar(), kThere, kNothing, guest.vmo(), 0x200000, 0x1000, &at), ZX_OK);
  EXPECT_EQ(guest.Resume(), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(guest.Word(0x200000), 0U);
}

TEST(ArmRun, BehindTheEndOfMemory) {
  REQUIRE_GUESTS();
  ArmGuest guest(kBehind);
  EXPECT_EQ(guest.Resume(), ZX_ERR_OUT_OF_RANGE);
  EXPECT_NE(LastError().find("0x1000000004"), std::string::npos) << LastError();
}

// KVM gives the guest a fault for it; with no handler there either it has one after the other.
TEST(ArmRun, CodeOutsideOfMemoryIsTheGuestsOwnFault) {
  REQUIRE_GUESTS();
  ArmGuest guest(kJumpAway);
  guest.ExpectEnd();
  std::thread other([&] { EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK); });
  zx_status_t status = guest.Resume();
  other.join();
  EXPECT_TRUE(status == ZX_ERR_CANCELED) << status;
}

TEST(ArmRun, ShutdownAndStarts) {
  REQUIRE_GUESTS();
  ArmGuest off(kSwitchOff);
  EXPECT_EQ(off.Resume(), ZX_ERR_NOT_SUPPORTED);
  EXPECT_NE(LastError().find("shutdown"), std::string::npos) << LastError();
  off.CloseVcpu();
  ArmGuest guest(kStartAnother);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  if (guest.packet.type == ZX_PKT_TYPE_GUEST_VCPU) {
    EXPECT_EQ(guest.packet.guest_vcpu.type, ZX_PKT_GUEST_VCPU_STARTUP);
    EXPECT_EQ(guest.packet.guest_vcpu.startup.id, 1U);
    EXPECT_EQ(guest.packet.guest_vcpu.startup.entry, 0x40000U);
    guest.ExpectEnd();
    EXPECT_EQ(guest.State().x[0], 0U);
  } else {
    // Kernels before 6.4: KVM answers that it is on.
    constexpr int64_t kAlreadyOn = -4;
    EXPECT_EQ(static_cast<int64_t>(guest.State().x[0]), kAlreadyOn);
  }
}

// ---- bells -----------------------------------------------------------------------------------------------------------

TEST(ArmRun, Bells) {
  REQUIRE_GUESTS();
  ArmGuest guest(kRingTwice);
  const OwnedHandle port(NewPort());
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, kBell, 0x1000, 5, port), ZX_OK) << LastError();
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    ASSERT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_MEM);
    for (int i = 0; i < 2; ++i) {
      zx_port_packet_t packet = {};
      ASSERT_EQ(zx_port_wait(port, zx_deadline_after(ZX_SEC(60)), &packet), ZX_OK) << round;
      EXPECT_EQ(packet.type, ZX_PKT_TYPE_GUEST_BELL);
      EXPECT_EQ(packet.key, 5U);
      EXPECT_EQ(packet.guest_bell.addr, kBell + 8);
    }
  }
  zx_port_packet_t packet = {};
  EXPECT_EQ(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
}

TEST(ArmRun, ABellIsNotRead) {
  REQUIRE_GUESTS();
  ArmGuest guest(kReadBell);
  const OwnedHandle port(NewPort());
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, kBell, 0x1000, 5, port), ZX_OK) << LastError();
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_SUPPORTED);
}

// ---- kicks -----------------------------------------------------------------------------------------------------------

TEST(ArmKick, BeforeItRuns) {
  REQUIRE_GUESTS();
  ArmGuest guest(kEnd);
  EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK);
  EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK);
  EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
  guest.ExpectEnd();
}

void KickWhileIn(const GuestCode& code) {
  ArmGuest guest(code);
  guest.ExpectEnd();
  for (int i = 0; i < 50; ++i) {
    std::thread other([&] {
      if (i % 2 != 0) std::this_thread::yield();
      EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK);
    });
    EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
    other.join();
  }
}

TEST(ArmKick, EndsALoop) {
  REQUIRE_GUESTS();
  KickWhileIn(kSpin);
}

TEST(ArmKick, EndsAWait) {
  REQUIRE_GUESTS();
  KickWhileIn(kWait);
}

TEST(ArmKick, TheLastHandleOfTheGuestEndsItForGood) {
  REQUIRE_GUESTS();
  ArmGuest guest(kSpin);
  guest.ExpectEnd();
  std::thread other([&] { guest.CloseGuest(); });
  EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
  other.join();
  EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
}

// Between a packet and what the program answers, too: the answer stays.
TEST(ArmKick, LosesNoAnswer) {
  REQUIRE_GUESTS();
  ArmGuest guest(kLoad);
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(guest.Next().read);
    EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK);
    if (i % 2 == 0) guest.SetX(3, i);
    EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
    if (i % 2 != 0) guest.SetX(3, i);
    EXPECT_EQ(guest.Next().data, i);
  }
}

// ---- threads ---------------------------------------------------------------------------------------------------------

TEST(ArmThreads, AVcpuIsItsMakers) {
  REQUIRE_GUESTS();
  ArmGuest guest(kEnd);
  std::thread([&] {
    zx_port_packet_t packet = {};
    zx_vcpu_state_t state = {};
    EXPECT_EQ(zx_vcpu_resume(guest.vcpu(), &packet), ZX_ERR_BAD_STATE);
    EXPECT_EQ(zx_vcpu_read_state(guest.vcpu(), ZX_VCPU_STATE, &state, sizeof(state)), ZX_ERR_BAD_STATE);
    EXPECT_EQ(zx_vcpu_write_state(guest.vcpu(), ZX_VCPU_STATE, &state, sizeof(state)), ZX_ERR_BAD_STATE);
  }).join();
  zx_handle_t second = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, TestGuest::kEntry, &second), ZX_ERR_BAD_STATE);
  guest.ExpectEnd();
}

GUEST_CODE(kWhoAmI, "mrs x2, mpidr_el1\n and x2, x2, #0xff\n mov x1, #0x10000000\n 1: str x2, [x1, #8]\n b 1b\n");

TEST(ArmThreads, EightVcpusAndNoMore) {
  REQUIRE_GUESTS();
  ArmGuest guest;
  guest.Load(kWhoAmI);
  std::vector<std::thread> threads;
  std::atomic<uint64_t> seen = 0;
  std::atomic<int> made = 0;
  std::atomic<bool> over = false;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      zx_handle_t vcpu = ZX_HANDLE_INVALID;
      EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, TestGuest::kEntry, &vcpu), ZX_OK) << LastError();
      for (int round = 0; round < 20; ++round) {
        zx_port_packet_t packet = {};
        EXPECT_EQ(zx_vcpu_resume(vcpu, &packet), ZX_OK) << LastError();
        EXPECT_EQ(packet.guest_mem.addr, kTrap + 8);
        seen.fetch_or(uint64_t{1} << packet.guest_mem.data);
      }
      made.fetch_add(1);
      made.notify_all();
      over.wait(false);
      EXPECT_EQ(zx_handle_close(vcpu), ZX_OK);
    });
  }
  for (int now = made.load(); now < 8; now = made.load()) made.wait(now);
  zx_handle_t ninth = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, TestGuest::kEntry, &ninth), ZX_ERR_NO_RESOURCES);
  EXPECT_NE(LastError().find("8 VCPUs already"), std::string::npos) << LastError();
  over.store(true);
  over.notify_all();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(seen.load(), 0xffU);
}

}  // namespace
}  // namespace zxctl::test
