// A client of libzxtask that works with two other programs and then turns on its tracer.
//
//   target_hostile_client WAITING BREAKING ATTACK SEED WAKE
//
// WAITING is the pid of a program that waits for commands, BREAKING of one that is about to break; both are attached to, the
// first is suspended if SEED is odd, and of the second an exception is waited for and never answered. Prints "bound", then
// "ready N" with the tracer's pid. A byte on standard input begins the ATTACK; "done" is said when it is over, and then it
// does nothing until it is killed. WAKE is the signal that makes the tracer look at its ring. Attacks:
//   positions   random numbers in the control words of both rings
//   lengths     messages whose sizes cannot be
//   messages    messages of random types and contents
//   slots       random words where exceptions are answered
//   all         random bytes everywhere
//   shrink      the file of the ring is shrunk, grown and punched
//   close       every descriptor is closed
//   flood       commands as fast as they can be written, and no answer read
//   fork        a child that lives on, without exec; the program itself ends
//   forkexec    a child that lives on, made without the C library; the program itself executes another one
//   busy        honest work without end: the test's SIGKILL comes at any moment
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <magenta/syscalls.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/object.h>
#include <zircon/syscalls/port.h>
#include <zxtask/linux.h>

static zx_handle_t waiting, breaking, waiting_thread, port, token;
static uint64_t state;
static int tracer, wake_signal;

// The ring's file: three numbers, two times 64 bytes of control words, the rings, what is shared.
static uint8_t* ring;
static size_t ring_bytes, file_bytes;
enum { kControl = 64, kControlBytes = 64, kData = 192, kMessages = 20000 };

static uint64_t Random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void Check(const char* what, zx_status_t status) {
  if (status == ZX_OK) return;
  fprintf(stderr, "target_hostile_client: %s: %d: %s\n", what, status, zxl_last_error());
  exit(90);
}

static void Say(const char* text) {
  if (write(1, text, strlen(text)) < 0) _exit(93);
}

// ---- what it has before ----------------------------------------------------------------------------------------------

static void FindRing(void) {
  char line[512];
  unsigned long from = 0, to = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    if (strstr(line, "zxctl-ring") != NULL && sscanf(line, "%lx-%lx", &from, &to) == 2) break;
  }
  if (maps != NULL) fclose(maps);
  ring = (uint8_t*)from;
  if (ring == NULL) exit(94);
  memcpy(&ring_bytes, ring + 8, sizeof ring_bytes);
  file_bytes = to - from;
}

static int RingFile(void) {
  char path[64], target[256];
  for (int fd = 3; fd < 256; fd++) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0) continue;
    target[length] = 0;
    if (strstr(target, "zxctl-ring") != NULL) return fd;
  }
  exit(95);
}

static int TracerOf(int pid) {
  char name[64], line[256];
  int found = 0;
  snprintf(name, sizeof name, "/proc/%d/status", pid);
  FILE* file = fopen(name, "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL && sscanf(line, "TracerPid: %d", &found) != 1) {
  }
  if (file != NULL) fclose(file);
  return found;
}

static zx_handle_t FirstThread(zx_handle_t process) {
  zx_koid_t koids[8];
  size_t actual = 0, avail = 0;
  zx_handle_t thread = ZX_HANDLE_INVALID;
  Check("list", zx_object_get_info(process, ZX_INFO_PROCESS_THREADS, koids, sizeof koids, &actual, &avail));
  Check("child", zx_object_get_child(process, koids[0], ZX_RIGHT_SAME_RIGHTS, &thread));
  return thread;
}

static void SetUp(int waiting_pid, int breaking_pid) {
  zx_port_packet_t packet;
  Check("attach", zxl_process_attach(zx_job_default(), waiting_pid, 0, &waiting));
  Check("attach", zxl_process_attach(zx_job_default(), breaking_pid, 0, &breaking));
  waiting_thread = FirstThread(waiting);
  Check("port", zx_port_create(0, &port));
  Check("bind", zxl_task_bind_exception_port(breaking, port, 7, ZXL_EXCEPTION_PORT_FIRST_CHANCE, 0));
  tracer = TracerOf(waiting_pid);
  Say("bound\n");
  Check("packet", zx_port_wait(port, ZX_TIME_INFINITE, &packet));
  if (state % 2 == 1) {
    Check("suspend", zx_task_suspend_token(waiting, &token));
    Check("wait", zx_object_wait_one(waiting_thread, ZX_THREAD_SUSPENDED, ZX_TIME_INFINITE, NULL));
  }
}

// ---- attacks ---------------------------------------------------------------------------------------------------------

static void Wake(void) { kill(tracer, wake_signal); }

static void Positions(void) {
  for (int i = 0; i < kMessages; i++) {
    const size_t at = kControl + Random() % (2 * kControlBytes - 8);
    const uint64_t value = Random() >> (Random() % 64);
    memcpy(ring + at, &value, sizeof value);
    if (i % 64 == 0) Wake();
  }
}

