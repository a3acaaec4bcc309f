// A pair of rings in one memory file: the way between the tracer and one client. The side that creates it hands the
// file descriptor to the other, which attaches.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include "base/clock.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "ring/ring.h"

namespace zxctl::ring {

class Channel {
 public:
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&&) = delete;
  ~Channel();

  // A new channel whose rings hold at least `ring_bytes` each (64 B to 1 GiB), with `shared_bytes` of zeros that both sides
  // see. The descriptor is close-on-exec and sealed against shrinking, so that neither side can make the other fault.
  [[nodiscard]] static Result<Channel> Create(size_t ring_bytes, size_t shared_bytes = 0);
  // The other end of a channel whose descriptor came from elsewhere. IO_DATA_INTEGRITY when it is not one.
  [[nodiscard]] static Result<Channel> Attach(UniqueFd fd);

  [[nodiscard]] int fd() const { return fd_.get(); }

  // Writes one plain struct; false when there is no room.
  template <typename T>
  [[nodiscard]] bool Send(uint32_t type, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return SendBytes(type, std::as_bytes(std::span(&value, 1)));
  }
  // Writes a message and wakes whoever waits in Receive() on the other side.
  [[nodiscard]] bool SendBytes(uint32_t type, std::span<const std::byte> payload);

  // ---- for those who wait in other ways ----
  [[nodiscard]] Ring& out() { return out_; }
  [[nodiscard]] Ring& in() { return in_; }
  // What both sides see beside the rings.
  [[nodiscard]] std::span<std::byte> shared() const { return shared_; }
  // All of the mapping.
  [[nodiscard]] std::span<std::byte> mapping() const { return {static_cast<std::byte*>(memory_), mapped_}; }

  // The next message, waiting for it until `deadline_ns` (CLOCK_MONOTONIC): true, or false when time is up.
  [[nodiscard]] Result<bool> Receive(Message& out, int64_t deadline_ns);

 private:
  struct Sizes {
    size_t ring_bytes;
    size_t shared_bytes;
  };
  Channel(UniqueFd fd, void* memory, const Sizes& sizes, bool creator);

  UniqueFd fd_;
  void* memory_ = nullptr;
  size_t mapped_ = 0;
  std::span<std::byte> shared_;
  Ring out_;
  Ring in_;
};

// A message's payload as a plain struct; nothing when the size differs.
template <typename T>
[[nodiscard]] Result<T> Unpack(const Message& message) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (message.payload.size() != sizeof(T)) {
    return Fail(Status{.zx = ZX_ERR_IO_DATA_INTEGRITY, .what = "a ring message has the wrong size for its type"});
  }
  T value;
  __builtin_memcpy(&value, message.payload.data(), sizeof(T));
  return value;
}

// The plain struct that a message's payload begins with; false when it is shorter.
template <typename T>
[[nodiscard]] bool UnpackHead(const Message& message, T& head) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (message.payload.size() < sizeof(T)) return false;
  __builtin_memcpy(&head, message.payload.data(), sizeof(T));
  return true;
}

}  // namespace zxctl::ring
