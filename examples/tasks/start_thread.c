// Starts a thread in another program with registers of its own choice, and is told of a write to a variable there.
//
//   start_thread           spawns a program and starts a thread in it
//   start_thread worker    is that program: it says where its pieces are, and sleeps
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>
#include <zxtask/linux.h>
#include <zxtask/target.h>

static void Check(zx_status_t status, const char* what) {
  if (status == ZX_OK) return;
  fprintf(stderr, "%s: %s (%s)\n", what, zx_status_get_string(status), zxl_last_error());
  exit(1);
}

// ---- in the worker -----------------------------------------------------------------------------------------------------

static volatile uint64_t product;
static uint64_t stack[512] __attribute__((aligned(16)));

// What the new thread runs. It has no thread-local storage, so that it may call nothing of the C library.
__attribute__((noreturn)) static void Multiply(uint64_t a, uint64_t b) {
  product = a * b;
  zx_thread_exit();
}

__attribute__((noreturn)) static void BeTheWorker(void) {
  printf("%" PRIxPTR " %" PRIxPTR " %" PRIxPTR "\n", (uintptr_t)Multiply, (uintptr_t)(stack + 511),
         (uintptr_t)&product);
  fflush(stdout);
  for (;;) pause();
}

// ---- in the program that starts it ---------------------------------------------------------------------------------------

static void WaitFor(zx_handle_t task, zx_signals_t signals) {
  Check(zx_object_wait_one(task, signals, ZX_TIME_INFINITE, NULL), "zx_object_wait_one");
}

static void WaitForException(zx_handle_t port, uint32_t type, const char* what) {
  zx_port_packet_t packet;
  Check(zx_port_wait(port, ZX_TIME_INFINITE, &packet), "zx_port_wait");
  if (packet.type != type) fprintf(stderr, "not %s but type %#x\n", what, (unsigned)packet.type), exit(1);
  printf("%s\n", what);
}

#if defined(__x86_64__)
// Eight bytes from here on: stop after they are written.
static zx_thread_state_debug_regs_t Watch(uint64_t address) {
  const uint64_t enabled = 1, writes = 1 << 16, eight_bytes = 2 << 18;
  return (zx_thread_state_debug_regs_t){.dr = {address}, .dr7 = enabled | writes | eight_bytes};
}
#endif

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "worker") == 0) BeTheWorker();
  int output[2];
  if (pipe(output) != 0) return 1;
  const char* const arguments[] = {"worker", "worker", NULL};
  const zxl_spawn_args_t program = {.path = "/proc/self/exe", .argv = arguments, .stdio = {-1, output[1], -1}};
  zx_handle_t process, first, port, thread;
  Check(zxl_process_spawn(zx_job_default(), &program, &process, &first), "zxl_process_spawn");
  Check(zxl_process_start(process), "zxl_process_start");
  uint64_t pc, sp, address;
  FILE* lines = fdopen(output[0], "r");
  if (lines == NULL || fscanf(lines, "%" SCNx64 " %" SCNx64 " %" SCNx64, &pc, &sp, &address) != 3) return 1;

  // A debugger hears of starts and exits, each of which waits for it.
  Check(zx_port_create(0, &port), "zx_port_create");
  Check(zx_task_bind_exception_port(process, port, 1, ZX_EXCEPTION_PORT_DEBUGGER), "zx_task_bind_exception_port");
  Check(zx_thread_create(process, "multiply", 8, 0, &thread), "zx_thread_create");

  // A value that no jump could have brought there is refused, and the thread stays as it is.
  if (zx_thread_start(thread, ~UINT64_C(0), sp, 6, 7) != ZX_ERR_INVALID_ARGS) return 1;
  Check(zx_thread_start(thread, pc, sp, 6, 7), "zx_thread_start");
  WaitForException(port, ZX_EXCP_THREAD_STARTING, "starts");
#if defined(__x86_64__)
  const zx_thread_state_debug_regs_t watch = Watch(address);
  Check(zx_thread_write_state(thread, ZX_THREAD_STATE_DEBUG_REGS, &watch, sizeof(watch)), "zx_thread_write_state");
  Check(zx_task_resume(thread, ZX_RESUME_EXCEPTION), "zx_task_resume");
  WaitForException(port, ZX_EXCP_HW_BREAKPOINT, "has written");
#endif
  Check(zx_task_resume(thread, ZX_RESUME_EXCEPTION), "zx_task_resume");
  WaitForException(port, ZX_EXCP_THREAD_EXITING, "exits");
  Check(zx_task_resume(thread, ZX_RESUME_EXCEPTION), "zx_task_resume");
  WaitFor(thread, ZX_THREAD_TERMINATED);

  uint64_t result = 0;
  size_t size = 0;
  Check(zx_process_read_memory(process, address, &result, sizeof(result), &size), "zx_process_read_memory");
  printf("product %" PRIu64 "\n", result);
  Check(zx_task_kill(process), "zx_task_kill");
  WaitFor(process, ZX_TASK_TERMINATED);
  return 0;
}
