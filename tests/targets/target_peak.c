/* Prints its own peak memory in KiB, as getrusage gives it. */
#include <stdio.h>
#include <sys/resource.h>

int main(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 1;
  printf("%ld\n", usage.ru_maxrss);
  return 0;
}
