// Bells over a kernel that counts writes to them: which are told by whom, and what becomes of them when nobody takes packets.
#include <fcntl.h>

#include <cerrno>
#include <semaphore>
#include <thread>
#include <vector>

#include "support/scoped_limit.h"
#include "vcpu/bell.h"
#include "vcpu_fixture.h"

namespace zxctl::test {
namespace {

class VcpuBells : public VcpuFixture {
 protected:
  void TearDown() override {
    VcpuFixture::TearDown();
    vcpu_ = {};
    machine_ = {};
    EXPECT_EQ(kvm_->world->doorbell_count(), 0U);
  }
  // The guest writes to an address, and then tells a port; what is counted by then.
  void RingOnce(uint64_t address) {
    fake_->Then(Stores(address, 4));
    fake_->Then(Outs(kPort, 1, 0));
    ASSERT_EQ(Resume(), ZX_OK) << vcpu_->why();
  }
  // The guest writes to the bell; from then on `act` runs on another thread.
  template <typename F>
  zx_status_t RingWhile(F act) {
    std::binary_semaphore inside(0);
    fake_->Then([&](kvm_run& page) {
      inside.release();
      return Stores(kBell, 4)(page);
    });
    std::thread other([&] {
      inside.acquire();
      act();
    });
    const zx_status_t status = Resume();
    other.join();
    return status;
  }
  uint64_t NextPacket() {
    zx_port_packet_t packet = {};
    EXPECT_EQ(port_->Wait(INT64_MAX, &packet), ZX_OK);
    EXPECT_EQ(packet.type, ZX_PKT_TYPE_GUEST_BELL);
    EXPECT_EQ(packet.key, 3U);
    return packet.guest_bell.addr;
  }
  [[nodiscard]] bool PortIsEmpty() {
    zx_port_packet_t packet = {};
    return port_->Wait(0, &packet) == ZX_ERR_TIMED_OUT;
  }
  [[nodiscard]] KvmWorld& world() const { return *kvm_->world; }
  // Until the thread that tells of counted writes has done something; it is not told what we wait for.
  template <typename F>
  static void Until(F is_there) {
    while (!is_there()) std::this_thread::yield();
  }
};

TEST_F(VcpuBells, TheFirstWriteLeavesTheGuestAndFurtherOnesAreCounted) {
  EXPECT_FALSE(world().Ring(kBell + 8));
  RingOnce(kBell + 8);
  EXPECT_EQ(world().doorbell_count(), 1U);
  EXPECT_EQ(NextPacket(), kBell + 8);
  ASSERT_TRUE(world().Ring(kBell + 8, 3));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(NextPacket(), kBell + 8);
  EXPECT_TRUE(PortIsEmpty());
}

// The thread tells as many as there may be; from then on whoever rings leaves the guest and waits, until all has been told.
TEST_F(VcpuBells, WhatOverflowsIsToldInItsOrder) {
  RingOnce(kBell);
  ASSERT_TRUE(world().Ring(kBell, 1000));
  Until([&] { return world().doorbell_count() == 0; });
  std::thread taker([&] {
    for (int i = 0; i < 1001; ++i) EXPECT_EQ(NextPacket(), kBell);
    EXPECT_EQ(NextPacket(), kBell + 4);
  });
  RingOnce(kBell + 4);
  taker.join();
  EXPECT_TRUE(PortIsEmpty());
  // Having caught up, it is counted again from the next write on.
  RingOnce(kBell);
  EXPECT_EQ(NextPacket(), kBell);
  EXPECT_TRUE(world().Ring(kBell));
  EXPECT_EQ(NextPacket(), kBell);
}

TEST_F(VcpuBells, AKickEndsTheWaitForRoomAndTheWriteIsToldLater) {
  RingOnce(kBell);
  ASSERT_TRUE(world().Ring(kBell, 300));
  Until([&] { return world().doorbell_count() == 0; });
  fake_->Then([this](kvm_run& page) {
    vcpu_->Kick();
    return Stores(kBell, 4)(page);
  });
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  std::thread other([&] { vcpu_->Kick(); });
  EXPECT_EQ(Resume(), ZX_ERR_CANCELED);
  other.join();
  std::thread taker([&] {
    for (int i = 0; i < 302; ++i) NextPacket();
  });
  fake_->Then(Outs(kPort, 1, 0));
  EXPECT_EQ(Resume(), ZX_OK);
  taker.join();
  EXPECT_TRUE(PortIsEmpty());
}

TEST_F(VcpuBells, TheEndOfTheGuestEndsTheWaitAndTakesItsPacketsBack) {
  ASSERT_EQ(port_->QueueUser({.key = 99}), ZX_OK);
  RingOnce(kBell);
  ASSERT_TRUE(world().Ring(kBell, 300));
  Until([&] { return world().doorbell_count() == 0; });
  EXPECT_EQ(RingWhile([&] { machine_->Kill(); }), ZX_ERR_CANCELED) << vcpu_->why();
  zx_port_packet_t packet = {};
  ASSERT_EQ(port_->Wait(0, &packet), ZX_OK);
  EXPECT_EQ(packet.key, 99U);
  EXPECT_TRUE(PortIsEmpty());
}

TEST_F(VcpuBells, APortThatIsClosedEndsTheWait) {
  RingOnce(kBell);
  ASSERT_TRUE(world().Ring(kBell, 300));
  Until([&] { return world().doorbell_count() == 0; });
  EXPECT_EQ(RingWhile([&] { port_->OnLastHandleClosed(); }), ZX_ERR_BAD_STATE);
}

TEST_F(VcpuBells, ThereAre256DoorbellsAndFurtherAddressesAlwaysLeaveTheGuest) {
  for (uint64_t i = 0; i < Doorbells::kMaxDoorbells + 20; ++i) {
    RingOnce(kBell + 8 * i);
    EXPECT_EQ(NextPacket(), kBell + 8 * i);
  }
  EXPECT_EQ(world().doorbell_count(), Doorbells::kMaxDoorbells);
  const uint64_t last = kBell + 8 * (Doorbells::kMaxDoorbells + 19);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(world().Ring(last));
    RingOnce(last);
    EXPECT_EQ(NextPacket(), last);
  }
  EXPECT_TRUE(world().Ring(kBell + 8));
  EXPECT_EQ(NextPacket(), kBell + 8);
}

TEST_F(VcpuBells, WhereKvmCountsNothingEveryWriteLeavesTheGuest) {
  world().FailNext(KVM_IOEVENTFD, ENOSPC);
  RingOnce(kBell);
  EXPECT_EQ(NextPacket(), kBell);
  EXPECT_EQ(world().doorbell_count(), 0U);
  // It is tried again at the next write.
  RingOnce(kBell);
  EXPECT_EQ(NextPacket(), kBell);
  EXPECT_EQ(world().doorbell_count(), 1U);
}

TEST_F(VcpuBells, WithoutDescriptorsEveryWriteLeavesTheGuest) {
  REQUIRE_WORK_WITHOUT_DESCRIPTORS();
  const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(next, 0);
  close(next);
  // Not one; then enough for the thread, and not for what is counted.
  for (const int more : {0, 1, 2}) {
    const ScopedLimit few(RLIMIT_NOFILE, static_cast<rlim_t>(next + more));
    RingOnce(kBell);
    EXPECT_EQ(NextPacket(), kBell);
    EXPECT_EQ(world().doorbell_count(), 0U);
  }
  RingOnce(kBell);
  EXPECT_EQ(NextPacket(), kBell);
  EXPECT_EQ(world().doorbell_count(), 1U);
}

TEST_F(VcpuBells, APortThatIsClosedIsNotCountedForAnyMore) {
  RingOnce(kBell);
  EXPECT_EQ(world().doorbell_count(), 1U);
  port_->OnLastHandleClosed();
  EXPECT_EQ(world().doorbell_count(), 0U);
  fake_->Then(Stores(kBell, 4));
  EXPECT_EQ(Resume(), ZX_ERR_BAD_STATE);
  EXPECT_NE(vcpu_->why().find("last handle"), std::string::npos) << vcpu_->why();
}

}  // namespace
}  // namespace zxctl::test
