// Interrupts of real guests: of all kinds, in their order, while it waits, and between VCPUs.
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "arm_guest.h"

namespace zxctl::test {
namespace {

constexpr uint64_t kVectors = 0x40000;
constexpr uint64_t kReady = kTrap + 8;
constexpr uint64_t kTaken = kTrap + 0x100;

// What has come is told, and it goes on where it was.
GUEST_CODE(kHandler, R"(
  mrs x20, s3_0_c12_c12_0
  str x20, [x28, #0x100]
  msr s3_0_c12_c12_1, x20
  eret
)");
GUEST_CODE(kWaits, R"(
  mov x28, #0x10000000
  mov x0, #0x40000
  msr vbar_el1, x0
  isb
  str wzr, [x28, #8]
  msr daifclr, #2
1:
  wfi
  b 1b
)");
GUEST_CODE(kSpins, R"(
  mov x28, #0x10000000
  mov x0, #0x40000
  msr vbar_el1, x0
  isb
  str wzr, [x28, #8]
  msr daifclr, #2
1:
  b 1b
)");
// Sends what x1 says to whom it says, whenever it is resumed.
GUEST_CODE(kSends, R"(
  mov x28, #0x10000000
1:
  str wzr, [x28, #8]
  msr s3_0_c12_c11_5, x1
  isb
  b 1b
)");

class ArmInterrupts : public ::testing::Test {
 protected:
  void Start(const GuestCode& code) {
    guest_.emplace();
    guest_->Load(kHandler, kVectors + 0x280);
    guest_->Load(code);
    guest_->MakeVcpu();
  }
  void Raise(uint32_t vector) { EXPECT_EQ(zx_vcpu_interrupt(guest_->vcpu(), vector), ZX_OK) << LastError(); }
  void ExpectReady() { EXPECT_EQ(guest_->Next().addr, kReady); }
  void ExpectTaken(uint32_t vector) {
    const auto& mem = guest_->Next();
    ASSERT_EQ(mem.addr, kTaken);
    EXPECT_EQ(mem.data, vector);
  }

  std::optional<ArmGuest> guest_;
};

TEST_F(ArmInterrupts, BeforeTheFirstResumeTheLowestFirst) {
  REQUIRE_GUESTS();
  Start(kWaits);
  const std::vector<uint32_t> vectors = {200, 40, 20, 3, 33, 0, 255, 32, 31, 15, 16};
  for (const uint32_t vector : vectors) Raise(vector);
  Raise(40);  // once more: it comes once
  ExpectReady();
  std::vector<uint32_t> sorted = vectors;
  std::sort(sorted.begin(), sorted.end());
  for (const uint32_t vector : sorted) ExpectTaken(vector);
  zx_vcpu_kick(guest_->vcpu());
  EXPECT_EQ(guest_->Resume(), ZX_ERR_CANCELED);
}

TEST_F(ArmInterrupts, EveryVectorComesOnce) {
  REQUIRE_GUESTS();
  Start(kWaits);
  ExpectReady();
  for (uint32_t vector = 0; vector < 256; ++vector) {
    // Those of the machine's own timers are theirs.
    if (vector >= 26 && vector <= 30) continue;
    Raise(vector);
    ExpectTaken(vector);
  }
  zx_vcpu_kick(guest_->vcpu());
  EXPECT_EQ(guest_->Resume(), ZX_ERR_CANCELED);
}

// While the guest is in its handler for it, too: before the end of the former one is told.
TEST_F(ArmInterrupts, OnceMoreBeforeItsEnd) {
  REQUIRE_GUESTS();
  Start(kSpins);
  ExpectReady();
  for (const uint32_t vector : {5U, 20U, 64U}) {
    Raise(vector);
    for (int i = 0; i < 20; ++i) {
      ExpectTaken(vector);
      Raise(vector);
    }
    ExpectTaken(vector);
    zx_vcpu_kick(guest_->vcpu());
    EXPECT_EQ(guest_->Resume(), ZX_ERR_CANCELED);
  }
}

// From another thread, whatever the guest does.
void WakeUp(ArmGuest& guest) {
  for (const uint32_t vector : {5U, 20U, 64U, 5U, 64U}) {
    for (int i = 0; i < 10; ++i) {
      std::thread other([&] { EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), vector), ZX_OK); });
      const auto& mem = guest.Next();
      EXPECT_EQ(mem.addr, kTaken);
      EXPECT_EQ(mem.data, vector);
      other.join();
    }
  }
}

TEST_F(ArmInterrupts, WakeAGuestThatWaits) {
  REQUIRE_GUESTS();
  Start(kWaits);
  ExpectReady();
  WakeUp(*guest_);
}

TEST_F(ArmInterrupts, InterruptALoop) {
  REQUIRE_GUESTS();
  Start(kSpins);
  ExpectReady();
  WakeUp(*guest_);
}

// A second VCPU, on a thread of its own, that takes what comes and counts it.
class Second {
 public:
  Second(ArmGuest& guest, uint64_t entry) : thread_([this, &guest, entry] { Run(guest, entry); }) { Wait(ready_, 1); }
  ~Second() {
    EXPECT_EQ(zx_vcpu_kick(vcpu_), ZX_OK);
    thread_.join();
  }
  Second(const Second&) = delete;
  Second& operator=(const Second&) = delete;

  void WaitFor(uint32_t count) { Wait(taken_, count); }
  [[nodiscard]] zx_handle_t vcpu() const { return vcpu_; }
  [[nodiscard]] uint32_t last() const { return last_.load(); }

 private:
  static void Wait(std::atomic<uint32_t>& word, uint32_t value) {
    for (uint32_t now = word.load(); now < value; now = word.load()) word.wait(now);
  }
  void Run(ArmGuest& guest, uint64_t entry) {
    ASSERT_EQ(zx_vcpu_create(guest.guest(), 0, entry, &vcpu_), ZX_OK) << LastError();
    const OwnedHandle owned(vcpu_);
    zx_port_packet_t packet = {};
    while (zx_vcpu_resume(vcpu_, &packet) == ZX_OK) {
      std::atomic<uint32_t>& word = packet.guest_mem.addr == kTaken ? taken_ : ready_;
      if (packet.guest_mem.addr == kTaken) last_.store(static_cast<uint32_t>(packet.guest_mem.data));
      word.fetch_add(1);
      word.notify_all();
    }
  }

  zx_handle_t vcpu_ = ZX_HANDLE_INVALID;
  std::atomic<uint32_t> ready_ = 0;
  std::atomic<uint32_t> taken_ = 0;
  std::atomic<uint32_t> last_ = 0;
  std::thread thread_;
};

// While one of them runs, KVM takes nothing for the other: both are held for a moment.
TEST_F(ArmInterrupts, OfTwoVcpus) {
  REQUIRE_GUESTS();
  for (const GuestCode& code : {kWaits, kSpins}) {
    Start(kWaits);
    ExpectReady();
    guest_->Load(code, 0x50000);
    Second second(*guest_, 0x50000);
    uint32_t count = 0;
    for (const uint32_t vector : {3U, 17U, 99U, 3U, 99U, 100U}) {
      EXPECT_EQ(zx_vcpu_interrupt(second.vcpu(), vector), ZX_OK);
      second.WaitFor(++count);
      EXPECT_EQ(second.last(), vector);
      Raise(vector);
      ExpectTaken(vector);
    }
  }
}

// From one VCPU to the other: KVM's controller sees to it.
TEST_F(ArmInterrupts, ThatTheGuestSendsItself) {
  REQUIRE_GUESTS();
  Start(kSends);
  guest_->SetX(1, 0);
  guest_->Load(kWaits, 0x50000);
  Second second(*guest_, 0x50000);
  ExpectReady();
  for (uint32_t i = 1; i < 10; ++i) {
    guest_->SetX(1, uint64_t{i} << 24 | 1U << 1);
    ExpectReady();
    second.WaitFor(i);
    EXPECT_EQ(second.last(), i);
  }
}

}  // namespace
}  // namespace zxctl::test
