#include "vcpu/bell.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "vcpu/doorbells.h"

namespace zxctl {

Bell::Bell(RefPtr<Port> port, uint64_t key, RefPtr<Doorbells> doorbells)
    : port_(std::move(port)), key_(key), doorbells_(std::move(doorbells)) {}

Bell::~Bell() = default;

zx_status_t Bell::Reserve(bool counted) {
  const std::lock_guard lock(lock_);
  if (ended_) return ZX_ERR_CANCELED;
  if (closed_) return ZX_ERR_BAD_STATE;
  if (queued_ == kMaxPackets || (late_ && !counted)) return ZX_ERR_SHOULD_WAIT;
  ++queued_;
  return ZX_OK;
}

zx_status_t Bell::Queue(uint64_t address) {
  zx_port_packet_t packet = {};
  packet.key = key_;
  packet.type = ZX_PKT_TYPE_GUEST_BELL;
  packet.guest_bell.addr = address;
  const zx_status_t status = port_->QueueFrom(RefPtr<PacketSource>(this), packet);
  bool too_late = false;
  {
    WakeList wakes;
    const std::lock_guard lock(lock_);
    if (status != ZX_OK) UncountLocked(wakes);
    too_late = ended_;
  }
  if (status != ZX_OK || !too_late) return status;
  // The end may have taken its packets back before this one was there.
  port_->RemoveSource(*this);
  return ZX_ERR_CANCELED;
}

zx_status_t Bell::Ring(uint64_t address) {
  const zx_status_t status = Reserve(false);
  return status == ZX_OK ? Queue(address) : status;
}

zx_status_t Bell::RingCounted(uint64_t address) {
  const zx_status_t status = Reserve(true);
  return status == ZX_OK ? Queue(address) : status;
}

void Bell::SetLate(bool late) {
  WakeList wakes;
  const std::lock_guard lock(lock_);
  late_ = late;
  if (!late) TellWaitersLocked(wakes);
}

void Bell::TellWaitersLocked(WakeList& wakes) {
  for (std::atomic<uint32_t>* word : waiters_) {
    word->fetch_add(1);
    wakes.Add(*word);
  }
}

void Bell::AddWaiter(std::atomic<uint32_t>& word) {
  const std::lock_guard lock(lock_);
  waiters_.push_back(&word);
}

void Bell::RemoveWaiter(std::atomic<uint32_t>& word) {
  const std::lock_guard lock(lock_);
  std::erase(waiters_, &word);
}

void Bell::OnPacketGone(WakeList& wakes) {
  const std::lock_guard lock(lock_);
  UncountLocked(wakes);
}

void Bell::UncountLocked(WakeList& wakes) {
  --queued_;
  if (!late_) return TellWaitersLocked(wakes);
  // It was full when it became late, and whoever waits waits for the thread: that goes on once half of it is free.
  if (queued_ == kMaxPackets / 2 && doorbells_) doorbells_->WakeThread();
}

void Bell::OnPortClosed() {
  RefPtr<Doorbells> doorbells;
  {
    WakeList wakes;
    const std::lock_guard lock(lock_);
    closed_ = true;
    doorbells = doorbells_;
    TellWaitersLocked(wakes);
  }
  if (doorbells) doorbells->Forget(*this);
}

void Bell::End() {
  RefPtr<Doorbells> doorbells;
  {
    const std::lock_guard lock(lock_);
    doorbells = std::move(doorbells_);
    ended_ = true;
  }
  port_->RemoveSource(*this);
}

}  // namespace zxctl
