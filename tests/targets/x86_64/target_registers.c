// What registers hold before and after somebody has looked at them. It says where its pieces are, and then does what it is told
// on its standard input, a byte each: see target_registers.h. What it does ends with a line.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { kYmmBytes = 32, kZmmBytes = 64, kVectors = 16 };

uint8_t pattern[kVectors * kYmmBytes + kZmmBytes] __attribute__((aligned(64)));
uint64_t mask_pattern = 0xa5a5;
// What there was after the breakpoint; tests know the order.
struct Found {
  uint8_t fx[512];
  uint8_t ymm[kVectors * kYmmBytes];
  uint8_t zmm0[kZmmBytes];
  uint8_t zmm31[kZmmBytes];
  uint64_t mask;
};
struct Found found __attribute__((aligned(64)));

#include "target_registers.h"

int has_avx, has_avx512;

#define EACH(n) ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n" n "\n.endr\n"
__asm__(
    ".text\n"
    ".globl probe\n"
    "probe:\n"
    "fninit\n fldpi\n fld1\n" EACH("movdqu pattern+(\\n*32)(%rip), %xmm\\n")
    "cmpl $0, has_avx(%rip)\n je 1f\n" EACH("vmovdqu pattern+(\\n*32)(%rip), %ymm\\n")
    "cmpl $0, has_avx512(%rip)\n je 1f\n"
    "vinserti64x4 $1, pattern+512(%rip), %zmm0, %zmm0\n"
    "vmovdqu64 pattern+448(%rip), %zmm31\n kmovq mask_pattern(%rip), %k1\n"
    "1: int3\n"
    ".globl after_probe\n"
    "after_probe:\n"
    "fxsave64 found(%rip)\n"
    "cmpl $0, has_avx(%rip)\n je 2f\n" EACH("vmovdqu %ymm\\n, found+512+(\\n*32)(%rip)")
    "cmpl $0, has_avx512(%rip)\n je 2f\n"
    "vmovdqu64 %zmm0, found+1024(%rip)\n vmovdqu64 %zmm31, found+1088(%rip)\n kmovq %k1, found+1152(%rip)\n"
    "vzeroupper\n"
    "2: fninit\n ldmxcsr usual_mxcsr(%rip)\n ret\n"
    ".globl usual_mxcsr\n"
    "usual_mxcsr: .long 0x1f80\n"
    // Ten instructions after the breakpoint, the last but one of which is a call of the kernel (getpid).
    ".globl steps\n"
    "steps:\n"
    "int3\n"
    ".globl first_step\n"
    "first_step: nop\n nop\n inc %rcx\n nop\n nop\n nop\n mov $39, %eax\n nop\n syscall\n ret\n"
    // What fs and gs begin at, after the breakpoint.
    ".globl bases\n"
    "bases:\n"
    "push %rbx\n int3\n rdfsbase %rax\n rdgsbase %rdx\n"
    "mov saved_fs(%rip), %rbx\n wrfsbase %rbx\n xor %ebx, %ebx\n wrgsbase %rbx\n pop %rbx\n"
    "mov %rax, found_fs(%rip)\n mov %rdx, found_gs(%rip)\n ret\n");
uint64_t saved_fs, found_fs, found_gs;
void bases(void);

static void ShowBases(void) {
  saved_fs = (uint64_t)__builtin_thread_pointer();
  bases();
  printf("bases %lx %lx\n", found_fs, found_gs);
}

static void* End(void* unused) { return unused; }

static void MakeThread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, End, NULL) == 0 && pthread_join(thread, NULL) == 0) printf("thread ended\n");
}

// Besides: 'b', a breakpoint, and then fs_base and gs_base; 't' makes a thread that ends.
static int Do(int command, char** argv) {
  if (command == 'b') {
    ShowBases();
  } else if (command == 't') {
    MakeThread();
  } else {
    return DoCommon(command, argv);
  }
  return 1;
}

int main(int argc, char** argv) {
  (void)argc;
  has_avx = __builtin_cpu_supports("avx") != 0;
  has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  FillPattern(pattern, sizeof(pattern));
  setvbuf(stdin, NULL, _IONBF, 0);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("watched %lx called %lx first_step %lx pattern %lx avx %x avx512 %x\n", (long)&watched, (long)called,
         (long)first_step, (long)pattern, has_avx, has_avx512);
  for (int byte; (byte = getchar()) != EOF && Do(byte, argv) != 0;) continue;
  return 0;
}
