// Null, misaligned and kernel-half pointers are INVALID_ARGS and change nothing; other bad ones fault before anything has
// changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>

#include "arch/arch.h"
#include "support/faults.h"
#include "support/handles.h"

namespace zxctl::test {
namespace {

using ::testing::HasSubstr;

constexpr size_t kPage = 4096;

// Which bit makes an address one of the kernel's half is the machine's.
uint64_t BeginOfKernelHalf() {
  uint64_t bit = 1;
  while (!arch::IsKernelHalf(bit)) bit <<= 1;
  return bit;
}

template <typename T>
std::array<std::pair<T*, const char*>, 4> BadPointers() {
  return {{{nullptr, "is null"},
           {reinterpret_cast<T*>(0x1001), "is not aligned"},
           {reinterpret_cast<T*>(0xffff'8000'0000'0000), "kernel's half"},
           {reinterpret_cast<T*>(BeginOfKernelHalf()), "kernel's half"}}};
}

TEST(Pointers, BadOnesAreInvalidArgsEverywhere) {
  const OwnedHandle port(NewPort());
  const OwnedHandle job(NewJob());
  const zx_koid_t child_koid = KoidOf(job);
  const auto expect_invalid = [](zx_status_t status, const char* why) {
    EXPECT_EQ(status, ZX_ERR_INVALID_ARGS);
    EXPECT_THAT(LastError(), HasSubstr(why));
  };
  for (const auto& [bad, why] : BadPointers<zx_handle_t>()) {
    expect_invalid(zx_handle_duplicate(port, ZX_RIGHT_SAME_RIGHTS, bad), why);
    expect_invalid(zx_handle_replace(port, ZX_RIGHT_SAME_RIGHTS, bad), why);
    expect_invalid(zx_handle_close_many(bad, 1), why);
    expect_invalid(zx_object_get_child(zx_job_default(), child_koid, ZX_RIGHT_SAME_RIGHTS, bad), why);
    expect_invalid(zx_job_create(job, 0, bad), why);
    expect_invalid(zx_port_create(0, bad), why);
  }
  for (const auto& [bad, why] : BadPointers<zx_port_packet_t>()) {
    expect_invalid(zx_port_queue(port, bad), why);
    expect_invalid(zx_port_wait(port, 0, bad), why);
  }
  for (const auto& [bad, why] : BadPointers<int>()) expect_invalid(zxl_port_get_fd(port, bad), why);
  for (const auto& [bad, why] : BadPointers<zx_wait_item_t>()) expect_invalid(zx_object_wait_many(bad, 1, 0), why);
  for (const auto& [bad, why] : BadPointers<zx_koid_t>()) {
    expect_invalid(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, bad, 8, nullptr, nullptr), why);
    expect_invalid(zx_object_get_info(job, ZX_INFO_HANDLE_BASIC, bad, 32, nullptr, nullptr), why);
    if (bad == nullptr) continue;  // optional
    expect_invalid(zx_object_get_info(job, ZX_INFO_HANDLE_VALID, nullptr, 0, bad, nullptr), why);
    expect_invalid(zx_object_get_info(job, ZX_INFO_HANDLE_VALID, nullptr, 0, nullptr, bad), why);
  }
  EXPECT_EQ(zx_handle_close_many(nullptr, SIZE_MAX), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_get_info(port, ZX_INFO_HANDLE_VALID, nullptr, 0, nullptr, nullptr), ZX_OK);
}

TEST(Pointers, WhatReachesIntoTheKernelsHalfIsInvalidToo) {
  const OwnedHandle job(NewJob());
  auto* const edge = reinterpret_cast<void*>(BeginOfKernelHalf() - 8);
  EXPECT_EQ(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, edge, 16, nullptr, nullptr), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(zx_object_set_property(job, ZX_PROP_NAME, edge, 16), ZX_ERR_INVALID_ARGS);
}

// Two pages: the first readable and writable, the second with `protection`.
struct Pages {
  explicit Pages(int protection) {
    memory = static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory + kPage, kPage, protection);
  }
  ~Pages() { munmap(memory, 2 * kPage); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  template <typename T>
  T* At(size_t offset) {
    return reinterpret_cast<T*>(memory + offset);
  }

  char* memory;
};

TEST(Pointers, AFaultInPortWaitComesBeforeThePacketIsTaken) {
  Pages read_only(PROT_READ);
  Pages none(PROT_NONE);
  const OwnedHandle port(NewPort());
  zx_port_packet_t packet = {};
  packet.key = 8;
  ASSERT_EQ(zx_port_queue(port, &packet), ZX_OK);
  EXPECT_TRUE(Faults([&] { zx_port_wait(port, 0, read_only.At<zx_port_packet_t>(kPage)); }));
  // Only the end of the packet is out of bounds.
  EXPECT_TRUE(Faults([&] { zx_port_wait(port, 0, none.At<zx_port_packet_t>(kPage - 40)); }));
  ASSERT_EQ(zx_port_wait(port, 0, &packet), ZX_OK);
  EXPECT_EQ(packet.key, 8U);
}

TEST(Pointers, AFaultInPortQueueQueuesNothingAndBlocksNobody) {
  Pages none(PROT_NONE);
  const OwnedHandle port(NewPort());
  zx_port_packet_t packet = {};
  EXPECT_TRUE(Faults([&] { zx_port_queue(port, none.At<zx_port_packet_t>(kPage - 8)); }));
  EXPECT_EQ(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
}

TEST(Pointers, AFaultInCloseManyClosesNothing) {
  Pages none(PROT_NONE);
  auto* const handles = none.At<zx_handle_t>(kPage - sizeof(zx_handle_t));
  handles[0] = NewPort();
  EXPECT_TRUE(Faults([&] { zx_handle_close_many(handles, 2); }));
  EXPECT_EQ(zx_handle_close(handles[0]), ZX_OK);
}

TEST(Pointers, AFaultInReplaceKeepsTheHandleAndOneInDuplicateMakesNone) {
  Pages none(PROT_NONE);
  const OwnedHandle port(NewPort());
  EXPECT_TRUE(Faults([&] { zx_handle_replace(port, ZX_RIGHT_SAME_RIGHTS, none.At<zx_handle_t>(kPage)); }));
  EXPECT_TRUE(Faults([&] { zx_handle_duplicate(port, ZX_RIGHT_SAME_RIGHTS, none.At<zx_handle_t>(kPage)); }));
  EXPECT_EQ(zx_object_get_info(port, ZX_INFO_HANDLE_VALID, nullptr, 0, nullptr, nullptr), ZX_OK);
}

TEST(Pointers, AFaultInJobCreateMakesNoJob) {
  Pages none(PROT_NONE);
  const OwnedHandle job(NewJob());
  EXPECT_TRUE(Faults([&] { zx_job_create(job, 0, none.At<zx_handle_t>(kPage)); }));
  size_t avail = 9;
  ASSERT_EQ(zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, nullptr, 0, nullptr, &avail), ZX_OK);
  EXPECT_EQ(avail, 0U);
}

TEST(Pointers, AFaultInSetPropertyKeepsTheName) {
  Pages none(PROT_NONE);
  const OwnedHandle job(NewJob());
  ASSERT_EQ(zx_object_set_property(job, ZX_PROP_NAME, "old", 3), ZX_OK);
  EXPECT_TRUE(Faults([&] { zx_object_set_property(job, ZX_PROP_NAME, none.memory + kPage - 2, 5); }));
  std::array<char, ZX_MAX_NAME_LEN> name;
  ASSERT_EQ(zx_object_get_property(job, ZX_PROP_NAME, name.data(), name.size()), ZX_OK);
  EXPECT_STREQ(name.data(), "old");
}

TEST(Pointers, AFaultThatTheProgramJumpsAwayFromKeepsNoObjectAlive) {
  Pages none(PROT_NONE);
  const OwnedHandle parent(NewJob());
  const zx_handle_t job = NewJob(parent);
  EXPECT_TRUE(Faults([&] { zx_object_set_property(job, ZX_PROP_NAME, none.memory + kPage, 5); }));
  EXPECT_TRUE(Faults([&] { zx_object_get_property(job, ZX_PROP_NAME, none.memory + kPage, 32); }));
  EXPECT_TRUE(Faults([&] { zx_object_wait_one(job, 0, 0, none.At<zx_signals_t>(kPage)); }));
  EXPECT_TRUE(Faults([&] { zx_job_create(job, 0, none.At<zx_handle_t>(kPage)); }));
  EXPECT_TRUE(Faults([&] { zx_handle_duplicate(job, ZX_RIGHT_SAME_RIGHTS, none.At<zx_handle_t>(kPage)); }));
  EXPECT_TRUE(Faults([&] { zx_object_get_child(job, 1, ZX_RIGHT_SAME_RIGHTS, none.At<zx_handle_t>(kPage)); }));
  EXPECT_TRUE(Faults([&] { zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, none.memory + kPage, 8, nullptr, nullptr); }));
  EXPECT_TRUE(
      Faults([&] { zx_object_get_info(job, ZX_INFO_HANDLE_BASIC, none.memory + kPage, 32, nullptr, nullptr); }));
  EXPECT_TRUE(
      Faults([&] { zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, nullptr, 0, none.At<size_t>(kPage), nullptr); }));
  ASSERT_EQ(zx_handle_close(job), ZX_OK);
  EXPECT_EQ(zx_object_wait_one(parent, ZX_JOB_NO_JOBS, 0, nullptr), ZX_OK);
}

}  // namespace
}  // namespace zxctl::test
