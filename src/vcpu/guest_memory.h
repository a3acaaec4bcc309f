// What a guest has as physical memory: pieces of VMOs, each in a slot of KVM's.
//
// Any thread. Changes exclude each other and those who look; a change that takes a part of a piece away stops the VCPUs for its
// time (`Pause`), because KVM can only take whole slots away and the rest would be missing meanwhile.
#pragma once

#include <zircon/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "arch/guest_bytes.h"
#include "arch/kvm.h"
#include "base/status.h"
#include "object/ref_counted.h"
#include "vcpu/vmo.h"

namespace zxctl {

// A VMO, or a part of it, in this process's address space.
class HostMapping;

class GuestMemory {
 public:
  // Keeps the guest's VCPUs out of it for as long as it runs `change`.
  using Pause = std::function<void(const std::function<void()>& change)>;
  // What must not be mapped: the end of the hole that `address` is in, or the start of the next one, at most `end`.
  struct Hole {
    bool inside = false;
    uint64_t until = 0;
  };
  using FindHole = std::function<Hole(uint64_t address, uint64_t end)>;

  GuestMemory(KvmVm& vm, Pause pause) : vm_(vm), pause_(std::move(pause)) {}
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  struct Request {
    RefPtr<Vmo> vmo;
    uint64_t vmo_offset = 0;
    uint64_t address = 0;  // guest-physical
    uint64_t size = 0;
    bool writable = true;
  };
  // All of it is inside the guest and the VMO, and at page boundaries. ALREADY_EXISTS where something is mapped; nothing is
  // mapped in holes. A failure changes nothing.
  [[nodiscard]] Result<void> Map(const Request& request, const FindHole& hole);
  // The lowest place for so many bytes that is above `least`; nothing if there is none below `end`.
  [[nodiscard]] std::optional<uint64_t> FindSpace(uint64_t size, uint64_t least, uint64_t end) const;
  // NOT_FOUND where nothing is mapped in all of it.
  [[nodiscard]] Result<void> Unmap(uint64_t address, uint64_t size);

  // Copies memory; false where some of it is not mapped.
  bool Read(uint64_t address, void* out, size_t size) const;
  // For looking more than once: while it is there, nothing changes. Of one thread.
  class View;
  enum class Access : uint8_t { kDone, kReadOnly, kNotMapped };
  // Nothing where nothing is mapped.
  [[nodiscard]] std::optional<bool> IsWritable(uint64_t address) const;
  // As the guest would, for what KVM could not do because the memory was being changed.
  Access Perform(uint64_t address, void* data, size_t size, bool write);

  [[nodiscard]] size_t piece_count() const;

 private:
  struct Piece {
    uint64_t address = 0;
    uint64_t size = 0;
    char* host = nullptr;
    uint32_t slot = 0;
    bool writable = true;
    std::shared_ptr<HostMapping> mapping;
  };
  // By address.
  using Pieces = std::map<uint64_t, Piece>;

  [[nodiscard]] const Piece* FindLocked(uint64_t address) const;
  [[nodiscard]] bool IsFreeLocked(uint64_t address, uint64_t size) const;
  [[nodiscard]] Result<void> InsertLocked(Piece piece);
  void EraseLocked(Pieces::iterator at);
  [[nodiscard]] Result<void> UnmapLocked(uint64_t address, uint64_t end);

  KvmVm& vm_;
  const Pause pause_;
  mutable std::shared_mutex lock_;
  Pieces pieces_;                     // lock_
  std::vector<uint32_t> free_slots_;  // lock_
  uint32_t fresh_slot_ = 0;           // lock_
  uint64_t version_ = 0;              // lock_; another after every change
};

class GuestMemory::View final : public arch::GuestBytes {
 public:
  explicit View(const GuestMemory& memory) : memory_(memory), lock_(memory.lock_) {}
  [[nodiscard]] const char* FindPage(uint64_t address) override;
  [[nodiscard]] uint64_t version() const override { return memory_.version_; }

 private:
  const GuestMemory& memory_;
  const std::shared_lock<std::shared_mutex> lock_;
  const Piece* latest_ = nullptr;
};

}  // namespace zxctl
