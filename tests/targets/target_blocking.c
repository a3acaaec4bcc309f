// Enters one blocking call and says how it ended.
//
//   target_blocking CALL TIMEOUT_MS DISPOSITION
//
// TIMEOUT_MS 0 means none. DISPOSITION is what SIGUSR1 is set to: ignore, handler (without SA_RESTART) or restart.
// Prints "blocked TID" just before the call. A "g" on standard input makes a helper process complete the call. Then
// prints "result R ERRNO early E" (early: the call ended by its timeout before it was over), "elapsed-ms N" and
// "began-ns N" (on CLOCK_MONOTONIC).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifndef __i386__
#include <liburing.h>
#endif

static int timeout_ms;
static int fd = -1;     // what the call waits on
static int peer = -1;   // its other end
static int queue = -1;  // a System V or POSIX queue or semaphore
static enum { NO_QUEUE, SEMAPHORES, MESSAGES } made;
static pid_t helper;
static int* word;  // shared with the helper
static char dir[] = "/tmp/target_blocking.XXXXXX";
static char path[PATH_MAX];
static struct sockaddr_un address = {.sun_family = AF_UNIX};
#ifndef __i386__
static struct io_uring ring;
#endif
static aio_context_t aio;

static void Die(const char* what) {
  fprintf(stderr, "target_blocking: %s: %s\n", what, strerror(errno));
  exit(90);
}

static struct timespec Relative(void) {
  return (struct timespec){.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
}

static struct timespec Absolute(clockid_t clock) {
  struct timespec now, add = Relative();
  clock_gettime(clock, &now);
  now.tv_sec += add.tv_sec;
  now.tv_nsec += add.tv_nsec;
  if (now.tv_nsec >= 1000000000) now.tv_sec++, now.tv_nsec -= 1000000000;
  return now;
}

static const struct timespec* RelativeOrNull(struct timespec* room) {
  *room = Relative();
  return timeout_ms ? room : NULL;
}

static int MsOrForever(void) { return timeout_ms ? timeout_ms : -1; }

// ---- what calls wait on ---------------------------------------------------------------------------------------------

static void OpenEvent(void) { fd = peer = eventfd(0, 0); }

static void SignalEvent(void) {
  const uint64_t one = 1;
  if (write(peer, &one, sizeof one) != sizeof one) Die("write");
}

static void OpenEpoll(void) {
  OpenEvent();
  struct epoll_event event = {.events = EPOLLIN};
  fd = epoll_create1(0);
  if (epoll_ctl(fd, EPOLL_CTL_ADD, peer, &event) != 0) Die("epoll_ctl");
}

// The kernel counts a socket's timeout in its ticks. One whose CPU was taken away for a while counts those it has missed
// all at once: a timeout that begins meanwhile began, for the kernel, at the last tick that it has counted.
static clockid_t begins_on = CLOCK_MONOTONIC;

static void SetSocketTimeouts(void) {
  begins_on = CLOCK_MONOTONIC_COARSE;
  const struct timeval value = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
}

static void OpenPair(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) Die("socketpair");
  fd = ends[0], peer = ends[1];
  SetSocketTimeouts();
}

static void WritePeer(void) {
  if (write(peer, "x\n", 2) != 2) Die("write");
}

static void Fill(int full) {
  static char block[4096];
  fcntl(full, F_SETFL, O_NONBLOCK);
  while (write(full, block, sizeof block) > 0) {
  }
  while (write(full, block, 1) > 0) {
  }
  fcntl(full, F_SETFL, 0);
}

static void OpenFullPair(void) {
  OpenPair();
  Fill(fd);
}

static void DrainPeer(void) {
  static char block[65536];
  fcntl(peer, F_SETFL, O_NONBLOCK);
  while (read(peer, block, sizeof block) > 0) {
  }
}

static void Listen(void) {
  fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0 || listen(fd, 0) != 0) Die("listen");
  SetSocketTimeouts();
}

static void ConnectToIt(void) {
  const int client = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(client, (struct sockaddr*)&address, sizeof address) != 0) Die("connect");
}

