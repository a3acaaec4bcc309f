// The calls of 2017, by the names they had then: a handler that resumes a thread from an exception in both ways, and a
// suspend without a token.
//
//   resume_2017            spawns a program and handles its exceptions
//   resume_2017 faulty     is that program
#define _GNU_SOURCE  // pipe2()
#include <fcntl.h>
#include <magenta/syscalls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zxtask/linux.h>

enum { kKey = 2017 };

static void Check(mx_status_t status, const char* what) {
  if (status == MX_OK) return;
  fprintf(stderr, "%s: %s (%s)\n", what, zx_status_get_string(status), zxl_last_error());
  exit(1);
}

// Runs into a breakpoint, waits for its input to end, and runs into another one.
static int BeFaulty(void) {
  __asm__ volatile("int3");
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
  __asm__ volatile("int3");
  return 0;
}

// The next exception of the program, which has to be a breakpoint.
static void WaitForBreakpoint(mx_handle_t port) {
  mx_port_packet_t packet;
  Check(mx_port_wait(port, MX_TIME_INFINITE, &packet), "mx_port_wait");
  if (packet.key != kKey || packet.type != ZX_EXCP_SW_BREAKPOINT) exit(1);
  printf("handler: a breakpoint\n");
  fflush(stdout);
}

static void WaitFor(mx_handle_t task, mx_signals_t signals) {
  Check(mx_object_wait_one(task, signals, MX_TIME_INFINITE, NULL), "mx_object_wait_one");
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "faulty") == 0) return BeFaulty();
  const struct rlimit no_cores = {0, 0};
  setrlimit(RLIMIT_CORE, &no_cores);

  int input[2];
  // The program must not hold the writing end itself.
  if (pipe2(input, O_CLOEXEC) != 0) return 1;
  const char* const arguments[] = {"faulty", "faulty", NULL};
  const zxl_spawn_args_t program = {.path = "/proc/self/exe", .argv = arguments, .stdio = {input[0], -1, -1}};
  mx_handle_t process;
  mx_handle_t thread;
  Check(zxl_process_spawn(zx_job_default(), &program, &process, &thread), "zxl_process_spawn");
  close(input[0]);
  mx_handle_t port;
  Check(mx_port_create(0, &port), "mx_port_create");
  Check(mx_task_bind_exception_port(thread, port, kKey, 0), "mx_task_bind_exception_port");
  Check(zxl_process_start(process), "zxl_process_start");

  // Resume where it left off: for a breakpoint that is behind it.
  WaitForBreakpoint(port);
  Check(mx_task_resume(thread, MX_RESUME_EXCEPTION), "mx_task_resume");
  // The exception is answered: nobody can answer it again.
  if (mx_task_resume(thread, MX_RESUME_EXCEPTION) != MX_ERR_BAD_STATE) return 1;

  // Suspends without a token coalesce: one resume undoes them all. The program's read() does not notice.
  Check(mx_task_suspend(thread), "mx_task_suspend");
  Check(mx_task_suspend(thread), "mx_task_suspend");
  WaitFor(thread, ZX_THREAD_SUSPENDED);
  printf("handler: suspended\n");
  fflush(stdout);
  Check(mx_task_resume(thread, 0), "mx_task_resume");
  WaitFor(thread, ZX_THREAD_RUNNING);

  // Not mine: the next handler gets it. There is none, so that the program dies of it.
  close(input[1]);
  WaitForBreakpoint(port);
  Check(mx_task_resume(thread, MX_RESUME_EXCEPTION | MX_RESUME_TRY_NEXT), "mx_task_resume");
  WaitFor(process, ZX_PROCESS_TERMINATED);
  zx_info_process_t info;
  Check(mx_object_get_info(process, ZX_INFO_PROCESS, &info, sizeof(info), NULL, NULL), "mx_object_get_info");
  printf("the program ended with %lld\n", (long long)info.return_code);
  return info.return_code == ZX_TASK_RETCODE_EXCEPTION_KILL ? 0 : 1;
}
