#include "object/port.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "object/koid.h"
#include "object/tracer_link.h"

namespace zxctl {

RefPtr<Port> Port::Create() { return RefPtr<Port>::Adopt(new (std::nothrow) Port); }

Port::Port() : Dispatcher(kType, NewLocalKoid()) {}

Port::~Port() {
  // A port that never had a handle still has its queue.
  Port::OnLastHandleClosed();
  while (Packet* node = nodes_.PopFront()) const std::unique_ptr<Packet> owned(node);
}

// ---- packets in ------------------------------------------------------------------------------------------------------

zx_status_t Port::QueueUser(const zx_port_packet_t& packet) {
  zx_port_packet_t copy = packet;
  copy.type = ZX_PKT_TYPE_USER;
  return QueueCopy(copy);
}

zx_status_t Port::QueueException(uint64_t key, uint32_t type, zx_koid_t pid, zx_koid_t tid) {
  zx_port_packet_t packet = {};
  packet.key = key;
  packet.type = type;
  packet.exception.pid = pid;
  packet.exception.tid = tid;
  return QueueCopy(packet);
}

zx_status_t Port::QueueCopy(const zx_port_packet_t& packet) {
  WakeList wakes;
  const std::lock_guard lock(queue_lock_);
  if (closed_) return ZX_ERR_BAD_STATE;
  if (Waiter* waiter = waiters_.PopFront()) {
    GiveLocked(*waiter, packet, wakes);
    return ZX_OK;
  }
  if (packet_count_ == kMaxPackets) return ZX_ERR_SHOULD_WAIT;
  Packet* node = TakeNodeLocked();
  if (node == nullptr) return ZX_ERR_NO_MEMORY;
  node->packet = packet;
  PushLocked(*node);
  return ZX_OK;
}

Port::Packet* Port::TakeNodeLocked() {
  Packet* node = nodes_.PopFront();
  if (node == nullptr) return new (std::nothrow) Packet;
  --node_count_;
  return node;
}

zx_status_t Port::QueueFrom(const RefPtr<PacketSource>& source, const zx_port_packet_t& packet) {
  WakeList wakes;
  const std::lock_guard lock(queue_lock_);
  if (closed_) return ZX_ERR_BAD_STATE;
  if (Waiter* waiter = waiters_.PopFront()) {
    GiveLocked(*waiter, packet, wakes);
    source->OnPacketGone(wakes);
    return ZX_OK;
  }
  Packet* node = TakeNodeLocked();
  if (node == nullptr) return ZX_ERR_NO_MEMORY;
  node->packet = packet;
  node->source = source;
  PushLocked(*node);
  return ZX_OK;
}

zx_status_t Port::AddSource(const RefPtr<PacketSource>& source) {
  const std::lock_guard lock(queue_lock_);
  if (closed_) return ZX_ERR_BAD_STATE;
  try {
    sources_.push_back(source);
  } catch (const std::bad_alloc&) {
    return ZX_ERR_NO_MEMORY;
  }
  return ZX_OK;
}

void Port::RemoveSource(PacketSource& source) {
  for (bool more = true; more;) {
    Ended ended;
    const std::lock_guard lock(queue_lock_);
    std::erase_if(sources_, [&](const RefPtr<PacketSource>& s) { return s.get() == &source; });
    Packet* packet = packets_.First();
    while (packet != nullptr && packet->source.get() != &source) packet = packets_.After(*packet);
    more = packet != nullptr;
    if (!more) return;
    RemoveLocked(*packet);
    DropNodeLocked(*packet, &ended);
  }
}

bool Port::QueueSignal(PortObserver& observer, zx_signals_t signals, WakeList& wakes) {
  const std::lock_guard lock(queue_lock_);
  if (closed_ || !observer.armed()) return false;
  Packet& mine = observer.packet_;
  if (mine.linked()) {
    mine.packet.signal.observed |= signals;
    return true;
  }
  if (!observer.Matches(signals)) return true;
  mine.packet.signal.observed = signals;
  if (Waiter* waiter = waiters_.PopFront()) {
    GiveLocked(*waiter, mine.packet, wakes);
    return observer.repeating_;
  }
  if (packet_count_ == kMaxPackets) return false;
  PushLocked(mine);
  return true;
}

void Port::GiveLocked(Waiter& waiter, const zx_port_packet_t& packet, WakeList& wakes) {
  waiter.packet = packet;
  wakes.Add(waiter.done);
  waiter.done.store(1, std::memory_order_release);
}

void Port::PushLocked(Packet& packet) {
  packets_.PushBack(packet);
  ++packet_count_;
  ShowReadableLocked();
}

// ---- packets out -----------------------------------------------------------------------------------------------------

zx_status_t Port::Wait(zx_time_t deadline, zx_port_packet_t* out) {
  TakeInEvents();
  Waiter waiter;
  {
    Ended ended;
    const std::lock_guard lock(queue_lock_);
    if (closed_) return ZX_ERR_CANCELED;
    if (TakeFirstLocked(out, &ended)) return ZX_OK;
    if (broken_) return ZX_ERR_PEER_CLOSED;
    if (deadline <= 0 || (deadline != ZX_TIME_INFINITE && deadline <= MonotonicNs())) return ZX_ERR_TIMED_OUT;
    waiters_.PushBack(waiter);
  }
  while (waiter.done.load(std::memory_order_acquire) == 0) {
    if (SleepOn(waiter.done, 0, deadline, koid())) continue;
    const std::lock_guard lock(queue_lock_);
    // Somebody who took it out of the list has given it a packet.
    if (!waiter.linked()) break;
    waiters_.Erase(waiter);
    return ZX_ERR_TIMED_OUT;
  }
  if (waiter.status == ZX_OK) *out = waiter.packet;
  return waiter.status;
}

bool Port::TakeFirstLocked(zx_port_packet_t* out, Ended* out_ended) {
  Packet* first = packets_.First();
  if (first == nullptr) return false;
  RemoveLocked(*first);
  *out = first->packet;
  if (first->observer == nullptr) {
    DropNodeLocked(*first, out_ended);
  } else if (!first->observer->repeating_) {
    DisarmLocked(*first->observer, out_ended);
  }
  return true;
}

void Port::RemoveLocked(Packet& packet) {
  packets_.Erase(packet);
  --packet_count_;
  ShowReadableLocked();
}

void Port::DropNodeLocked(Packet& node, Ended* out_ended) {
  if (node.source) {
    node.source->OnPacketGone(out_ended->wakes);
    out_ended->packet_source = std::move(node.source);
  }
  KeepNodeLocked(node);
}

void Port::KeepNodeLocked(Packet& node) {
  if (node_count_ < kKeptNodes) {
    nodes_.PushBack(node);
    ++node_count_;
  } else {
    const std::unique_ptr<Packet> owned(&node);
  }
}

zx_status_t Port::GetFd(int* out_fd, int* out_errno) {
  TracerLink::Serve();
  const std::lock_guard lock(queue_lock_);
  if (closed_) return ZX_ERR_BAD_STATE;
  if (!fd_.valid()) {
    fd_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd_.valid()) {
      *out_errno = errno;
      return ZxFromErrno(errno);
    }
    ShowReadableLocked();
  }
  *out_fd = fd_.get();
  return ZX_OK;
}

