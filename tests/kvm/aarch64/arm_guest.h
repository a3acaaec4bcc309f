// Guests of arm64's tests: a trap that they tell things by, and code that switches translation on.
#pragma once

#include "support/test_guest.h"

namespace zxctl::test {

// A store to its beginning is how a guest says that it has come so far; the rest is for whatever a test wants.
inline constexpr uint64_t kTrap = 0x1000'0000;
inline constexpr uint64_t kTrapBytes = 0x10'0000;
inline constexpr uint64_t kTrapKey = 9;

// Ends with a store to the trap, for ever.
#define GUEST_END              \
  "\n  mov x30, #0x10000000\n" \
  "99:\n"                      \
  "  str wzr, [x30]\n"         \
  "  b 99b\n"

class ArmGuest : public TestGuest {
 public:
  ArmGuest() { SetTrap(); }
  explicit ArmGuest(const GuestCode& code) : ArmGuest() {
    Load(code);
    MakeVcpu();
  }

  // Until the next packet, which has to be of the trap.
  const zx_packet_guest_mem_t& Next() {
    packet = {};
    EXPECT_EQ(Resume(), ZX_OK) << LastError();
    EXPECT_EQ(packet.type, ZX_PKT_TYPE_GUEST_MEM);
    EXPECT_EQ(packet.key, kTrapKey);
    return packet.guest_mem;
  }
  void ExpectEnd() {
    const auto& mem = Next();
    EXPECT_EQ(mem.addr, kTrap);
    EXPECT_FALSE(mem.read);
  }
  void SetX(size_t which, uint64_t value) const {
    zx_vcpu_state_t state = State();
    state.x[which] = value;
    Set(state);
  }

 private:
  void SetTrap() { EXPECT_EQ(Trap(ZX_GUEST_TRAP_MEM, kTrap, kTrapBytes, kTrapKey), ZX_OK) << LastError(); }
};

}  // namespace zxctl::test
