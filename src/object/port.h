// A queue of packets that threads wait on.
//
// A packet goes to exactly one thread, in the order of queueing; threads that wait are served in the order in which they
// came, each woken by the one packet that is already its own. Thread-safe. The queue lock is taken below an object's lock
// and below nothing else; nothing is locked below it.
#pragma once

#include <zircon/rights.h>
#include <zircon/syscalls/port.h>
#include <zircon/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <vector>

#include "base/unique_fd.h"
#include "object/dispatcher.h"
#include "object/handle_table.h"
#include "object/intrusive_list.h"
#include "object/ref_counted.h"

namespace zxctl {

class PortObserver;

// Somebody who queues packets of its own, and wants to know what becomes of them.
class PacketSource : public RefCounted {
 public:
  // One of its packets was taken, or discarded. With the port's queue lock held; whom to wake goes to `wakes`.
  virtual void OnPacketGone(WakeList& wakes) = 0;
  // The port is closed: what is queued from now on is refused. Once, without any lock.
  virtual void OnPortClosed() = 0;
};

class Port final : public Dispatcher {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_PORT;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_PORT_RIGHTS;
  // Packets of all kinds together.
  static constexpr size_t kMaxPackets = 2049;
  // Registrations by wait_async, until their packet is taken.
  static constexpr uint32_t kMaxObservers = 50'000;

  // Null when there is no memory.
  [[nodiscard]] static RefPtr<Port> Create();
  ~Port() override;

  // A copy of the packet, with type USER. SHOULD_WAIT when full, BAD_STATE when closed, NO_MEMORY.
  zx_status_t QueueUser(const zx_port_packet_t& packet);
  // The packet that announces an exception; `type` is one of ZX_EXCP_*. As QueueUser(): a packet that was not queued is the
  // caller's to deal with, and the exception goes on to the next handler.
  zx_status_t QueueException(uint64_t key, uint32_t type, zx_koid_t pid, zx_koid_t tid);

  // A copy of the packet, of any type, however full the port is: the source limits how many there are. BAD_STATE when closed,
  // NO_MEMORY.
  zx_status_t QueueFrom(const RefPtr<PacketSource>& source, const zx_port_packet_t& packet);
  // The source hears when the port is closed: BAD_STATE if it is, NO_MEMORY.
  zx_status_t AddSource(const RefPtr<PacketSource>& source);
  // Takes back its packets; it hears nothing any more.
  void RemoveSource(PacketSource& source);

  // Takes the first packet, or sleeps for one: TIMED_OUT at the deadline; CANCELED when the port's last handle is closed;
  // PEER_CLOSED when there is none and the tracer is gone that was to send some.
  zx_status_t Wait(zx_time_t deadline, zx_port_packet_t* out);

  // A packet when a signal of `source` is there: once, or at every change while it is. While the packet is queued it gathers
  // the signals of every change. `handle` is the one that it was called with: when that is closed, the registration is over
  // and its packet leaves the queue. A full port drops a registration that has a packet to queue. BAD_STATE when closed,
  // NO_MEMORY.
  zx_status_t WaitAsync(const HandleTable& handles, const RefPtr<Dispatcher>& source, zx_handle_t handle, uint64_t key,
                        zx_signals_t signals, bool repeating);
  // Undoes WaitAsync() and takes back its packets: what it answers OK for gives no packet any more. NOT_FOUND when there was
  // nothing left to undo.
  zx_status_t Cancel(Dispatcher& source, zx_handle_t handle, uint64_t key);

  // The tracer is gone that was to send packets, or changes of what is waited for here: whoever waits hears of it, until
  // Mend().
  void Break();
  // Something is bound to the port again.
  void Mend();

  // A descriptor that is readable while there is a packet, or there will be none; the port's own. Where it cannot be made,
  // the status and errno.
  zx_status_t GetFd(int* out_fd, int* out_errno);

  void OnLastHandleClosed() override;
  [[nodiscard]] bool is_closed() { return IsClosed(); }

 private:
  friend class PortObserver;
  struct InQueue;
  struct InWaiters;
  struct InArmed;

