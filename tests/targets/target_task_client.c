// A program that works with another one's tasks and then comes to its end.
//
//   target_task_client PID WHAT
//
// WHAT is what it holds: "suspend" (a token on the process), "flag" (one thread), "bind" (a port on the process), "exception"
// (as bind, and it waits for an exception that it never answers), "step" (the same of an exception that its own single step has
// led to), "debug" (a debugger's port), "park" (a program that is
// not started; PID is not used) or "full" (a program of its own has faulted and found a full port). Prints "ready N": the
// parked program's pid, or with "full" the tracer's. Then a byte on standard input
// says how it ends: 'x' exit, 'e' exec of a program that waits for the end of its input. SIGKILL is the test's.
#define _GNU_SOURCE
#include <fcntl.h>
#include <magenta/syscalls.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>
#include <zircon/syscalls/object.h>
#include <zircon/syscalls/port.h>
#include <zxtask/linux.h>

static zx_handle_t process, thread, port, token;

static void Check(const char* what, zx_status_t status) {
  if (status == ZX_OK) return;
  fprintf(stderr, "target_task_client: %s: %d: %s\n", what, status, zxl_last_error());
  exit(90);
}

static void FindThread(void) {
  zx_koid_t koids[8];
  size_t actual = 0, avail = 0;
  Check("list", zx_object_get_info(process, ZX_INFO_PROCESS_THREADS, koids, sizeof koids, &actual, &avail));
  Check("child", zx_object_get_child(process, koids[0], ZX_RIGHT_SAME_RIGHTS, &thread));
}

static void Suspend(void) {
  FindThread();
  Check("suspend", zx_task_suspend_token(process, &token));
  Check("wait", zx_object_wait_one(thread, ZX_THREAD_SUSPENDED, ZX_TIME_INFINITE, NULL));
}

static void Flag(void) {
  FindThread();
  Check("suspend", mx_task_suspend(thread));
  Check("wait", zx_object_wait_one(thread, ZX_THREAD_SUSPENDED, ZX_TIME_INFINITE, NULL));
}

static void Bind(uint32_t options) {
  Check("port", zx_port_create(0, &port));
  Check("bind", zxl_task_bind_exception_port(process, port, 7, options, 0));
}

static void AwaitException(void) {
  zx_port_packet_t packet;
  Bind(ZXL_EXCEPTION_PORT_FIRST_CHANCE);
  puts("bound");
  fflush(stdout);
  Check("packet", zx_port_wait(port, ZX_TIME_INFINITE, &packet));
}

// Steps it out of the call that it waits in, and stands in the exception of that.
static void Step(void) {
  const zx_thread_state_single_step_t step = 1;
  zx_port_packet_t packet;
  Suspend();
  Bind(0);
  Check("write", zx_thread_write_state(thread, ZX_THREAD_STATE_SINGLE_STEP, &step, sizeof step));
  Check("close", zx_handle_close(token));
  puts("bound");
  fflush(stdout);
  Check("packet", zx_port_wait(port, ZX_TIME_INFINITE, &packet));
  if (packet.type != ZX_EXCP_HW_BREAKPOINT) exit(93);
}

static long Park(void) {
  const char* argv[] = {"cat", NULL};
  const zxl_spawn_args_t arguments = {.path = "cat", .argv = argv, .stdio = {-1, -1, -1}};
  int32_t pid = 0;
  Check("spawn", zxl_process_spawn(zx_job_default(), &arguments, &process, &thread));
  Check("pid", zxl_task_get_pid(process, &pid));
  return pid;
}

// The pid of the process that traces a process.
static long TracerOf(int32_t pid) {
  char name[64], line[256];
  long tracer = 0;
  snprintf(name, sizeof name, "/proc/%d/status", pid);
  FILE* file = fopen(name, "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "TracerPid: %ld", &tracer) == 1) break;
  }
  if (file != NULL) fclose(file);
  return tracer;
}

static long FindFullPort(void) {
  const char* argv[] = {"sh", "-c", "kill -SEGV $$", NULL};
  const zxl_spawn_args_t arguments = {.path = "sh", .argv = argv, .stdio = {-1, -1, -1}};
  int32_t pid = 0;
  zx_port_packet_t packet = {.type = ZX_PKT_TYPE_USER};
  Check("spawn", zxl_process_spawn(zx_job_default(), &arguments, &process, &thread));
  Check("pid", zxl_task_get_pid(process, &pid));
  Bind(0);
  while (zx_port_queue(port, &packet) == ZX_OK) {
  }
  const long tracer = TracerOf(pid);
  Check("start", zxl_process_start(process));
  Check("wait", zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
  return tracer;
}

int main(int argc, char** argv) {
  if (argc != 3) return 91;
  const char* what = argv[2];
  long number = 0;
  if (strcmp(what, "park") == 0) {
    number = Park();
  } else if (strcmp(what, "full") == 0) {
    number = FindFullPort();
  } else {
    Check("attach", zxl_process_attach(zx_job_default(), atoi(argv[1]), 0, &process));
    if (strcmp(what, "suspend") == 0) Suspend();
    if (strcmp(what, "flag") == 0) Flag();
    if (strcmp(what, "bind") == 0) Bind(0);
    if (strcmp(what, "debug") == 0) Bind(ZX_EXCEPTION_PORT_DEBUGGER);
    if (strcmp(what, "exception") == 0) AwaitException();
    if (strcmp(what, "step") == 0) Step();
  }
  printf("ready %ld\n", number);
  fflush(stdout);
  char byte = 0;
  if (read(0, &byte, 1) != 1) return 92;
  if (byte == 'e') execlp("cat", "cat", (char*)NULL);
  return 0;
}
