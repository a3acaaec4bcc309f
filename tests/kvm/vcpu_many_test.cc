// Many of everything: exits against a model of the device, changes raced against running VCPUs, and guests of random bytes.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "support/supervised.h"
#include "support/test_guest.h"

namespace zxctl::test {
namespace {

// Reads a number from a port, and passes it on in every way there is; what it gets from memory it passes on too.
GUEST_CODE(kRelay, R"(
  mov $0x100000, %rsi
1:
  mov $0x1000, %dx
  in %dx, %eax
  mov $0x1004, %dx
  out %al, %dx
  out %ax, %dx
  out %eax, %dx
  mov %rax, 0x10(%rsi)
  mov 0x20(%rsi), %rbx
  movzwl 0x28(%rsi), %ecx
  mov %rbx, 0x30(%rsi)
  mov %ecx, 0x38(%rsi)
  jmp 1b
)");

class Relay {
 public:
  explicit Relay(TestGuest& guest) : guest_(guest) {}

  void Round(uint64_t first, uint64_t second) {
    const auto number = static_cast<uint32_t>(first);
    NextPort(0x1000, 4, true);
    guest_.Answer(4, number);
    for (const uint8_t size : {1, 2, 4}) {
      NextPort(0x1004, size, false);
      ASSERT_EQ(guest_.packet.guest_io.u32, size == 4 ? number : number & ((1U << 8 * size) - 1));
    }
    ASSERT_EQ(NextMemory(0x10).rax, number);
    zx_vcpu_state_t state = NextMemory(0x20);
    state.rbx = second;
    guest_.Set(state);
    state = NextMemory(0x28);
    ASSERT_EQ(state.rbx, second);
    state.rcx = second & 0xffff;
    guest_.Set(state);
    ASSERT_EQ(NextMemory(0x30).rbx, second);
    ASSERT_EQ(NextMemory(0x38).rcx, second & 0xffff);
  }

 private:
  void NextPort(uint16_t port, uint8_t size, bool input) {
    ASSERT_EQ(guest_.Resume(), ZX_OK) << LastError();
    ASSERT_EQ(guest_.packet.type, ZX_PKT_TYPE_GUEST_IO);
    ASSERT_EQ(guest_.packet.guest_io.port, port);
    ASSERT_EQ(guest_.packet.guest_io.access_size, size);
    ASSERT_EQ(guest_.packet.guest_io.input, input);
  }
  zx_vcpu_state_t NextMemory(uint64_t offset) {
    EXPECT_EQ(guest_.Resume(), ZX_OK) << LastError();
    EXPECT_EQ(guest_.packet.type, ZX_PKT_TYPE_GUEST_MEM);
    EXPECT_EQ(guest_.packet.guest_mem.addr, 0x100000 + offset);
    EXPECT_NE(guest_.packet.guest_mem.inst_len, 0);
    return guest_.State();
  }

  TestGuest& guest_;
};

TEST(VcpuMany, ExitsAgainstAModelOfTheDevice) {
  REQUIRE_GUESTS();
  TestGuest guest(kRelay);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0x1000, 8, 1), ZX_OK);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x100000, 0x1000, 2), ZX_OK);
  std::mt19937_64 random(17);
  Relay relay(guest);
  const int rounds = Scaled(2'500'000, 25'000);
  for (int i = 0; i < rounds && !::testing::Test::HasFailure(); ++i) relay.Round(random(), random());
}

// ---- races -----------------------------------------------------------------------------------------------------------

GUEST_CODE(kBusy, R"(
  mov $0x200000, %rdi
1:
  out %al, $1
  mov %rax, (%rdi)
  mov 0x300000, %rbx
  mov %eax, 0x340000
  inc %rax
  jmp 1b
)");

// Somebody does something to the guest as fast as he can, once it runs; the last thing is to end it.
template <typename F>
void RaceWith(F meddle) {
  TestGuest guest(kBusy);
  const OwnedHandle port(NewPort());
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x340000, 0x1000, 7, port), ZX_OK);
  std::atomic<bool> stop = false;
  std::atomic<bool> runs = false;
  std::thread bells([&] {
    zx_port_packet_t packet = {};
    while (!stop.load()) zx_port_wait(port, zx_deadline_after(ZX_MSEC(5)), &packet);
  });
  std::thread other([&] {
    runs.wait(false);
    const int rounds = Scaled(100'000, 1'000);
    for (int i = 0; i < rounds; ++i) meddle(guest, i);
    stop.store(true);
    zx_vcpu_kick(guest.vcpu());
  });
  while (!stop.load()) {
    const zx_status_t status = guest.Resume();
    runs.store(true);
    runs.notify_one();
    if (status == ZX_ERR_CANCELED) continue;
    ASSERT_EQ(status, ZX_OK) << LastError();
  }
  other.join();
  bells.join();
}

