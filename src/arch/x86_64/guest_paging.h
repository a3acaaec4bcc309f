// The guest's own page tables, walked from outside.
//
// Pure, but for the guest-physical memory that is passed in. Source of the formats: Intel's manual, volume 3, chapter 4.
// Protection keys and the user bit do not count: it is asked what is behind an address, not who may look.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "arch/guest_bytes.h"

namespace zxctl::arch {

struct PagingState {
  uint64_t cr0 = 0;
  uint64_t cr3 = 0;
  uint64_t cr4 = 0;
  uint64_t efer = 0;

  bool operator==(const PagingState&) const = default;
};

// The guest-physical address of a linear one; nothing where none is mapped.
[[nodiscard]] std::optional<uint64_t> TranslateLinear(const PagingState& state, uint64_t linear, GuestBytes& memory);

// Copies as much as is mapped from a linear address on; gives the count.
size_t ReadLinear(const PagingState& state, uint64_t linear, void* out, size_t size, GuestBytes& memory);

// A page that was looked for before, and how it was found. It is looked for again only if something on the way may have changed
// since: the mode, the guest's memory, or one of the entries. Of one thread.
class KnownPage {
 public:
  // False where no page is mapped. Then the rest means nothing.
  bool Find(const PagingState& state, uint64_t linear, GuestBytes& memory);
  // Guest-physical.
  [[nodiscard]] uint64_t address() const { return address_; }
  // Its bytes; null where the guest has no memory. Of the last Find(), while the memory's version is the same.
  [[nodiscard]] const char* bytes() const { return bytes_; }

 private:
  friend class TableWalk;
  struct Step {
    const char* at = nullptr;
    uint64_t entry = 0;
  };

  [[nodiscard]] bool IsStill(const PagingState& state, uint64_t linear_page, GuestBytes& memory) const;

  bool known_ = false;
  PagingState state_;
  uint64_t linear_page_ = 0;
  uint64_t version_ = 0;
  size_t steps_ = 0;
  size_t entry_bytes_ = 0;
  std::array<Step, 5> path_ = {};
  uint64_t address_ = 0;
  const char* bytes_ = nullptr;
};

}  // namespace zxctl::arch
