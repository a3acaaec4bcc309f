// What the tracer has to say to a client, in order. It never waits: what finds no room in the ring stays here, and the client
// has then been asked to say when there is some.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "ring/ring.h"

namespace zxctl::service {

class Outbox {
 public:
  explicit Outbox(ring::Ring& ring) : ring_(ring) {}

  // Head and tail are one message.
  void Send(uint32_t type, std::span<const std::byte> head, std::span<const std::byte> tail = {}) {
    if (waiting_.empty() && ring_.Write(type, head, tail)) {
      wrote_ = true;
      return;
    }
    std::vector<std::byte> bytes(head.begin(), head.end());
    bytes.insert(bytes.end(), tail.begin(), tail.end());
    waiting_.push_back({type, std::move(bytes)});
    Flush();
  }

  // Writes what there is room for. True when nothing is left.
  bool Flush() {
    if (WriteWaiting()) return true;
    ring_.header().short_of_room.store(1);
    // It may have made room before it could see that.
    if (!WriteWaiting()) return false;
    ring_.header().short_of_room.store(0);
    return true;
  }

  // Whether something was written since the last time this was asked.
  [[nodiscard]] bool TakeWrote() { return std::exchange(wrote_, false); }
  [[nodiscard]] size_t waiting() const { return waiting_.size(); }

 private:
  struct Message {
    uint32_t type;
    std::vector<std::byte> bytes;
  };

  bool WriteWaiting() {
    while (!waiting_.empty() && ring_.Write(waiting_.front().type, waiting_.front().bytes)) {
      waiting_.pop_front();
      wrote_ = true;
    }
    return waiting_.empty();
  }

  ring::Ring& ring_;
  std::deque<Message> waiting_;
  bool wrote_ = false;
};

}  // namespace zxctl::service
