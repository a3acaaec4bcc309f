// For code that runs in a thread which zx_thread_start() has started: how it ends. Nothing here needs a library, a stack of
// its own or a thread pointer; all are system calls, made in place.
#ifndef ZXTASK_TARGET_H_
#define ZXTASK_TARGET_H_

#include <zircon/types.h>

typedef int32_t zx_futex_t;

// ---- system calls ----

#if defined(__x86_64__)
#define ZXL_SYS_FUTEX 202
#define ZXL_SYS_MUNMAP 11
#define ZXL_SYS_EXIT 60

static inline long zxl_target_call3(long number, long a, long b, long c) {
  long result = number;
  __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

// munmap(), and if that has worked exit(0): nothing in between needs the stack. Its errno, negative, otherwise.
static inline long zxl_target_unmap_and_exit(long address, long size) {
  long result = ZXL_SYS_MUNMAP;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "mov %[exit], %%eax\n\t"
      "xor %%edi, %%edi\n\t"
      "syscall\n"
      "1:"
      : "+a"(result), "+D"(address)
      : "S"(size), [exit] "i"(ZXL_SYS_EXIT)
      : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
#define ZXL_SYS_FUTEX 98
#define ZXL_SYS_MUNMAP 215
#define ZXL_SYS_EXIT 93

static inline long zxl_target_call3(long number, long a, long b, long c) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}

static inline long zxl_target_unmap_and_exit(long address, long size) {
  register long x8 __asm__("x8") = ZXL_SYS_MUNMAP;
  register long x0 __asm__("x0") = address;
  register long x1 __asm__("x1") = size;
  __asm__ volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x8, %[exit]\n\t"
      "svc #0\n"
      "1:"
      : "+r"(x0), "+r"(x8)
      : "r"(x1), [exit] "i"(ZXL_SYS_EXIT)
      : "memory");
  return x0;
}
#elif defined(__riscv) && __riscv_xlen == 64
#define ZXL_SYS_FUTEX 98
#define ZXL_SYS_MUNMAP 215
#define ZXL_SYS_EXIT 93

static inline long zxl_target_call3(long number, long a, long b, long c) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
  return a0;
}

static inline long zxl_target_unmap_and_exit(long address, long size) {
  register long a7 __asm__("a7") = ZXL_SYS_MUNMAP;
  register long a0 __asm__("a0") = address;
  register long a1 __asm__("a1") = size;
  __asm__ volatile(
      "ecall\n\t"
      "bnez a0, 1f\n\t"
      "li a7, %[exit]\n\t"
      "ecall\n"
      "1:"
      : "+r"(a0), "+r"(a7)
      : "r"(a1), [exit] "i"(ZXL_SYS_EXIT)
      : "memory");
  return a0;
}
#endif

// ---- the calls ----

// Ends the calling thread. ZX_THREAD_TERMINATED follows; the process ends with its last thread.
__attribute__((noreturn)) static inline void zx_thread_exit(void) {
  for (;;) (void)zxl_target_call3(ZXL_SYS_EXIT, 0, 0, 0);
}

// Stores `new_value`, wakes up to `wake_count` waiters of the futex, and as many of those who wait for it as for one that is shared
// between processes, and ends the calling thread. `close_handle` means nothing
// here: a program on Linux has no table of handles, and passes 0.
__attribute__((noreturn)) static inline void zx_futex_wake_handle_close_thread_exit(zx_futex_t* value_ptr,
                                                                                    uint32_t wake_count,
                                                                                    int32_t new_value,
                                                                                    zx_handle_t close_handle) {
  const long wake = 1;
  const long wake_private = wake | 128;
  (void)close_handle;
  __atomic_store_n(value_ptr, new_value, __ATOMIC_SEQ_CST);
  // FUTEX_WAKE takes an int.
  const long count = wake_count > 0x7fffffffu ? 0x7fffffffL : (long)wake_count;
  (void)zxl_target_call3(ZXL_SYS_FUTEX, (long)value_ptr, wake_private, count);
  (void)zxl_target_call3(ZXL_SYS_FUTEX, (long)value_ptr, wake, count);
  zx_thread_exit();
}

// Unmaps `size` bytes at `address`, its own stack maybe, and ends the calling thread. Comes back only when that has failed, with
// ZX_ERR_INVALID_ARGS; `vmar` and `close_handle` mean nothing here.
static inline zx_status_t zx_vmar_unmap_handle_close_thread_exit(zx_handle_t vmar, zx_vaddr_t address, size_t size,
                                                                 zx_handle_t close_handle) {
  (void)vmar;
  (void)close_handle;
  (void)zxl_target_unmap_and_exit((long)address, (long)size);
  return ZX_ERR_INVALID_ARGS;
}

#endif  // ZXTASK_TARGET_H_