// One message, as the library would write it, but for its size.
static int Put(uint32_t type, uint32_t size, uint32_t true_size) {
  uint64_t head, tail;
  memcpy(&head, ring + kControl, sizeof head);
  memcpy(&tail, ring + kControl + 8, sizeof tail);
  const uint32_t padded = (true_size + 7) & ~7U;
  if (head - tail + padded > ring_bytes) return 0;
  uint32_t message[64];
  for (size_t i = 0; i < 64; i++) message[i] = (uint32_t)Random();
  message[0] = size;
  message[1] = type;
  for (uint32_t i = 0; i < true_size; i++) ring[kData + (head + i) % ring_bytes] = ((uint8_t*)message)[i];
  head += padded;
  __atomic_store_n((uint64_t*)(ring + kControl), head, __ATOMIC_RELEASE);
  return 1;
}

static void Lengths(void) {
  for (int i = 0; i < kMessages; i++) {
    Put(64 + (uint32_t)(Random() % 32), (uint32_t)Random(), 64);
    if (i % 64 == 0) Wake();
  }
}

static void Messages(void) {
  for (int i = 0; i < kMessages; i++) {
    // The tracer's own last type, and sometimes one that is none.
    const uint32_t type = Random() % 512 == 0 ? (uint32_t)Random() : 65 + (uint32_t)(Random() % 25);
    Put(type, 56, 56);
    if (i % 64 == 0) Wake();
  }
}

static void Slots(void) {
  uint64_t* words = (uint64_t*)(ring + kData + 2 * ring_bytes + 64);
  for (int i = 0; i < kMessages; i++) words[Random() % 4 == 0 ? 0 : Random() % 4096] = Random() >> (Random() % 64);
}

static void All(void) {
  for (int i = 0; i < kMessages; i++) {
    const uint64_t value = Random();
    memcpy(ring + Random() % (file_bytes - 8), &value, sizeof value);
    if (i % 64 == 0) Wake();
  }
}

static void Shrink(void) {
  const int fd = RingFile();
  for (int i = 0; i < 100; i++) {
    if (ftruncate(fd, (off_t)(Random() % file_bytes)) == 0 || errno != EPERM) Say("shrunk\n");
    if (ftruncate(fd, (off_t)(2 * file_bytes)) == 0 || errno != EPERM) Say("grown\n");
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0) Say("sealed\n");
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)file_bytes) != 0) Say("not punched\n");
    Wake();
  }
}

static void Flood(void) {
  for (int i = 0, written = 0; i < 2 * kMessages && written < kMessages; i++) {
    // A list of what is not there: an answer each, and nobody takes it.
    if (Put(83, 64, 64)) {
      written++;
    } else {
      Wake();
      sched_yield();
    }
  }
}

static void Fork(void) {
  if (fork() == 0) {
    for (;;) pause();
  }
  _exit(0);
}

static void ForkExec(void) {
  if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) == 0) {
    for (;;) pause();
  }
  execl("/bin/sleep", "sleep", "1000", (char*)NULL);
  _exit(96);
}

static void Busy(void) {
  const char* argv[] = {"true", NULL};
  const zxl_spawn_args_t arguments = {.path = "true", .argv = argv, .stdio = {-1, -1, -1}};
  for (;;) {
    zx_handle_t process = 0, thread = 0, held = 0;
    Check("suspend", zx_task_suspend_token(waiting, &held));
    Check("spawn", zxl_process_spawn(zx_job_default(), &arguments, &process, &thread));
    Check("bind", zx_task_bind_exception_port(process, port, 1, ZX_EXCEPTION_PORT_DEBUGGER));
    Check("resume", zx_handle_close(held));
    Check("flag", mx_task_suspend(waiting_thread));
    if (Random() % 2 == 0) Check("start", zxl_process_start(process));
    Check("clear", mx_task_resume(waiting_thread, 0));
    Check("kill", zx_task_kill(process));
    zx_handle_close(process);
    zx_handle_close(thread);
  }
}

static const struct {
  const char* name;
  void (*run)(void);
} kAttacks[] = {
    {"positions", Positions}, {"lengths", Lengths}, {"messages", Messages}, {"slots", Slots},       {"all", All},
    {"shrink", Shrink},       {"flood", Flood},     {"fork", Fork},         {"forkexec", ForkExec}, {"busy", Busy}};

static void CloseAll(void) {
  for (int fd = 3; fd < 1024; fd++) close(fd);
}

int main(int argc, char** argv) {
  if (argc != 6) return 91;
  const char* attack = argv[3];
  state = strtoull(argv[4], NULL, 10);
  wake_signal = atoi(argv[5]);
  SetUp(atoi(argv[1]), atoi(argv[2]));
  FindRing();
  printf("ready %d\n", tracer);
  fflush(stdout);
  char byte = 0;
  if (read(0, &byte, 1) != 1) return 92;
  state = state * 2654435761U + 88172645463325252U;
  if (strcmp(attack, "close") == 0) CloseAll();
  for (size_t i = 0; i < sizeof kAttacks / sizeof kAttacks[0]; i++) {
    if (strcmp(kAttacks[i].name, attack) == 0) kAttacks[i].run();
  }
  Say("done\n");
  for (;;) pause();
}
