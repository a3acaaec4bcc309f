// Code of target_start that is the machine's own. `recorder` writes the registers that it begins with to `seen`, in the order of
// struct Seen, and ends its thread; `exiter` ends its thread; `spinner` does so once stop_spinning is set. `unusual` has
// values in its floating-point and vector registers with which no thread begins, sets `counter` to 1, and goes on as
// `recorder` once stop_spinning is set.
#pragma once

// What a thread had in its registers when it began; tests know the order.
struct Seen {
  uint64_t sp, arg1, arg2, tp, abi_reg;
  uint64_t others;  // all other general registers, or'ed
  uint64_t flags, signal_mask;
  uint64_t float_control[2];
  uint64_t vectors[2];  // all vector registers, or'ed
  uint64_t done;
};

#if defined(__x86_64__)
// What xsave stores of x87, SSE, AVX, AVX-512 and PKRU; and the selectors ds, es, fs, gs, cs, ss.
uint8_t extended[4096] __attribute__((aligned(64)));
uint16_t selectors[8];
__asm__(
    ".text\n"
    ".globl recorder\n"
    "recorder:\n"
    "mov %rsp, seen(%rip)\n mov %rdi, seen+8(%rip)\n mov %rsi, seen+16(%rip)\n mov %r15, seen+32(%rip)\n"
    "lea scratch_stack+512(%rip), %rsp\n"
    "pushfq\n popq seen+48(%rip)\n"
    "or %rbx, %rax\n or %rcx, %rax\n or %rdx, %rax\n or %rbp, %rax\n or %r8, %rax\n or %r9, %rax\n or %r10, %rax\n"
    "or %r11, %rax\n or %r12, %rax\n or %r13, %rax\n or %r14, %rax\n mov %rax, seen+40(%rip)\n"
    "mov %ds, selectors(%rip)\n mov %es, selectors+2(%rip)\n mov %fs, selectors+4(%rip)\n"
    "mov %gs, selectors+6(%rip)\n mov %cs, selectors+8(%rip)\n mov %ss, selectors+10(%rip)\n"
    "mov $1, %eax\n cpuid\n bt $27, %ecx\n jnc 1f\n"
    "mov $0x2e7, %eax\n xor %edx, %edx\n xsave64 extended(%rip)\n"
    "1: stmxcsr seen+64(%rip)\n fnstcw seen+72(%rip)\n"
    "por %xmm1, %xmm0\n por %xmm2, %xmm0\n por %xmm3, %xmm0\n por %xmm4, %xmm0\n por %xmm5, %xmm0\n"
    "por %xmm6, %xmm0\n por %xmm7, %xmm0\n por %xmm8, %xmm0\n por %xmm9, %xmm0\n por %xmm10, %xmm0\n"
    "por %xmm11, %xmm0\n por %xmm12, %xmm0\n por %xmm13, %xmm0\n por %xmm14, %xmm0\n por %xmm15, %xmm0\n"
    "movdqu %xmm0, seen+80(%rip)\n"
    "mov $158, %eax\n mov $0x1003, %edi\n lea seen+24(%rip), %rsi\n syscall\n"
    "mov $158, %eax\n mov $0x1004, %edi\n lea scratch_stack(%rip), %rsi\n syscall\n"
    "mov scratch_stack(%rip), %rax\n or %rax, seen+40(%rip)\n"
    "mov $14, %eax\n xor %edi, %edi\n xor %esi, %esi\n lea seen+56(%rip), %rdx\n mov $8, %r10d\n syscall\n"
    "movq $1, seen+96(%rip)\n"
    ".globl exiter\n"
    "exiter: mov $60, %eax\n xor %edi, %edi\n syscall\n"
    ".globl spinner\n"
    "spinner: pause\n cmpl $0, stop_spinning(%rip)\n je spinner\n jmp exiter\n"
    ".globl unusual\n"
    "unusual:\n"
    "movl $0xffbf, scratch_stack(%rip)\n ldmxcsr scratch_stack(%rip)\n"
    "movw $0x27f, scratch_stack(%rip)\n fldcw scratch_stack(%rip)\n fld1\n fldpi\n"
    "mov $1, %eax\n cpuid\n"
    ".irp other, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "pcmpeqd %xmm\\other, %xmm\\other\n"
    ".endr\n"
    "not %ecx\n test $0x18000000, %ecx\n jnz 1f\n"  // both of them: AVX, and the kernel's leave
    ".irp other, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "vinsertf128 $1, %xmm\\other, %ymm\\other, %ymm\\other\n"
    ".endr\n"
    "1: mov $0x2b, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %fs\n mov %eax, %gs\n"
    "movq $1, counter(%rip)\n"
    "2: pause\n cmpl $0, stop_spinning(%rip)\n je 2b\n jmp recorder\n");
