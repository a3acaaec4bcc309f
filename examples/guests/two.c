// A guest with two VCPUs: the first starts the second and waits until it has counted.
#include <stdint.h>

static volatile uint32_t* const counter = (uint32_t*)0x9000;

static inline void Out(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void WriteApic(uint32_t msr, uint32_t high, uint32_t low) {
  __asm__ volatile("wrmsr" ::"c"(msr), "d"(high), "a"(low));
}
static void Print(const char* text) {
  while (*text != '\0') Out(0x3f8, (uint8_t)*text++);
}

// What the second one runs, in real mode at 0x8000: counts to 1,000 at 0x9000.
extern const char second[], second_end[];
__asm__(
    ".pushsection .rodata\n"
    "second: .code16\n"
    "  xor %ax, %ax\n"
    "  mov %ax, %ds\n"
    "1: incl 0x9000\n"
    "  cmpl $1000, 0x9000\n"
    "  jb 1b\n"
    "2: hlt\n"
    "  jmp 2b\n"
    ".code64\n"
    "second_end:\n"
    ".popsection\n");

void _start(void) {
  char* to = (char*)0x8000;
  for (const char* from = second; from != second_end;) *to++ = *from++;
  enum { kCommand = 0x830, kStartup = 0x4600, kPage = 0x8 };
  WriteApic(kCommand, 1, 0x4500);            // INIT to 1
  WriteApic(kCommand, 1, kStartup | kPage);  // and its start at page 8
  while (*counter < 1000) __asm__ volatile("pause");
  Print("the second VCPU has counted to 1000\n");
  Out(0xf4, 0);
  for (;;) __asm__ volatile("hlt");
}
