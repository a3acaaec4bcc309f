// A doubly linked list whose links are in its elements: no allocation, and an element can leave without being searched.
#pragma once

namespace zxctl {

// A place in one list. An element that is in several has one for each, told apart by the tag. Neither copied nor moved; must
// not be linked when it is destroyed.
template <typename Tag>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;

  [[nodiscard]] bool linked() const { return next_ != nullptr; }

 private:
  template <typename T, typename U>
  friend class IntrusiveList;

  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

// The elements derive from ListHook<Tag>. Owns none of them.
template <typename T, typename Tag>
class IntrusiveList {
 public:
  IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  [[nodiscard]] bool empty() const { return head_.next_ == &head_; }

  void PushBack(T& element) {
    Hook& hook = element;
    hook.next_ = &head_;
    hook.previous_ = head_.previous_;
    head_.previous_->next_ = &hook;
    head_.previous_ = &hook;
  }

  void Erase(T& element) {
    Hook& hook = element;
    hook.previous_->next_ = hook.next_;
    hook.next_->previous_ = hook.previous_;
    hook.next_ = hook.previous_ = nullptr;
  }

  // Null when there is none.
  [[nodiscard]] T* First() { return At(head_.next_); }
  [[nodiscard]] T* After(T& element) { return At(static_cast<Hook&>(element).next_); }
  [[nodiscard]] T* PopFront() {
    T* first = First();
    if (first != nullptr) Erase(*first);
    return first;
  }

 private:
  using Hook = ListHook<Tag>;

  [[nodiscard]] T* At(Hook* hook) { return hook == &head_ ? nullptr : static_cast<T*>(hook); }

  Hook head_;
};

}  // namespace zxctl
