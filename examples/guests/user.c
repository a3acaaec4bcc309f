// A guest that computes in user mode, where its code runs at the machine's full speed, and rings a bell with the result.
#include <stdint.h>

static volatile uint32_t* const bell = (uint32_t*)0x40000000;

static inline void Out(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

// A null, code and data of the kernel, data and code of programs, each of 64 bits; the task state takes two entries.
static uint64_t gdt[8] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff};
static struct {
  uint32_t reserved0;
  uint64_t stacks[3];
  uint64_t rest[9];
} __attribute__((packed)) task;
static uint64_t idt[512];
static char kernel_stack[4096] __attribute__((aligned(16)));
static char user_stack[4096] __attribute__((aligned(16)));

// Where the program's int3 leads: it is done.
__attribute__((used)) static void Done(void) {
  Out(0xf4, 0);
  for (;;) __asm__ volatile("hlt");
}
void OnBreakpoint(void);
__asm__("OnBreakpoint: call Done\n");

__attribute__((used)) static void Program(void) {
  uint32_t a = 0, b = 1;
  for (int i = 0; i < 40; i++) {
    const uint32_t next = a + b;
    a = b;
    b = next;
  }
  *bell = a;
  __asm__ volatile("int3");
}

static void SetTable(const char* load, void* base, uint16_t limit) {
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) table = {limit, (uint64_t)base};
  if (load[1] == 'g') {
    __asm__ volatile("lgdt %0" ::"m"(table));
  } else {
    __asm__ volatile("lidt %0" ::"m"(table));
  }
}

void _start(void) {
  const uint64_t at = (uint64_t)&task;
  task.stacks[0] = (uint64_t)kernel_stack + sizeof(kernel_stack);
  gdt[5] = (sizeof(task) - 1) | (at & 0xffffff) << 16 | 0x89ULL << 40 | (at >> 24 & 0xff) << 56;
  gdt[6] = at >> 32;
  const uint64_t handler = (uint64_t)OnBreakpoint;
  idt[6] = (handler & 0xffff) | 8 << 16 | 0xeeULL << 40 | (handler >> 16 & 0xffff) << 48;
  idt[7] = handler >> 32;
  SetTable("lgdt", gdt, sizeof(gdt) - 1);
  SetTable("lidt", idt, sizeof(idt) - 1);
  __asm__ volatile("ltr %w0" ::"r"(5 * 8));
  __asm__ volatile("push %0\n push %1\n push $2\n push %2\n push %3\n iretq" ::"r"((uint64_t)(3 * 8 | 3)),
                   "r"((uint64_t)user_stack + sizeof(user_stack) - 8), "r"((uint64_t)(4 * 8 | 3)),
                   "r"((uint64_t)Program));
  __builtin_unreachable();
}
