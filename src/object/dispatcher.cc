#include "object/dispatcher.h"

#include <algorithm>

namespace zxctl {

RefPtr<Dispatcher> Dispatcher::FindChild(zx_koid_t /*koid*/) { return {}; }

zx_status_t Dispatcher::ListKoids(uint32_t /*topic*/, std::vector<zx_koid_t>* /*out*/) { return ZX_OK; }

zx_status_t Dispatcher::ReadRecord(uint32_t /*topic*/, std::span<std::byte> /*record*/) { return ZX_ERR_NOT_SUPPORTED; }

void Dispatcher::SetName(std::string_view name) {
  name = name.substr(0, std::min(name.find('\0'), ZX_MAX_NAME_LEN - 1));
  const std::lock_guard lock(lock_);
  std::ranges::fill(name_, '\0');
  std::ranges::copy(name, name_);
}

void Dispatcher::GetName(std::span<char, ZX_MAX_NAME_LEN> out) const {
  const std::lock_guard lock(lock_);
  std::ranges::copy(name_, out.begin());
}

zx_signals_t Dispatcher::signals() const {
  const std::lock_guard lock(lock_);
  return signals_;
}

void Dispatcher::UpdateSignals(zx_signals_t clear, zx_signals_t set) {
  LeavingList leaving;
  {
    WakeList wakes;
    const std::lock_guard lock(lock_);
    const zx_signals_t before = signals_;
    signals_ = (before & ~clear) | set;
    if (signals_ == before) return;
    for (Observer* observer = observers_.First(); observer != nullptr;) {
      Observer* next = observers_.After(*observer);
      if (observer->OnSignals(signals_, wakes) == Observer::Next::kLeave) LeaveLocked(*observer, leaving);
      observer = next;
    }
  }
  TellRemoved(leaving);
}

void Dispatcher::Break() {
  LeavingList leaving;
  {
    WakeList wakes;
    const std::lock_guard lock(lock_);
    broken_ = true;
    for (Observer* observer = observers_.First(); observer != nullptr;) {
      Observer* next = observers_.After(*observer);
      if (observer->OnBroken(wakes) == Observer::Next::kLeave) LeaveLocked(*observer, leaving);
      observer = next;
    }
  }
  TellRemoved(leaving);
}

void Dispatcher::AddObserver(Observer& observer) {
  LeavingList leaving;
  {
    WakeList wakes;
    const std::lock_guard lock(lock_);
    observers_.PushBack(observer);
    observer_count_.fetch_add(1, std::memory_order_relaxed);
    bool leaves = observer.OnSignals(signals_, wakes) == Observer::Next::kLeave;
    if (!leaves && broken_) leaves = observer.OnBroken(wakes) == Observer::Next::kLeave;
    if (leaves) LeaveLocked(observer, leaving);
  }
  TellRemoved(leaving);
}

zx_signals_t Dispatcher::RemoveObserver(Observer& observer) {
  const std::lock_guard lock(lock_);
  EraseLocked(observer);
  return signals_;
}

void Dispatcher::EvictObserver(Observer& observer) {
  {
    const std::lock_guard lock(lock_);
    if (!EraseLocked(observer)) return;
  }
  observer.OnRemoved();
}

void Dispatcher::OnHandleClosed(zx_handle_t handle) {
  // Who adds an observer looks afterwards whether its handle is still there, and the handle's lock orders the two looks:
  // an observer that is not counted here finds its handle closed.
  if (observer_count_.load(std::memory_order_relaxed) == 0) return;
  LeavingList leaving;
  {
    WakeList wakes;
    const std::lock_guard lock(lock_);
    for (Observer* observer = observers_.First(); observer != nullptr;) {
      Observer* next = observers_.After(*observer);
      const bool mine = observer->handle() == handle;
      if (mine && observer->OnHandleClosed(signals_, wakes) == Observer::Next::kLeave) LeaveLocked(*observer, leaving);
      observer = next;
    }
  }
  TellRemoved(leaving);
}

bool Dispatcher::CancelObservers(zx_handle_t handle, const void* port, uint64_t key) {
  LeavingList leaving;
  {
    const std::lock_guard lock(lock_);
    for (Observer* observer = observers_.First(); observer != nullptr;) {
      Observer* next = observers_.After(*observer);
      if (observer->handle() == handle && observer->IsFor(port, key)) LeaveLocked(*observer, leaving);
      observer = next;
    }
  }
  return TellRemoved(leaving);
}

bool Dispatcher::EraseLocked(Observer& observer) {
  if (!static_cast<ListHook<InObject>&>(observer).linked()) return false;
  observers_.Erase(observer);
  observer_count_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

void Dispatcher::LeaveLocked(Observer& observer, LeavingList& leaving) {
  EraseLocked(observer);
  leaving.PushBack(observer);
}

bool Dispatcher::TellRemoved(LeavingList& leaving) {
  bool any = false;
  while (Observer* observer = leaving.PopFront()) any |= observer->OnRemoved();
  return any;
}

}  // namespace zxctl
