// Values at which machines change their mind about an address: where halves, pages, tags and modes of paging begin and end.
#pragma once

#include <cstdint>
#include <vector>

namespace zxctl::test {

constexpr uint64_t Bit(int n) { return uint64_t{1} << n; }

inline std::vector<uint64_t> Boundaries() {
  std::vector<uint64_t> values = {0, 1, 2, 3, 4095, 4096, ~uint64_t{0}, ~uint64_t{0} - 4095};
  for (int bit = 12; bit < 64; ++bit) {
    for (const uint64_t value : {Bit(bit), Bit(bit) - 1, Bit(bit) + 1, ~Bit(bit) + 1, ~Bit(bit), Bit(bit) - 4096}) {
      values.push_back(value);
    }
  }
  for (const uint64_t tag : {0x55, 0x7f, 0x80, 0xff}) {
    for (const uint64_t low : {uint64_t{0x10000}, Bit(47) - 1, Bit(48) - 1, Bit(55) - 1, Bit(55)}) {
      values.push_back(tag << 56 | low);
    }
  }
  return values;
}

}  // namespace zxctl::test
