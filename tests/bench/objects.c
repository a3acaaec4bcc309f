// bench_objects handle|port|eventfd COUNT: a handle duplicated and closed; a packet queued and taken; a count written to an
// eventfd and read. COUNT times, on one thread.
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zircon/syscalls.h>

#include "bench_program.h"

static zx_handle_t NewPort(void) {
  zx_handle_t port = ZX_HANDLE_INVALID;
  Require(zx_port_create(0, &port) == ZX_OK, "zx_port_create");
  return port;
}

static void Handles(long count) {
  const zx_handle_t port = NewPort();
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    zx_handle_t duplicate;
    Require(zx_handle_duplicate(port, ZX_RIGHT_SAME_RIGHTS, &duplicate) == ZX_OK, "zx_handle_duplicate");
    Require(zx_handle_close(duplicate) == ZX_OK, "zx_handle_close");
  }
  Report(start);
}

static void Packets(long count) {
  const zx_handle_t port = NewPort();
  zx_port_packet_t packet;
  memset(&packet, 0, sizeof(packet));
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    packet.key = (uint64_t)i;
    Require(zx_port_queue(port, &packet) == ZX_OK, "zx_port_queue");
    Require(zx_port_wait(port, ZX_TIME_INFINITE, &packet) == ZX_OK && packet.key == (uint64_t)i, "zx_port_wait");
  }
  Report(start);
}

static void Eventfd(long count) {
  const int fd = eventfd(0, EFD_CLOEXEC);
  Require(fd >= 0, "eventfd");
  const int64_t start = NowNs();
  for (long i = 0; i < count; i++) {
    uint64_t value = 1;
    Require(write(fd, &value, sizeof(value)) == sizeof(value), "write");
    Require(read(fd, &value, sizeof(value)) == sizeof(value) && value == 1, "read");
  }
  Report(start);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  const long count = Count(argc, argv, 2);
  if (strcmp(mode, "handle") == 0) return Handles(count), 0;
  if (strcmp(mode, "port") == 0) return Packets(count), 0;
  if (strcmp(mode, "eventfd") == 0) return Eventfd(count), 0;
  return 2;
}
