#include "vcpu/guest_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

namespace zxctl {

class HostMapping {
 public:
  static Result<std::shared_ptr<HostMapping>> Create(const RefPtr<Vmo>& vmo, uint64_t offset, uint64_t size) {
    // The guest has to be able to write where it may; where it may not, KVM keeps it from it.
    void* at =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, vmo->fd(), static_cast<off_t>(offset));
    if (at == MAP_FAILED) return FailErrno("cannot map the VMO into this process");
    madvise(at, size, MADV_DONTFORK);
    return std::make_shared<HostMapping>(vmo, static_cast<char*>(at), size);
  }
  HostMapping(RefPtr<Vmo> vmo, char* start, uint64_t size) : vmo_(std::move(vmo)), start_(start), size_(size) {}
  ~HostMapping() { munmap(start_, size_); }
  HostMapping(const HostMapping&) = delete;
  HostMapping& operator=(const HostMapping&) = delete;

  [[nodiscard]] char* start() const { return start_; }

 private:
  const RefPtr<Vmo> vmo_;
  char* const start_;
  const uint64_t size_;
};

GuestMemory::~GuestMemory() = default;

// ---- looking ---------------------------------------------------------------------------------------------------------

const GuestMemory::Piece* GuestMemory::FindLocked(uint64_t address) const {
  const auto after = pieces_.upper_bound(address);
  if (after == pieces_.begin()) return nullptr;
  const Piece& piece = std::prev(after)->second;
  return address - piece.address < piece.size ? &piece : nullptr;
}

bool GuestMemory::IsFreeLocked(uint64_t address, uint64_t size) const {
  if (FindLocked(address) != nullptr) return false;
  const auto after = pieces_.upper_bound(address);
  return after == pieces_.end() || after->first - address >= size;
}

std::optional<uint64_t> GuestMemory::FindSpace(uint64_t size, uint64_t least, uint64_t end) const {
  const std::shared_lock lock(lock_);
  uint64_t at = least;
  while (at < end && size <= end - at) {
    if (const Piece* piece = FindLocked(at); piece != nullptr) {
      at = piece->address + piece->size;
      continue;
    }
    const auto after = pieces_.upper_bound(at);
    if (after == pieces_.end() || after->first - at >= size) return at;
    at = after->first + after->second.size;
  }
  return std::nullopt;
}

bool GuestMemory::Read(uint64_t address, void* out, size_t size) const {
  View view(*this);
  return arch::ReadPhysical(view, address, out, size);
}

const char* GuestMemory::View::FindPage(uint64_t address) {
  if (latest_ == nullptr || address - latest_->address >= latest_->size) latest_ = memory_.FindLocked(address);
  return latest_ == nullptr ? nullptr : latest_->host + (address - latest_->address);
}

std::optional<bool> GuestMemory::IsWritable(uint64_t address) const {
  const std::shared_lock lock(lock_);
  const Piece* piece = FindLocked(address);
  return piece == nullptr ? std::nullopt : std::optional(piece->writable);
}

GuestMemory::Access GuestMemory::Perform(uint64_t address, void* data, size_t size, bool write) {
  const std::shared_lock lock(lock_);
  const Piece* piece = FindLocked(address);
  if (piece == nullptr) return Access::kNotMapped;
  if (write && !piece->writable) return Access::kReadOnly;
  const uint64_t at = address - piece->address;
  // KVM splits at the ends of pages.
  if (size > piece->size - at) return Access::kNotMapped;
  if (write) {
    std::memcpy(piece->host + at, data, size);
  } else {
    std::memcpy(data, piece->host + at, size);
  }
  return Access::kDone;
}

size_t GuestMemory::piece_count() const {
  const std::shared_lock lock(lock_);
  return pieces_.size();
}

// ---- changing --------------------------------------------------------------------------------------------------------

