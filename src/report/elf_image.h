// An ELF file as it stands in the program's memory: enough of it to unwind and to name exported functions when the file
// itself is gone. Every number is checked or bounded; garbage gives less, never more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/memory_reader.h"

namespace zxctl::report {

struct AddressRange {
  uint64_t address = 0;  // in memory
  uint64_t bytes = 0;
};

struct ElfImage {
  bool is_64 = true;
  uint16_t machine = 0;
  uint64_t bias = 0;       // memory address minus address in the file
  std::string build_id{};  // lower-case hex; empty if there is no note
  std::optional<AddressRange> eh_frame_hdr{};
  std::optional<AddressRange> dynamic{};
};

struct MemorySymbol {
  uint64_t address = 0;  // in memory
  uint64_t bytes = 0;
  bool is_function = false;
  std::string name{};
};

// The image whose ELF header is at `start`; nothing when there is none.
[[nodiscard]] std::optional<ElfImage> ReadElfImage(MemorySource& memory, uint64_t start);

// The symbols that the image exports, in table order; at most kMaxMemorySymbols.
inline constexpr size_t kMaxMemorySymbols = 200'000;
[[nodiscard]] std::vector<MemorySymbol> ReadDynamicSymbols(MemorySource& memory, const ElfImage& image);

}  // namespace zxctl::report
