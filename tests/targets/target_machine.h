// What the child programs need of a machine.
#pragma once

// As many words from a function's frame address up as destroy the return address that is nearest there, and leave main's.
// riscv's frame address is where its caller's frame begins, and the one after that is of two words.
#ifdef __riscv
#define ZX_SMASHED_WORDS 4
#else
#define ZX_SMASHED_WORDS 6
#endif

// RETURNING leaves `value` in the register that a handler writes to with SKIP… and goes on behind the instruction.
#if defined(__x86_64__) || defined(__i386__)
#define ZX_BREAKPOINT() __asm__ volatile("int3")
#define ZX_UNDEFINED_INSTRUCTION() __asm__ volatile("ud2")
#define ZX_PRIVILEGED_INSTRUCTION() __asm__ volatile("hlt")
#define ZX_UNDEFINED_INSTRUCTION_RETURNING(value) __asm__ volatile("ud2" : "+a"(value))
#ifdef __x86_64__
#define ZX_SKIP_UNDEFINED_AND_RETURN(context, value) \
  ((context)->uc_mcontext.gregs[REG_RIP] += 2, (context)->uc_mcontext.gregs[REG_RAX] = (value))
#else
#define ZX_SKIP_UNDEFINED_AND_RETURN(context, value) \
  ((context)->uc_mcontext.gregs[REG_EIP] += 2, (context)->uc_mcontext.gregs[REG_EAX] = (value))
#endif
#elif defined(__aarch64__)
#define ZX_BREAKPOINT() __asm__ volatile("brk #0")
#define ZX_UNDEFINED_INSTRUCTION() __asm__ volatile("udf #0")
#define ZX_PRIVILEGED_INSTRUCTION() __asm__ volatile("hvc #0")
#define ZX_UNDEFINED_INSTRUCTION_RETURNING(value) \
  do {                                            \
    register long in_x0 __asm__("x0") = (value);  \
    __asm__ volatile("udf #0" : "+r"(in_x0));     \
    (value) = (int)in_x0;                         \
  } while (0)
#define ZX_SKIP_UNDEFINED_AND_RETURN(context, value) \
  ((context)->uc_mcontext.pc += 4, (context)->uc_mcontext.regs[0] = (value))
#elif defined(__riscv)
#define ZX_BREAKPOINT() __asm__ volatile("ebreak")
#define ZX_UNDEFINED_INSTRUCTION() __asm__ volatile(".4byte 0")
#define ZX_PRIVILEGED_INSTRUCTION() __asm__ volatile("csrr t0, sstatus" ::: "t0")
#define ZX_UNDEFINED_INSTRUCTION_RETURNING(value) \
  do {                                            \
    register long in_a0 __asm__("a0") = (value);  \
    __asm__ volatile(".4byte 0" : "+r"(in_a0));   \
    (value) = (int)in_a0;                         \
  } while (0)
#define ZX_SKIP_UNDEFINED_AND_RETURN(context, value) \
  ((context)->uc_mcontext.__gregs[REG_PC] += 4, (context)->uc_mcontext.__gregs[REG_A0] = (value))
#endif
