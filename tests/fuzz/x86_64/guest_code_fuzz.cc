// Guests choose their instructions and their page tables: both go to the decoder and to the walker, which may neither fail nor read
// what is not theirs.
//
// Input: 16 bytes with the size of code and the paging state, then code, which is memory too.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "guest_instruction.h"
#include "guest_paging.h"

namespace {

using namespace zxctl::arch;

constexpr size_t kHeadBytes = 16;

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

void Decode(std::span<const uint8_t> code, CodeSize size) {
  const auto instruction = DecodeInstruction(code, size);
  if (!instruction) return;
  Require(instruction->length >= 1 && instruction->length <= std::min(code.size(), kMaxInstructionBytes));
  // What it does depends on its own bytes only.
  const auto again = DecodeInstruction(code.first(instruction->length), size);
  Require(again && again->length == instruction->length && again->opcode == instruction->opcode);
  GuestGprs gprs{};
  std::memcpy(gprs.data(), code.data(), std::min(code.size(), sizeof(gprs)));
  (void)OperandAddress(*instruction, gprs, 0x1000);
  Require(BytesStored(*instruction) <= 64);
  if (const auto load = AsLoad(*instruction)) {
    Require(load->target < gprs.size() && load->bytes >= 1 && load->bytes <= sizeof(uint64_t));
    if (const auto data = DataFor(*load, gprs[load->target]); data && load->bytes < sizeof(uint64_t)) {
      Require(*data >> (8 * load->bytes) == 0);
    }
  }
}

// The input is there again and again, so that tables are found wherever they are looked for.
class Repeated final : public GuestBytes {
 public:
  explicit Repeated(std::span<const uint8_t> input) {
    for (size_t i = 0; i < page_.size(); ++i) page_[i] = static_cast<char>(input[i % input.size()]);
  }
  const char* FindPage(uint64_t) override { return page_.data(); }
  [[nodiscard]] uint64_t version() const override { return 0; }

 private:
  std::array<char, kPageBytes> page_;
};

void Walk(const PagingState& state, uint64_t linear, std::span<const uint8_t> input) {
  Repeated memory(input);
  const auto physical = TranslateLinear(state, linear, memory);
  uint8_t bytes[kMaxInstructionBytes] = {};
  Require(ReadLinear(state, linear, bytes, sizeof(bytes), memory) <= sizeof(bytes));
  // One that is known is what would be found.
  KnownPage page;
  for (int i = 0; i < 2; ++i) {
    Require(page.Find(state, linear, memory) == physical.has_value());
    Require(!physical || page.address() + linear % GuestBytes::kPageBytes == *physical);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  if (size <= kHeadBytes) return 0;
  uint64_t head[2];
  std::memcpy(head, input, sizeof(head));
  const std::span<const uint8_t> rest(input + kHeadBytes, size - kHeadBytes);
  Decode(rest, static_cast<CodeSize>(head[0] % 3));
  constexpr uint64_t kPaging = 0x80000001;
  constexpr uint64_t kLongMode = 0x500;
  const PagingState state = {.cr0 = (head[0] & 4) != 0 ? kPaging : 1,
                             .cr3 = head[1] & ~uint64_t{0xfff},
                             .cr4 = head[0] >> 8 & 0xffff,
                             .efer = (head[0] & 8) != 0 ? kLongMode : 0};
  Walk(state, head[1] * 0x9e3779b97f4a7c15, rest);
  return 0;
}
