#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "report/abort_reason.h"

namespace zxctl::report {
namespace {

// Memory that holds what has been put into it and nothing else.
class SparseMemory final : public MemorySource {
 public:
  void Put(uint64_t address, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) bytes_[address + i] = static_cast<std::byte>(value >> (8 * i));
  }
  void PutText(uint64_t address, std::string_view text) {
    for (const char c : text) bytes_[address++] = static_cast<std::byte>(c);
    bytes_[address] = std::byte{0};
  }

  size_t Read(uint64_t address, std::span<std::byte> out) override {
    size_t count = 0;
    for (auto at = bytes_.find(address); count < out.size() && at != bytes_.end(); at = bytes_.find(address + count)) {
      out[count++] = at->second;
    }
    return count;
  }

 private:
  std::map<uint64_t, std::byte> bytes_;
};

constexpr uint64_t kHeader = 0x1000;
constexpr uint64_t kStack = 0x7000;

struct Layout {
  size_t word_bytes;
  uint64_t type_before_header;
};

class ThrownExceptionTest : public ::testing::TestWithParam<Layout> {};

TEST_P(ThrownExceptionTest, HasTypeAndText) {
  const auto [word, type_before_header] = GetParam();
  SparseMemory memory;
  memory.Put(kStack, 0x41, word);
  memory.Put(kStack + word, kHeader, word);
  memory.Put(kHeader, 0x474e5543432b2b00, 8);
  memory.Put(kHeader - type_before_header, 0x2000, word);
  memory.Put(0x2000 + word, 0x3000, word);
  memory.PutText(0x3000, "St13runtime_error");
  memory.Put(kHeader + 32 + word, 0x4000, word);
  memory.PutText(0x4000, "no such order");
  const std::vector<UnwoundFrame> frames = {{.sp = kStack}, {.sp = kStack + 64}};
  const ThrownException thrown = FindThrownException(memory, frames, word);
  EXPECT_EQ(thrown.type, "std::runtime_error");
  EXPECT_EQ(thrown.what, "no such order");
}

// The sizes are the C++ ABI's __cxa_exception of either kind of code.
INSTANTIATE_TEST_SUITE_P(Words, ThrownExceptionTest, ::testing::Values(Layout{8, 80}, Layout{4, 48}));

}  // namespace
}  // namespace zxctl::report