// Makes the descriptor say what the queue is; a closed or broken port is readable, so that nobody sleeps on.
void Port::ShowReadableLocked() {
  const bool readable = closed_ || broken_ || !packets_.empty();
  if (!fd_.valid() || readable == fd_readable_) return;
  fd_readable_ = readable;
  uint64_t value = 1;
  // Neither can fail for want of room: the counter is 0 or 1. Where somebody else has read it, there is nothing to read.
  const ssize_t done = readable ? write(fd_.get(), &value, sizeof(value)) : read(fd_.get(), &value, sizeof(value));
  static_cast<void>(done);
}

// ---- wait_async ------------------------------------------------------------------------------------------------------

zx_status_t Port::WaitAsync(const HandleTable& handles, const RefPtr<Dispatcher>& source, zx_handle_t handle,
                            uint64_t key, zx_signals_t signals, bool repeating) {
  if (observer_count_.load(std::memory_order_relaxed) >= kMaxObservers) return ZX_ERR_NO_MEMORY;
  const auto observer = MakeRefCounted<PortObserver>(RefPtr<Port>(this), source, handle, key, signals, repeating);
  if (!observer) return ZX_ERR_NO_MEMORY;
  if (!Arm(*observer)) return ZX_ERR_BAD_STATE;
  observer->AddRef();  // the source's; OnRemoved() releases it
  source->AddObserver(*observer);
  // Handle or port may have been closed before the observer was there to hear of it.
  if (!handles.Holds(handle, *source)) source->OnHandleClosed(handle);
  if (IsClosed()) source->EvictObserver(*observer);
  return ZX_OK;
}

bool Port::IsClosed() {
  const std::lock_guard lock(queue_lock_);
  return closed_;
}

bool Port::Arm(PortObserver& observer) {
  const std::lock_guard lock(queue_lock_);
  if (closed_) return false;
  observer.AddRef();
  armed_.PushBack(observer);
  return true;
}

