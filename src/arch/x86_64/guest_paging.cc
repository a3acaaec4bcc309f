#include "guest_paging.h"

#include <algorithm>
#include <cstring>

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
static_assert(kPageBytes == GuestBytes::kPageBytes);

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

uint64_t LoadEntry(const char* at, size_t bytes) {
  uint64_t entry = 0;
  std::memcpy(&entry, at, bytes);
  return entry;
}

}  // namespace

// What is looked at on the way from cr3 to a page.
class TableWalk {
 public:
  TableWalk(const PagingState& state, GuestBytes& memory) : state_(state), memory_(memory) {}

  // The guest-physical address of a linear one. `path`: is told the way, if it is not null.
  std::optional<uint64_t> Go(uint64_t linear, KnownPage* path) const {
    const bool is_long = (state_.efer & kEferLongActive) != 0;
    if (!is_long) linear = LowBits(linear, 32);
    if ((state_.cr0 & kCr0Paging) == 0) return linear;
    const Shape shape = ShapeOf(state_);
    if (path != nullptr) path->entry_bytes_ = shape.entry_bytes;
    // In PAE mode the first table has four entries, and stands at a multiple of 32.
    uint64_t table = state_.cr3 & (shape.top_bits == 2 ? uint64_t{0xffff'ffe0} : kFrame);
    if (!is_long) table = LowBits(table, 32);
    for (unsigned level = shape.levels; level >= 1; --level) {
      const unsigned shift = kPageShift + (level - 1) * shape.index_bits;
      const unsigned bits = level == shape.levels ? shape.top_bits : shape.index_bits;
      const uint64_t at = table + LowBits(linear >> shift, bits) * shape.entry_bytes;
      const char* page = memory_.FindPage(at & ~(kPageBytes - 1));
      if (page == nullptr) return std::nullopt;
      const char* where = page + LowBits(at, kPageShift);
      const uint64_t entry = LoadEntry(where, shape.entry_bytes);
      if ((entry & kPresent) == 0) return std::nullopt;
      if (path != nullptr) path->path_[path->steps_++] = {.at = where, .entry = entry};
      const bool is_large = level > 1 && level <= shape.large_level && (entry & kLarge) != 0;
      if (is_large) return LargeFrame(entry, shift, shape) | LowBits(linear, shift);
      table = entry & kFrame;
    }
    return table | LowBits(linear, kPageShift);
  }

 private:
  const PagingState& state_;
  GuestBytes& memory_;
};

std::optional<uint64_t> TranslateLinear(const PagingState& state, uint64_t linear, GuestBytes& memory) {
  return TableWalk(state, memory).Go(linear, nullptr);
}

size_t ReadLinear(const PagingState& state, uint64_t linear, void* out, size_t size, GuestBytes& memory) {
  size_t done = 0;
  while (done < size) {
    const uint64_t at = linear + done;
    const size_t part = std::min<uint64_t>(size - done, kPageBytes - LowBits(at, kPageShift));
    const auto physical = TranslateLinear(state, at, memory);
    if (!physical || !ReadPhysical(memory, *physical, static_cast<char*>(out) + done, part)) break;
    done += part;
  }
  return done;
}

bool KnownPage::IsStill(const PagingState& state, uint64_t linear_page, GuestBytes& memory) const {
  if (!known_ || linear_page != linear_page_ || memory.version() != version_ || !(state == state_)) return false;
  return std::all_of(path_.begin(), path_.begin() + static_cast<ptrdiff_t>(steps_),
                     [this](const Step& step) { return LoadEntry(step.at, entry_bytes_) == step.entry; });
}

bool KnownPage::Find(const PagingState& state, uint64_t linear, GuestBytes& memory) {
  const uint64_t linear_page = linear & ~(kPageBytes - 1);
  if (IsStill(state, linear_page, memory)) return true;
  *this = {};
  const auto physical = TableWalk(state, memory).Go(linear_page, this);
  if (!physical) return false;
  state_ = state;
  linear_page_ = linear_page;
  version_ = memory.version();
  address_ = *physical;
  bytes_ = memory.FindPage(*physical);
  known_ = true;
  return true;
}

}  // namespace zxctl::arch
