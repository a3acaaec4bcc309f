#include "vcpu/traps.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "arch/guest.h"
#include "vcpu/vmo.h"

namespace zxctl {

zx_status_t TrapMap::Check(uint32_t kind, uint64_t address, uint64_t size, bool has_port) {
  if (size == 0) return ZX_ERR_INVALID_ARGS;
  uint64_t end = 0;
  if (__builtin_add_overflow(address, size, &end)) return ZX_ERR_OUT_OF_RANGE;
  switch (kind) {
    case ZX_GUEST_TRAP_BELL:
      if (!has_port) return ZX_ERR_INVALID_ARGS;
      break;
    case ZX_GUEST_TRAP_MEM:
      if (has_port) return ZX_ERR_INVALID_ARGS;
      break;
    case ZX_GUEST_TRAP_IO:
      if (!arch::kHasIoPorts) return ZX_ERR_NOT_SUPPORTED;
      if (has_port) return ZX_ERR_INVALID_ARGS;
      return end > arch::kIoPorts ? ZX_ERR_OUT_OF_RANGE : ZX_OK;
    default:
      return ZX_ERR_INVALID_ARGS;
  }
  if (!IsPageAligned(address) || !IsPageAligned(size)) return ZX_ERR_INVALID_ARGS;
  return end > arch::kGuestPhysicalBytes ? ZX_ERR_OUT_OF_RANGE : ZX_OK;
}

std::string TrapMap::Explain(zx_status_t status, uint32_t kind, uint64_t address, uint64_t size, bool has_port) {
  const bool is_port = kind == ZX_GUEST_TRAP_IO;
  if (size == 0) return "size is 0";
  if (kind > ZX_GUEST_TRAP_IO) {
    return fmt::format("kind is {}: there are ZX_GUEST_TRAP_BELL ({}), MEM ({}) and IO ({})", kind, ZX_GUEST_TRAP_BELL,
                       ZX_GUEST_TRAP_MEM, ZX_GUEST_TRAP_IO);
  }
  if (status == ZX_ERR_NOT_SUPPORTED) return "this machine has no I/O ports";
  if (status == ZX_ERR_OUT_OF_RANGE) {
    return fmt::format("{:#x} and {:#x} more end behind {:#x}, the last that a trap may end at", address, size,
                       is_port ? arch::kIoPorts : arch::kGuestPhysicalBytes);
  }
  if (kind == ZX_GUEST_TRAP_BELL && !has_port) return "a bell needs a port that its packets go to";
  if (kind != ZX_GUEST_TRAP_BELL && has_port)
    return "only bells have ports: packets of this trap come from zx_vcpu_resume(); pass 0";
  return fmt::format("addr and size have to be multiples of {}: they are {:#x} and {:#x}", kPageBytes, address, size);
}

const Trap* TrapMap::Find(const Space& space, uint64_t address) {
  auto after = space.upper_bound(address);
  if (after == space.begin()) return nullptr;
  const Trap& trap = std::prev(after)->second;
  return trap.Has(address) ? &trap : nullptr;
}

const Trap* TrapMap::NextMemory(uint64_t address) const {
  if (const Trap* trap = FindMemory(address); trap != nullptr) return trap;
  const auto after = memory_.upper_bound(address);
  return after == memory_.end() ? nullptr : &after->second;
}

bool TrapMap::Intersects(const Trap& trap) const {
  const Space& space = trap.kind == ZX_GUEST_TRAP_IO ? ports_ : memory_;
  if (Find(space, trap.address) != nullptr) return true;
  const auto after = space.upper_bound(trap.address);
  return after != space.end() && after->first - trap.address < trap.size;
}

const Trap& TrapMap::Add(Trap trap) {
  Space& space = trap.kind == ZX_GUEST_TRAP_IO ? ports_ : memory_;
  const uint64_t address = trap.address;
  return space.emplace(address, std::move(trap)).first->second;
}

}  // namespace zxctl