bool Port::Disarm(PortObserver& observer) {
  RefPtr<Dispatcher> source;  // nothing to leave any more, but released without the lock
  Ended ended;
  const std::lock_guard lock(queue_lock_);
  if (!observer.armed()) return false;
  if (observer.packet_.linked()) RemoveLocked(observer.packet_);
  DisarmLocked(observer, &ended);
  source = std::move(ended.source);
  return true;
}

void Port::DisarmLocked(PortObserver& observer, Ended* out_ended) {
  armed_.Erase(observer);
  out_ended->observer = RefPtr<PortObserver>::Adopt(&observer);
  out_ended->source = std::move(observer.source_);
}

Port::Ended::~Ended() {
  if (source) source->EvictObserver(*observer);
}

zx_status_t Port::Cancel(Dispatcher& source, zx_handle_t handle, uint64_t key) {
  return source.CancelObservers(handle, this, key) ? ZX_OK : ZX_ERR_NOT_FOUND;
}

// ---- the end ---------------------------------------------------------------------------------------------------------

void Port::EndWaitsLocked(zx_status_t status, WakeList& wakes) {
  while (Waiter* waiter = waiters_.PopFront()) {
    waiter->status = status;
    wakes.Add(waiter->done);
    waiter->done.store(1, std::memory_order_release);
  }
}

void Port::BreakLocked(WakeList& wakes) {
  broken_ = true;
  EndWaitsLocked(ZX_ERR_PEER_CLOSED, wakes);
  ShowReadableLocked();
}

void Port::Break() {
  WakeList wakes;
  const std::lock_guard lock(queue_lock_);
  BreakLocked(wakes);
}

void Port::Mend() {
  const std::lock_guard lock(queue_lock_);
  broken_ = false;
  ShowReadableLocked();
}

void Port::OnLastHandleClosed() {
  if (TracerLink* link = TracerLink::Current(); link != nullptr) link->EndPort(koid());
  std::vector<RefPtr<PacketSource>> sources;
  {
    WakeList wakes;
    const std::lock_guard lock(queue_lock_);
    closed_ = true;
    EndWaitsLocked(ZX_ERR_CANCELED, wakes);
    ShowReadableLocked();
    sources.swap(sources_);
  }
  for (const auto& source : sources) source->OnPortClosed();
  zx_port_packet_t discarded;
  for (bool more = true; more;) {
    Ended ended;
    const std::lock_guard lock(queue_lock_);
    more = TakeFirstLocked(&discarded, &ended);
  }
  for (;;) {
    Ended ended;
    const std::lock_guard lock(queue_lock_);
    PortObserver* first = armed_.First();
    if (first == nullptr) return;
    DisarmLocked(*first, &ended);
  }
}

PortObserver::PortObserver(RefPtr<Port> port, RefPtr<Dispatcher> source, zx_handle_t handle, uint64_t key,
                           zx_signals_t signals, bool repeating)
    : Observer(handle, signals), port_(std::move(port)), repeating_(repeating), source_(std::move(source)) {
  packet_.observer = this;
  packet_.packet.key = key;
  packet_.packet.type = repeating ? ZX_PKT_TYPE_SIGNAL_REP : ZX_PKT_TYPE_SIGNAL_ONE;
  packet_.packet.signal.trigger = signals;
  packet_.packet.signal.count = 1;
  port_->observer_count_.fetch_add(1, std::memory_order_relaxed);
}

PortObserver::~PortObserver() { port_->observer_count_.fetch_sub(1, std::memory_order_relaxed); }

Observer::Next PortObserver::OnSignals(zx_signals_t signals, WakeList& wakes) {
  matched_ |= Matches(signals);
  if (!matched_) return Next::kStay;
  return port_->QueueSignal(*this, signals, wakes) ? Next::kStay : Next::kLeave;
}

Observer::Next PortObserver::OnHandleClosed(zx_signals_t /*signals*/, WakeList& /*wakes*/) { return Next::kLeave; }

Observer::Next PortObserver::OnBroken(WakeList& wakes) {
  const std::lock_guard lock(port_->queue_lock_);
  // What it has to tell it has told.
  if (packet_.linked()) return Next::kStay;
  port_->BreakLocked(wakes);
  return Next::kLeave;
}

bool PortObserver::OnRemoved() {
  const bool ended_now = port_->Disarm(*this);
  Release();
  return ended_now;
}

bool PortObserver::IsFor(const void* port, uint64_t key) const {
  return port_.get() == port && packet_.packet.key == key;
}

}  // namespace zxctl
