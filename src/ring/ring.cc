#include "ring/ring.h"

#include <algorithm>
#include <cstring>

namespace zxctl::ring {
namespace {

constexpr uint64_t kAlign = 8;

uint64_t Padded(uint64_t size) { return (size + kAlign - 1) & ~(kAlign - 1); }

tl::unexpected<Status> Corrupt(const char* what) { return Fail(Status{.zx = ZX_ERR_IO_DATA_INTEGRITY, .what = what}); }

}  // namespace

void Ring::CopyIn(uint64_t position, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const size_t offset = position & (data_.size() - 1);
  const size_t first = std::min(bytes.size(), data_.size() - offset);
  std::memcpy(data_.data() + offset, bytes.data(), first);
  std::memcpy(data_.data(), bytes.data() + first, bytes.size() - first);
}

void Ring::CopyOut(uint64_t position, std::span<std::byte> bytes) const {
  if (bytes.empty()) return;
  const size_t offset = position & (data_.size() - 1);
  const size_t first = std::min(bytes.size(), data_.size() - offset);
  std::memcpy(bytes.data(), data_.data() + offset, first);
  std::memcpy(bytes.data() + first, data_.data(), bytes.size() - first);
}

bool Ring::Write(uint32_t type, std::span<const std::byte> payload, std::span<const std::byte> rest) {
  const uint64_t size = sizeof(MessageHeader) + payload.size() + rest.size();
  const uint64_t head = header_->head.load(std::memory_order_relaxed);
  const uint64_t tail = header_->tail.load(std::memory_order_acquire);
  // A consumer that moved its tail past our head makes the difference huge: then there is no room either.
  if (head - tail > data_.size() || Padded(size) > data_.size() - (head - tail)) return false;
  const MessageHeader header{.size = static_cast<uint32_t>(size), .type = type};
  CopyIn(head, std::as_bytes(std::span(&header, 1)));
  CopyIn(head + sizeof(header), payload);
  CopyIn(head + sizeof(header) + payload.size(), rest);
  header_->head.store(head + Padded(size), std::memory_order_release);
  header_->wake.fetch_add(1, std::memory_order_release);
  return true;
}

Result<bool> Ring::Read(Message& out) {
  const uint64_t tail = header_->tail.load(std::memory_order_relaxed);
  const uint64_t head = header_->head.load(std::memory_order_acquire);
  const uint64_t available = head - tail;
  if (available == 0) return false;
  if (available > data_.size() || available % kAlign != 0) return Corrupt("the ring's positions are out of order");
  MessageHeader header;
  CopyOut(tail, std::as_writable_bytes(std::span(&header, 1)));
  if (header.size < sizeof(header) || Padded(header.size) > available) {
    return Corrupt("a ring message has an impossible size");
  }
  out.type = header.type;
  out.payload.resize(header.size - sizeof(header));
  CopyOut(tail + sizeof(header), out.payload);
  header_->tail.store(tail + Padded(header.size), std::memory_order_release);
  return true;
}

}  // namespace zxctl::ring
