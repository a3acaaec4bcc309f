// Guests: traps, and the state of a VCPU.
#ifndef ZIRCON_SYSCALLS_HYPERVISOR_H_
#define ZIRCON_SYSCALLS_HYPERVISOR_H_

#include <zircon/types.h>

// zx_guest_set_trap()
#define ZX_GUEST_TRAP_BELL ((uint32_t)0u)  // a write is told to a port, and the guest goes on
#define ZX_GUEST_TRAP_MEM ((uint32_t)1u)   // an access to memory ends zx_vcpu_resume()
#define ZX_GUEST_TRAP_IO ((uint32_t)2u)    // an access to an I/O port does; x86-64 only

// zx_vcpu_read_state() and zx_vcpu_write_state()
#define ZX_VCPU_STATE ((uint32_t)0u)  // zx_vcpu_state_t
#define ZX_VCPU_IO ((uint32_t)1u)     // zx_vcpu_io_t; written only, x86-64 only

// The general registers, in the order of the machine's encoding. Of rflags the bits that a program may change are shown (CF, PF,
// AF, ZF, SF, TF, DF, OF, NT, AC, ID); they are written if bit 1, which is always set in a real one, is set.
typedef struct zx_x86_64_vcpu_state {
  uint64_t rax;
  uint64_t rcx;
  uint64_t rdx;
  uint64_t rbx;
  uint64_t rsp;
  uint64_t rbp;
  uint64_t rsi;
  uint64_t rdi;
  uint64_t r8;
  uint64_t r9;
  uint64_t r10;
  uint64_t r11;
  uint64_t r12;
  uint64_t r13;
  uint64_t r14;
  uint64_t r15;
  uint64_t rflags;
} zx_x86_64_vcpu_state_t;

// Of cpsr the condition flags.
typedef struct zx_arm64_vcpu_state {
  uint64_t x[31];
  uint64_t sp;
  uint32_t cpsr;
  uint32_t padding1;
} zx_arm64_vcpu_state_t;

// What an IN instruction has read: the low `access_size` (1, 2 or 4) bytes of rax.
typedef struct zx_vcpu_io {
  uint8_t access_size;
  uint8_t padding1[3];
  union {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint8_t data[4];
  };
} zx_vcpu_io_t;

#if defined(__x86_64__)
typedef zx_x86_64_vcpu_state_t zx_vcpu_state_t;
#else
typedef zx_arm64_vcpu_state_t zx_vcpu_state_t;
#endif

#endif  // ZIRCON_SYSCALLS_HYPERVISOR_H_
