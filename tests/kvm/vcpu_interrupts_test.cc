// Interrupts of guests: which come, when, in what order; and what the guest's own local APIC asks for.
#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "support/test_guest.h"

namespace zxctl::test {
namespace {

// Each handler tells its vector on port 1, and goes back. They stand 16 bytes apart.
GUEST_CODE(kHandlers, R"(
.set vector, 0
.rept 256
.balign 16
  push %rax
  mov $vector, %al
  out %al, $1
  pop %rax
  iretq
.set vector, vector + 1
.endr
)");
// With an error code on the stack.
GUEST_CODE(kErrorHandler, R"(
  pop %rax
  mov %eax, %ebx
  mov $200, %al
  out %al, $1
  iretq
)");
GUEST_CODE(kOpen, R"(
  lgdt 0x7f00
  lidt 0x7f10
  sti
  out %al, $2
1:
  jmp 1b
)");
GUEST_CODE(kOpenLater, R"(
  lgdt 0x7f00
  lidt 0x7f10
  out %al, $2
  out %al, $3
  sti
  nop
  nop
  out %al, $4
1:
  jmp 1b
)");
GUEST_CODE(kIdle, R"(
  lgdt 0x7f00
  lidt 0x7f10
1:
  sti
  hlt
  cli
  out %al, $5
  jmp 1b
)");
GUEST_CODE(kApic, R"(
  lgdt 0x7f00
  lidt 0x7f10
  mov $0x802, %ecx
  rdmsr
  mov %eax, 0x30000
  mov $0x830, %ecx
  mov $3, %edx
  mov $0x41, %eax
  wrmsr
  mov $1, %edx
  mov $0x4512, %eax
  wrmsr
  mov $1, %edx
  mov $0x4609, %eax
  wrmsr
  xor %edx, %edx
  mov $0xc0050, %eax
  wrmsr
  mov $0x40060, %eax
  wrmsr
  mov $0x83f, %ecx
  mov $0x70, %eax
  wrmsr
  sti
  nop
1:
  jmp 1b
)");

constexpr uint64_t kHandlersAt = 0x40000;

// A guest with a table of all vectors.
class Interrupts : public ::testing::Test {
 protected:
  void Start(const GuestCode& code) {
    guest_.emplace(code);
    guest_->Load(kHandlers, kHandlersAt);
    // Flat segments: 8 is code of 64 bits, 16 data.
    guest_->SetWord(0x7000, 0);
    guest_->SetWord(0x7008, 0x00af9b000000ffff);
    guest_->SetWord(0x7010, 0x00cf93000000ffff);
    for (uint64_t vector = 0; vector < 256; ++vector) SetHandler(vector, kHandlersAt + 16 * vector);
    SetTable(0x7f00, 0x7000, 0x17);
    SetTable(0x7f10, 0x8000, 0xfff);
    ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_IO, 1, 8), ZX_OK);
  }
  void SetHandler(uint64_t vector, uint64_t at) {
    guest_->SetWord(0x8000 + 16 * vector, (at & 0xffff) | 8 << 16 | 0x8eULL << 40 | (at >> 16) << 48);
    guest_->SetWord(0x8008 + 16 * vector, at >> 32);
  }
  void SetTable(uint64_t at, uint64_t base, uint16_t limit) {
    uint8_t bytes[10];
    std::memcpy(bytes, &limit, 2);
    std::memcpy(bytes + 2, &base, 8);
    ASSERT_EQ(zx_vmo_write(guest_->vmo(), bytes, at, sizeof(bytes)), ZX_OK);
  }
  void RunUntilPort(uint16_t port) {
    ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
    ASSERT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_IO);
    ASSERT_EQ(guest_->packet.guest_io.port, port);
  }
  // What the guest itself does meanwhile does not count: where instructions are emulated in batches, an interrupt comes only at
  // the end of one.
  uint8_t NextVector() {
    do {
      EXPECT_EQ(guest_->Resume(), ZX_OK) << LastError();
    } while (guest_->packet.guest_io.port == 4);
    EXPECT_EQ(guest_->packet.guest_io.port, 1);
    return guest_->packet.guest_io.u8;
  }
  void Raise(uint32_t vector) { ASSERT_EQ(zx_vcpu_interrupt(guest_->vcpu(), vector), ZX_OK) << LastError(); }

  std::optional<TestGuest> guest_;
};

#define START(code) \
  REQUIRE_GUESTS(); \
  Start(code)

TEST_F(Interrupts, BeforeTheFirstResume) {
  START(kOpenLater);
  Raise(0x50);
  RunUntilPort(2);
  RunUntilPort(3);
  EXPECT_EQ(NextVector(), 0x50);
}

TEST_F(Interrupts, TheSameVectorTwiceIsOnce) {
  START(kOpenLater);
  RunUntilPort(2);
  Raise(0x50);
  Raise(0x50);
  RunUntilPort(3);
  EXPECT_EQ(NextVector(), 0x50);
  // Nothing else comes before the next.
  Raise(0x51);
  EXPECT_EQ(NextVector(), 0x51);
}