static void OpenFullListener(void) {
  Listen();
  ConnectToIt();
  peer = fd;
  fd = socket(AF_UNIX, SOCK_STREAM, 0);
  SetSocketTimeouts();
}

static void AcceptOne(void) { accept(peer, NULL, NULL); }

static void BlockUsr2(void) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

static void OpenSignalfd(void) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR2);
  BlockUsr2();
  fd = signalfd(-1, &set, 0);
}

static void SendUsr2(void) { kill(getppid(), SIGUSR2); }

static void OnUsr2(int signo) { (void)signo; }

static void CatchUsr2(void) {
  struct sigaction action = {.sa_handler = OnUsr2};
  sigaction(SIGUSR2, &action, NULL);
}

static void OpenSemaphore(void) {
  queue = semget(IPC_PRIVATE, 1, 0600);
  if (queue < 0) Die("semget");
  made = SEMAPHORES;
}

static void RaiseSemaphore(void) {
  struct sembuf up = {.sem_op = 1};
  semop(queue, &up, 1);
}

static void OpenMessages(void) {
  queue = msgget(IPC_PRIVATE, 0600);
  if (queue < 0) Die("msgget");
  made = MESSAGES;
}

struct message {
  long type;
  char text[1000];
};

static void SendMessage(void) {
  const struct message message = {.type = 1};
  msgsnd(queue, &message, 1, 0);
}

static void OpenFullMessages(void) {
  OpenMessages();
  const struct message message = {.type = 1};
  while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0) {
  }
}

static void ReceiveMessage(void) {
  struct message message;
  msgrcv(queue, &message, sizeof message.text, 0, 0);
}

static void OpenMq(void) {
  struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
  char name[64];
  snprintf(name, sizeof name, "/target_blocking.%d", getpid());
  queue = mq_open(name, O_CREAT | O_RDWR, 0600, &attributes);
  mq_unlink(name);
  if (queue < 0) Die("mq_open");
}

static void SendMq(void) { mq_send(queue, "x", 1, 0); }

static void OpenFullMq(void) {
  OpenMq();
  SendMq();
}

static void ReceiveMq(void) {
  char text[8];
  mq_receive(queue, text, sizeof text, NULL);
}

static void OpenAio(void) {
  OpenEvent();
  static struct iocb block;
  static struct iocb* blocks[] = {&block};
  block = (struct iocb){.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = (uint32_t)fd, .aio_buf = POLLIN};
  if (syscall(SYS_io_setup, 4, &aio) != 0) Die("io_setup");
  if (syscall(SYS_io_submit, aio, 1, blocks) != 1) Die("io_submit");
}

static void HoldFlock(void) {
  const int own = open(path, O_RDWR | O_CREAT, 0600);
  flock(own, LOCK_EX);
  peer = own;
}

static void HoldRecord(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  peer = open(path, O_RDWR | O_CREAT, 0600);
  fcntl(peer, F_SETLKW, &lock);
}

static void ReleaseLock(void) { close(peer); }

static void OpenFile(void) { fd = open(path, O_RDWR | O_CREAT, 0600); }

static void OpenPipe(void) {
  int ends[2];
  if (pipe(ends) != 0) Die("pipe");
  fd = ends[0], peer = ends[1];
}

static void OpenFullPipe(void) {
  int ends[2];
  if (pipe(ends) != 0) Die("pipe");
  fd = ends[1], peer = ends[0];
  Fill(fd);
}

static void OpenTty(void) {
  if (openpty(&peer, &fd, NULL, NULL, NULL) != 0) Die("openpty");
}

static void OpenTimer(void) {
  const struct itimerspec value = {.it_value = Relative()};
  fd = timerfd_create(CLOCK_MONOTONIC, 0);
  timerfd_settime(fd, 0, &value, NULL);
}

static void ArmTimer(void) {
  const struct itimerspec value = {.it_value = {.tv_nsec = 1}};
  timerfd_settime(fd, 0, &value, NULL);
}

static void OpenInotify(void) {
  fd = inotify_init1(0);
  inotify_add_watch(fd, dir, IN_CREATE);
}

