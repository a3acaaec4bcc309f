// The smallest program there is: static, no libc. Starting it costs an exec and hardly anything else, so that what a
// tracer adds to an exec is seen at its largest.
void _start(void);

void _start(void) {
  __asm__ volatile("syscall" : : "a"(231L), "D"(0L) : "rcx", "r11", "memory");
  __builtin_unreachable();
}