TEST(VcpuRaces, Kicks) {
  REQUIRE_GUESTS();
  RaceWith([](TestGuest& guest, int) { EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK); });
}

TEST(VcpuRaces, InterruptsThatAreOff) {
  REQUIRE_GUESTS();
  RaceWith([](TestGuest& guest, int i) {
    EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), 32 + static_cast<uint32_t>(i) % 200), ZX_OK);
  });
}

TEST(VcpuRaces, NewTraps) {
  REQUIRE_GUESTS();
  RaceWith([](TestGuest& guest, int i) {
    const auto page = static_cast<uint64_t>(i) * 0x1000;
    EXPECT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x80000000 + page, 0x1000, 3), ZX_OK) << LastError();
  });
}

// Beside what the guest uses, and what it uses itself: the access is then done from outside, or waits.
TEST(VcpuRaces, MemoryThatComesAndGoes) {
  REQUIRE_GUESTS();
  RaceWith([](TestGuest& guest, int) {
    constexpr uint32_t kOptions = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC;
    zx_vaddr_t at = 0;
    EXPECT_EQ(zx_vmar_unmap(guest.vmar(), 0x201000, 0x1000), ZX_OK) << LastError();
    EXPECT_EQ(zx_vmar_map(guest.vmar(), kOptions, 0x201000, guest.vmo(), 0x201000, 0x1000, &at), ZX_OK) << LastError();
  });
}

TEST(VcpuRaces, HandlesThatAreClosed) {
  REQUIRE_GUESTS();
  RaceWith([](TestGuest& guest, int) {
    zx_handle_t copy = ZX_HANDLE_INVALID;
    EXPECT_EQ(zx_handle_duplicate(guest.vcpu(), ZX_RIGHT_SAME_RIGHTS, &copy), ZX_OK);
    EXPECT_EQ(zx_vcpu_kick(copy), ZX_OK);
    EXPECT_EQ(zx_handle_close(copy), ZX_OK);
  });
}

// The guest, its VCPU and its memory lose their handles while it runs.
TEST(VcpuRaces, EverythingIsClosedWhileItRuns) {
  REQUIRE_GUESTS();
  const int rounds = Scaled(5'000, 100);
  for (int i = 0; i < rounds; ++i) {
    TestGuest guest(kBusy);
    const OwnedHandle port(NewPort());
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x340000, 0x1000, 7, port), ZX_OK);
    std::thread other([&] { guest.CloseGuest(); });
    zx_status_t status = ZX_OK;
    while (status == ZX_OK) status = guest.Resume();
    // The bell goes with the guest, whichever the VCPU meets first.
    EXPECT_EQ(status, ZX_ERR_CANCELED) << LastError();
    other.join();
  }
}

// A bell that nobody answers holds the VCPU, and a kick gets it out.
TEST(VcpuRaces, KicksOfAVcpuThatWaitsAtABell) {
  REQUIRE_GUESTS();
  TestGuest guest(kBusy);
  const OwnedHandle port(NewPort());
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x340000, 0x1000, 7, port), ZX_OK);
  std::atomic<uint64_t> packets = 0;
  std::atomic<bool> stop = false;
  constexpr uint64_t kLeast = 256;
  // It rings once in each turn, and comes to a stop when nobody takes the packets, so many of which find room. Before that it may
  // be a long time without a CPU.
  std::thread other([&] {
    uint64_t seen = 0;
    for (int quiet = 0; quiet < 20;) {
      zx_nanosleep(zx_deadline_after(ZX_MSEC(10)));
      const uint64_t now = packets.load();
      quiet = now == seen && now >= kLeast ? quiet + 1 : 0;
      seen = now;
    }
    stop.store(true);
    zx_vcpu_kick(guest.vcpu());
  });
  zx_status_t status = ZX_OK;
  while (status == ZX_OK) {
    status = guest.Resume();
    if (status == ZX_OK) packets.fetch_add(1);
  }
  other.join();
  EXPECT_EQ(status, ZX_ERR_CANCELED);
  EXPECT_TRUE(stop.load());
  EXPECT_GE(packets.load(), kLeast);
  // Nothing was lost: as many rings as turns, but for the one that it stands in.
  uint64_t rings = 0;
  zx_port_packet_t packet = {};
  std::thread taker([&] {
    while (zx_port_wait(port, zx_deadline_after(ZX_MSEC(200)), &packet) == ZX_OK) ++rings;
  });
  taker.join();
  EXPECT_GE(rings + 1, packets.load());
  EXPECT_LE(rings, packets.load());
}