// A restartable sequence (rseq(2)) that only ends when the kernel breaks it off, over and over; each time counts.
__asm__(
    ".data\n.balign 32\n"
    "sequence: .long 0, 0\n .quad sequence_begin, sequence_end - sequence_begin, sequence_abort\n"
    ".text\n"
    ".globl in_sequences\n"
    "in_sequences:\n"
    "lea sequence(%rip), %rax\n mov %rax, 8(%rdi)\n"
    "sequence_begin: pause\n jmp sequence_begin\n sequence_end:\n"
    ".long 0x53053053\n"
    "sequence_abort: lock incq counter(%rip)\n jmp in_sequences\n");
#elif defined(__aarch64__)
__asm__(
    ".text\n"
    ".globl recorder\n"
    "recorder:\n"
    ".irp other, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28,29,30\n"
    "orr x2, x2, x\\other\n"
    ".endr\n"
    "adrp x19, seen\n add x19, x19, :lo12:seen\n"
    "mov x3, sp\n str x3, [x19]\n stp x0, x1, [x19, #8]\n"
    "mrs x3, tpidr_el0\n str x3, [x19, #24]\n str x18, [x19, #32]\n str x2, [x19, #40]\n"
    "mrs x3, nzcv\n str x3, [x19, #48]\n"
    "mrs x3, fpcr\n str x3, [x19, #64]\n mrs x3, fpsr\n str x3, [x19, #72]\n"
    ".irp other, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "orr v0.16b, v0.16b, v\\other\\().16b\n"
    ".endr\n"
    "str q0, [x19, #80]\n"
    "mov x8, #135\n mov x0, #0\n mov x1, #0\n add x2, x19, #56\n mov x3, #8\n svc #0\n"
    "mov x3, #1\n str x3, [x19, #96]\n"
    ".globl exiter\n"
    "exiter: mov x8, #93\n mov x0, #0\n svc #0\n"
    ".globl spinner\n"
    "spinner: yield\n adrp x3, stop_spinning\n ldr w3, [x3, :lo12:stop_spinning]\n cbz w3, spinner\n b exiter\n"
    ".globl unusual\n"
    "unusual:\n"
    "mov x3, #0x3c00000\n msr fpcr, x3\n mov x3, #0x9f\n movk x3, #0x800, lsl #16\n msr fpsr, x3\n"
    ".irp other, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "movi v\\other\\().16b, #0xff\n"
    ".endr\n"
    "adrp x3, counter\n mov x4, #1\n str x4, [x3, :lo12:counter]\n"
    "2: yield\n adrp x3, stop_spinning\n ldr w3, [x3, :lo12:stop_spinning]\n cbz w3, 2b\n b recorder\n");
#elif defined(__riscv)
// gp is a thread's own here: nothing may be found by it.
__asm__(
    ".text\n"
    ".option push\n .option norelax\n"
    ".globl recorder\n"
    "recorder:\n"
    ".irp other, 1,5,6,7,8,9,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "or a2, a2, x\\other\n"
    ".endr\n"
    "lla s1, seen\n"
    "sd sp, 0(s1)\n sd a0, 8(s1)\n sd a1, 16(s1)\n sd tp, 24(s1)\n sd gp, 32(s1)\n sd a2, 40(s1)\n"
    "frcsr t0\n sd t0, 64(s1)\n"
    "li t0, 0\n"
    ".irp other, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "fmv.x.d t1, f\\other\n or t0, t0, t1\n"
    ".endr\n"
    "sd t0, 80(s1)\n"
    "li a7, 135\n li a0, 0\n li a1, 0\n addi a2, s1, 56\n li a3, 8\n ecall\n"
    "li t0, 1\n sd t0, 96(s1)\n"
    ".globl exiter\n"
    "exiter: li a7, 93\n li a0, 0\n ecall\n"
    ".globl spinner\n"
    "spinner: lla t0, stop_spinning\n lw t0, 0(t0)\n beqz t0, spinner\n j exiter\n"
    ".globl unusual\n"
    "unusual: li t0, 0x5f\n fscsr t0\n li t0, -1\n"
    ".irp other, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "fmv.d.x f\\other, t0\n"
    ".endr\n"
    "lla t0, counter\n li t1, 1\n sd t1, 0(t0)\n"
    "2: lla t0, stop_spinning\n lw t0, 0(t0)\n beqz t0, 2b\n j recorder\n"
    ".option pop\n");
#endif
void recorder(void);
void exiter(void);
void spinner(void);
__attribute__((noreturn)) void unusual(void);
