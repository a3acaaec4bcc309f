// Reads and writes through io_uring's worker threads; with the argument "crash" it then reads address 16.
#define _GNU_SOURCE
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kBlocks = 32, kBlock = 4096 };
static char blocks[kBlocks][kBlock];

static void Submit(struct io_uring* ring, int fd, int write) {
  for (int i = 0; i < kBlocks; i++) {
    struct io_uring_sqe* entry = io_uring_get_sqe(ring);
    if (write) {
      memset(blocks[i], i, kBlock);
      io_uring_prep_write(entry, fd, blocks[i], kBlock, (unsigned)(i * kBlock));
    } else {
      memset(blocks[i], 255, kBlock);
      io_uring_prep_read(entry, fd, blocks[i], kBlock, (unsigned)(i * kBlock));
    }
    io_uring_sqe_set_flags(entry, IOSQE_ASYNC);
  }
  io_uring_submit(ring);
}

static long Collect(struct io_uring* ring) {
  long total = 0;
  for (int i = 0; i < kBlocks; i++) {
    struct io_uring_cqe* done;
    if (io_uring_wait_cqe(ring, &done) != 0) exit(60);
    total += done->res;
    io_uring_cqe_seen(ring, done);
  }
  return total;
}

int main(int argc, char** argv) {
  struct io_uring ring;
  FILE* file = tmpfile();
  if (file == NULL || io_uring_queue_init(64, &ring, 0) != 0) return 61;
  Submit(&ring, fileno(file), 1);
  printf("written %ld\n", Collect(&ring));
  Submit(&ring, fileno(file), 0);
  printf("read %ld\n", Collect(&ring));
  int wrong = 0;
  for (int i = 0; i < kBlocks; i++) wrong += blocks[i][kBlock - 1] != i;
  printf("wrong blocks %d\n", wrong);
  fflush(stdout);
  if (argc > 1 && strcmp(argv[1], "crash") == 0) return *(volatile int*)16;
  return 0;
}
