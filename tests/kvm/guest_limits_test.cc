// Where things run out: descriptors, address space, signals, doorbells; and what a guest leaves in a port when it ends.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/scoped_limit.h"
#include "support/test_guest.h"

namespace zxctl::test {
namespace {

constexpr uint32_t kThere = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC;

GUEST_CODE(kRingAll, R"(
  .rept 2
  mov $0x200000, %rdi
  mov $300, %ecx
1:
  mov %eax, (%rdi)
  add $8, %rdi
  dec %ecx
  jnz 1b
  out %al, $1
  .endr
)");
GUEST_CODE(kRingOften, R"(
  mov $0x200000, %rdi
  mov $100, %ecx
1:
  mov %eax, (%rdi)
  mov %eax, 8(%rdi)
  dec %ecx
  jnz 1b
  out %al, $1
)");

// ---- bells -----------------------------------------------------------------------------------------------------------

// 300 addresses, each rung twice: what the kernel does not count any more leaves the guest.
TEST(GuestBells, MoreAddressesThanThereAreDoorbells) {
  REQUIRE_GUESTS();
  TestGuest guest(kRingAll);
  const OwnedHandle port(NewPort());
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x200000, 0x1000, 5, port), ZX_OK) << LastError();
  ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  std::array<int, 300> rings = {};
  std::thread taker([&] {
    for (int i = 0; i < 600; ++i) {
      zx_port_packet_t packet = {};
      ASSERT_EQ(zx_port_wait(port, ZX_TIME_INFINITE, &packet), ZX_OK);
      const uint64_t which = (packet.guest_bell.addr - 0x200000) / 8;
      ASSERT_LT(which, rings.size());
      ++rings[which];
    }
  });
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    EXPECT_EQ(guest.packet.type, ZX_PKT_TYPE_GUEST_IO);
  }
  taker.join();
  for (size_t i = 0; i < rings.size(); ++i) EXPECT_EQ(rings[i], 2) << i;
  zx_port_packet_t packet = {};
  EXPECT_EQ(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
}

// Those that nobody has taken leave the port with the guest's last handle, and nobody else's do.
TEST(GuestBells, PacketsLeaveThePortWithTheGuest) {
  REQUIRE_GUESTS();
  const OwnedHandle port(NewPort());
  zx_port_packet_t packet = {.key = 1};
  ASSERT_EQ(zx_port_queue(port, &packet), ZX_OK);
  {
    TestGuest guest(kRingOften);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x200000, 0x1000, 5, port), ZX_OK) << LastError();
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
    packet = {.key = 2};
    ASSERT_EQ(zx_port_queue(port, &packet), ZX_OK);
    // They are there: the first of them can be taken behind the first of all.
    ASSERT_EQ(zx_port_wait(port, 0, &packet), ZX_OK);
    EXPECT_EQ(packet.key, 1U);
    ASSERT_EQ(zx_port_wait(port, 0, &packet), ZX_OK);
    EXPECT_EQ(packet.key, 5U);
    EXPECT_EQ(packet.guest_bell.addr, 0x200000U);
    guest.CloseGuest();
    // The VCPU and the memory have handles still.
    ASSERT_EQ(zx_port_wait(port, 0, &packet), ZX_OK);
    EXPECT_EQ(packet.key, 2U);
    EXPECT_EQ(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
    EXPECT_EQ(guest.Resume(), ZX_ERR_CANCELED);
  }
  EXPECT_EQ(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
}

// ---- descriptors and address space -----------------------------------------------------------------------------------

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

uint64_t AddressSpaceBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t pages = 0;
  in >> pages;
  return pages * 4096;
}

// What a guest needs, one after the other; the status of the first that there is not.
zx_status_t MakeAGuest() {
  zx_handle_t handles[5] = {};
  auto& [resource, guest, vmar, vmo, vcpu] = handles;
  zx_vaddr_t at = 0;
  zx_status_t status = zxl_get_hypervisor_resource(&resource);
  if (status == ZX_OK) status = zx_guest_create(resource, 0, &guest, &vmar);
  if (status == ZX_OK) status = zx_vmo_create(1 << 20, 0, &vmo);
  if (status == ZX_OK) status = zx_vmar_map(vmar, kThere, 0, vmo, 0, 1 << 20, &at);
  if (status == ZX_OK) status = zx_vcpu_create(guest, 0, 0, &vcpu);
  if (status != ZX_OK) {
    EXPECT_NE(LastError(), "");
  }
  for (const zx_handle_t handle : handles) {
    if (handle != ZX_HANDLE_INVALID) zx_handle_close(handle);
  }
  return status;
}

TEST(GuestLimits, DescriptorsThatRunOut) {
  REQUIRE_GUESTS();
  ASSERT_EQ(MakeAGuest(), ZX_OK);
  const size_t open_before = OpenDescriptors();
  const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(next);
  int failures = 0;
  for (int more = 0;; ++more) {
    ASSERT_LT(more, 20);
    zx_status_t status = ZX_OK;
    {
      const ScopedLimit limit(RLIMIT_NOFILE, static_cast<rlim_t>(next + more));
      status = MakeAGuest();
    }
    EXPECT_EQ(OpenDescriptors(), open_before) << more;
    if (status == ZX_OK) break;
    EXPECT_EQ(status, ZX_ERR_NO_RESOURCES) << more << " descriptors: " << LastError();
    ++failures;
  }
  // /dev/kvm, the machine, the memory, the VCPU.
  EXPECT_EQ(failures, 4);
}