static void CreateFile(void) { close(open(path, O_RDWR | O_CREAT, 0600)); }

static void MakeFifo(void) { mkfifo(path, 0600); }

static void OpenOtherEnd(void) { peer = open(path, O_WRONLY); }

static void OpenNothing(void) {}

static void WakeFutex(void) {
  *word = 1;
  syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void ExitHelper(void) { _exit(7); }

#ifndef __i386__
static void OpenRing(void) {
  OpenEvent();
  if (io_uring_queue_init(4, &ring, 0) != 0) Die("io_uring_queue_init");
  io_uring_prep_poll_add(io_uring_get_sqe(&ring), fd, POLLIN);
  if (io_uring_submit(&ring) != 1) Die("io_uring_submit");
}
#endif

#include "target_blocking_calls.h"

// ---- the run --------------------------------------------------------------------------------------------------------

static void Helper(const struct blocking_case* it, int ready) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGUSR1, SIG_DFL);
  if (it->hold) it->hold();
  close(ready);
  char command;
  while (read(0, &command, 1) == 1) {
    if (command == 'g') it->complete();
  }
  while (1) pause();
}

static void StartHelper(const struct blocking_case* it) {
  int ready[2];
  char end;
  if (pipe(ready) != 0) Die("pipe");
  helper = fork();
  if (helper == 0) {
    close(ready[0]);
    Helper(it, ready[1]);
  }
  close(ready[1]);
  if (read(ready[0], &end, 1) != 0) Die("handshake");
  close(ready[0]);
}

// Tells that the signal has arrived: whatever comes next can no longer overtake it.
static void OnUsr1(int signo) {
  (void)signo;
  const int kept = errno;
  if (write(STDOUT_FILENO, "caught\n", 7) != 7) abort();
  errno = kept;
}

static void SetDisposition(const char* name) {
  struct sigaction action = {.sa_handler = OnUsr1};
  if (strcmp(name, "ignore") == 0) action.sa_handler = SIG_IGN;
  if (strcmp(name, "restart") == 0) action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, NULL);
}

static void CleanUp(void) {
  kill(helper, SIGKILL);
  waitpid(helper, NULL, 0);
  // The same number of the other kind is somebody else's.
  if (made == SEMAPHORES) semctl(queue, 0, IPC_RMID);
  if (made == MESSAGES) msgctl(queue, IPC_RMID, NULL);
  unlink(path);
  unlink(address.sun_path);
  rmdir(dir);
}

static void MakeNames(void) {
  if (mkdtemp(dir) == NULL) Die("mkdtemp");
  snprintf(path, sizeof path, "%s/file", dir);
  snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", dir);
  word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static long MsBetween(const struct timespec* begin, const struct timespec* end) {
  const long long ns = (end->tv_sec - begin->tv_sec) * 1000000000LL + end->tv_nsec - begin->tv_nsec;
  return (long)((ns + 999999) / 1000000);
}

static void Report(long result, int error, long counted_ms) {
  const int by_time = result == 0 || error == EAGAIN || error == ETIMEDOUT || error == ETIME;
  const char* name = result < 0 ? strerrorname_np(error) : "-";
  printf("result %ld %s early %d\n", result, name, timeout_ms && by_time && counted_ms < timeout_ms);
}

int main(int argc, char** argv) {
  const struct blocking_case* it = argc == 4 ? FindCase(argv[1]) : NULL;
  if (it == NULL) return 91;
  timeout_ms = atoi(argv[2]);
  MakeNames();
  SetDisposition(argv[3]);
  it->open();
  StartHelper(it);
  printf("blocked %d\n", getpid());
  fflush(stdout);
  struct timespec begin, counted, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  clock_gettime(begins_on, &counted);
  const long result = it->call();
  const int error = result < 0 ? errno : 0;
  clock_gettime(CLOCK_MONOTONIC, &end);
  Report(result, error, MsBetween(&counted, &end));
  printf("elapsed-ms %ld\n", MsBetween(&begin, &end));
  printf("began-ns %lld\n", begin.tv_sec * 1000000000LL + begin.tv_nsec);
  CleanUp();
  return 0;
}
