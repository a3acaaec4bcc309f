// The registers of a thread.
#ifndef ZIRCON_SYSCALLS_DEBUG_H_
#define ZIRCON_SYSCALLS_DEBUG_H_

#include <zircon/types.h>

// zx_thread_read_state() and zx_thread_write_state()
#define ZX_THREAD_STATE_GENERAL_REGS ((uint32_t)0u)  // zx_thread_state_general_regs_t

#if defined(__x86_64__)

typedef struct zx_thread_state_general_regs {
  uint64_t rax;
  uint64_t rbx;
  uint64_t rcx;
  uint64_t rdx;
  uint64_t rsi;
  uint64_t rdi;
  uint64_t rbp;
  uint64_t rsp;
  uint64_t r8;
  uint64_t r9;
  uint64_t r10;
  uint64_t r11;
  uint64_t r12;
  uint64_t r13;
  uint64_t r14;
  uint64_t r15;
  uint64_t rip;
  uint64_t rflags;
  uint64_t fs_base;
  uint64_t gs_base;
} zx_thread_state_general_regs_t;

#endif

#endif  // ZIRCON_SYSCALLS_DEBUG_H_
