#include "guest_paging.h"

#include <algorithm>

namespace zxctl::arch {
namespace {

constexpr uint64_t kCr0Paging = uint64_t{1} << 31;
constexpr uint64_t kCr4LargePages = 1U << 4;
constexpr uint64_t kCr4Pae = 1U << 5;
constexpr uint64_t kCr4FiveLevels = 1U << 12;
constexpr uint64_t kEferLongActive = 1U << 10;

constexpr uint64_t kPresent = 1;
constexpr uint64_t kLarge = 1U << 7;
constexpr uint64_t kFrame = 0x000f'ffff'ffff'f000;
constexpr unsigned kPageShift = 12;
constexpr uint64_t kPageBytes = uint64_t{1} << kPageShift;

// How a mode divides an address.
struct Shape {
  unsigned levels;
  unsigned index_bits;
  unsigned entry_bytes;
  unsigned top_bits;     // of the first level
  unsigned large_level;  // the highest that can have large pages; 0: none
};

Shape ShapeOf(const PagingState& state) {
  if ((state.efer & kEferLongActive) != 0) {
    return {.levels = (state.cr4 & kCr4FiveLevels) != 0 ? 5U : 4U,
            .index_bits = 9,
            .entry_bytes = 8,
            .top_bits = 9,
            .large_level = 3};
  }
  if ((state.cr4 & kCr4Pae) != 0) {
    return {.levels = 3, .index_bits = 9, .entry_bytes = 8, .top_bits = 2, .large_level = 2};
  }
  const bool large = (state.cr4 & kCr4LargePages) != 0;
  return {.levels = 2, .index_bits = 10, .entry_bytes = 4, .top_bits = 10, .large_level = large ? 2U : 0U};
}

constexpr uint64_t LowBits(uint64_t value, unsigned bits) { return value & ((uint64_t{1} << bits) - 1); }

// Pages of 4 MiB keep bits 32 to 39 of their address in bits 13 to 20.
uint64_t LargeFrame(uint64_t entry, unsigned shift, const Shape& shape) {
  const uint64_t frame = entry & kFrame & ~((uint64_t{1} << shift) - 1);
  return shape.entry_bytes == 8 ? frame : frame | LowBits(entry >> 13, 8) << 32;
}

}  // namespace

std::optional<uint64_t> TranslateLinear(const PagingState& state, uint64_t linear, const ReadGuestPhysical& read) {
  const bool is_long = (state.efer & kEferLongActive) != 0;
  if (!is_long) linear = LowBits(linear, 32);
  if ((state.cr0 & kCr0Paging) == 0) return linear;
  const Shape shape = ShapeOf(state);
  // In PAE mode the first table has four entries, and stands at a multiple of 32.
  uint64_t table = state.cr3 & (shape.top_bits == 2 ? uint64_t{0xffff'ffe0} : kFrame);
  if (!is_long) table = LowBits(table, 32);
  for (unsigned level = shape.levels; level >= 1; --level) {
    const unsigned shift = kPageShift + (level - 1) * shape.index_bits;
    const unsigned bits = level == shape.levels ? shape.top_bits : shape.index_bits;
    const uint64_t index = LowBits(linear >> shift, bits);
    uint64_t entry = 0;
    if (!read(table + index * shape.entry_bytes, &entry, shape.entry_bytes)) return std::nullopt;
    if ((entry & kPresent) == 0) return std::nullopt;
    const bool is_large = level > 1 && level <= shape.large_level && (entry & kLarge) != 0;
    if (is_large) return LargeFrame(entry, shift, shape) | LowBits(linear, shift);
    table = entry & kFrame;
  }
  return table | LowBits(linear, kPageShift);
}

size_t ReadLinear(const PagingState& state, uint64_t linear, void* out, size_t size, const ReadGuestPhysical& read) {
  size_t done = 0;
  while (done < size) {
    const uint64_t at = linear + done;
    const size_t part = std::min<uint64_t>(size - done, kPageBytes - LowBits(at, kPageShift));
    const auto physical = TranslateLinear(state, at, read);
    if (!physical || !read(*physical, static_cast<char*>(out) + done, part)) break;
    done += part;
  }
  return done;
}

}  // namespace zxctl::arch
