// The traps of a guest: which accesses are told to somebody. Pure.
#pragma once

#include <zircon/syscalls/hypervisor.h>
#include <zircon/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "object/ref_counted.h"
#include "vcpu/bell.h"

namespace zxctl {

struct Trap {
  uint32_t kind = ZX_GUEST_TRAP_MEM;
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t key = 0;
  RefPtr<Bell> bell;  // of ZX_GUEST_TRAP_BELL

  [[nodiscard]] bool Has(uint64_t at) const { return at - address < size; }
};

// Not thread-safe.
class TrapMap {
 public:
  // The order of the checks is Zircon's: size, overflow, kind and port, I/O range, alignment, range of memory. OK, or
  // INVALID_ARGS, OUT_OF_RANGE, NOT_SUPPORTED.
  [[nodiscard]] static zx_status_t Check(uint32_t kind, uint64_t address, uint64_t size, bool has_port);

  // Why Check() refuses it; for people.
  [[nodiscard]] static std::string Explain(zx_status_t status, uint32_t kind, uint64_t address, uint64_t size,
                                           bool has_port);

  // Whether some trap of the same space has a part of it.
  [[nodiscard]] bool Intersects(const Trap& trap) const;
  // One that was checked, and intersects with none. May throw std::bad_alloc.
  const Trap& Add(Trap trap);

  // Null where there is none.
  [[nodiscard]] const Trap* FindMemory(uint64_t address) const { return Find(memory_, address); }
  [[nodiscard]] const Trap* FindPort(uint64_t port) const { return Find(ports_, port); }
  // The first trap in memory that ends behind an address.
  [[nodiscard]] const Trap* NextMemory(uint64_t address) const;

  template <typename F>
  void ForEachBell(F&& f) const {
    for (const auto& [address, trap] : memory_) {
      if (trap.bell) f(*trap.bell);
    }
  }

 private:
  // By address.
  using Space = std::map<uint64_t, Trap>;

  [[nodiscard]] static const Trap* Find(const Space& space, uint64_t address);

  Space memory_;
  Space ports_;
};

}  // namespace zxctl
