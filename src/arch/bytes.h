// Plain data in images of registers, at any offset. What lies outside of the image is read as zero and not written.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

namespace zxctl::arch {

template <typename T>
[[nodiscard]] T Get(std::span<const std::byte> image, size_t at = 0) {
  T value{};
  if (at + sizeof(value) <= image.size()) std::memcpy(&value, image.data() + at, sizeof(value));
  return value;
}

template <typename T>
void Put(std::span<std::byte> image, size_t at, const T& value) {
  if (at + sizeof(value) <= image.size()) std::memcpy(image.data() + at, &value, sizeof(value));
}

}  // namespace zxctl::arch
