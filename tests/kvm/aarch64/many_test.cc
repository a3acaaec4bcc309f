// Many of everything: accesses against a model of the device, changes raced against a VCPU that runs, guests of random bytes,
// and guests one after the other.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

#include "arm_guest.h"
#include "support/supervised.h"

namespace zxctl::test {
namespace {

GUEST_CODE(kRelay, R"(
  mov x1, #0x10000000
1:
  ldr w2, [x1, #0x20]
  str w2, [x1, #0x30]
  ldr x3, [x1, #0x28]
  str x3, [x1, #0x38]
  ldrsh x4, [x1, #0x40]
  strh w4, [x1, #0x48]
  strb w4, [x1, #0x50]
  b 1b
)");

TEST(ArmMany, AccessesAgainstAModelOfTheDevice) {
  REQUIRE_GUESTS();
  ArmGuest guest(kRelay);
  std::mt19937_64 random(17);
  const int rounds = Scaled(20'000, 300);
  for (int i = 0; i < rounds && !::testing::Test::HasFailure(); ++i) {
    const uint64_t value = random();
    const uint64_t half = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int16_t>(value)));
    guest.Next();
    guest.SetX(2, value & 0xffff'ffff);
    EXPECT_EQ(guest.Next().data, value & 0xffff'ffff);
    guest.Next();
    guest.SetX(3, value);
    EXPECT_EQ(guest.Next().data, value);
    EXPECT_TRUE(guest.Next().sign_extend);
    guest.SetX(4, half);
    EXPECT_EQ(guest.Next().data, half);
    EXPECT_EQ(guest.Next().addr, kTrap + 0x50);
  }
}

GUEST_CODE(kBusy, R"(
  mov x1, #0x10000000
  mov x2, #0x300000
1:
  str w0, [x1]
  ldr x3, [x2]
  str x3, [x2, #8]
  add w0, w0, #1
  b 1b
)");

TEST(ArmMany, MemoryComesAndGoesBesideIt) {
  REQUIRE_GUESTS();
  ArmGuest guest(kBusy);
  std::atomic<bool> stop = false;
  std::thread other([&] {
    zx_vaddr_t at = 0;
    constexpr uint32_t kOptions = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC;
    for (int i = 0; i < 100; ++i) {
      // A part in the middle of what the guest has, and what is beside it.
      EXPECT_EQ(zx_vmar_unmap(guest.vmar(), 0x380000, 0x1000), ZX_OK) << LastError();
      EXPECT_EQ(zx_vmar_map(guest.vmar(), kOptions, 0x380000, guest.vmo(), 0x380000, 0x1000, &at), ZX_OK);
      EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), static_cast<uint32_t>(i) % 256), ZX_OK);
    }
    stop.store(true);
  });
  uint64_t count = 0;
  while (!stop.load() && !::testing::Test::HasFailure()) {
    EXPECT_EQ(guest.Next().data, count & 0xffff'ffff);
    ++count;
  }
  other.join();
  EXPECT_GT(count, 0U);
}

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

GUEST_CODE(kEnd, GUEST_END);

TEST(ArmMany, ThreeHundredGuestsLeaveNothing) {
  REQUIRE_GUESTS();
  { ArmGuest first(kEnd); }
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 300; ++i) {
    ArmGuest guest(kEnd);
    guest.ExpectEnd();
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

// Whatever it is, it ends in a status or by a kick.
TEST(ArmMany, GuestsOfRandomBytes) {
  REQUIRE_GUESTS();
  // An instruction that faults is not counted, and some of these guests do nothing else.
  if (std::getenv("ZX_COUNTED_CLOCK") != nullptr) GTEST_SKIP() << "the clock counts instructions: it would stand still";
  std::mt19937_64 random(23);
  for (int i = 0; i < 100; ++i) {
    ArmGuest guest;
    std::vector<uint64_t> image(TestGuest::kMemoryBytes / 64 / sizeof(uint64_t));
    for (uint64_t& word : image) word = random();
    ASSERT_EQ(zx_vmo_write(guest.vmo(), image.data(), 0, image.size() * sizeof(uint64_t)), ZX_OK);
    guest.MakeVcpu(random() % (image.size() * 2) * 4);
    std::atomic<bool> over = false;
    std::thread other([&] {
      std::this_thread::yield();
      for (uint32_t vector = 0; vector < 256; vector += 13) zx_vcpu_interrupt(guest.vcpu(), vector);
      while (!over.load()) {
        zx_vcpu_kick(guest.vcpu());
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    for (int turn = 0; turn < 5; ++turn) {
      const zx_status_t status = guest.Resume();
      if (status == ZX_OK) continue;
      EXPECT_TRUE(status == ZX_ERR_CANCELED || status == ZX_ERR_NOT_FOUND || status == ZX_ERR_OUT_OF_RANGE ||
                  status == ZX_ERR_NOT_SUPPORTED || status == ZX_ERR_IO_DATA_INTEGRITY)
          << status << ": " << LastError();
      if (status != ZX_ERR_CANCELED) break;
    }
    over.store(true);
    other.join();
  }
}

}  // namespace
}  // namespace zxctl::test
