// Somebody who wants to know about an object's signals.
#pragma once

#include <zircon/types.h>

#include "object/futex.h"
#include "object/intrusive_list.h"

namespace zxctl {

struct InObject;
struct Leaving;

// In the list of one object, for one handle to it. What leaves that list is told so later, and stands in another until then.
class Observer : public ListHook<InObject>, public ListHook<Leaving> {
 public:
  enum class Next : uint8_t {
    kStay,
    kLeave,  // the object takes it out of its list, and calls OnRemoved() without its lock
  };

  Observer(zx_handle_t handle, zx_signals_t trigger) : handle_(handle), trigger_(trigger) {}

  // The signals as they are now: when it comes into the list, and after every change, be one of its own there or not. With
  // the object's lock held; whom to wake goes to `wakes`.
  virtual Next OnSignals(zx_signals_t signals, WakeList& wakes) = 0;
  // The handle has been closed. With the object's lock held.
  virtual Next OnHandleClosed(zx_signals_t signals, WakeList& wakes) = 0;
  // The tracer of the object is gone: its signals mean nothing any more. With the object's lock held.
  virtual Next OnBroken(WakeList& wakes) = 0;
  // It has left the object's list, other than by RemoveObserver(). Once, and without any lock. False when it was over by
  // then: there was nothing left that could be undone.
  virtual bool OnRemoved() = 0;
  // Whether zx_port_cancel() for this port and key means it.
  [[nodiscard]] virtual bool IsFor(const void* port, uint64_t key) const = 0;

  [[nodiscard]] zx_handle_t handle() const { return handle_; }
  [[nodiscard]] bool Matches(zx_signals_t signals) const { return (signals & trigger_) != 0; }

 protected:
  ~Observer() = default;

 private:
  zx_handle_t handle_;
  zx_signals_t trigger_;
};

}  // namespace zxctl
