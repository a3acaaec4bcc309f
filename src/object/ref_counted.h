// Objects that live as long as somebody refers to them.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <new>
#include <utility>

namespace zxctl {

// Starts with one reference, which MakeRefCounted() hands out. Thread-safe.
class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void AddRef() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  // For lists that hold no reference: false when the last one is gone and the destructor is about to run.
  [[nodiscard]] bool TryAddRef() const {
    uint32_t refs = refs_.load(std::memory_order_relaxed);
    while (refs != 0 && !refs_.compare_exchange_weak(refs, refs + 1, std::memory_order_relaxed)) {
    }
    return refs != 0;
  }
  void Release() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  RefCounted() = default;
  virtual ~RefCounted() = default;

 private:
  mutable std::atomic<uint32_t> refs_ = 1;
};

template <typename T>
class RefPtr {
 public:
  RefPtr() = default;
  explicit RefPtr(T* object) : object_(object) {
    if (object_ != nullptr) object_->AddRef();
  }
  RefPtr(const RefPtr& other) : RefPtr(other.object_) {}
  RefPtr(RefPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <std::derived_from<T> U>
  RefPtr(const RefPtr<U>& other) : RefPtr(other.get()) {}
  template <std::derived_from<T> U>
  RefPtr(RefPtr<U>&& other) noexcept : object_(other.Leak()) {}
  RefPtr& operator=(RefPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~RefPtr() {
    if (object_ != nullptr) object_->Release();
  }

  // Takes over a reference that somebody else counted.
  [[nodiscard]] static RefPtr Adopt(T* object) {
    RefPtr adopted;
    adopted.object_ = object;
    return adopted;
  }
  // Gives up the reference; somebody else releases it.
  [[nodiscard]] T* Leak() { return std::exchange(object_, nullptr); }

  [[nodiscard]] T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

// Null when there is no memory.
template <typename T, typename... Args>
[[nodiscard]] RefPtr<T> MakeRefCounted(Args&&... args) {
  return RefPtr<T>::Adopt(new (std::nothrow) T(std::forward<Args>(args)...));
}

}  // namespace zxctl
