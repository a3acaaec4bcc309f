// The interrupts of a VCPU that have been raised and not delivered. A vector that is raised twice is delivered once.
//
// Any thread may raise; the VCPU's own takes.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace zxctl {

class InterruptSet {
 public:
  static constexpr uint32_t kVectors = 256;

  void Raise(uint32_t vector) { words_[vector / kBits].fetch_or(BitOf(vector)); }
  // False if somebody else has.
  bool Take(uint32_t vector) { return (words_[vector / kBits].fetch_and(~BitOf(vector)) & BitOf(vector)) != 0; }

  [[nodiscard]] bool Has(uint32_t vector) const { return (words_[vector / kBits].load() & BitOf(vector)) != 0; }
  [[nodiscard]] bool empty() const {
    uint64_t any = 0;
    for (const auto& word : words_) any |= word.load();
    return any == 0;
  }
  [[nodiscard]] std::optional<uint32_t> Highest() const {
    for (size_t i = words_.size(); i-- > 0;) {
      const uint64_t word = words_[i].load();
      if (word != 0) return static_cast<uint32_t>(i * kBits + kBits - 1 - static_cast<size_t>(std::countl_zero(word)));
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<uint32_t> Lowest() const {
    for (size_t i = 0; i < words_.size(); ++i) {
      const uint64_t word = words_[i].load();
      if (word != 0) return static_cast<uint32_t>(i * kBits + static_cast<size_t>(std::countr_zero(word)));
    }
    return std::nullopt;
  }

 private:
  static constexpr size_t kBits = 64;
  static constexpr uint64_t BitOf(uint32_t vector) { return uint64_t{1} << vector % kBits; }

  std::array<std::atomic<uint64_t>, kVectors / kBits> words_ = {};
};

}  // namespace zxctl
