#include "ring/channel.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>

namespace zxctl::ring {
namespace {

constexpr uint64_t kMagic = 0x317869727a78ULL;
constexpr size_t kMinRingBytes = 64;
constexpr size_t kMaxRingBytes = size_t{1} << 30;
constexpr size_t kMaxSharedBytes = size_t{1} << 24;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// What stands at the start of the file; the two rings' bytes follow, the creator's outgoing one first, then what is shared.
struct Layout {
  uint64_t magic;
  uint64_t ring_bytes;
  uint64_t shared_bytes;
  RingHeader headers[2];
};

size_t FileBytes(size_t ring_bytes, size_t shared_bytes = 0) { return sizeof(Layout) + 2 * ring_bytes + shared_bytes; }

void FutexWake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

// Returns at a wake, at the deadline, or early for no reason.
void FutexWaitUntil(std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns) {
  const timespec deadline{.tv_sec = deadline_ns / kNsPerSec, .tv_nsec = deadline_ns % kNsPerSec};
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_BITSET, seen,
          deadline_ns == kNever ? nullptr : &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
}

Ring MakeRing(void* memory, size_t ring_bytes, int index) {
  auto* layout = static_cast<Layout*>(memory);
  auto* data = static_cast<std::byte*>(memory) + sizeof(Layout) + static_cast<size_t>(index) * ring_bytes;
  return {&layout->headers[index], std::span(data, ring_bytes)};
}

}  // namespace

Channel::Channel(UniqueFd fd, void* memory, const Sizes& sizes, bool creator)
    : fd_(std::move(fd)),
      memory_(memory),
      mapped_(FileBytes(sizes.ring_bytes, sizes.shared_bytes)),
      shared_(static_cast<std::byte*>(memory) + FileBytes(sizes.ring_bytes), sizes.shared_bytes),
      out_(MakeRing(memory, sizes.ring_bytes, creator ? 0 : 1)),
      in_(MakeRing(memory, sizes.ring_bytes, creator ? 1 : 0)) {}

Channel::Channel(Channel&& other) noexcept
    : fd_(std::move(other.fd_)),
      memory_(other.memory_),
      mapped_(other.mapped_),
      shared_(other.shared_),
      out_(other.out_),
      in_(other.in_) {
  other.memory_ = nullptr;
}

Channel::~Channel() {
  if (memory_ != nullptr) munmap(memory_, mapped_);
}

Result<Channel> Channel::Create(size_t ring_bytes, size_t shared_bytes) {
  ring_bytes = std::bit_ceil(std::max(ring_bytes, kMinRingBytes));
  if (ring_bytes > kMaxRingBytes || shared_bytes > kMaxSharedBytes) {
    return Fail(Status{.zx = ZX_ERR_OUT_OF_RANGE, .what = "a ring of this size is not supported"});
  }
  UniqueFd fd(memfd_create("zxctl-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return FailErrno("cannot create a ring's memory");
  const size_t bytes = FileBytes(ring_bytes, shared_bytes);
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return FailErrno("cannot size a ring's memory");
  if (fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return FailErrno("cannot seal a ring's memory");
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return FailErrno("cannot map a ring");
  auto* layout = static_cast<Layout*>(memory);
  layout->magic = kMagic;
  layout->ring_bytes = ring_bytes;
  layout->shared_bytes = shared_bytes;
  return Channel(std::move(fd), memory, {ring_bytes, shared_bytes}, true);
}

Result<Channel> Channel::Attach(UniqueFd fd) {
  const auto corrupt = [] {
    return Fail(Status{.zx = ZX_ERR_IO_DATA_INTEGRITY, .what = "the descriptor is not a ring of this version"});
  };
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return FailErrno("cannot look at a ring's memory");
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return corrupt();
  const auto bytes = static_cast<size_t>(info.st_size);
  if (bytes < FileBytes(kMinRingBytes) || bytes > FileBytes(kMaxRingBytes, kMaxSharedBytes)) return corrupt();
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return FailErrno("cannot map a ring");
  const auto* layout = static_cast<const Layout*>(memory);
  // Copied: the other side could change them between two looks.
  const Sizes sizes{.ring_bytes = layout->ring_bytes, .shared_bytes = layout->shared_bytes};
  const bool in_bounds = sizes.ring_bytes <= kMaxRingBytes && sizes.shared_bytes <= kMaxSharedBytes;
  if (layout->magic != kMagic || !std::has_single_bit(sizes.ring_bytes) || !in_bounds ||
      FileBytes(sizes.ring_bytes, sizes.shared_bytes) != bytes) {
    munmap(memory, bytes);
    return corrupt();
  }
  return Channel(std::move(fd), memory, sizes, false);
}

bool Channel::SendBytes(uint32_t type, std::span<const std::byte> payload) {
  if (!out_.Write(type, payload)) return false;
  FutexWake(out_.header().wake);
  return true;
}

Result<bool> Channel::Receive(Message& out, int64_t deadline_ns) {
  for (;;) {
    const uint32_t seen = in_.header().wake.load(std::memory_order_acquire);
    auto got = in_.Read(out);
    if (!got || *got) return got;
    if (MonotonicNs() >= deadline_ns) return false;
    FutexWaitUntil(in_.header().wake, seen, deadline_ns);
  }
}

}  // namespace zxctl::ring
