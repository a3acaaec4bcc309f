#include "object/handle_table.h"

#include <algorithm>
#include <new>
#include <utility>

namespace zxctl {
namespace {

constexpr uint32_t kFixedBitCount = 2;
constexpr uint32_t kGenerationShift = HandleTable::kSlotBits + kFixedBitCount;

uint32_t IndexOf(zx_handle_t handle) { return (handle >> kFixedBitCount) & (HandleTable::kMaxHandles - 1); }

zx_handle_t ValueOf(uint32_t index, uint32_t generation) {
  return generation << kGenerationShift | index << kFixedBitCount | ZX_HANDLE_FIXED_BITS_MASK;
}

bool IsSubset(zx_rights_t rights, zx_rights_t of) { return (rights & ~of) == 0; }

}  // namespace

HandleTable::~HandleTable() {
  for (uint32_t index = 0; index < fresh_; ++index) {
    const zx_handle_t value = SlotAt(index).value;
    if (value != ZX_HANDLE_INVALID) Close(value);
  }
  for (const auto& chunk : chunks_) const std::unique_ptr<Chunk> owned(chunk.load(std::memory_order_relaxed));
}

HandleTable::Slot& HandleTable::SlotAt(uint32_t index) const {
  return (*chunks_[index / kSlotsPerChunk].load(std::memory_order_acquire))[index % kSlotsPerChunk];
}

HandleTable::Slot* HandleTable::SlotOf(zx_handle_t handle) const {
  if ((handle & ZX_HANDLE_FIXED_BITS_MASK) != ZX_HANDLE_FIXED_BITS_MASK) return nullptr;
  const uint32_t index = IndexOf(handle);
  Chunk* chunk = chunks_[index / kSlotsPerChunk].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : &(*chunk)[index % kSlotsPerChunk];
}

HandleTable::Entry HandleTable::Find(zx_handle_t handle) const {
  const Slot* slot = SlotOf(handle);
  if (slot == nullptr) return {};
  const std::lock_guard lock(slot->lock);
  if (slot->value != handle) return {};
  return {.object = slot->object, .rights = slot->rights};
}

bool HandleTable::Holds(zx_handle_t handle, const Dispatcher& object) const {
  const Slot* slot = SlotOf(handle);
  if (slot == nullptr) return false;
  const std::lock_guard lock(slot->lock);
  return slot->value == handle && slot->object.get() == &object;
}

zx_status_t HandleTable::Add(RefPtr<Dispatcher> object, zx_rights_t rights, zx_handle_t* out) {
  object->handle_count_.fetch_add(1, std::memory_order_relaxed);
  return Install(std::move(object), rights, out);
}

zx_status_t HandleTable::Duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out) {
  const Slot* slot = SlotOf(handle);
  if (slot == nullptr) return ZX_ERR_BAD_HANDLE;
  RefPtr<Dispatcher> object;
  {
    const std::lock_guard lock(slot->lock);
    if (slot->value != handle) return ZX_ERR_BAD_HANDLE;
    if ((slot->rights & ZX_RIGHT_DUPLICATE) == 0) return ZX_ERR_ACCESS_DENIED;
    if (rights == ZX_RIGHT_SAME_RIGHTS) rights = slot->rights;
    if (!IsSubset(rights, slot->rights)) return ZX_ERR_INVALID_ARGS;
    object = slot->object;
    // Counted while the source is surely open: an object that lost its last handle never gets one by this way.
    object->handle_count_.fetch_add(1, std::memory_order_relaxed);
  }
  return Install(std::move(object), rights, out);
}

zx_status_t HandleTable::Replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out) {
  Slot* slot = SlotOf(handle);
  if (slot == nullptr) return ZX_ERR_BAD_HANDLE;
  RefPtr<Dispatcher> object;
  bool allowed = false;
  {
    const std::lock_guard lock(slot->lock);
    if (slot->value != handle) return ZX_ERR_BAD_HANDLE;
    if (rights == ZX_RIGHT_SAME_RIGHTS) rights = slot->rights;
    allowed = IsSubset(rights, slot->rights);
    slot->value = ZX_HANDLE_INVALID;
    object = std::move(slot->object);
  }
  const zx_status_t status = allowed ? Add(object, rights, out) : ZX_ERR_INVALID_ARGS;
  FinishClose(handle, object);
  return status;
}

