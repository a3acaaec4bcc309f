// What the tests' guests need on this machine.
#pragma once

#include <gtest/gtest.h>
#include <zircon/syscalls.h>

#include <vector>

namespace zxctl::test {

inline uint64_t& StackOf(zx_vcpu_state_t& state) { return state.rsp; }

// A guest begins in long mode: the first GiB at its own addresses, in pages of 2 MiB.
inline void WriteFirstTables(zx_handle_t vmo) {
  constexpr uint64_t kPresentWritableUser = 7;
  constexpr uint64_t kLarge = 0x80;
  constexpr uint64_t kWords = 512;
  constexpr uint64_t kPage = 4096;
  std::vector<uint64_t> tables(3 * kWords);
  tables[0] = kPage | kPresentWritableUser;
  tables[kWords] = 2 * kPage | kPresentWritableUser;
  for (uint64_t i = 0; i < kWords; ++i) tables[2 * kWords + i] = i << 21 | kPresentWritableUser | kLarge;
  EXPECT_EQ(zx_vmo_write(vmo, tables.data(), 0, tables.size() * sizeof(uint64_t)), ZX_OK);
}

}  // namespace zxctl::test
