// Running a VCPU: who may, what ends it, what interrupts it; every status of zx_vcpu_resume() by a real situation.
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "support/test_guest.h"

namespace zxctl::test {
namespace {

GUEST_CODE(kSpin, R"(
  out %al, $1
1:
  jmp 1b
)");
GUEST_CODE(kHalt, R"(
1:
  hlt
  out %al, $1
  jmp 1b
)");
GUEST_CODE(kOutForEver, R"(
1:
  out %al, $1
  jmp 1b
)");
GUEST_CODE(kUnmapped, R"(
  mov $0x3fffe000, %rdi
  mov %rax, (%rdi)
  out %al, $1
)");
GUEST_CODE(kFault, R"(
  mov $0x123456789a, %rbx
  mov $0x4000000000, %rdi
  mov %rax, (%rdi)
)");
GUEST_CODE(kReadBell, "mov 0x200000, %eax\n out %al, $1\n");
GUEST_CODE(kRingBell, "mov %eax, 0x200000\n mov %eax, 0x200000\n mov %eax, 0x200000\n out %al, $1\n");
GUEST_CODE(kStringOut, "mov $0x10000, %rsi\n mov $1, %dx\n mov $3, %ecx\n rep outsb\n out %al, $1\n");
GUEST_CODE(kStringIn, "mov $0x30000, %rdi\n mov $1, %dx\n insb\n out %al, $1\n");
GUEST_CODE(kReadOnly, "mov %eax, 0x300000\n out %al, $1\n");

zxl_vcpu_exit_info_t ExitOf(const TestGuest& guest) {
  zxl_vcpu_exit_info_t info = {};
  EXPECT_EQ(zxl_vcpu_get_exit_info(guest.vcpu(), &info), ZX_OK) << LastError();
  return info;
}

TEST(VcpuErrors, HandlesInOrder) {
  REQUIRE_GUESTS();
  TestGuest guest(kHalt);
  zx_port_packet_t packet = {};
  EXPECT_EQ(zx_vcpu_resume(ZX_HANDLE_INVALID, &packet), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_vcpu_resume(Stale(), nullptr), ZX_ERR_BAD_HANDLE);
  EXPECT_EQ(zx_vcpu_resume(guest.guest(), nullptr), ZX_ERR_WRONG_TYPE);
  const OwnedHandle weak(Without(guest.vcpu(), ZX_RIGHT_EXECUTE));
  EXPECT_EQ(zx_vcpu_resume(weak, nullptr), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_vcpu_kick(weak), ZX_ERR_ACCESS_DENIED);
  const OwnedHandle silent(Without(guest.vcpu(), ZX_RIGHT_SIGNAL));
  EXPECT_EQ(zx_vcpu_interrupt(silent, 32), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), 256), ZX_ERR_OUT_OF_RANGE);
}

TEST(VcpuErrors, BadPacketBeforeTheGuestRuns) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  void* page = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  auto* const end = static_cast<char*>(page) + 4096;
  ASSERT_EQ(mprotect(end, 4096, PROT_READ), 0);
  EXPECT_EQ(zx_vcpu_resume(guest.vcpu(), nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_resume(guest.vcpu(), reinterpret_cast<zx_port_packet_t*>(end)), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_resume(guest.vcpu(), reinterpret_cast<zx_port_packet_t*>(end - 24)), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_resume(guest.vcpu(), reinterpret_cast<zx_port_packet_t*>(uintptr_t{16})), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_resume(guest.vcpu(), reinterpret_cast<zx_port_packet_t*>(UINT64_C(0xffff800000000000))),
            ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(guest.State().rsp, TestGuest::kStack);
  EXPECT_EQ(zx_vcpu_resume(guest.vcpu(), reinterpret_cast<zx_port_packet_t*>(end - sizeof(zx_port_packet_t))), ZX_OK);
  munmap(page, 8192);
}

TEST(VcpuErrors, AnotherThreadIsToldAtOnceWhateverTheFirstOneDoes) {
  REQUIRE_GUESTS();
  TestGuest guest(kSpin);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  const zx_handle_t vcpu = guest.vcpu();
  std::thread other([vcpu] {
    zx_port_packet_t packet = {};
    zx_vcpu_state_t state = {};
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(zx_vcpu_resume(vcpu, &packet), ZX_ERR_BAD_STATE);
      EXPECT_EQ(zx_vcpu_read_state(vcpu, ZX_VCPU_STATE, &state, sizeof(state)), ZX_ERR_BAD_STATE);
      EXPECT_EQ(zx_vcpu_write_state(vcpu, ZX_VCPU_STATE, &state, sizeof(state)), ZX_ERR_BAD_STATE);
    }
    EXPECT_EQ(zx_vcpu_kick(vcpu), ZX_OK);
  });
  EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
  other.join();
}

