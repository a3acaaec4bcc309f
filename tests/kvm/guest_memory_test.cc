// A guest's memory and its traps: what is mapped where, what is refused, and what happens while VCPUs run.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "support/test_guest.h"

namespace zxctl::test {
namespace {

constexpr uint32_t kWritable = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE;
constexpr uint32_t kThere = kWritable | ZX_VM_SPECIFIC;
constexpr uint64_t kPage = 4096;

class GuestSpace : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_GUESTS();
    guest_.emplace();
    ASSERT_EQ(zx_vmo_create(16 * kPage, 0, &vmo_), ZX_OK);
  }
  void TearDown() override { zx_handle_close(vmo_); }
  zx_status_t Map(uint32_t options, uint64_t at, uint64_t offset, uint64_t size) {
    return zx_vmar_map(guest_->vmar(), options, at, vmo_, offset, size, &mapped_);
  }
  zx_status_t Unmap(uint64_t at, uint64_t size) { return zx_vmar_unmap(guest_->vmar(), at, size); }

  std::optional<TestGuest> guest_;
  zx_handle_t vmo_ = ZX_HANDLE_INVALID;
  zx_vaddr_t mapped_ = 0;
};

constexpr uint64_t kFree = 64 << 20;

TEST_F(GuestSpace, VmosHaveWholePagesAndZeros) {
  zx_handle_t odd = ZX_HANDLE_INVALID;
  ASSERT_EQ(zx_vmo_create(5000, 0, &odd), ZX_OK);
  uint64_t size = 0;
  EXPECT_EQ(zx_vmo_get_size(odd, &size), ZX_OK);
  EXPECT_EQ(size, 2 * kPage);
  uint8_t byte = 1;
  EXPECT_EQ(zx_vmo_read(odd, &byte, size - 1, 1), ZX_OK);
  EXPECT_EQ(byte, 0);
  EXPECT_EQ(zx_vmo_read(odd, &byte, size, 1), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(zx_vmo_write(odd, &byte, UINT64_MAX, 1), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(zx_vmo_create(UINT64_MAX, 0, &odd), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(zx_vmo_create(kPage, 2, &odd), ZX_ERR_INVALID_ARGS);
  zx_handle_close(odd);
}

TEST_F(GuestSpace, BadArgumentsInOrder) {
  EXPECT_EQ(zx_vmar_map(vmo_, kThere, kFree, vmo_, 0, kPage, &mapped_), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(zx_vmar_map(guest_->vmar(), kThere, kFree, guest_->vmar(), 0, kPage, &mapped_), ZX_ERR_WRONG_TYPE);
  const OwnedHandle unmappable(Without(vmo_, ZX_RIGHT_MAP));
  EXPECT_EQ(zx_vmar_map(guest_->vmar(), kThere, kFree, unmappable, 0, kPage, &mapped_), ZX_ERR_ACCESS_DENIED);
  const OwnedHandle unwritable(Without(vmo_, ZX_RIGHT_WRITE));
  EXPECT_EQ(zx_vmar_map(guest_->vmar(), kThere, kFree, unwritable, 0, kPage, &mapped_), ZX_ERR_ACCESS_DENIED);
  EXPECT_EQ(Map(kThere | 0x100, kFree, 0, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(Map(ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC, kFree, 0, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(Map(kWritable, kFree, 0, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(Map(kThere, kFree, 0, 0), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(Map(kThere, kFree + 1, 0, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(Map(kThere, kFree, 1, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(Map(kThere, kFree, 0, 17 * kPage), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(Map(kThere, kFree, 17 * kPage, kPage), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(Map(kThere, kFree, 0, UINT64_MAX), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(Map(kThere, uint64_t{1} << 48, 0, kPage), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(Map(kThere, 0, 0, kPage), ZX_ERR_ALREADY_EXISTS);
  EXPECT_EQ(Unmap(kFree, kPage), ZX_ERR_NOT_FOUND);
  EXPECT_EQ(Unmap(kFree + 1, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(Unmap(kFree, 0), ZX_ERR_INVALID_ARGS);
}

TEST_F(GuestSpace, AnyPlaceThatIsFree) {
  ASSERT_EQ(Map(kWritable, 0, 0, 2 * kPage), ZX_OK) << LastError();
  EXPECT_EQ(mapped_, TestGuest::kMemoryBytes);
  ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_MEM, TestGuest::kMemoryBytes + 2 * kPage, kPage), ZX_OK);
  ASSERT_EQ(Map(kWritable, 0, 0, 2 * kPage), ZX_OK) << LastError();
  EXPECT_EQ(mapped_, TestGuest::kMemoryBytes + 3 * kPage);
  ASSERT_EQ(Unmap(TestGuest::kMemoryBytes, 2 * kPage), ZX_OK);
  ASSERT_EQ(Map(kWritable, 0, 0, kPage), ZX_OK);
  EXPECT_EQ(mapped_, TestGuest::kMemoryBytes);
}

TEST_F(GuestSpace, TrapRules) {
  const OwnedHandle port(NewPort());
  const auto trap = [&](uint32_t kind, uint64_t at, uint64_t size, zx_handle_t to = ZX_HANDLE_INVALID) {
    return guest_->Trap(kind, at, size, 0, to);
  };
  EXPECT_EQ(trap(9, 0, 0), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(trap(9, UINT64_MAX, 2), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(trap(9, 0, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_BELL, kFree, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_MEM, kFree, kPage, port), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_IO, 1, 1, port), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_MEM, kFree + 1, kPage), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_MEM, kFree, kPage + 1), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_MEM, uint64_t{1} << 48, kPage), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_IO, 0xffff, 1), ZX_ERR_OUT_OF_RANGE);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_IO, 0xfffe, 1), ZX_OK);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_IO, 0xfff0, 15), ZX_ERR_ALREADY_EXISTS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_MEM, kFree, 4 * kPage), ZX_OK);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_BELL, kFree + 3 * kPage, kPage, port), ZX_ERR_ALREADY_EXISTS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_BELL, kFree - kPage, 8 * kPage, port), ZX_ERR_ALREADY_EXISTS);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_BELL, kFree + 4 * kPage, kPage, port), ZX_OK) << LastError();
  EXPECT_EQ(zx_guest_set_trap(guest_->vmar(), 9, 0, 0, 0, 0), ZX_ERR_WRONG_TYPE);
  EXPECT_EQ(trap(ZX_GUEST_TRAP_IO, 10, 1, vmo_), ZX_ERR_WRONG_TYPE);
  EXPECT_NE(LastError(), "");
}

GUEST_CODE(kTouch, R"(
  mov $0x200000, %rdi
1:
  mov (%rdi), %rax
  mov %rax, 8(%rdi)
  add $0x1000, %rdi
  cmp $0x208000, %rdi
  jb 1b
  out %al, $1
)");

// A trap makes a hole in what is mapped, and a mapping leaves traps as they are.
TEST_F(GuestSpace, TrapsPunchHoles) {
  guest_->Load(kTouch);
  guest_->MakeVcpu();
  ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_MEM, 0x202000, kPage, 11), ZX_OK);
  ASSERT_EQ(Unmap(0x204000, 3 * kPage), ZX_OK) << LastError();
  ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_MEM, 0x205000, kPage, 12), ZX_OK);
  ASSERT_EQ(Map(kThere, 0x204000, 4 * kPage, 3 * kPage), ZX_OK) << LastError();
  for (const uint64_t key : {11, 11, 12, 12}) {
    ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
    EXPECT_EQ(guest_->packet.key, key);
  }
  ASSERT_EQ(guest_->Resume(), ZX_OK) << LastError();
  EXPECT_EQ(guest_->packet.type, ZX_PKT_TYPE_GUEST_IO);
}

GUEST_CODE(kCount, R"(
  xor %rax, %rax
1:
  inc %rax
  mov %rax, 0x200000
  mov 0x200000, %rbx
  cmp %rax, %rbx
  je 1b
  out %al, $1
)");

// While a VCPU uses a piece of memory, what is beside it comes and goes.
TEST_F(GuestSpace, ChangesBesideARunningVcpu) {
  guest_->Load(kCount);
  guest_->MakeVcpu();
  ASSERT_EQ(guest_->Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
  std::thread other([&] {
    for (int i = 0; i < 300; ++i) {
      EXPECT_EQ(Unmap(0x201000, kPage), ZX_OK) << LastError();
      EXPECT_EQ(zx_vmar_map(guest_->vmar(), kThere, 0x201000, guest_->vmo(), 0x201000, kPage, &mapped_), ZX_OK)
          << LastError();
      EXPECT_EQ(Unmap(0x1ff000, kPage), ZX_OK) << LastError();
      EXPECT_EQ(zx_vmar_map(guest_->vmar(), kThere, 0x1ff000, guest_->vmo(), 0x1ff000, kPage, &mapped_), ZX_OK)
          << LastError();
    }
    EXPECT_EQ(zx_vcpu_kick(guest_->vcpu()), ZX_OK);
  });
  EXPECT_EQ(guest_->Resume(), ZX_ERR_CANCELED) << LastError();
  other.join();
}

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

uint64_t ResidentPages() {
  std::ifstream in("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  in >> total >> resident;
  return resident;
}

// 64 GiB, of which a few pages are touched.
TEST_F(GuestSpace, WhatIsNotTouchedCostsNothing) {
  zx_handle_t large = ZX_HANDLE_INVALID;
  ASSERT_EQ(zx_vmo_create(uint64_t{64} << 30, 0, &large), ZX_OK) << LastError();
  const uint64_t before = ResidentPages();
  ASSERT_EQ(zx_vmar_map(guest_->vmar(), kThere, uint64_t{1} << 36, large, 0, uint64_t{64} << 30, &mapped_), ZX_OK)
      << LastError();
  const uint64_t word = 7;
  for (uint64_t gib = 0; gib < 64; ++gib) {
    ASSERT_EQ(zx_vmo_write(large, &word, gib << 30, sizeof(word)), ZX_OK);
  }
  EXPECT_LT(ResidentPages() - before, 1024U);
  zx_handle_close(large);
}

TEST_F(GuestSpace, ThreeHundredGuestsLeaveNothingBehind) {
  const OwnedHandle port(NewPort());
  const auto one = [&](int i) {
    TestGuest guest;
    guest.Load(kTouch);
    guest.MakeVcpu();
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_IO, 1, 1), ZX_OK);
    ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_MEM, 0x203000, kPage), ZX_OK);
    if (i % 2 == 0) {
      ASSERT_EQ(guest.Trap(ZX_GUEST_TRAP_BELL, 0x300000, kPage, 1, port), ZX_OK);
    }
    ASSERT_EQ(guest.Resume(), ZX_OK) << LastError();
  };
  for (int i = 0; i < 20; ++i) one(i);
  const size_t descriptors = OpenDescriptors();
  const uint64_t resident = ResidentPages();
  for (int i = 0; i < 300; ++i) one(i);
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_LT(ResidentPages(), resident + 512);
}

}  // namespace
}  // namespace zxctl::test