// Those that are pending together: handlers run with interrupts off, so that each ends before the next.
TEST_F(Interrupts, HigherVectorsFirst) {
  START(kOpenLater);
  RunUntilPort(2);
  for (const uint32_t vector : {0x40, 0xff, 0x20, 0x80}) Raise(vector);
  RunUntilPort(3);
  EXPECT_EQ(NextVector(), 0xff);
  EXPECT_EQ(NextVector(), 0x80);
  EXPECT_EQ(NextVector(), 0x40);
  EXPECT_EQ(NextVector(), 0x20);
}

TEST_F(Interrupts, NmiBeforeAllAndThoughInterruptsAreOff) {
  START(kOpenLater);
  RunUntilPort(2);
  Raise(0x80);
  Raise(2);
  EXPECT_EQ(NextVector(), 2);
  RunUntilPort(3);
  EXPECT_EQ(NextVector(), 0x80);
}

TEST_F(Interrupts, NotWhileTheyAreOff) {
  START(kOpenLater);
  RunUntilPort(2);
  Raise(0x33);
  RunUntilPort(3);
  EXPECT_EQ(NextVector(), 0x33);
}

TEST_F(Interrupts, ExceptionsHaveTheErrorCodeThatTheyPush) {
  START(kOpenLater);
  guest_->Load(kErrorHandler, 0x50000);
  SetHandler(13, 0x50000);
  RunUntilPort(2);
  Raise(13);
  ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest_->packet.guest_io.u8, 200);
  EXPECT_EQ(guest_->State().rbx, 0U);
  Raise(6);
  EXPECT_EQ(NextVector(), 6);
}

TEST_F(Interrupts, VectorsThatNoProcessorHas) {
  START(kOpen);
  RunUntilPort(2);
  for (uint32_t vector = 21; vector < 32; ++vector) {
    Raise(vector);
    EXPECT_EQ(guest_->Resume(), ZX_ERR_NOT_SUPPORTED) << vector;
  }
  Raise(32);
  EXPECT_EQ(NextVector(), 32);
}

TEST_F(Interrupts, EveryVectorFromAnotherThreadWhileTheGuestSpins) {
  START(kOpen);
  RunUntilPort(2);
  for (uint32_t vector = 32; vector < 256; vector += 7) {
    std::thread other([&] { Raise(vector); });
    EXPECT_EQ(NextVector(), vector);
    other.join();
  }
}

TEST_F(Interrupts, WakeAHaltedGuest) {
  START(kIdle);
  for (int i = 0; i < 100; ++i) {
    const auto vector = static_cast<uint32_t>(40 + i % 100);
    std::thread other([&] { Raise(vector); });
    EXPECT_EQ(NextVector(), vector);
    RunUntilPort(5);
    other.join();
  }
}

TEST_F(Interrupts, WhatTheLocalApicIsAskedForIsPackets) {
  START(kApic);
  ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest_->Word(0x30000) & 0xffffffff, 0U);
  EXPECT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_VCPU);
  EXPECT_EQ(guest_->packet.key, 0U);
  EXPECT_EQ(guest_->packet.guest_vcpu.type, ZX_PKT_GUEST_VCPU_INTERRUPT);
  EXPECT_EQ(guest_->packet.guest_vcpu.interrupt.mask, 1U << 3);
  EXPECT_EQ(guest_->packet.guest_vcpu.interrupt.vector, 0x41);
  // INIT tells nobody.
  ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest_->packet.guest_vcpu.type, ZX_PKT_GUEST_VCPU_STARTUP);
  EXPECT_EQ(guest_->packet.guest_vcpu.startup.id, 1U);
  EXPECT_EQ(guest_->packet.guest_vcpu.startup.entry, 0x9000U);
  // To all others.
  ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest_->packet.guest_vcpu.interrupt.mask, ~uint64_t{1});
  EXPECT_EQ(guest_->packet.guest_vcpu.interrupt.vector, 0x50);
  // To itself, in two ways.
  EXPECT_EQ(NextVector(), 0x70);
  EXPECT_EQ(NextVector(), 0x60);
}

GUEST_CODE(kCommands, R"(
  mov $0x830, %ecx
1:
  mov %rsi, %rax
  mov %rsi, %rdx
  shr $32, %rdx
  wrmsr
  out %al, $1
  jmp 1b
)");

