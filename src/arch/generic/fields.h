// Lists of the registers in Zircon's structures.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "machine_types.h"

namespace zxctl::arch::generic {

// Where the registers of a row stand: the first, how far apart they are, and how much of that is the register.
struct Row {
  size_t offset = 0;
  size_t stride = 0;
  size_t bytes = 0;
};

// NAME0, NAME1, …
inline void AddRow(std::vector<RegisterField>& fields, std::string_view name, size_t count, const Row& row) {
  for (size_t i = 0; i < count; ++i) {
    fields.push_back({.name = fmt::format("{}{}", name, i), .offset = row.offset + i * row.stride, .bytes = row.bytes});
  }
}

// 64 bits each, one behind the other.
template <typename Names>
void AddWords(std::vector<RegisterField>& fields, const Names& names) {
  for (const std::string_view name : names) {
    const size_t offset = fields.size() * sizeof(uint64_t);
    fields.push_back({.name = std::string(name), .offset = offset, .bytes = sizeof(uint64_t)});
  }
}

}  // namespace zxctl::arch::generic
