// The registers of a thread.
#ifndef ZIRCON_SYSCALLS_DEBUG_H_
#define ZIRCON_SYSCALLS_DEBUG_H_

#include <zircon/types.h>

// zx_thread_read_state() and zx_thread_write_state()
#define ZX_THREAD_STATE_GENERAL_REGS ((uint32_t)0u)  // zx_thread_state_general_regs_t
#define ZX_THREAD_STATE_FP_REGS ((uint32_t)1u)       // zx_thread_state_fp_regs_t
#define ZX_THREAD_STATE_VECTOR_REGS ((uint32_t)2u)   // zx_thread_state_vector_regs_t
#define ZX_THREAD_STATE_DEBUG_REGS ((uint32_t)4u)    // zx_thread_state_debug_regs_t
#define ZX_THREAD_STATE_SINGLE_STEP ((uint32_t)5u)   // zx_thread_state_single_step_t

// 0, or 1: after each instruction that the thread executes it is in a HW_BREAKPOINT exception.
typedef uint32_t zx_thread_state_single_step_t;

// One type for each machine, and the name of the type of the one that is compiled for.
typedef struct zx_x86_64_thread_state_general_regs {
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
} zx_x86_64_thread_state_general_regs_t;

typedef struct zx_arm64_thread_state_general_regs {
  uint64_t r[30];
  uint64_t lr;
  uint64_t sp;
  uint64_t pc;
  uint64_t cpsr;
  uint64_t tpidr;
} zx_arm64_thread_state_general_regs_t;

typedef struct zx_riscv64_thread_state_general_regs {
  uint64_t pc;
  uint64_t ra;
  uint64_t sp;
  uint64_t gp;
  uint64_t tp;
  uint64_t t0;
  uint64_t t1;
  uint64_t t2;
  uint64_t s0;
  uint64_t s1;
  uint64_t a0;
  uint64_t a1;
  uint64_t a2;
  uint64_t a3;
  uint64_t a4;
  uint64_t a5;
  uint64_t a6;
  uint64_t a7;
  uint64_t s2;
  uint64_t s3;
  uint64_t s4;
  uint64_t s5;
  uint64_t s6;
  uint64_t s7;
  uint64_t s8;
  uint64_t s9;
  uint64_t s10;
  uint64_t s11;
  uint64_t t3;
  uint64_t t4;
  uint64_t t5;
  uint64_t t6;
} zx_riscv64_thread_state_general_regs_t;

typedef struct zx_thread_state_register128 {
  uint64_t low;
  uint64_t high;
} zx_thread_state_register128_t;

// The x87 registers.
typedef struct zx_x86_64_thread_state_fp_regs {
  uint16_t fcw;
  uint16_t fsw;
  uint8_t ftw;  // abridged: bit N is set when register N is in use
  uint8_t reserved;
  uint16_t fop;
  uint64_t fip;
  uint64_t fdp;
  uint64_t padding;
  // st0 to st7, 80 bits each; of MMX registers the low 64.
  zx_thread_state_register128_t st[8];
} zx_x86_64_thread_state_fp_regs_t;

// The SSE and AVX registers. v[0] and v[1] of zmm[0] to zmm[15] are xmm, v[2] and v[3] the upper half of ymm. What AVX-512 adds
// is read as 0 and stays as it is on writing: the rest of zmm, zmm[16] to zmm[31], opmask.
typedef struct zx_x86_64_thread_state_vector_regs {
  struct {
    uint64_t v[8];
  } zmm[32];
  uint64_t opmask[8];
  uint32_t mxcsr;
  uint32_t reserved;
} zx_x86_64_thread_state_vector_regs_t;

typedef struct zx_x86_64_thread_state_debug_regs {
  uint64_t dr[4];
  uint64_t dr6;
  uint64_t dr7;
} zx_x86_64_thread_state_debug_regs_t;

// arm64 has its floating point in the vector registers: this kind is NOT_SUPPORTED there.
typedef struct zx_arm64_thread_state_fp_regs {
  uint32_t unused;
} zx_arm64_thread_state_fp_regs_t;

typedef struct zx_arm64_thread_state_vector_regs {
  uint32_t fpcr;
  uint32_t fpsr;
  zx_thread_state_register128_t v[32];
} zx_arm64_thread_state_vector_regs_t;

#define ZX_ARM64_MAX_HW_BREAKPOINTS 16
#define ZX_ARM64_MAX_HW_WATCHPOINTS 16

// Of each array only the first `count` are the machine's: `count` is read only, and what comes after is 0 and ignored. `esr` and
// `far` are 0: on Linux they come with the exception (zxl_exception_get_info()).
typedef struct zx_arm64_thread_state_debug_regs {
  struct {
    uint64_t dbgbvr;
    uint32_t dbgbcr;
    uint32_t reserved;
  } hw_bps[ZX_ARM64_MAX_HW_BREAKPOINTS];
  uint8_t hw_bps_count;
  uint8_t reserved[7];
  struct {
    uint64_t dbgwvr;
    uint32_t dbgwcr;
    uint32_t reserved;
  } hw_wps[ZX_ARM64_MAX_HW_WATCHPOINTS];
  uint8_t hw_wps_count;
  uint8_t reserved_too[3];
  uint32_t esr;
  uint64_t far;
} zx_arm64_thread_state_debug_regs_t;

typedef struct zx_riscv64_thread_state_fp_regs {
  // f0 to f31, 64 bits each: `high` is all ones.
  zx_thread_state_register128_t q[32];
  uint32_t fcsr;
  uint32_t reserved[3];
} zx_riscv64_thread_state_fp_regs_t;

// The vector extension's registers, of 128 bits each. A machine without the extension, or with larger registers, has no such
// kind (NOT_SUPPORTED). `vcsr` has 3 bits. `vtype` is a setting that vsetvli can make with such registers, `vl` at most VLMAX in
// it, and `vstart` below VLMAX; VILL alone in `vtype` goes with a `vl` of 0. All else is INVALID_ARGS. Linux gives a thread its
// vector registers with the first vector instruction: until then all is read as 0, and writing is BAD_STATE.
typedef struct zx_riscv64_thread_state_vector_regs {
  zx_thread_state_register128_t v[32];
  uint64_t vcsr;
  uint64_t vstart;
  uint64_t vl;
  uint64_t vtype;
} zx_riscv64_thread_state_vector_regs_t;

#if defined(__x86_64__)
typedef zx_x86_64_thread_state_general_regs_t zx_thread_state_general_regs_t;
typedef zx_x86_64_thread_state_fp_regs_t zx_thread_state_fp_regs_t;
typedef zx_x86_64_thread_state_vector_regs_t zx_thread_state_vector_regs_t;
typedef zx_x86_64_thread_state_debug_regs_t zx_thread_state_debug_regs_t;
#elif defined(__aarch64__)
typedef zx_arm64_thread_state_general_regs_t zx_thread_state_general_regs_t;
typedef zx_arm64_thread_state_fp_regs_t zx_thread_state_fp_regs_t;
typedef zx_arm64_thread_state_vector_regs_t zx_thread_state_vector_regs_t;
typedef zx_arm64_thread_state_debug_regs_t zx_thread_state_debug_regs_t;
#elif defined(__riscv)
typedef zx_riscv64_thread_state_general_regs_t zx_thread_state_general_regs_t;
typedef zx_riscv64_thread_state_fp_regs_t zx_thread_state_fp_regs_t;
typedef zx_riscv64_thread_state_vector_regs_t zx_thread_state_vector_regs_t;
#endif

#endif  // ZIRCON_SYSCALLS_DEBUG_H_
