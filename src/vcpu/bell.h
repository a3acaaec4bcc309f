// A trap whose writes are told to a port while the guest goes on.
//
// Of each bell kMaxPackets are in the port at most; who rings it then waits until one has been taken. The first write to an
// address ends KVM_RUN and is told from there; from then on the kernel counts the writes to that address in an eventfd, and a
// thread of the guest's tells of them (doorbells.h), until the port does not keep up: then they end KVM_RUN again, so that the
// VCPU can wait. Any thread.
#pragma once

#include <zircon/types.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "object/futex.h"
#include "object/port.h"

namespace zxctl {

class Doorbells;

class Bell final : public PacketSource {
 public:
  static constexpr uint32_t kMaxPackets = 256;

  Bell(RefPtr<Port> port, uint64_t key, RefPtr<Doorbells> doorbells);
  ~Bell() override;

  // A packet for a write to this address, after all that came before. SHOULD_WAIT when kMaxPackets are there; BAD_STATE when
  // the port is closed; CANCELED after the end; NO_MEMORY.
  zx_status_t Ring(uint64_t address);
  // The same for the thread that tells of counted writes: it comes before those who find it late.
  zx_status_t RingCounted(uint64_t address);
  // Whether that thread has some left to tell of.
  void SetLate(bool late);

  // While it is in, `word` is changed and woken when Ring() may have become possible. May throw std::bad_alloc.
  void AddWaiter(std::atomic<uint32_t>& word);
  void RemoveWaiter(std::atomic<uint32_t>& word);

  // The guest is no more: takes back its packets.
  void End();

  void OnPacketGone(WakeList& wakes) override;
  void OnPortClosed() override;

 private:
  zx_status_t Queue(uint64_t address);
  zx_status_t Reserve(bool counted);
  void UncountLocked(WakeList& wakes);
  void TellWaitersLocked(WakeList& wakes);

  const RefPtr<Port> port_;
  const uint64_t key_;
  FutexMutex lock_;                              // a port's queue lock may be held; nothing is locked below it
  RefPtr<Doorbells> doorbells_;                  // lock_; null after the end
  std::vector<std::atomic<uint32_t>*> waiters_;  // lock_
  uint32_t queued_ = 0;                          // lock_
  bool late_ = false;                            // lock_
  bool closed_ = false;                          // lock_
  bool ended_ = false;                           // lock_
};

}  // namespace zxctl
