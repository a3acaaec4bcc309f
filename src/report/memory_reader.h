// The program's memory, read in pages. Nothing that is read is trusted; whatever cannot be read is simply not there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

namespace zxctl::report {

class MemorySource {
 public:
  virtual ~MemorySource() = default;

  // Copies from `address`; the count of bytes that could be read, which ends at the first unreadable page.
  [[nodiscard]] virtual size_t Read(uint64_t address, std::span<std::byte> out) = 0;

  // All of a plain value, or nothing.
  template <typename T>
  [[nodiscard]] std::optional<T> ReadValue(uint64_t address) {
    T value;
    if (Read(address, std::as_writable_bytes(std::span(&value, 1))) != sizeof(T)) return std::nullopt;
    return value;
  }

  // A machine word of 4 or 8 bytes.
  [[nodiscard]] std::optional<uint64_t> ReadWord(uint64_t address, size_t word_bytes);
  // A string that ends with NUL, cut at `max_bytes` or where memory ends.
  [[nodiscard]] std::string ReadString(uint64_t address, size_t max_bytes);
};

// Memory behind an open /proc/PID/mem. Pages are kept; when kMaxPages are held, all are dropped.
class MemoryReader final : public MemorySource {
 public:
  // Does not own `fd`; a negative one reads nothing.
  explicit MemoryReader(int fd) : fd_(fd) {}

  [[nodiscard]] size_t Read(uint64_t address, std::span<std::byte> out) override;

 private:
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kMaxPages = 8192;
  using Page = std::array<std::byte, kPageBytes>;

  const Page* FindPage(uint64_t number);

  int fd_;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;  // null: not readable
  uint64_t last_number_ = UINT64_MAX;
  const Page* last_page_ = nullptr;
};

}  // namespace zxctl::report