TEST(VcpuErrors, AVcpuOfAThreadThatHasEnded) {
  REQUIRE_GUESTS();
  TestGuest guest;
  guest.Load(kOutForEver);
  zx_handle_t vcpu = ZX_HANDLE_INVALID;
  std::thread([&] { EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, TestGuest::kEntry, &vcpu), ZX_OK); }).join();
  EXPECT_EQ(zx_vcpu_resume(vcpu, &guest.packet), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zx_vcpu_kick(vcpu), ZX_OK);
  EXPECT_EQ(zx_vcpu_interrupt(vcpu, 33), ZX_OK);
  EXPECT_EQ(zx_handle_close(vcpu), ZX_OK);
}

TEST(VcpuErrors, AForkedChildFailsCleanly) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  const pid_t child = fork();
  if (child == 0) {
    zx_port_packet_t packet = {};
    zx_vcpu_state_t state = {};
    zx_handle_t made = ZX_HANDLE_INVALID;
    zx_vaddr_t at = 0;
    const bool right = zx_vcpu_resume(guest.vcpu(), &packet) == ZX_ERR_BAD_STATE &&
                       zx_vcpu_kick(guest.vcpu()) == ZX_ERR_BAD_STATE &&
                       zx_vcpu_interrupt(guest.vcpu(), 40) == ZX_ERR_BAD_STATE &&
                       zx_vcpu_read_state(guest.vcpu(), ZX_VCPU_STATE, &state, sizeof(state)) == ZX_ERR_BAD_STATE &&
                       LastError().find("forked") != std::string::npos &&
                       zx_vcpu_create(guest.guest(), 0, 0, &made) == ZX_ERR_BAD_STATE &&
                       zx_guest_set_trap(guest.guest(), ZX_GUEST_TRAP_IO, 5, 1, 0, 0) == ZX_ERR_BAD_STATE &&
                       zx_vmar_map(guest.vmar(), ZX_VM_PERM_READ, 0, guest.vmo(), 0, 4096, &at) == ZX_ERR_BAD_STATE &&
                       zx_vmar_unmap(guest.vmar(), 0, 4096) == ZX_ERR_BAD_STATE;
    _exit(right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(guest.Resume(), ZX_OK) << LastError();
}

TEST(VcpuErrors, UnmappedMemoryIsNotFoundAndCanBeMended) {
  REQUIRE_GUESTS();
  TestGuest guest(kUnmapped);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_FOUND);
  EXPECT_NE(LastError().find("nothing is mapped"), std::string::npos) << LastError();
  EXPECT_NE(LastError().find("a store of 8 bytes to 0x3fffe000; rip is 0x1000a, behind it"), std::string::npos)
      << LastError();
  const zxl_vcpu_exit_info_t exit = ExitOf(guest);
  EXPECT_EQ(exit.access, ZXL_VCPU_ACCESS_STORE);
  EXPECT_EQ(exit.access_address, 0x3fffe000U);
  EXPECT_EQ(exit.access_bytes, 8U);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_FOUND);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x3fffe000, 0x1000, 8), ZX_OK) << LastError();
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_MEM);
  EXPECT_EQ(guest.packet.guest_mem.addr, 0x3fffe000U);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_IO);
}

