// A byte ring in shared memory with one producer and one consumer, which need not trust each other.
//
// A message is an 8-byte header {size, type} and its payload, padded to 8 bytes; messages never wrap in the middle of a
// header. Positions only grow. The consumer copies a message out before it looks at it, and checks every number that
// the other side could have written: a producer that writes garbage makes Read() fail, nothing else.
//
// Threads: one producer thread and one consumer thread at a time; no locks are taken, and nothing blocks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace zxctl::ring {

// The control words of one direction, at the start of its memory. All are shared with the other side.
struct alignas(64) RingHeader {
  std::atomic<uint64_t> head;  // bytes ever produced
  std::atomic<uint64_t> tail;  // bytes ever consumed
  std::atomic<uint32_t> wake;  // futex word; the producer increments it after each message
  // How many consumers sleep, or are about to and have looked once more; 0: nobody has to be woken.
  std::atomic<uint32_t> sleepers;
  // Set by a producer that found no room; the consumer clears it once there is some, and wakes the producer.
  std::atomic<uint32_t> short_of_room;
  std::atomic<uint32_t> room;  // futex word; the consumer increments it then
};
static_assert(sizeof(RingHeader) == 64);

struct MessageHeader {
  uint32_t size = 0;  // header and payload, without padding
  uint32_t type = 0;
};

struct Message {
  uint32_t type = 0;
  std::vector<std::byte> payload;
};

// One direction. Does not own the memory.
class Ring {
 public:
  // `data` has a size that is a power of two of at least 64 bytes.
  Ring(RingHeader* header, std::span<std::byte> data) : header_(header), data_(data) {}

  // Appends a message, whose payload may come in two parts; false when there is no room now. A message larger than the ring
  // never has room.
  [[nodiscard]] bool Write(uint32_t type, std::span<const std::byte> payload, std::span<const std::byte> rest = {});

  // Takes the next message: OK and true, OK and false when there is none, or IO_DATA_INTEGRITY when the producer has
  // written something that is not a message. After an error the ring stays unusable.
  [[nodiscard]] Result<bool> Read(Message& out);

  // True when there is something to read, or something is wrong.
  [[nodiscard]] bool has_messages() const {
    return header_->head.load(std::memory_order_acquire) != header_->tail.load(std::memory_order_relaxed);
  }

  // The words that the two sides watch; what they mean is between those who wait and those who wake.
  [[nodiscard]] RingHeader& header() { return *header_; }

 private:
  void CopyIn(uint64_t position, std::span<const std::byte> bytes);
  void CopyOut(uint64_t position, std::span<std::byte> bytes) const;

  RingHeader* header_;
  std::span<std::byte> data_;
};

}  // namespace zxctl::ring
