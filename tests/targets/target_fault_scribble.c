// Overwrites bytes of its own ELF headers, notes and unwind tables, chosen by the seed in its first argument, and crashes.
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint32_t state;

static uint32_t Next(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

// Some machines have code in the same pages.
enum { kAll = PROT_READ | PROT_WRITE | PROT_EXEC };

static void Scribble(uintptr_t start, size_t bytes, unsigned count) {
  const uintptr_t first = start & ~(uintptr_t)4095;
  const uintptr_t end = (start + bytes + 4095) & ~(uintptr_t)4095;
  if (bytes == 0 || mprotect((void*)first, end - first, kAll) != 0) return;
  for (unsigned i = 0; i < count; ++i) ((unsigned char*)start)[Next() % bytes] = (unsigned char)Next();
}

static int ScribbleObject(struct dl_phdr_info* info, size_t size, void* unused) {
  (void)size;
  (void)unused;
  Scribble(info->dlpi_addr, 1024, Next() % 8);
  for (int i = 0; i < info->dlpi_phnum && i < 64; ++i) {
    const ElfW(Phdr)* segment = &info->dlpi_phdr[i];
    // Unwind tables follow their index in the same read-only segment.
    if (segment->p_type == PT_GNU_EH_FRAME) {
      Scribble(info->dlpi_addr + segment->p_vaddr, segment->p_memsz + 512, Next() % 256);
      break;
    }
  }
  return 1;
}

int main(int argc, char** argv) {
  state = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
  dl_iterate_phdr(&ScribbleObject, NULL);
  volatile int* null = NULL;
  *null = 1;
  return 0;
}