TEST(VcpuErrors, UnknownPortIsNotFoundAndCanBeMended) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_FOUND);
  EXPECT_NE(LastError().find("OUT of 1 byte to port 0x1; rip is 0x"), std::string::npos) << LastError();
  EXPECT_EQ(ExitOf(guest).access, ZXL_VCPU_ACCESS_OUT);
  EXPECT_EQ(ExitOf(guest).access_address, 1U);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1, 4), ZX_OK);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest.packet.key, 4U);
}

TEST(VcpuErrors, AWriteToReadOnlyMemoryIsDenied) {
  REQUIRE_GUESTS();
  TestGuest guest(kReadOnly);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(zx_vmar_unmap(guest.vmar(), 0x300000, 0x1000), ZX_OK) << LastError();
  zx_vaddr_t at = 0;
  ASSERT_EQ(zx_vmar_map(guest.vmar(), ZX_VM_PERM_READ | ZX_VM_SPECIFIC, 0x300000, guest.vmo(), 0x300000, 0x1000, &at),
            ZX_OK)
      << LastError();
  EXPECT_EQ(guest.Resume(), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(ExitOf(guest).access, ZXL_VCPU_ACCESS_STORE);
  EXPECT_EQ(ExitOf(guest).access_address, 0x300000U);
  EXPECT_EQ(guest.Word(0x300000), 0U);
}

TEST(VcpuErrors, ATripleFaultIsNotSupportedAndLeavesTheLastState) {
  REQUIRE_GUESTS();
  TestGuest guest(kFault);
  zxl_vcpu_exit_info_t info = {};
  EXPECT_EQ(zxl_vcpu_get_exit_info(guest.vcpu(), &info), ZX_ERR_BAD_STATE);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_SUPPORTED);
  EXPECT_NE(LastError().find("triple fault"), std::string::npos);
  ASSERT_EQ(zxl_vcpu_get_exit_info(guest.vcpu(), &info), ZX_OK) << LastError();
  EXPECT_EQ(info.kvm_exit_reason, 8U);  // KVM_EXIT_SHUTDOWN
  EXPECT_EQ(info.access, ZXL_VCPU_ACCESS_NONE);
  EXPECT_GE(info.rip, TestGuest::kEntry);
  EXPECT_LT(info.rip, TestGuest::kEntry + 64);
}

TEST(VcpuErrors, StringIoIsNotSupported) {
  REQUIRE_GUESTS();
  for (const GuestCode& code : {kStringOut, kStringIn}) {
    TestGuest guest(code);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
    EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_SUPPORTED);
  }
}

TEST(VcpuBell, AReadIsNotSupported) {
  REQUIRE_GUESTS();
  TestGuest guest(kReadBell);
  const OwnedHandle port(NewPort());
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x200000, 0x1000, 5, port), ZX_OK);
  EXPECT_EQ(guest.Resume(), ZX_ERR_NOT_SUPPORTED);
}

TEST(VcpuBell, APortThatIsGoneIsBadState) {
  REQUIRE_GUESTS();
  TestGuest guest(kRingBell);
  const zx_handle_t port = NewPort();
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x200000, 0x1000, 5, port), ZX_OK);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  EXPECT_EQ(zx_handle_close(port), ZX_OK);
  guest.CloseVcpu();
  guest.MakeVcpu();
  EXPECT_EQ(guest.Resume(), ZX_ERR_BAD_STATE);
}

