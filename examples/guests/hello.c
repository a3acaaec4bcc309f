// A guest for `zxctl guest run`: says hello, echoes what it reads until the end of a line, and ends with status 3.
#include <stdint.h>

enum { kSerial = 0x3f8, kLineStatus = 0x3fd, kDebugExit = 0xf4 };

static inline void Out(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline uint8_t In(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void Print(const char* text) {
  while (*text != '\0') Out(kSerial, (uint8_t)*text++);
}

static char ReadByte(void) {
  while ((In(kLineStatus) & 1) == 0) continue;
  return (char)In(kSerial);
}

void _start(void) {
  Print("what is your name? ");
  char name[64];
  unsigned length = 0;
  for (char byte; length < sizeof(name) - 1 && (byte = ReadByte()) != '\n';) name[length++] = byte;
  name[length] = '\0';
  Print("hello, ");
  Print(name);
  Print("\n");
  Out(kDebugExit, 1);
  for (;;) __asm__ volatile("hlt");
}
