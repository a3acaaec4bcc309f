// What all objects have: a number, signals and who observes them, a name, children. Handles refer to it.
//
// Thread-safe. The lock of an object is held for a few instructions only, never while a thread is woken, and never
// together with that of another object; a port's queue lock may be taken below it. docs/OBJECTS.md has the whole order.
#pragma once

#include <zircon/syscalls/object.h>
#include <zircon/types.h>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "object/observer.h"
#include "object/ref_counted.h"

namespace zxctl {

class HandleTable;

class Dispatcher : public RefCounted {
 public:
  [[nodiscard]] zx_koid_t koid() const { return koid_; }
  [[nodiscard]] zx_obj_type_t type() const { return type_; }

  // ---- what kinds of objects answer differently ----
  [[nodiscard]] virtual bool is_waitable() const { return false; }
  [[nodiscard]] virtual bool has_name() const { return false; }
  [[nodiscard]] virtual bool has_children() const { return false; }
  [[nodiscard]] virtual zx_koid_t related_koid() const { return ZX_KOID_INVALID; }
  // The child with this number; null if there is none.
  [[nodiscard]] virtual RefPtr<Dispatcher> FindChild(zx_koid_t koid);
  // The numbers that a list topic of zx_object_get_info() gives; PEER_CLOSED when nobody can tell any more. May throw
  // std::bad_alloc.
  virtual zx_status_t ListKoids(uint32_t topic, std::vector<zx_koid_t>* out);
  // Fills the record of a topic that only this kind of object has; `record` has its size. NOT_SUPPORTED if there is none.
  virtual zx_status_t ReadRecord(uint32_t topic, std::span<std::byte> record);
  // No handle refers to it any more. Without any lock. An object whose tasks live on may get handles again.
  virtual void OnLastHandleClosed() {}

  // ---- names: up to 31 bytes, cut where they are longer or have a zero ----
  void SetName(std::string_view name);
  // Fills up with zeros.
  void GetName(std::span<char, ZX_MAX_NAME_LEN> out) const;

  // ---- signals ----
  [[nodiscard]] zx_signals_t signals() const;
  // Observers hear of every change.
  void UpdateSignals(zx_signals_t clear, zx_signals_t set);

  // Its signals will never change again, and what they say may be wrong: waits on it end with PEER_CLOSED.
  void Break();

  // Adds an observer, which hears at once what signals are there.
  void AddObserver(Observer& observer);
  // Takes it out if it is in; it hears nothing any more, not even OnRemoved(). Gives the signals as they are.
  zx_signals_t RemoveObserver(Observer& observer);
  // Takes it out if it is in, and calls OnRemoved() then.
  void EvictObserver(Observer& observer);
  // Tells the observers of this handle that it has been closed. More than once does no harm.
  void OnHandleClosed(zx_handle_t handle);
  // Takes out what zx_object_wait_async() added with this handle, port and key; false when there was nothing, or it was
  // over.
  bool CancelObservers(zx_handle_t handle, const void* port, uint64_t key);

 protected:
  Dispatcher(zx_obj_type_t type, zx_koid_t koid, zx_signals_t signals = 0)
      : koid_(koid), type_(type), signals_(signals) {}

 private:
  friend class HandleTable;
  using ObserverList = IntrusiveList<Observer, InObject>;
  using LeavingList = IntrusiveList<Observer, Leaving>;

  bool EraseLocked(Observer& observer);
  void LeaveLocked(Observer& observer, LeavingList& leaving);
  // True when one of them was not over yet.
  static bool TellRemoved(LeavingList& leaving);

  const zx_koid_t koid_;
  const zx_obj_type_t type_;

  mutable std::mutex lock_;
  zx_signals_t signals_;             // lock_
  bool broken_ = false;              // lock_
  ObserverList observers_;           // lock_
  char name_[ZX_MAX_NAME_LEN] = {};  // lock_
  // How many are in observers_. Written with lock_; closing a handle looks without it.
  std::atomic<uint32_t> observer_count_ = 0;

  // ---- the handle table's ----
  std::atomic<uint32_t> handle_count_ = 0;
  uint32_t spare_slots_ = 0;
  uint32_t spare_slot_count_ = 0;
};

// The object as a T; null if it is another kind.
template <typename T>
[[nodiscard]] RefPtr<T> DownCast(RefPtr<Dispatcher> object) {
  if (!object || object->type() != T::kType) return {};
  return RefPtr<T>::Adopt(static_cast<T*>(object.Leak()));
}

}  // namespace zxctl