// Each with a guest of its own: one that asks for what there is not cannot go on.
TEST_F(Interrupts, CommandsOfTheLocalApicToWhom) {
  REQUIRE_GUESTS();
  const struct {
    uint64_t command;
    zx_status_t status;
    uint64_t mask;
  } cases[] = {
      {uint64_t{7} << 32 | 0x41, ZX_OK, 1 << 7},             // to a VCPU that there is not: who is told may make it
      {uint64_t{64} << 32 | 0x41, ZX_OK, 0},                 // to one that there cannot be
      {uint64_t{0xffffffff} << 32 | 0x41, ZX_OK, ~0ULL},     // to all, by number
      {0x80041, ZX_OK, ~0ULL},                               // to all
      {0x841, ZX_ERR_NOT_SUPPORTED, 0},                      // to a logical destination
      {0x241, ZX_ERR_NOT_SUPPORTED, 0},                      // to the firmware
      {0x441, ZX_ERR_NOT_SUPPORTED, 0},                      // one that cannot be masked
      {uint64_t{1} << 32 | 0xe09, ZX_ERR_NOT_SUPPORTED, 0},  // a start of a logical destination
  };
  for (const auto& each : cases) {
    Start(kCommands);
    zx_vcpu_state_t state = guest_->State();
    state.rsi = each.command;
    guest_->Set(state);
    EXPECT_EQ(guest_->Resume(), each.status) << std::hex << each.command << ": " << LastError();
    if (each.status == ZX_OK) {
      EXPECT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_VCPU);
      EXPECT_EQ(guest_->packet.guest_vcpu.interrupt.mask, each.mask) << std::hex << each.command;
    }
    guest_.reset();
  }
}

// It needs not wait for interrupts to be on, but what is above it does.
TEST_F(Interrupts, AnExceptionWaitsBehindAnInterruptThatWaits) {
  START(kOpenLater);
  RunUntilPort(2);
  Raise(6);
  Raise(0x50);
  RunUntilPort(3);
  EXPECT_EQ(NextVector(), 0x50);
  EXPECT_EQ(NextVector(), 6);
}

// ---- more than one VCPU ----------------------------------------------------------------------------------------------

GUEST_CODE(kSecond, R"(
.code16
  mov %cs, %ax
  out %ax, $6
  mov $0x1234, %ax
  mov %ax, %ds
  mov %ax, 0x10
  out %al, $7
1:
  hlt
  jmp 1b
.code64
)");

TEST_F(Interrupts, ASecondVcpuBeginsInRealModeOnItsOwnThread) {
  START(kApic);
  guest_->Load(kSecond, 0x9000);
  ASSERT_EQ(guest_->Resume(), ZX_OK);
  ASSERT_EQ(guest_->Resume(), ZX_OK);
  ASSERT_EQ(guest_->packet.guest_vcpu.type, ZX_PKT_GUEST_VCPU_STARTUP);
  const uint64_t entry = guest_->packet.guest_vcpu.startup.entry;
  std::thread second([&] {
    zx_handle_t vcpu = ZX_HANDLE_INVALID;
    ASSERT_EQ(zx_vcpu_create(guest_->guest(), 0, entry, &vcpu), ZX_OK) << LastError();
    zx_port_packet_t packet = {};
    EXPECT_EQ(zx_vcpu_resume(vcpu, &packet), ZX_OK) << LastError();
    EXPECT_EQ(packet.guest_io.port, 6);
    EXPECT_EQ(packet.guest_io.u16, 0x900);
    EXPECT_EQ(zx_vcpu_resume(vcpu, &packet), ZX_OK) << LastError();
    EXPECT_EQ(packet.guest_io.port, 7);
    EXPECT_EQ(zx_handle_close(vcpu), ZX_OK);
  });
  second.join();
  EXPECT_EQ(guest_->Word(0x12350) & 0xffff, 0x1234U);
}

GUEST_CODE(kWhoAmI, R"(
.code16
  mov $1, %eax
  cpuid
  mov %ebx, %eax
  out %eax, $6
  mov $0x802, %ecx
  rdmsr
  out %eax, $7
.code64
)");

// The number is the APIC's id, and what CPUID says it is.
TEST_F(Interrupts, SixtyFourVcpusKnowTheirNumbers) {
  START(kOpen);
  guest_->Load(kWhoAmI, 0x9000);
  std::vector<zx_handle_t> vcpus;
  for (uint32_t number = 1; number < 64; ++number) {
    std::thread([&] {
      zx_handle_t vcpu = ZX_HANDLE_INVALID;
      zx_port_packet_t packet = {};
      ASSERT_EQ(zx_vcpu_create(guest_->guest(), 0, 0x9000, &vcpu), ZX_OK) << LastError();
      vcpus.push_back(vcpu);
      ASSERT_EQ(zx_vcpu_resume(vcpu, &packet), ZX_OK) << LastError();
      EXPECT_EQ(packet.guest_io.u32 >> 24, number);
      ASSERT_EQ(zx_vcpu_resume(vcpu, &packet), ZX_OK) << LastError();
      EXPECT_EQ(packet.guest_io.port, 7);
      EXPECT_EQ(packet.guest_io.u32, number);
    }).join();
  }
  std::thread([&] {
    zx_handle_t more = ZX_HANDLE_INVALID;
    EXPECT_EQ(zx_vcpu_create(guest_->guest(), 0, 0x9000, &more), ZX_ERR_NO_RESOURCES);
  }).join();
  for (const zx_handle_t vcpu : vcpus) EXPECT_EQ(zx_handle_close(vcpu), ZX_OK);
}

}  // namespace
}  // namespace zxctl::test
