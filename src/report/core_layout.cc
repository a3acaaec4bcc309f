#include "report/core_layout.h"

#include <elf.h>

#include <algorithm>
#include <bit>

#include "arch/arch.h"

namespace zxctl::report {
namespace {

uint64_t AlignUp(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

template <typename T>
void Append(std::vector<std::byte>& out, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Elf64_Ehdr MakeHeader(size_t segments) {
  Elf64_Ehdr header{};
  std::copy_n(ELFMAG, SELFMAG, header.e_ident);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_CORE;
  header.e_machine = arch::kElfMachine;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof(Elf64_Ehdr);
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(std::min<size_t>(segments, PN_XNUM));
  if (segments < PN_XNUM) return header;
  // The true count is in the first section header.
  header.e_shoff = sizeof(Elf64_Ehdr) + segments * sizeof(Elf64_Phdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 1;
  return header;
}

Elf64_Phdr MakeSegment(const CoreRegion& region, uint64_t offset, uint64_t page_bytes) {
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = (region.map.read ? PF_R : 0u) | (region.map.write ? PF_W : 0u) | (region.map.execute ? PF_X : 0u);
  segment.p_offset = offset;
  segment.p_vaddr = region.map.start;
  segment.p_filesz = region.file_bytes;
  segment.p_memsz = region.map.end - region.map.start;
  segment.p_align = page_bytes;
  return segment;
}

}  // namespace

CoreLayout MakeCoreLayout(std::span<const CoreRegion> regions, std::span<const std::byte> notes, uint64_t page_bytes) {
  const size_t segments = regions.size() + 1;
  const bool extended = segments >= PN_XNUM;
  const uint64_t notes_at = sizeof(Elf64_Ehdr) + segments * sizeof(Elf64_Phdr) + (extended ? sizeof(Elf64_Shdr) : 0);
  CoreLayout layout;
  Append(layout.head, MakeHeader(segments));
  Append(layout.head, Elf64_Phdr{.p_type = PT_NOTE,
                                 .p_flags = 0,
                                 .p_offset = notes_at,
                                 .p_vaddr = 0,
                                 .p_paddr = 0,
                                 .p_filesz = notes.size(),
                                 .p_memsz = 0,
                                 .p_align = 4});
  uint64_t offset = AlignUp(notes_at + notes.size(), page_bytes);
  for (const CoreRegion& region : regions) {
    Append(layout.head, MakeSegment(region, offset, page_bytes));
    layout.offsets.push_back(offset);
    offset += region.file_bytes;
  }
  if (extended) {
    Elf64_Shdr section{};
    section.sh_info = static_cast<Elf64_Word>(segments);
    Append(layout.head, section);
  }
  layout.head.insert(layout.head.end(), notes.begin(), notes.end());
  layout.total_bytes = offset;
  return layout;
}

}  // namespace zxctl::report
