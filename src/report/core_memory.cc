#include "report/core_memory.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"

namespace zxctl::report {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
constexpr uint64_t kPresentOrSwapped = 3ull << 62;

ssize_t PreadRetrying(int fd, void* to, size_t bytes, uint64_t offset) {
  ssize_t n = 0;
  do {
    n = pread(fd, to, bytes, static_cast<off_t>(offset));
  } while (n < 0 && errno == EINTR);
  return n;
}

bool IsZero(const std::byte* bytes, size_t count) {
  return bytes[0] == std::byte{0} && memcmp(bytes, bytes + 1, count - 1) == 0;
}

}  // namespace

CoreMemory::CoreMemory(int mem_fd, int core_fd, UniqueFd pagemap, int64_t deadline_ns, uint64_t max_bytes)
    : mem_fd_(mem_fd),
      core_fd_(core_fd),
      pagemap_(std::move(pagemap)),
      deadline_ns_(deadline_ns),
      bytes_left_(max_bytes),
      page_bytes_(static_cast<uint64_t>(sysconf(_SC_PAGESIZE))),
      buffer_(kChunkBytes),
      entries_(kChunkBytes / page_bytes_) {}

bool CoreMemory::StartsWithElf(uint64_t address) const {
  char magic[SELFMAG];
  return PreadRetrying(mem_fd_, magic, SELFMAG, address) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

Result<bool> CoreMemory::Copy(const CoreRegion& region, uint64_t offset) {
  const bool knows_holes = KnowsHoles(region);
  for (uint64_t done = 0; done < region.file_bytes; done += kChunkBytes) {
    const Chunk chunk{.address = region.map.start + done,
                      .offset = offset + done,
                      .bytes = static_cast<size_t>(std::min<uint64_t>(kChunkBytes, region.file_bytes - done))};
    Result<bool> copied = CopyChunk(chunk, knows_holes);
    if (!copied || !*copied) return copied;
  }
  return true;
}

bool CoreMemory::IsTimeUp() const { return deadline_ns_ != kNever && MonotonicNs() >= deadline_ns_; }

// A page of a file or of shared memory can exist without being mapped.
bool CoreMemory::KnowsHoles(const CoreRegion& region) const {
  return pagemap_.valid() && region.map.inode == 0 && !region.map.shared;
}

bool CoreMemory::IsHole(const Chunk& chunk) {
  const size_t bytes = chunk.bytes / page_bytes_ * sizeof(uint64_t);
  const uint64_t at = chunk.address / page_bytes_ * sizeof(uint64_t);
  if (PreadRetrying(pagemap_.get(), entries_.data(), bytes, at) != static_cast<ssize_t>(bytes)) return false;
  return std::none_of(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(chunk.bytes / page_bytes_),
                      [](uint64_t entry) { return (entry & kPresentOrSwapped) != 0; });
}

// Reads what can be read; the rest of the buffer is zero.
void CoreMemory::ReadChunk(const Chunk& chunk) {
  std::fill_n(buffer_.begin(), chunk.bytes, std::byte{0});
  for (size_t done = 0; done < chunk.bytes;) {
    const ssize_t n = PreadRetrying(mem_fd_, buffer_.data() + done, chunk.bytes - done, chunk.address + done);
    done += n > 0 ? static_cast<size_t>(n) : page_bytes_ - done % page_bytes_;
  }
}

Result<bool> CoreMemory::CopyChunk(const Chunk& chunk, bool may_be_hole) {
  if (IsTimeUp()) return false;
  if (may_be_hole && IsHole(chunk)) return true;
  ReadChunk(chunk);
  for (size_t first = 0; first < chunk.bytes;) {
    const bool zero = IsZero(buffer_.data() + first, page_bytes_);
    size_t end = first + page_bytes_;
    while (end < chunk.bytes && IsZero(buffer_.data() + end, page_bytes_) == zero) end += page_bytes_;
    if (!zero && end - first > bytes_left_) return false;
    const Result<void> written = zero ? Result<void>() : WritePages(first, end, chunk.offset + first);
    if (!written) return Fail(written.error());
    first = end;
  }
  return true;
}

Result<void> CoreMemory::WritePages(size_t first, size_t end, uint64_t offset) {
  bytes_left_ -= end - first;
  while (first < end) {
    const ssize_t n = pwrite(core_fd_, buffer_.data() + first, end - first, static_cast<off_t>(offset));
    if (n < 0 && errno != EINTR) return FailErrno("the core cannot be written");
    if (n == 0) return Fail(Status{.zx = ZX_ERR_IO, .what = "the core cannot be written"});
    first += static_cast<size_t>(std::max<ssize_t>(n, 0));
    offset += static_cast<uint64_t>(std::max<ssize_t>(n, 0));
  }
  return {};
}

}  // namespace zxctl::report
