// What registers hold before and after somebody has looked at them. It says where its pieces are, and then does what it is told
// on its standard input, a byte each: see target_registers.h. What it does ends with a line.
#include <stdint.h>
#include <stdio.h>

enum { kVectorBytes = 16, kVectors = 32 };

uint8_t pattern[kVectors * kVectorBytes] __attribute__((aligned(16)));
// What there was after the breakpoint; tests know the order.
struct Found {
  uint8_t v[kVectors * kVectorBytes];
  uint64_t fpsr, fpcr;
};
struct Found found __attribute__((aligned(16)));

#include "target_registers.h"

// Pairs of vector registers from, or to, where x9 points.
#define PAIRS(op)                                                                                                      \
  op " q0, q1, [x9]\n" op " q2, q3, [x9, #32]\n" op " q4, q5, [x9, #64]\n" op " q6, q7, [x9, #96]\n" op                \
     " q8, q9, [x9, #128]\n" op " q10, q11, [x9, #160]\n" op " q12, q13, [x9, #192]\n" op " q14, q15, [x9, #224]\n" op \
     " q16, q17, [x9, #256]\n" op " q18, q19, [x9, #288]\n" op " q20, q21, [x9, #320]\n" op                            \
     " q22, q23, [x9, #352]\n" op " q24, q25, [x9, #384]\n" op " q26, q27, [x9, #416]\n" op                            \
     " q28, q29, [x9, #448]\n" op " q30, q31, [x9, #480]\n"

__asm__(
    ".text\n"
    ".globl probe\n"
    "probe:\n"
    "stp d8, d9, [sp, #-64]!\n stp d10, d11, [sp, #16]\n stp d12, d13, [sp, #32]\n stp d14, d15, [sp, #48]\n"
    "adrp x9, pattern\n add x9, x9, :lo12:pattern\n" PAIRS("ldp")
    "brk #0\n"
    "adrp x9, found\n add x9, x9, :lo12:found\n" PAIRS("stp")
    "mrs x10, fpsr\n str x10, [x9, #512]\n mrs x10, fpcr\n str x10, [x9, #520]\n"
    "msr fpsr, xzr\n msr fpcr, xzr\n"
    "ldp d10, d11, [sp, #16]\n ldp d12, d13, [sp, #32]\n ldp d14, d15, [sp, #48]\n ldp d8, d9, [sp], #64\n"
    "ret\n"
    // Seven instructions after the breakpoint, the sixth of which is a call of the kernel (getpid).
    ".globl steps\n"
    "steps:\n"
    "brk #0\n"
    ".globl first_step\n"
    "first_step: nop\n nop\n add x9, x9, #1\n nop\n mov x8, #172\n svc #0\n ret\n");

int main(int argc, char** argv) {
  (void)argc;
  FillPattern(pattern, sizeof(pattern));
  setvbuf(stdin, NULL, _IONBF, 0);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("watched %lx called %lx first_step %lx\n", (long)&watched, (long)called, (long)first_step);
  for (int byte; (byte = getchar()) != EOF && DoCommon(byte, argv) != 0;) continue;
  return 0;
}
