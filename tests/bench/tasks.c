// What a program does with tasks through libzxtask, in a loop:
//   bench_tasks chain DEPTH HANDLERS PROGRAM ARGS…   handles the exceptions of a program that times itself. DEPTH jobs lie in
//                        each other and the program in the innermost. The outermost has a handler that resumes the thread, the
//                        HANDLERS - 1 innermost have handlers that answer "try next", each a thread with a port of its own.
//   bench_tasks suspend COUNT PROGRAM ARGS…          suspends the program's first thread, waits until it is, lets it go
//   bench_tasks suspend-all COUNT PROGRAM ARGS…      the same with the process: until all its threads are, and run again
// The programs of the last two print a line when they are ready, and are killed at the end.
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/exception.h>
#include <zircon/syscalls/object.h>
#include <zxtask/linux.h>

#include "bench_client.h"

#define MAX_DEPTH 64

// ---- exceptions ------------------------------------------------------------------------------------------------------

typedef struct {
  zx_handle_t port;
  zx_handle_t thread;
} Handler;

static zx_handle_t BoundPort(zx_handle_t job) {
  zx_handle_t port = ZX_HANDLE_INVALID;
  Check(zx_port_create(0, &port), "zx_port_create");
  Check(zx_task_bind_exception_port(job, port, 1, 0), "zx_task_bind_exception_port");
  return port;
}

static void* PassOn(void* argument) {
  const Handler* handler = argument;
  zx_port_packet_t packet;
  for (;;) {
    Check(zx_port_wait(handler->port, ZX_TIME_INFINITE, &packet), "zx_port_wait");
    Check(zx_task_resume(handler->thread, ZX_RESUME_EXCEPTION | ZX_RESUME_TRY_NEXT), "zx_task_resume");
  }
  return NULL;
}

// Until the process is dead.
static void ResumeAll(zx_handle_t port, const Program* program) {
  Check(zx_object_wait_async(program->process, port, 0, ZX_TASK_TERMINATED, ZX_WAIT_ASYNC_ONCE),
        "zx_object_wait_async");
  zx_port_packet_t packet;
  for (;;) {
    Check(zx_port_wait(port, ZX_TIME_INFINITE, &packet), "zx_port_wait");
    if (packet.key == 0) return;
    Check(zx_task_resume(program->thread, ZX_RESUME_EXCEPTION), "zx_task_resume");
  }
}

static void Chain(long depth, long handlers, char** argv) {
  static zx_handle_t jobs[MAX_DEPTH];
  static Handler passers[MAX_DEPTH];
  if (depth > MAX_DEPTH || handlers > depth) exit(2);
  for (long i = 0; i < depth; i++) {
    Check(zx_job_create(i == 0 ? zx_job_default() : jobs[i - 1], 0, &jobs[i]), "zx_job_create");
  }
  const Program program = Spawn(jobs[depth - 1], argv, 0);
  const zx_handle_t last = BoundPort(jobs[0]);
  for (long i = 0; i < handlers - 1; i++) {
    passers[i] = (Handler){.port = BoundPort(jobs[depth - 1 - i]), .thread = program.thread};
    pthread_t thread;
    Require(pthread_create(&thread, NULL, PassOn, &passers[i]) == 0, "pthread_create");
  }
  Check(zxl_process_start(program.process), "zxl_process_start");
  ResumeAll(last, &program);
  int32_t status = -1;
  Check(zxl_process_get_wait_status(program.process, &status), "zxl_process_get_wait_status");
  if (status != 0) fprintf(stderr, "the program ended with %#x\n", (unsigned)status), exit(1);
}

// ---- suspends --------------------------------------------------------------------------------------------------------

static void SuspendThread(long count, const Program* program) {
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    zx_handle_t token;
    Check(zx_task_suspend(program->thread, &token), "zx_task_suspend");
    WaitFor(program->thread, ZX_THREAD_SUSPENDED);
    Check(zx_handle_close(token), "zx_handle_close");
  }
  Report(start);
}

static void SuspendProcess(long count, const Program* program) {
  static zx_handle_t threads[MAX_THREADS];
  const size_t thread_count = OpenThreads(program->process, threads);
  printf("threads=%zu\n", thread_count);
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    zx_handle_t token;
    Check(zx_task_suspend(program->process, &token), "zx_task_suspend");
    for (size_t t = 0; t < thread_count; t++) WaitFor(threads[t], ZX_THREAD_SUSPENDED);
    Check(zx_handle_close(token), "zx_handle_close");
    for (size_t t = 0; t < thread_count; t++) WaitFor(threads[t], ZX_THREAD_RUNNING);
  }
  Report(start);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  const long count = Count(argc, argv, 2);
  if (strcmp(mode, "chain") == 0 && argc > 4) return Chain(count, Count(argc, argv, 3), argv + 4), 0;
  if (argc <= 3) return 2;
  const Program program = SpawnReady(argv + 3);
  if (strcmp(mode, "suspend") == 0) {
    SuspendThread(count, &program);
  } else if (strcmp(mode, "suspend-all") == 0) {
    SuspendProcess(count, &program);
  } else {
    return 2;
  }
  End(&program);
  return 0;
}
