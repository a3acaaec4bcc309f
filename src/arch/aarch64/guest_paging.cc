#include "guest_paging.h"

namespace zxctl::arch {
namespace {

constexpr uint64_t kPagingOn = 1;
constexpr unsigned kEntryBits = 3;
constexpr int kLastLevel = 3;
constexpr unsigned kAddressBits = 48;

constexpr uint64_t LowBits(uint64_t value, unsigned bits) { return value & ((uint64_t{1} << bits) - 1); }
constexpr uint64_t Field(uint64_t value, unsigned at, unsigned bits) { return LowBits(value >> at, bits); }

// How one half of the addresses is divided.
struct Half {
  unsigned granule = 0;  // bits of a page; 0: there is no such one
  unsigned bits = 0;     // of an address
  bool off = false;
  uint64_t table = 0;
};

Half HalfOf(const PagingState& state, bool upper) {
  constexpr unsigned kUpper = 16;  // the upper half's fields are so many bits above the lower's
  const unsigned at = upper ? kUpper : 0;
  const auto size = static_cast<unsigned>(Field(state.tcr, at, 6));
  Half half = {.bits = 64 - size, .off = Field(state.tcr, at + 7, 1) != 0, .table = upper ? state.ttbr1 : state.ttbr0};
  // The two number their granules differently.
  const uint64_t granule = Field(state.tcr, at + 14, 2);
  if (upper) {
    half.granule = granule == 1 ? 14 : granule == 2 ? 12 : granule == 3 ? 16 : 0;
  } else {
    half.granule = granule == 0 ? 12 : granule == 1 ? 16 : granule == 2 ? 14 : 0;
  }
  return half;
}

// The highest level whose entries can be memory.
int FirstBlockLevel(const Half& half, bool wide_addresses) {
  if (half.granule == 12) return wide_addresses ? 0 : 1;
  return half.granule == 14 && !wide_addresses ? 2 : half.granule == 16 ? 2 : 1;
}

}  // namespace

bool IsPagingOn(uint64_t sctlr) { return (sctlr & kPagingOn) != 0; }

bool IsUpperHalf(uint64_t linear) { return Field(linear, 55, 1) != 0; }

std::optional<uint64_t> TranslateLinear(const PagingState& state, uint64_t linear, GuestBytes& memory) {
  if (!IsPagingOn(state.sctlr)) return LowBits(linear, 56);
  const Half half = HalfOf(state, IsUpperHalf(linear));
  constexpr unsigned kMaxBits = 52;
  if (half.off || half.granule == 0 || half.bits > kMaxBits || half.bits <= half.granule) return std::nullopt;
  // Between the half's bits and the topmost byte all are alike.
  const uint64_t above = Field(linear, half.bits, 56 - half.bits);
  if (above != (IsUpperHalf(linear) ? LowBits(~uint64_t{0}, 56 - half.bits) : 0)) return std::nullopt;
  const bool wide_addresses = Field(state.tcr, 59, 1) != 0;
  const unsigned stride = half.granule - kEntryBits;
  const unsigned levels = (half.bits - half.granule + stride - 1) / stride;
  int level = kLastLevel + 1 - static_cast<int>(levels);
  // The first table may be smaller than a page, and stands at a multiple of its size.
  const unsigned first_bits = half.bits - half.granule - (levels - 1) * stride;
  uint64_t table = LowBits(half.table, kAddressBits) >> (first_bits + kEntryBits) << (first_bits + kEntryBits);
  for (; level <= kLastLevel; ++level) {
    const unsigned shift = half.granule + static_cast<unsigned>(kLastLevel - level) * stride;
    const bool is_first = shift + stride >= half.bits;
    const uint64_t index = Field(linear, shift, is_first ? first_bits : stride);
    uint64_t entry = 0;
    if (!ReadPhysical(memory, table + (index << kEntryBits), &entry, sizeof(entry))) return std::nullopt;
    if ((entry & 1) == 0) return std::nullopt;
    const bool is_block = (entry & 2) == 0;
    if (is_block && (level == kLastLevel || level < FirstBlockLevel(half, wide_addresses))) return std::nullopt;
    const unsigned low = is_block || level == kLastLevel ? shift : half.granule;
    table = LowBits(entry, kAddressBits) >> low << low;
    if (is_block || level == kLastLevel) return table | LowBits(linear, low);
  }
  return std::nullopt;
}

}  // namespace zxctl::arch
