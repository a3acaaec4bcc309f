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

enum { kVectors = 32, kVectorBytes = 16 };
uint8_t vector_pattern[kVectors * kVectorBytes] __attribute__((aligned(16)));
// The same of the vector registers.
struct FoundVectors {
  uint8_t v[kVectors * kVectorBytes];
  uint64_t vcsr, vstart, vl, vtype;
};
struct FoundVectors found_vectors __attribute__((aligned(16)));
void probe_vectors(void);

#include "target_registers.h"

#define EACH(op) \
  ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n" op "\n.endr\n"
// Those that belong to the caller, to or from the stack.
#define CALLERS(op) ".irp n,8,9,18,19,20,21,22,23,24,25,26,27\n" op " f\\n, 8*\\n(sp)\n.endr\n"

// Eight vector registers at a time, from or to where t0 points, which is behind them afterwards.
#define EIGHTS(op) ".irp n,0,8,16,24\n" op " v\\n, (t0)\n addi t0, t0, 128\n.endr\n"

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
    // Three elements of 32 bits, rounded down, saturated. A call of the kernel would take all this away.
    ".option push\n .option arch, +v\n"
    ".globl probe_vectors\n"
    "probe_vectors:\n"
    "lla t0, vector_pattern\n" EIGHTS("vl8re8.v")
    "li t1, 3\n vsetvli t1, t1, e32, m1, ta, ma\n csrwi vcsr, 5\n"
    "ebreak\n"
    "csrr t1, vcsr\n csrr t2, vstart\n csrr t3, vl\n csrr t4, vtype\n csrwi vstart, 0\n"
    "lla t0, found_vectors\n" EIGHTS("vs8r.v")
    "sd t1, 0(t0)\n sd t2, 8(t0)\n sd t3, 16(t0)\n sd t4, 24(t0)\n csrwi vcsr, 0\n"
    "ret\n"
    ".option pop\n"
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
  FillPattern(vector_pattern, sizeof(vector_pattern));
  for (int byte; (byte = getchar()) != EOF;) {
    if (byte == 'v') {  // as 'x', of the vector registers
      probe_vectors();
      PrintBytes(&found_vectors, sizeof(found_vectors));
    } else if (DoCommon(byte, argv) == 0) {
      break;
    }
  }
  return 0;
}