TEST(VcpuKick, BeforeOnceAndTwice) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK);
  EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK);
  zx_info_vcpu_t info = {};
  ASSERT_EQ(zx_object_get_info(guest.vcpu(), ZX_INFO_VCPU, &info, sizeof(info), nullptr, nullptr), ZX_OK)
      << LastError();
  EXPECT_EQ(info.flags, ZX_INFO_VCPU_FLAG_KICKED);
  EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
  ASSERT_EQ(zx_object_get_info(guest.vcpu(), ZX_INFO_VCPU, &info, sizeof(info), nullptr, nullptr), ZX_OK);
  EXPECT_EQ(info.flags, 0U);
  EXPECT_EQ(guest.Resume(), ZX_OK) << LastError();
}

// Whatever the guest does meanwhile: spin, wait for an interrupt, exit.
TEST(VcpuKick, WhileItRuns) {
  REQUIRE_GUESTS();
  for (const GuestCode& code : {kSpin, kHalt, kOutForEver}) {
    TestGuest guest(code);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
    for (int i = 0; i < 100; ++i) {
      std::thread other([&] { EXPECT_EQ(zx_vcpu_kick(guest.vcpu()), ZX_OK); });
      zx_status_t status = ZX_OK;
      while (status == ZX_OK) status = guest.Resume();
      EXPECT_EQ(status, ZX_ERR_CANCELED);
      other.join();
    }
  }
}

TEST(VcpuKick, TheGuestsLastHandleCancels) {
  REQUIRE_GUESTS();
  TestGuest guest(kSpin);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(guest.Resume(), ZX_OK);
  std::thread other([&] { guest.CloseGuest(); });
  EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
  other.join();
  EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
}

TEST(VcpuHalt, AnInterruptWakesItEvenWhereItCannotBeTaken) {
  REQUIRE_GUESTS();
  TestGuest guest(kHalt);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  std::thread other([&] { EXPECT_EQ(zx_vcpu_interrupt(guest.vcpu(), 64), ZX_OK); });
  EXPECT_EQ(guest.Resume(), ZX_OK) << LastError();
  other.join();
}

// ---- whose VCPU it is ------------------------------------------------------------------------------------------------

TEST(VcpuCreate, ASecondOneOnTheThreadIsBadState) {
  REQUIRE_GUESTS();
  TestGuest guest(kHalt);
  zx_handle_t second = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, 0, &second), ZX_ERR_BAD_STATE);
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 1, 0, &second), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, uint64_t{1} << 48, &second), ZX_ERR_INVALID_ARGS);
  guest.CloseVcpu();
  guest.MakeVcpu();
}

TEST(VcpuCreate, ANumberIsUsedAgainWithFreshRegisters) {
  REQUIRE_GUESTS();
  TestGuest guest(kOutForEver);
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    zx_vcpu_state_t state = guest.State();
    state.rbx = 5;
    guest.Set(state);
    guest.CloseVcpu();
    guest.MakeVcpu();
    EXPECT_EQ(guest.State().rbx, 0U);
  }
  EXPECT_EQ(guest.Resume(), ZX_OK) << LastError();
}

TEST(VcpuCreate, SixtyFourOfThem) {
  REQUIRE_GUESTS();
  TestGuest guest;
  std::atomic<int> made = 0;
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  std::vector<zx_handle_t> vcpus(64);
  for (zx_handle_t& vcpu : vcpus) {
    threads.emplace_back([&] {
      EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, 0x1000, &vcpu), ZX_OK) << LastError();
      made.fetch_add(1);
      made.notify_all();
      done.wait(false);
    });
  }
  for (int seen = made.load(); seen != 64; seen = made.load()) made.wait(seen);
  zx_handle_t more = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, 0x1000, &more), ZX_ERR_NO_RESOURCES);
  done.store(true);
  done.notify_all();
  for (std::thread& thread : threads) thread.join();
  for (const zx_handle_t vcpu : vcpus) EXPECT_EQ(zx_handle_close(vcpu), ZX_OK);
}

}  // namespace
}  // namespace zxctl::test
