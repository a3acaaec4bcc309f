// One event loop for descriptors and a port: a worker thread sends packets, and its end comes as a signal.
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

enum { kResult = 1, kDone = 2 };

static void Check(zx_status_t status) {
  if (status == ZX_OK) return;
  fprintf(stderr, "%s: %s\n", zx_status_get_string(status), zxl_last_error());
  exit(1);
}

struct Worker {
  zx_handle_t results;
  zx_handle_t job;
};

static int Work(void* argument) {
  const struct Worker* worker = argument;
  for (uint64_t number = 1; number <= 3; number++) {
    zx_port_packet_t packet = {.key = kResult};
    packet.user.u64[0] = number * number;
    Check(zx_port_queue(worker->results, &packet));
  }
  Check(zx_object_signal(worker->job, 0, ZX_USER_SIGNAL_0));
  return 0;
}

// Takes what is there. True once the worker has told that it is done.
static bool TakeAll(zx_handle_t port) {
  zx_port_packet_t packet;
  while (zx_port_wait(port, 0, &packet) == ZX_OK) {
    if (packet.key == kDone) {
      printf("done\n");
      return true;
    }
    printf("result %llu\n", (unsigned long long)packet.user.u64[0]);
  }
  return false;
}

int main(void) {
  zx_handle_t port;
  struct Worker worker;
  Check(zx_port_create(0, &port));
  Check(zx_job_create(zx_job_default(), 0, &worker.job));
  // The worker can add packets; it cannot take any.
  Check(zx_handle_duplicate(port, ZX_RIGHT_WRITE, &worker.results));
  zx_port_packet_t packet;
  if (zx_port_wait(worker.results, 0, &packet) == ZX_ERR_ACCESS_DENIED) printf("%s\n", zxl_last_error());

  Check(zx_object_wait_async(worker.job, port, kDone, ZX_USER_SIGNAL_0, ZX_WAIT_ASYNC_ONCE));
  struct pollfd ready = {.events = POLLIN};
  Check(zxl_port_get_fd(port, &ready.fd));
  thrd_t thread;
  if (thrd_create(&thread, Work, &worker) != thrd_success) return 1;
  do {
    poll(&ready, 1, -1);
  } while (!TakeAll(port));
  thrd_join(thread, NULL);

  const zx_handle_t all[] = {port, worker.results, worker.job};
  Check(zx_handle_close_many(all, 3));
  return 0;
}
