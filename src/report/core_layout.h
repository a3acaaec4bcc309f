// Where everything stands in a core file. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arch/arch.h"
#include "report/core_regions.h"

namespace zxctl::report {

// The file without the memory contents, and where those go.
struct CoreLayout {
  std::vector<std::byte> head;    // ELF header, program headers, notes: the file's first bytes
  std::vector<uint64_t> offsets;  // of each region's contents
  uint64_t total_bytes = 0;
};

// A PT_NOTE segment and a PT_LOAD for each region. More segments than e_phnum can count (65,534) are counted in the first
// section header, as elf(5) says for PN_XNUM. An ELFCLASS32 file cannot say where contents beyond 4 GiB stand: its
// total_bytes must not be more.
[[nodiscard]] CoreLayout MakeCoreLayout(std::span<const CoreRegion> regions, std::span<const std::byte> notes,
                                        uint64_t page_bytes, arch::Bits bits);

}  // namespace zxctl::report
