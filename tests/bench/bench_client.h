// What the benchmark programs have in common that go through libzxtask.
#pragma once

#include <string.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/object.h>
#include <zxtask/linux.h>

#include "bench_program.h"

#define MAX_THREADS 8192

typedef struct {
  zx_handle_t process;
  zx_handle_t thread;
  int output;     // -1: the caller's
  char line[64];  // what it has printed first
} Program;

static inline void Check(zx_status_t status, const char* what) {
  if (status == ZX_OK) return;
  fprintf(stderr, "%s: %s (%s)\n", what, zx_status_get_string(status), zxl_last_error());
  exit(1);
}

// Parked. With `captured`, what it prints is to be read from `output`.
static inline Program Spawn(zx_handle_t job, char** argv, int captured) {
  int ends[2] = {-1, -1};
  if (captured) Require(pipe(ends) == 0, "pipe");
  const zxl_spawn_args_t arguments = {.path = argv[0], .argv = (const char* const*)argv, .stdio = {-1, ends[1], -1}};
  Program program = {.output = ends[0]};
  Check(zxl_process_spawn(job, &arguments, &program.process, &program.thread), "zxl_process_spawn");
  if (captured) close(ends[1]);
  return program;
}

static inline Program SpawnReady(char** argv) {
  Program program = Spawn(zx_job_default(), argv, 1);
  Check(zxl_process_start(program.process), "zxl_process_start");
  Require(read(program.output, program.line, sizeof(program.line) - 1) > 0, "the program is not ready");
  return program;
}

static inline void WaitFor(zx_handle_t task, zx_signals_t signal) {
  Check(zx_object_wait_one(task, signal, ZX_TIME_INFINITE, NULL), "zx_object_wait_one");
}

static inline void End(const Program* program) {
  Check(zx_task_kill(program->process), "zx_task_kill");
  WaitFor(program->process, ZX_TASK_TERMINATED);
}

static inline size_t OpenThreads(zx_handle_t process, zx_handle_t* out) {
  static zx_koid_t koids[MAX_THREADS];
  size_t count = 0, there = 0;
  Check(zx_object_get_info(process, ZX_INFO_PROCESS_THREADS, koids, sizeof(koids), &count, &there),
        "zx_object_get_info");
  Require(count == there, "too many threads");
  for (size_t i = 0; i < count; i++) {
    Check(zx_object_get_child(process, koids[i], ZX_RIGHT_SAME_RIGHTS, &out[i]), "zx_object_get_child");
  }
  return count;
}