// ---- guests of random bytes ------------------------------------------------------------------------------------------

// Kicks a VCPU again and again until it is told to stop.
class Kicker {
 public:
  explicit Kicker(zx_handle_t vcpu)
      : thread_([this, vcpu] {
          while (!stop_.load()) {
            zx_nanosleep(zx_deadline_after(ZX_MSEC(2)));
            zx_vcpu_kick(vcpu);
          }
        }) {}
  ~Kicker() {
    stop_.store(true);
    thread_.join();
  }
  Kicker(const Kicker&) = delete;
  Kicker& operator=(const Kicker&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// Whatever it does, it ends: in its error, or by the kick.
void RunHostile(TestGuest& guest) {
  const Kicker kicker(guest.vcpu());
  constexpr int kMaxPackets = 100;
  for (int i = 0; i < kMaxPackets; ++i) {
    if (guest.Resume() != ZX_OK) return;
  }
}

void FillRandom(TestGuest& guest, std::mt19937_64& random, uint64_t at) {
  std::vector<uint64_t> bytes(512);
  for (uint64_t& word : bytes) word = random();
  ASSERT_EQ(zx_vmo_write(guest.vmo(), bytes.data(), at, bytes.size() * sizeof(uint64_t)), ZX_OK);
}

TEST(HostileGuests, RandomBytesInTheKernelsPlace) {
  REQUIRE_GUESTS();
  std::mt19937_64 random(23);
  const int images = Scaled(50'000, 500);
  for (int i = 0; i < images; ++i) {
    TestGuest guest;
    FillRandom(guest, random, TestGuest::kEntry);
    guest.MakeVcpu();
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0, 0xffff), ZX_OK);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x10000000, 0x10000000), ZX_OK);
    RunHostile(guest);
  }
}

// Page tables that lead anywhere, also to themselves and to traps.
TEST(HostileGuests, RandomPageTables) {
  REQUIRE_GUESTS();
  std::mt19937_64 random(29);
  const int images = Scaled(25'000, 250);
  for (int i = 0; i < images; ++i) {
    TestGuest guest(kBusy);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x100000, 0x1000), ZX_OK);
    for (uint64_t entry = 0; entry < 8; ++entry) {
      // Somewhere low, with random bits; some of the first ones keep the code where it is.
      guest.SetWord(0x2000 + 8 * entry, (random() & 0xffff'ffe7) | (entry == 0 && i % 2 == 0 ? 0x83 : 0));
      guest.SetWord(0x1000 + 8 * entry, entry == 0 ? 0x2007 : random());
    }
    RunHostile(guest);
  }
}

GUEST_CODE(kToUser, GUEST_TO_USER_MODE);

TEST(HostileGuests, RandomBytesInUserMode) {
  REQUIRE_GUESTS();
  std::mt19937_64 random(31);
  const int images = Scaled(25'000, 250);
  for (int i = 0; i < images; ++i) {
    TestGuest guest(kToUser);
    guest.WriteDescriptors();
    FillRandom(guest, random, TestGuest::kUserEntry);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0, 0xffff), ZX_OK);
    RunHostile(guest);
  }
}

TEST(HostileGuests, RandomBytesInRealMode) {
  REQUIRE_GUESTS();
  std::mt19937_64 random(37);
  const int images = Scaled(25'000, 250);
  for (int i = 0; i < images; ++i) {
    TestGuest guest;
    FillRandom(guest, random, 0x9000);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 0, 0xffff), ZX_OK);
    // The first VCPU is another thread's.
    zx_handle_t first = ZX_HANDLE_INVALID;
    std::thread([&] { ASSERT_EQ(zx_vcpu_create(guest.guest(), 0, 0, &first), ZX_OK); }).join();
    guest.MakeVcpu(0x9000);
    RunHostile(guest);
    zx_handle_close(first);
  }
}

}  // namespace
}  // namespace zxctl::test
