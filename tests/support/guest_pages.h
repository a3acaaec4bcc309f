// A guest's physical memory for tests of the walks through its page tables.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "arch/guest_bytes.h"

namespace zxctl::test {

// There are those pages that something was written to.
class GuestPages final : public arch::GuestBytes {
 public:
  void Set(uint64_t at, uint64_t value, size_t size = 8) {
    for (size_t i = 0; i < size; ++i) {
      pages_[(at + i) / kPageBytes][(at + i) % kPageBytes] = static_cast<char>(value >> (8 * i));
    }
  }
  void Remove(uint64_t page) {
    pages_.erase(page / kPageBytes);
    ++version_;
  }
  const char* FindPage(uint64_t address) override {
    ++looked_at;
    const auto found = pages_.find(address / kPageBytes);
    return found == pages_.end() ? nullptr : found->second.data();
  }
  [[nodiscard]] uint64_t version() const override { return version_; }

  int looked_at = 0;

 private:
  std::map<uint64_t, std::array<char, kPageBytes>> pages_;
  uint64_t version_ = 0;
};

}  // namespace zxctl::test