  struct Packet : ListHook<InQueue> {
    zx_port_packet_t packet = {};
    PortObserver* observer = nullptr;  // whose packet it is, an armed one. Null: a node of the port's own
    RefPtr<PacketSource> source;       // who hears when it is gone
  };
  // A thread that waits; on its stack.
  struct Waiter : ListHook<InWaiters> {
    zx_port_packet_t packet = {};
    zx_status_t status = ZX_OK;
    std::atomic<uint32_t> done = 0;  // the last that is written: the thread may be gone then
  };
  // A registration that is over. It leaves its object when this goes: declare it before the queue lock.
  struct Ended {
    Ended() = default;
    Ended(const Ended&) = delete;
    Ended& operator=(const Ended&) = delete;
    ~Ended();

    RefPtr<PortObserver> observer;
    RefPtr<Dispatcher> source;
    RefPtr<PacketSource> packet_source;
    WakeList wakes;
  };
  using Queue = IntrusiveList<Packet, InQueue>;

  static constexpr size_t kKeptNodes = 32;

  Port();

  zx_status_t QueueCopy(const zx_port_packet_t& packet);
  // A node for a packet; null when there is no memory.
  Packet* TakeNodeLocked();
  // For PortObserver, with the lock of the observed object held. False: it is over, and leaves the object.
  bool QueueSignal(PortObserver& observer, zx_signals_t signals, WakeList& wakes);
  // False when the port is closed.
  bool Arm(PortObserver& observer);
  // For what has left its object: ends it, and takes its packet back. False when it was over.
  bool Disarm(PortObserver& observer);
  bool IsClosed();

  void BreakLocked(WakeList& wakes);
  void EndWaitsLocked(zx_status_t status, WakeList& wakes);
  static void GiveLocked(Waiter& waiter, const zx_port_packet_t& packet, WakeList& wakes);
  void PushLocked(Packet& packet);
  void RemoveLocked(Packet& packet);
  bool TakeFirstLocked(zx_port_packet_t* out, Ended* out_ended);
  // What is out of the queue and no observer's.
  void DropNodeLocked(Packet& node, Ended* out_ended);
  void KeepNodeLocked(Packet& node);
  void DisarmLocked(PortObserver& observer, Ended* out_ended);
  void ShowReadableLocked();

  std::mutex queue_lock_;  // guards all below
  bool closed_ = false;
  bool broken_ = false;
  Queue packets_;
  size_t packet_count_ = 0;
  IntrusiveList<Waiter, InWaiters> waiters_;    // only while there is no packet
  IntrusiveList<PortObserver, InArmed> armed_;  // the registrations that are not over; holds a reference to each
  Queue nodes_;                                 // for the next packets
  size_t node_count_ = 0;
  std::vector<RefPtr<PacketSource>> sources_;
  UniqueFd fd_;
  bool fd_readable_ = false;

  std::atomic<uint32_t> observer_count_ = 0;
};

// What wait_async leaves with an object. The object holds a reference while it is in its list, and armed_ does.
//
// It is armed until it is over: its only packet was taken, a packet was dropped, it was cancelled, or its handle or the port
// was closed. Its packet is in the queue only while it is armed. Who disarms it, with the queue lock, is the one who ended
// it; it leaves its object's list before that or after.
class PortObserver final : public RefCounted, public Observer, public ListHook<Port::InArmed> {
 public:
  PortObserver(RefPtr<Port> port, RefPtr<Dispatcher> source, zx_handle_t handle, uint64_t key, zx_signals_t signals,
               bool repeating);
  ~PortObserver() override;

  Next OnSignals(zx_signals_t signals, WakeList& wakes) override;
  Next OnHandleClosed(zx_signals_t signals, WakeList& wakes) override;
  Next OnBroken(WakeList& wakes) override;
  bool OnRemoved() override;
  [[nodiscard]] bool IsFor(const void* port, uint64_t key) const override;

 private:
  friend class Port;

  // With the port's queue lock.
  [[nodiscard]] bool armed() const { return static_cast<const ListHook<Port::InArmed>&>(*this).linked(); }

  const RefPtr<Port> port_;
  const bool repeating_;
  bool matched_ = false;       // the object's lock; until then there is no packet to gather signals
  RefPtr<Dispatcher> source_;  // the port's queue lock; null once it is disarmed
  Port::Packet packet_;        // the port's queue lock
};

}  // namespace zxctl
