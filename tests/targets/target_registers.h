// What target_registers does on every machine. Each has in its own file: struct Found and `found`, what the registers held after the
// breakpoint of probe(); steps(), a breakpoint and code to be stepped.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

extern char first_step[];
void probe(void);
void steps(void);

long watched;
int calls;

__attribute__((noinline)) void called(void) {
  __asm__ volatile("" ::: "memory");
  calls++;
}

static void PrintBytes(const void* from, size_t size) {
  const uint8_t* bytes = (const uint8_t*)from;
  printf("found ");
  for (size_t i = 0; i < size; i++) printf("%02x", bytes[i]);
  printf("\n");
}

static void FillPattern(uint8_t* bytes, size_t size) {
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(i * 7 + 1);
}

// Returns whether to go on.
static int DoCommon(int command, char** argv) {
  switch (command) {
    case 'x':  // a breakpoint with the pattern in the vector registers, and what they hold afterwards
      probe();
      PrintBytes(&found, sizeof(found));
      return 1;
    case 'w':  // writes the watched variable
      watched++;
      printf("watched %ld\n", watched);
      return 1;
    case 'r':  // reads it
      printf("read %ld\n", *(volatile long*)&watched);
      return 1;
    case 'c':  // calls a function
      called();
      printf("calls %d\n", calls);
      return 1;
    case 's':  // a breakpoint, and code to be stepped
      steps();
      printf("stepped\n");
      return 1;
    case 'X':  // executes itself
      execv("/proc/self/exe", argv);
      return 0;
    default:
      return 0;
  }
}
