// What registers hold before and after somebody has looked at them. It says where its pieces are, and then does what it is told
// on its standard input, a byte each: see target_registers.h. What it does ends with a line.
#include <stdint.h>
#include <stdio.h>

enum { kFloats = 32 };

uint64_t pattern[kFloats];
// What there was after the breakpoint; tests know the order.
struct Found {
  uint64_t f[kFloats];
  uint64_t fcsr;
};
struct Found found;

#include "target_registers.h"

#define EACH(op) \
  ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n" op "\n.endr\n"
// Those that belong to the caller, to or from the stack.
#define CALLERS(op) ".irp n,8,9,18,19,20,21,22,23,24,25,26,27\n" op " f\\n, 8*\\n(sp)\n.endr\n"

// Tests go past a breakpoint of four bytes.
__asm__(
    ".text\n"
    ".option push\n .option norvc\n"
    ".globl probe\n"
    "probe:\n"
    "addi sp, sp, -256\n" CALLERS("fsd")
    "lla t0, pattern\n" EACH("fld f\\n, 8*\\n(t0)")
    "ebreak\n"
    "lla t0, found\n" EACH("fsd f\\n, 8*\\n(t0)")
    "frcsr t1\n sd t1, 256(t0)\n fscsr zero\n" CALLERS("fld")
    "addi sp, sp, 256\n"
    "ret\n"
    // Nothing steps here; the breakpoint is one.
    ".globl steps\n"
    "steps:\n"
    "ebreak\n"
    ".globl first_step\n"
    "first_step: ret\n"
    ".option pop\n");

int main(int argc, char** argv) {
  (void)argc;
  FillPattern((uint8_t*)pattern, sizeof(pattern));
  setvbuf(stdin, NULL, _IONBF, 0);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("pattern %lx\n", (long)pattern);
  for (int byte; (byte = getchar()) != EOF && DoCommon(byte, argv) != 0;) continue;
  return 0;
}
