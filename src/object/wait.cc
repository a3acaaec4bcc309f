#include "object/wait.h"

#include <array>
#include <optional>

#include "base/clock.h"
#include "object/tracer_link.h"

namespace zxctl {
namespace {

// What one sleeping thread waits for. The first that happens counts.
class WaitEvent {
 public:
  void Set(zx_status_t status, WakeList& wakes) {
    uint32_t none = kNothing;
    if (word_.compare_exchange_strong(none, status == ZX_OK ? kMatched : kClosed, std::memory_order_release,
                                      std::memory_order_relaxed)) {
      wakes.Add(word_);
    }
  }
  void Break(WakeList& wakes) {
    uint32_t none = kNothing;
    if (word_.compare_exchange_strong(none, kBroken, std::memory_order_release, std::memory_order_relaxed)) {
      wakes.Add(word_);
    }
  }

  [[nodiscard]] const std::atomic<uint32_t>& word() const { return word_; }
  zx_status_t Wait(zx_time_t deadline) const {
    while (word_.load(std::memory_order_acquire) == kNothing) {
      if (MonotonicNs() >= deadline && deadline != ZX_TIME_INFINITE) break;
      if (!SleepOn(word_, kNothing, deadline)) break;
    }
    const uint32_t word = word_.load(std::memory_order_acquire);
    if (word == kNothing) return ZX_ERR_TIMED_OUT;
    if (word == kBroken) return ZX_ERR_PEER_CLOSED;
    return word == kMatched ? ZX_OK : ZX_ERR_CANCELED;
  }

 private:
  static constexpr uint32_t kNothing = 0;
  static constexpr uint32_t kMatched = 1;
  static constexpr uint32_t kClosed = 2;
  static constexpr uint32_t kBroken = 3;

  std::atomic<uint32_t> word_ = kNothing;
};

// Stays in the object's list until the waiting thread takes it out: it lives on that thread's stack.
class WaitObserver final : public Observer {
 public:
  WaitObserver(WaitEvent& event, const WaitTarget& target) : Observer(target.handle, target.waitfor), event_(event) {}

  Next OnSignals(zx_signals_t signals, WakeList& wakes) override {
    if (!Matches(signals)) return Next::kStay;
    if (!seen_) seen_ = signals;
    event_.Set(ZX_OK, wakes);
    return Next::kStay;
  }
  Next OnHandleClosed(zx_signals_t signals, WakeList& wakes) override {
    seen_ = seen_.value_or(signals) | ZX_SIGNAL_HANDLE_CLOSED;
    event_.Set(ZX_ERR_CANCELED, wakes);
    return Next::kStay;
  }
  Next OnBroken(WakeList& wakes) override {
    event_.Break(wakes);
    return Next::kStay;
  }
  bool OnRemoved() override { return false; }
  [[nodiscard]] bool IsFor(const void* /*port*/, uint64_t /*key*/) const override { return false; }

  // Once it is out of the list.
  [[nodiscard]] zx_signals_t Pending(zx_signals_t now) const { return seen_.value_or(now); }

 private:
  WaitEvent& event_;
  std::optional<zx_signals_t> seen_;
};

}  // namespace

zx_status_t WaitMany(const HandleTable& handles, std::span<WaitTarget> targets, zx_time_t deadline) {
  TakeInEvents();
  WaitEvent event;
  std::array<std::optional<WaitObserver>, ZX_WAIT_MANY_MAX_ITEMS> observers;
  {
    // What is there already is no reason to wake this thread.
    const ScopedSleeper awake(event.word());
    for (size_t i = 0; i < targets.size(); ++i) {
      targets[i].object->AddObserver(observers[i].emplace(event, targets[i]));
    }
  }
  // A handle that was closed before its observer was there has told nobody.
  for (const WaitTarget& target : targets) {
    if (!handles.Holds(target.handle, *target.object)) target.object->OnHandleClosed(target.handle);
  }
  const zx_status_t status = event.Wait(deadline);
  for (size_t i = 0; i < targets.size(); ++i) {
    targets[i].pending = observers[i]->Pending(targets[i].object->RemoveObserver(*observers[i]));
  }
  return status;
}

}  // namespace zxctl