zx_status_t HandleTable::Close(zx_handle_t handle) {
  if (handle == ZX_HANDLE_INVALID) return ZX_OK;
  Slot* slot = SlotOf(handle);
  if (slot == nullptr) return ZX_ERR_BAD_HANDLE;
  RefPtr<Dispatcher> object;
  {
    const std::lock_guard lock(slot->lock);
    if (slot->value != handle) return ZX_ERR_BAD_HANDLE;
    slot->value = ZX_HANDLE_INVALID;
    object = std::move(slot->object);
  }
  FinishClose(handle, object);
  return ZX_OK;
}

void HandleTable::FinishClose(zx_handle_t handle, const RefPtr<Dispatcher>& object) {
  object->OnHandleClosed(handle);
  if (Uncount(*object, handle)) object->OnLastHandleClosed();
}

zx_status_t HandleTable::Install(RefPtr<Dispatcher> object, zx_rights_t rights, zx_handle_t* out) {
  zx_handle_t value = ZX_HANDLE_INVALID;
  const zx_status_t status = TakeSlot(*object, &value);
  if (status != ZX_OK) {
    if (Uncount(*object, ZX_HANDLE_INVALID)) object->OnLastHandleClosed();
    return status;
  }
  Slot& slot = SlotAt(IndexOf(value));
  const std::lock_guard lock(slot.lock);
  slot.object = std::move(object);
  slot.rights = rights;
  slot.value = value;
  *out = value;
  return ZX_OK;
}

zx_status_t HandleTable::TakeSlot(Dispatcher& object, zx_handle_t* out_value) {
  const std::lock_guard lock(allocation_lock_);
  uint32_t index = 0;
  if (object.spare_slots_ != 0) {
    index = object.spare_slots_ - 1;
    object.spare_slots_ = SlotAt(index).next;
    --object.spare_slot_count_;
    NextOfOwner(SlotAt(index));
  } else {
    if (free_ != 0) {
      index = free_ - 1;
      free_ = SlotAt(index).next;
    } else if (const zx_status_t status = TakeFreshSlotLocked(&index); status != ZX_OK) {
      return status;
    }
    BeginOwner(SlotAt(index));
  }
  *out_value = ValueOf(index, SlotAt(index).generation);
  return ZX_OK;
}

zx_status_t HandleTable::TakeFreshSlotLocked(uint32_t* out_index) {
  if (fresh_ == kMaxHandles) return ZX_ERR_NO_RESOURCES;
  if (fresh_ % kSlotsPerChunk == 0) {
    std::unique_ptr<Chunk> chunk(new (std::nothrow) Chunk);
    if (!chunk) return ZX_ERR_NO_MEMORY;
    chunks_[fresh_ / kSlotsPerChunk].store(chunk.release(), std::memory_order_release);
  }
  *out_index = fresh_++;
  return ZX_OK;
}

void HandleTable::BeginOwner(Slot& slot) {
  ++slot.last_generation;
  slot.generation = slot.first_generation = slot.last_generation;
}

void HandleTable::NextOfOwner(Slot& slot) {
  const uint32_t next = slot.generation + 1U;
  const bool exhausted = next > kMaxGeneration || next - slot.first_generation >= kGenerationsPerOwner;
  slot.generation = exhausted ? slot.first_generation : static_cast<uint16_t>(next);
  slot.last_generation = std::max(slot.last_generation, slot.generation);
}

bool HandleTable::Uncount(Dispatcher& object, zx_handle_t handle) {
  const std::lock_guard lock(allocation_lock_);
  const bool last = object.handle_count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  if (handle != ZX_HANDLE_INVALID) {
    const uint32_t index = IndexOf(handle);
    if (!last && object.spare_slot_count_ < kMaxSpareSlots) {
      SlotAt(index).next = std::exchange(object.spare_slots_, index + 1);
      ++object.spare_slot_count_;
    } else {
      FreeSlotLocked(index);
    }
  }
  while (last && object.spare_slots_ != 0) {
    const uint32_t index = object.spare_slots_ - 1;
    object.spare_slots_ = SlotAt(index).next;
    FreeSlotLocked(index);
  }
  if (last) object.spare_slot_count_ = 0;
  return last;
}

// A slot without generations is never used again.
void HandleTable::FreeSlotLocked(uint32_t index) {
  Slot& slot = SlotAt(index);
  if (slot.last_generation == kMaxGeneration) return;
  slot.next = std::exchange(free_, index + 1);
}

}  // namespace zxctl