Result<void> GuestMemory::InsertLocked(Piece piece) {
  const bool reused = !free_slots_.empty();
  piece.slot = reused ? free_slots_.back() : fresh_slot_;
  const kvm_userspace_memory_region region = {.slot = piece.slot,
                                              .flags = piece.writable ? 0U : uint32_t{KVM_MEM_READONLY},
                                              .guest_phys_addr = piece.address,
                                              .memory_size = piece.size,
                                              .userspace_addr = reinterpret_cast<uintptr_t>(piece.host)};
  if (const int error = vm_.SetMemory(region); error != 0) {
    Status status = Status::FromErrno(
        fmt::format("KVM does not take {:#x} bytes at {:#x} as the guest's memory", piece.size, piece.address), error);
    // Every piece is a slot, and KVM has so many.
    status.zx = error == EINVAL ? ZX_ERR_NO_RESOURCES : ZX_ERR_NO_MEMORY;
    return Fail(std::move(status));
  }
  if (reused) {
    free_slots_.pop_back();
  } else {
    ++fresh_slot_;
  }
  ++version_;
  const uint64_t address = piece.address;
  pieces_.emplace(address, std::move(piece));
  return {};
}

void GuestMemory::EraseLocked(Pieces::iterator at) {
  const kvm_userspace_memory_region gone = {.slot = at->second.slot, .guest_phys_addr = at->second.address};
  static_cast<void>(vm_.SetMemory(gone));
  ++version_;
  free_slots_.push_back(at->second.slot);
  pieces_.erase(at);
}

Result<void> GuestMemory::Map(const Request& request, const FindHole& hole) {
  auto mapping = HostMapping::Create(request.vmo, request.vmo_offset, request.size);
  if (!mapping) return Fail(mapping.error());
  const std::unique_lock lock(lock_);
  const uint64_t end = request.address + request.size;
  if (!IsFreeLocked(request.address, request.size)) {
    return Fail(Status{.zx = ZX_ERR_ALREADY_EXISTS, .what = "something is mapped there: unmap it first"});
  }
  for (uint64_t at = request.address; at < end;) {
    const Hole next = hole(at, end);
    if (!next.inside) {
      const Piece piece = {.address = at,
                           .size = next.until - at,
                           .host = (*mapping)->start() + (at - request.address),
                           .writable = request.writable,
                           .mapping = *mapping};
      if (auto inserted = InsertLocked(piece); !inserted) {
        // What is there of it goes again.
        while (!pieces_.empty()) {
          const auto first = pieces_.lower_bound(request.address);
          if (first == pieces_.end() || first->first >= end) break;
          EraseLocked(first);
        }
        return inserted;
      }
    }
    at = next.until;
  }
  return {};
}

Result<void> GuestMemory::Unmap(uint64_t address, uint64_t size) {
  const std::unique_lock lock(lock_);
  const uint64_t end = address + size;
  if (IsFreeLocked(address, size)) {
    return Fail(Status{.zx = ZX_ERR_NOT_FOUND, .what = "nothing is mapped there"});
  }
  const Piece* first = FindLocked(address);
  const Piece* last = FindLocked(end - 1);
  const bool splits =
      (first != nullptr && first->address < address) || (last != nullptr && last->address + last->size > end);
  if (!splits) return UnmapLocked(address, end);
  Result<void> result;
  pause_([&] { result = UnmapLocked(address, end); });
  return result;
}

Result<void> GuestMemory::UnmapLocked(uint64_t address, uint64_t end) {
  auto at = pieces_.upper_bound(address);
  if (at != pieces_.begin() && FindLocked(address) != nullptr) --at;
  std::vector<Piece> rest;
  while (at != pieces_.end() && at->first < end) {
    const Piece piece = at->second;
    if (piece.address < address) {
      rest.push_back(piece);
      rest.back().size = address - piece.address;
    }
    if (piece.address + piece.size > end) {
      rest.push_back(piece);
      rest.back().address = end;
      rest.back().size = piece.address + piece.size - end;
      rest.back().host = piece.host + (end - piece.address);
    }
    EraseLocked(at++);
  }
  for (Piece& piece : rest) {
    if (auto inserted = InsertLocked(std::move(piece)); !inserted) return inserted;
  }
  return {};
}

}  // namespace zxctl
