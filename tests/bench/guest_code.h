// The guest of the rows about guests, the same for both sides: its memory, its code, and how two threads take turns when one
// has the VCPU and the other wants something of it.
#pragma once

#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "bench_program.h"

// Guest-physical addresses. The first GiB is mapped to itself, for user code too.
#define MEMORY_BYTES 0x100000
#define SEGMENTS_AT 0x3000  // GDT and task state, behind three page tables
#define COUNT_AT 0x3800     // how often the guest does what it does, in parts of UNROLLED
#define COUNTER_AT 0x3c00   // goes up while user code spins
#define GATES_AT 0x4000     // IDT
#define USER_STACK_END 0x5800
#define STACK_END 0x6000
#define CODE_AT 0x6000
#define IMAGE_BYTES 0x7000
#define DEVICE_AT 0x200000  // no memory
#define PORT 0x10
#define VECTOR 0x40
#define UNROLLED 32

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define UNROLL(instruction) ".rept " TEXT(UNROLLED) "; " instruction "; .endr\n"
#define AT_DEVICE "mov $" TEXT(DEVICE_AT) ", %edi\n"

// Position-independent, and begun in 64-bit kernel code with all registers 0.
// clang-format off
__asm__(
    ".pushsection .text\n"
    "guest_code:\n"
    "guest_out:  1: " UNROLL("out %al, $" TEXT(PORT)) "jmp 1b\n"
    "guest_in:   1: " UNROLL("in $" TEXT(PORT) ", %al") "jmp 1b\n"
    "guest_store: " AT_DEVICE "1: " UNROLL("mov %eax, (%rdi)") "jmp 1b\n"
    "guest_load:  " AT_DEVICE "1: " UNROLL("mov (%rdi), %eax") "jmp 1b\n"
    // So many stores, then an OUT.
    "guest_ring: " AT_DEVICE "mov " TEXT(COUNT_AT) ", %rcx\n"
    "1: " UNROLL("mov %eax, (%rdi)") "dec %rcx; jnz 1b\n"
    "2: out %al, $" TEXT(PORT) "; jmp 2b\n"
    // User code that spins, with interrupts on: each makes an OUT.
    "guest_spin: lea 1f(%rip), %rax; jmp guest_user\n"
    "1: incq " TEXT(COUNTER_AT) "; jmp 1b\n"
    "guest_interrupted: out %al, $" TEXT(PORT) "; iretq\n"
    // User code that computes between two stores.
    "guest_compute: lea 1f(%rip), %rax; jmp guest_user\n"
    "1: mov $" TEXT(DEVICE_AT) ", %esi; mov %eax, (%rsi)\n"
    "mov " TEXT(COUNT_AT) ", %rdi; call guest_work\n"
    "2: mov %eax, (%rsi); jmp 2b\n"
    "guest_user: mov $" TEXT(STACK_END) ", %esp\n"
    "lgdt 8f(%rip); lidt 9f(%rip); mov $0x28, %ecx; ltr %cx\n"
    "push $0x1b; push $" TEXT(USER_STACK_END) "; push $0x202; push $0x23; push %rax; iretq\n"
    "8: .word 0x37; .quad " TEXT(SEGMENTS_AT) "\n"
    "9: .word 0xfff; .quad " TEXT(GATES_AT) "\n"
    ".balign 64\n"
    "guest_work: mov $88172645463325252, %rax\n"
    "1: mov %rax, %rdx; shl $13, %rdx; xor %rdx, %rax\n"
    "mov %rax, %rdx; shr $7, %rdx; xor %rdx, %rax\n"
    "mov %rax, %rdx; shl $17, %rdx; xor %rdx, %rax\n"
    "dec %rdi; jnz 1b; ret\n"
    "guest_code_end:\n"
    ".popsection\n");
// clang-format on

#define GUEST_LABEL extern const char __attribute__((visibility("hidden")))
GUEST_LABEL guest_code[], guest_code_end[], guest_out[], guest_in[], guest_store[], guest_load[], guest_ring[],
    guest_spin[], guest_interrupted[], guest_compute[];
// What the user code computes, for the host as well.
void guest_work(uint64_t count) __attribute__((visibility("hidden")));

static inline uint64_t EntryOf(const char* label) { return CODE_AT + (uint64_t)(label - guest_code); }

// What is in the guest's memory at first.
static inline const char* Image(long count) {
  static uint64_t image[IMAGE_BYTES / sizeof(uint64_t)];
  char* const bytes = (char*)image;
  const uint64_t present = 1, writable = 2, user = 4, large = 0x80, task = SEGMENTS_AT + 0x100;
  image[0] = 0x1000 | present | writable | user;
  image[0x1000 / 8] = 0x2000 | present | writable | user;
  for (uint64_t i = 0; i < 512; i++) image[0x2000 / 8 + i] = i << 21 | present | writable | user | large;
  // A null, code and data of the kernel, data and code of programs, the task state with the kernel's stack.
  const uint64_t segments[] = {0,
                               0x00af9b000000ffff,
                               0x00cf93000000ffff,
                               0x00cff3000000ffff,
                               0x00affb000000ffff,
                               103 | task << 16 | 0x89ULL << 40,
                               0};
  memcpy(bytes + SEGMENTS_AT, segments, sizeof(segments));
  const uint64_t stack = STACK_END;
  memcpy(bytes + task + 4, &stack, sizeof(stack));
  image[COUNT_AT / 8] = (uint64_t)count;
  const uint64_t handler = EntryOf(guest_interrupted);
  image[GATES_AT / 8 + VECTOR * 2] = (handler & 0xffff) | 8 << 16 | 0x8eULL << 40;
  Require(guest_code_end - guest_code <= IMAGE_BYTES - CODE_AT, "the code is too long");
  memcpy(bytes + CODE_AT, guest_code, (size_t)(guest_code_end - guest_code));
  return bytes;
}

// ---- two threads -----------------------------------------------------------------------------------------------------

// One asks the VCPU for something while the guest spins, and the VCPU's own says when it has come. Only that is timed.
typedef struct {
  sem_t come;
  _Atomic int64_t asked_ns;
  int64_t ns;
} Turns;

static inline void Asking(Turns* turns) { atomic_store(&turns->asked_ns, NowNs()); }

static inline void Come(Turns* turns) {
  turns->ns += NowNs() - atomic_load(&turns->asked_ns);
  sem_post(&turns->come);
}

// `counter` reads COUNTER_AT: once it goes up, the guest spins.
static inline void AwaitSpinning(uint64_t (*counter)(void*), void* machine) {
  const uint64_t before = counter(machine);
  while (counter(machine) == before) usleep(20);
}
