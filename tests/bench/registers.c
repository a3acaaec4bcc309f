// What a program does with the registers of threads through libzxtask, in a loop:
//   bench_registers start COUNT PROGRAM ARGS…      makes a thread in the program, starts it at the address that the program prints
//                                                  ("exit=ADDRESS"), and waits until it has ended
//   bench_registers state COUNT PROGRAM ARGS…      of a suspended thread: writes its general registers and reads them
//   bench_registers read-all ROUNDS PROGRAM ARGS…  reads those of all threads of a suspended process, once each time it is suspended;
//                                                  only the reading is timed
// The programs print a line when they are ready, and are killed at the end.
#include <string.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/object.h>

#include "bench_client.h"

static void Start(long count, const Program* program) {
  unsigned long address = 0;
  Require(sscanf(program->line, "exit=%lx", &address) == 1, "no address");
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    zx_handle_t thread;
    Check(zx_thread_create(program->process, "bench", 5, 0, &thread), "zx_thread_create");
    Check(zx_thread_start(thread, address, 0, 0, 0), "zx_thread_start");
    WaitFor(thread, ZX_THREAD_TERMINATED);
    Check(zx_handle_close(thread), "zx_handle_close");
  }
  Report(start);
}

static void ReadAndWrite(long count, const Program* program) {
  zx_handle_t token;
  zx_thread_state_general_regs_t registers;
  Check(zx_task_suspend(program->thread, &token), "zx_task_suspend");
  WaitFor(program->thread, ZX_THREAD_SUSPENDED);
  Check(zx_thread_read_state(program->thread, ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), "read");
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    Check(zx_thread_write_state(program->thread, ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), "write");
    Check(zx_thread_read_state(program->thread, ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), "read");
  }
  Report(start);
  Check(zx_handle_close(token), "zx_handle_close");
}

static void ReadAll(long rounds, const Program* program) {
  static zx_handle_t threads[MAX_THREADS];
  const size_t count = OpenThreads(program->process, threads);
  printf("threads=%zu\n", count);
  int64_t ns = 0;
  for (long i = 0; i < rounds; i++) {
    zx_handle_t token;
    Check(zx_task_suspend(program->process, &token), "zx_task_suspend");
    for (size_t t = 0; t < count; t++) WaitFor(threads[t], ZX_THREAD_SUSPENDED);
    const int64_t start = NowNs();
    for (size_t t = 0; t < count; t++) {
      zx_thread_state_general_regs_t registers;
      Check(zx_thread_read_state(threads[t], ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), "read");
    }
    ns += NowNs() - start;
    Check(zx_handle_close(token), "zx_handle_close");
    for (size_t t = 0; t < count; t++) WaitFor(threads[t], ZX_THREAD_RUNNING);
  }
  ReportNs(ns);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  const long count = Count(argc, argv, 2);
  if (argc <= 3) return 2;
  const Program program = SpawnReady(argv + 3);
  if (strcmp(mode, "start") == 0) {
    Start(count, &program);
  } else if (strcmp(mode, "state") == 0) {
    ReadAndWrite(count, &program);
  } else if (strcmp(mode, "read-all") == 0) {
    ReadAll(count, &program);
  } else {
    return 2;
  }
  End(&program);
  return 0;
}
