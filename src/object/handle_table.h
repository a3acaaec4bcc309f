// The handles of this process: from a value to an object and the rights on it.
//
// A value is [generation:11 | slot:18 | 11b]. A slot that is used again has its next generation, and when its generations
// are used up it is never used again: a value that was closed never stands for another object. Handles that come and go
// would use up all 2^29 values within minutes, so a freed slot stays with its object (spare slots), and an object takes
// at most kGenerationsPerOwner of a slot's generations and then begins with them again: those values have never stood
// for anything else. What uses values up is then the number of objects, not how often their handles are duplicated.
//
// Any thread. Each slot has its own lock, held for a few instructions; taking and giving back a slot is behind one lock for
// all. Neither is held while anything is called, or together with any other lock. All work is O(1).
#pragma once

#include <zircon/rights.h>
#include <zircon/types.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "object/dispatcher.h"
#include "object/futex.h"
#include "object/ref_counted.h"

namespace zxctl {

class HandleTable {
 public:
  static constexpr uint32_t kSlotBits = 18;
  static constexpr uint32_t kMaxHandles = 1U << kSlotBits;
  static constexpr uint32_t kMaxGeneration = (1U << 11) - 1;  // the first is 1: a small number is never a handle
  static constexpr uint32_t kGenerationsPerOwner = 64;
  static constexpr uint32_t kMaxSpareSlots = 16;

  struct Entry {
    RefPtr<Dispatcher> object;  // null: not a handle
    zx_rights_t rights = 0;
  };

  HandleTable() = default;
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;
  ~HandleTable();

  [[nodiscard]] Entry Find(zx_handle_t handle) const;
  // Whether the value stands for this object now.
  [[nodiscard]] bool Holds(zx_handle_t handle, const Dispatcher& object) const;

  // A new handle to an object, all of whose handles are in this table. NO_RESOURCES when there are kMaxHandles or no values
  // are left, NO_MEMORY.
  zx_status_t Add(RefPtr<Dispatcher> object, zx_rights_t rights, zx_handle_t* out);
  // BAD_HANDLE; ACCESS_DENIED without DUPLICATE; INVALID_ARGS when `rights` has one that `handle` has not; as Add().
  zx_status_t Duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out);
  // BAD_HANDLE; then `handle` is closed whatever happens: INVALID_ARGS when `rights` has one that it has not; as Add().
  zx_status_t Replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out);
  // Ends the waits on this handle. OK for ZX_HANDLE_INVALID, BAD_HANDLE.
  zx_status_t Close(zx_handle_t handle);

 private:
  struct Slot {
    mutable FutexMutex lock;
    zx_handle_t value = ZX_HANDLE_INVALID;  // lock; invalid: the slot is free
    zx_rights_t rights = 0;                 // lock
    uint32_t next = 0;                      // allocation_lock_, as all below; the next free slot plus one
    RefPtr<Dispatcher> object;              // lock
    uint16_t generation = 0;
    uint16_t first_generation = 0;  // of this owner
    uint16_t last_generation = 0;   // the highest that was used
  };
  static_assert(sizeof(Slot) == 32);

  static constexpr uint32_t kSlotsPerChunk = 1024;
  using Chunk = std::array<Slot, kSlotsPerChunk>;

  // The slot that a value names if it is a slot; the value may be stale.
  [[nodiscard]] Slot* SlotOf(zx_handle_t handle) const;
  [[nodiscard]] Slot& SlotAt(uint32_t index) const;
  zx_status_t Install(RefPtr<Dispatcher> object, zx_rights_t rights, zx_handle_t* out);
  // A slot for a handle to `object`; OK, NO_RESOURCES or NO_MEMORY.
  zx_status_t TakeSlot(Dispatcher& object, zx_handle_t* out_value);
  zx_status_t TakeFreshSlotLocked(uint32_t* out_index);
  static void BeginOwner(Slot& slot);
  static void NextOfOwner(Slot& slot);
  // What is left to do for a handle that is out of its slot.
  void FinishClose(zx_handle_t handle, const RefPtr<Dispatcher>& object);
  // One handle less, which had a slot or never got one (0). True if it was the last.
  bool Uncount(Dispatcher& object, zx_handle_t handle);
  void FreeSlotLocked(uint32_t index);

  std::array<std::atomic<Chunk*>, kMaxHandles / kSlotsPerChunk> chunks_ = {};
  std::mutex allocation_lock_;
  uint32_t free_ = 0;   // allocation_lock_; the first free slot plus one
  uint32_t fresh_ = 0;  // allocation_lock_; slots from here on were never used
};

}  // namespace zxctl