// KVM keeps a VCPU that could not be mapped: its number is not lost.
TEST(GuestLimits, AddressSpaceThatRunsOut) {
  REQUIRE_GUESTS();
  TestGuest guest;
  zx_handle_t vcpu = ZX_HANDLE_INVALID;
  zx_handle_t vmo = ZX_HANDLE_INVALID;
  zx_vaddr_t at = 0;
  ASSERT_EQ(zx_vmo_create(uint64_t{1} << 30, 0, &vmo), ZX_OK);
  {
    const ScopedLimit limit(RLIMIT_AS, AddressSpaceBytes());
    EXPECT_EQ(zx_vmar_map(guest.vmar(), kThere, uint64_t{1} << 32, vmo, 0, uint64_t{1} << 30, &at), ZX_ERR_NO_MEMORY);
    EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, TestGuest::kEntry, &vcpu), ZX_ERR_NO_MEMORY);
    EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, TestGuest::kEntry, &vcpu), ZX_ERR_NO_MEMORY);
  }
  EXPECT_EQ(zx_vmar_map(guest.vmar(), kThere, uint64_t{1} << 32, vmo, 0, uint64_t{1} << 30, &at), ZX_OK) << LastError();
  EXPECT_EQ(zx_vcpu_create(guest.guest(), 0, TestGuest::kEntry, &vcpu), ZX_OK) << LastError();
  zx_handle_close(vcpu);
  zx_handle_close(vmo);
}

// ---- the kick signal: of a process, so each in one of its own --------------------------------------------------------

void Handle(int /*signo*/) {}

[[nodiscard]] bool IsHandled(int signo) {
  struct sigaction now = {};
  return sigaction(signo, nullptr, &now) == 0 && now.sa_handler != SIG_DFL;
}

// The end of such a process: 0 if all that it looked at was right.
[[noreturn]] void ExitWith(bool right) {
  if (!right) std::fprintf(stderr, "%s\n", zxl_last_error());
  _exit(right ? 0 : 1);
}

class KickSignal : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_GUESTS();
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

void TakesTheHighestThatIsLeft() {
  signal(SIGRTMAX, Handle);
  signal(SIGRTMAX - 1, SIG_IGN);
  sigset_t all;
  sigset_t now;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &now);
  TestGuest guest;
  guest.MakeVcpu();
  pthread_sigmask(SIG_SETMASK, nullptr, &now);
  struct sigaction action = {};
  sigaction(SIGRTMAX - 2, nullptr, &action);
  const bool is_there = action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
  const bool flags = (action.sa_flags & SA_RESTART) != 0 && (action.sa_flags & SA_ONSTACK) != 0;
  struct sigaction ignored = {};
  sigaction(SIGRTMAX - 1, nullptr, &ignored);
  // Unblocked, and nothing else is; further down nothing is taken.
  const bool open = sigismember(&now, SIGRTMAX - 2) == 0 && sigismember(&now, SIGRTMAX) == 1;
  ExitWith(is_there && flags && open && ignored.sa_handler == SIG_IGN && !IsHandled(SIGRTMAX - 3));
}

TEST_F(KickSignal, IsTheHighestThatTheProgramHasLeft) {
  EXPECT_EXIT(TakesTheHighestThatIsLeft(), ::testing::ExitedWithCode(0), "");
}

void FindsNone() {
  for (int signo = SIGRTMIN; signo <= SIGRTMAX; ++signo) signal(signo, Handle);
  TestGuest guest;
  zx_handle_t vcpu = ZX_HANDLE_INVALID;
  const bool refused = zx_vcpu_create(guest.guest(), 0, 0, &vcpu) == ZX_ERR_NO_RESOURCES;
  const bool says = LastError().find("real-time signals") != std::string::npos;
  // One that is given back is taken.
  signal(SIGRTMIN + 3, SIG_DFL);
  ExitWith(refused && says && zx_vcpu_create(guest.guest(), 0, 0, &vcpu) == ZX_OK && IsHandled(SIGRTMIN + 3));
}

TEST_F(KickSignal, ThatIsNotLeftIsNoResources) { EXPECT_EXIT(FindsNone(), ::testing::ExitedWithCode(0), ""); }

// ---- machines without guests -----------------------------------------------------------------------------------------

// Seen by this process alone.
bool HideKvm() {
  return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("/dev/null", "/dev/kvm", nullptr, MS_BIND, nullptr) == 0;
}

TEST(GuestLimits, SomethingElseInThePlaceOfKvm) {
  REQUIRE_GUESTS();
  constexpr int kCannotHide = 77;
  const pid_t child = fork();
  if (child == 0) {
    if (!HideKvm()) _exit(kCannotHide);
    zx_handle_t resource = 5;
    const bool refused = zxl_get_hypervisor_resource(&resource) == ZX_ERR_NOT_SUPPORTED && resource == 5;
    ExitWith(refused && LastError().find("/dev/kvm is not the KVM") != std::string::npos);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotHide)
    GTEST_SKIP() << "/dev/kvm cannot be hidden from a process";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace zxctl::test
