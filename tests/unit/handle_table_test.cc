#include "object/handle_table.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "object/job.h"
#include "object/port.h"

namespace zxctl {
namespace {

constexpr zx_rights_t kRights = ZX_DEFAULT_JOB_RIGHTS;

struct Table {
  HandleTable table;
  RefPtr<Job> job = Job::CreateRoot();

  zx_handle_t Open(zx_rights_t rights = kRights) { return Open(job, rights); }
  template <typename T>
  zx_handle_t Open(const RefPtr<T>& object, zx_rights_t rights = kRights) {
    zx_handle_t handle = ZX_HANDLE_INVALID;
    EXPECT_EQ(table.Add(RefPtr<T>(object), rights, &handle), ZX_OK);
    return handle;
  }
};

TEST(HandleTable, AHandleLeadsToItsObjectAndItsRights) {
  Table t;
  const zx_handle_t handle = t.Open(ZX_RIGHT_READ);
  const auto entry = t.table.Find(handle);
  EXPECT_EQ(entry.object.get(), t.job.get());
  EXPECT_EQ(entry.rights, ZX_RIGHT_READ);
}

TEST(HandleTable, ValuesArePositiveWithTheFixedBitsSetAndNoSmallNumbers) {
  Table t;
  for (int i = 0; i < 3000; ++i) {
    const zx_handle_t handle = t.Open();
    EXPECT_EQ(handle & ZX_HANDLE_FIXED_BITS_MASK, ZX_HANDLE_FIXED_BITS_MASK);
    EXPECT_GT(static_cast<int32_t>(handle), 1 << 20);
  }
}

TEST(HandleTable, NeighboursOfAHandleAreNone) {
  Table t;
  const zx_handle_t handle = t.Open();
  for (int bit = 0; bit < 32; ++bit) {
    EXPECT_FALSE(t.table.Find(handle ^ 1U << bit).object) << bit;
    EXPECT_EQ(t.table.Close(handle ^ 1U << bit), ZX_ERR_BAD_HANDLE) << bit;
  }
  EXPECT_TRUE(t.table.Find(handle).object);
}

TEST(HandleTable, AClosedHandleIsNone) {
  Table t;
  const zx_handle_t handle = t.Open();
  EXPECT_EQ(t.table.Close(handle), ZX_OK);
  EXPECT_FALSE(t.table.Find(handle).object);
  EXPECT_EQ(t.table.Close(handle), ZX_ERR_BAD_HANDLE);
}

TEST(HandleTable, ClosingZeroIsOk) {
  Table t;
  EXPECT_EQ(t.table.Close(ZX_HANDLE_INVALID), ZX_OK);
  EXPECT_FALSE(t.table.Find(ZX_HANDLE_INVALID).object);
}

TEST(HandleTable, AStaleValueNeverStandsForAnotherObject) {
  Table t;
  std::set<zx_handle_t> stale;
  // More objects than a slot has generations: slots are used up on the way.
  for (uint32_t i = 0; i < 3 * HandleTable::kMaxGeneration; ++i) {
    const zx_handle_t handle = t.Open(Job::CreateRoot());
    ASSERT_TRUE(stale.insert(handle).second) << i;
    ASSERT_EQ(t.table.Close(handle), ZX_OK);
  }
  for (const zx_handle_t handle : stale) ASSERT_FALSE(t.table.Find(handle).object);
}

TEST(HandleTable, DuplicatingForeverUsesUpNoValues) {
  Table t;
  const zx_handle_t handle = t.Open();
  std::set<zx_handle_t> values;
  for (int i = 0; i < 100'000; ++i) {
    zx_handle_t duplicate = ZX_HANDLE_INVALID;
    ASSERT_EQ(t.table.Duplicate(handle, ZX_RIGHT_SAME_RIGHTS, &duplicate), ZX_OK);
    values.insert(duplicate);
    ASSERT_EQ(t.table.Close(duplicate), ZX_OK);
  }
  EXPECT_EQ(values.size(), HandleTable::kGenerationsPerOwner);
}

TEST(HandleTable, ValuesOfAnObjectThatIsGoneAreNotReusedEvenAfterItCycledThroughThem) {
  Table t;
  std::set<zx_handle_t> stale;
  for (int owner = 0; owner < 200; ++owner) {
    const auto job = Job::CreateRoot();
    const zx_handle_t first = t.Open(job);
    std::set<zx_handle_t> own = {first};
    for (int i = 0; i < 200; ++i) {
      zx_handle_t duplicate = ZX_HANDLE_INVALID;
      ASSERT_EQ(t.table.Duplicate(first, ZX_RIGHT_SAME_RIGHTS, &duplicate), ZX_OK);
      own.insert(duplicate);
      ASSERT_EQ(t.table.Close(duplicate), ZX_OK);
    }
    ASSERT_EQ(t.table.Close(first), ZX_OK);
    for (const zx_handle_t value : own) ASSERT_TRUE(stale.insert(value).second) << owner;
  }
}

TEST(HandleTable, RefusesTheHandleAfterTheLastAndTakesOneAfterAClose) {
  Table t;
  std::vector<zx_handle_t> handles;
  for (uint32_t i = 0; i < HandleTable::kMaxHandles; ++i) handles.push_back(t.Open());
  zx_handle_t handle = 7;
  EXPECT_EQ(t.table.Add(RefPtr<Job>(t.job), kRights, &handle), ZX_ERR_NO_RESOURCES);
  EXPECT_EQ(t.table.Duplicate(handles[0], ZX_RIGHT_SAME_RIGHTS, &handle), ZX_ERR_NO_RESOURCES);
  EXPECT_EQ(handle, 7U);
  EXPECT_EQ(t.table.Close(handles[5]), ZX_OK);
  EXPECT_EQ(t.table.Add(RefPtr<Job>(t.job), kRights, &handle), ZX_OK);
  EXPECT_TRUE(t.table.Find(handles[0]).object);
}

TEST(Duplicate, RightsCanOnlyShrink) {
  Table t;
  const zx_handle_t handle = t.Open(ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ);
  zx_handle_t out = ZX_HANDLE_INVALID;
  EXPECT_EQ(t.table.Duplicate(handle, ZX_RIGHT_READ | ZX_RIGHT_WRITE, &out), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(t.table.Duplicate(handle, ZX_RIGHT_SAME_RIGHTS | ZX_RIGHT_READ, &out), ZX_ERR_INVALID_ARGS);
  EXPECT_EQ(out, ZX_HANDLE_INVALID);
  ASSERT_EQ(t.table.Duplicate(handle, ZX_RIGHT_READ, &out), ZX_OK);
  EXPECT_EQ(t.table.Find(out).rights, ZX_RIGHT_READ);
  zx_handle_t none = ZX_HANDLE_INVALID;
  EXPECT_EQ(t.table.Duplicate(out, ZX_RIGHT_READ, &none), ZX_ERR_ACCESS_DENIED);
  ASSERT_EQ(t.table.Duplicate(handle, ZX_RIGHT_SAME_RIGHTS, &none), ZX_OK);
  EXPECT_EQ(t.table.Find(none).rights, ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ);
}

TEST(Replace, ClosesTheOldHandleAndNeedsNoRight) {
  Table t;
  const zx_handle_t handle = t.Open(ZX_RIGHT_READ | ZX_RIGHT_WRITE);
  zx_handle_t out = ZX_HANDLE_INVALID;
  ASSERT_EQ(t.table.Replace(handle, ZX_RIGHT_READ, &out), ZX_OK);
  EXPECT_NE(out, handle);
  EXPECT_FALSE(t.table.Find(handle).object);
  EXPECT_EQ(t.table.Find(out).rights, ZX_RIGHT_READ);
}

TEST(Replace, ClosesTheOldHandleAlsoWhenItAsksForMoreRights) {
  Table t;
  const zx_handle_t handle = t.Open(ZX_RIGHT_READ);
  zx_handle_t out = ZX_HANDLE_INVALID;
  EXPECT_EQ(t.table.Replace(handle, ZX_RIGHT_WRITE, &out), ZX_ERR_INVALID_ARGS);
  EXPECT_FALSE(t.table.Find(handle).object);
  EXPECT_EQ(t.table.Replace(handle, ZX_RIGHT_READ, &out), ZX_ERR_BAD_HANDLE);
}

TEST(Replace, OfTheOnlyHandleKeepsTheObjectOpen) {
  Table t;
  const auto port = Port::Create();
  const zx_handle_t handle = t.Open(port);
  zx_handle_t out = ZX_HANDLE_INVALID;
  ASSERT_EQ(t.table.Replace(handle, ZX_RIGHT_SAME_RIGHTS, &out), ZX_OK);
  EXPECT_EQ(port->QueueUser({}), ZX_OK);
  EXPECT_EQ(t.table.Close(out), ZX_OK);
  EXPECT_EQ(port->QueueUser({}), ZX_ERR_BAD_STATE);
}

TEST(HandleTable, AnObjectClosesWithTheLastOfItsHandles) {
  Table t;
  const auto port = Port::Create();
  const zx_handle_t first = t.Open(port);
  zx_handle_t second = ZX_HANDLE_INVALID;
  ASSERT_EQ(t.table.Duplicate(first, ZX_RIGHT_SAME_RIGHTS, &second), ZX_OK);
  EXPECT_EQ(t.table.Close(first), ZX_OK);
  EXPECT_EQ(port->QueueUser({}), ZX_OK);
  EXPECT_EQ(t.table.Close(second), ZX_OK);
  EXPECT_EQ(port->QueueUser({}), ZX_ERR_BAD_STATE);
}

TEST(HandleTable, HoldsAnObjectOnlyWhileTheHandleIsOpen) {
  Table t;
  const zx_handle_t handle = t.Open();
  EXPECT_TRUE(t.table.Holds(handle, *t.job));
  EXPECT_FALSE(t.table.Holds(handle, *Job::CreateRoot()));
  EXPECT_EQ(t.table.Close(handle), ZX_OK);
  EXPECT_FALSE(t.table.Holds(handle, *t.job));
}

}  // namespace
}  // namespace zxctl
