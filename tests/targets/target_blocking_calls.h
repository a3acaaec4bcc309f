// The calls of target_blocking.c and what completes each.
#pragma once

struct blocking_case {
  const char* name;
  void (*open)(void);
  long (*call)(void);
  void (*complete)(void);  // in the helper process
  void (*hold)(void);      // in the helper process, before the call
};

static long EpollWait(void) {
  struct epoll_event event;
  return epoll_wait(fd, &event, 1, MsOrForever());
}
static long EpollPwait(void) {
  struct epoll_event event;
  sigset_t none;
  sigemptyset(&none);
  return epoll_pwait(fd, &event, 1, MsOrForever(), &none);
}
static long EpollPwait2(void) {
  struct epoll_event event;
  struct timespec room;
  return epoll_pwait2(fd, &event, 1, RelativeOrNull(&room), NULL);
}
static long Poll(void) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  return poll(&entry, 1, MsOrForever());
}
static long Ppoll(void) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  struct timespec room;
  return ppoll(&entry, 1, RelativeOrNull(&room), NULL);
}
static long Select(void) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  struct timeval value = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
#ifdef __i386__
  return syscall(SYS__newselect, fd + 1, &set, NULL, NULL, timeout_ms ? &value : NULL);
#elif !defined(SYS_select)
  return select(fd + 1, &set, NULL, NULL, timeout_ms ? &value : NULL);
#else
  return syscall(SYS_select, fd + 1, &set, NULL, NULL, timeout_ms ? &value : NULL);
#endif
}
static long Pselect(void) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  struct timespec room;
  sigset_t none;
  sigemptyset(&none);
  return pselect(fd + 1, &set, NULL, NULL, RelativeOrNull(&room), &none);
}
static long Nanosleep(void) {
  struct timespec value = Relative();
  return syscall(SYS_nanosleep, &value, NULL);
}
static long ClockNanosleep(int flags) {
  struct timespec value = flags ? Absolute(CLOCK_MONOTONIC) : Relative();
  const int error = clock_nanosleep(CLOCK_MONOTONIC, flags, &value, NULL);
  errno = error;
  return error ? -1 : 0;
}
static long ClockNanosleepRelative(void) { return ClockNanosleep(0); }
static long ClockNanosleepAbsolute(void) { return ClockNanosleep(TIMER_ABSTIME); }
static long FutexWait(void) {
  struct timespec room;
  return syscall(SYS_futex, word, FUTEX_WAIT, 0, RelativeOrNull(&room), NULL, 0);
}
static long FutexWaitBitset(void) {
  struct timespec until = Absolute(CLOCK_MONOTONIC);
  return syscall(SYS_futex, word, FUTEX_WAIT_BITSET, 0, timeout_ms ? &until : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}
static long Read(void) {
  static char text[4096];
  return read(fd, text, sizeof text);
}
static long Recv(void) {
  char text[16];
  return recv(fd, text, sizeof text, 0);
}
static long Recvmsg(void) {
  char text[16];
  struct iovec part = {.iov_base = text, .iov_len = sizeof text};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return recvmsg(fd, &message, 0);
}
static long Accept(void) { return accept(fd, NULL, NULL) < 0 ? -1 : 1; }
static long Connect(void) { return connect(fd, (struct sockaddr*)&address, sizeof address) < 0 ? -1 : 1; }
static long Send(void) { return send(fd, "x", 1, 0); }
static long Write(void) { return write(fd, "x", 1); }
static long RtSigtimedwait(void) {
  sigset_t set;
  struct timespec room;
  sigemptyset(&set), sigaddset(&set, SIGUSR2);
  return sigtimedwait(&set, NULL, RelativeOrNull(&room));
}
static long Semop(void) {
  struct sembuf down = {.sem_op = -1};
#ifdef SYS_semop
  return syscall(SYS_semop, queue, &down, 1) < 0 ? -1 : 1;
#else
  return semop(queue, &down, 1) < 0 ? -1 : 1;
#endif
}
static long Semtimedop(void) {
  struct sembuf down = {.sem_op = -1};
  struct timespec room;
  return semtimedop(queue, &down, 1, RelativeOrNull(&room)) < 0 ? -1 : 1;
}
static long Msgrcv(void) {
  struct message message;
  return msgrcv(queue, &message, sizeof message.text, 0, 0);
}
static long Msgsnd(void) {
  const struct message message = {.type = 1};
  return msgsnd(queue, &message, sizeof message.text, 0) < 0 ? -1 : 1;
}
static long MqTimedreceive(void) {
  char text[8];
  struct timespec until = Absolute(CLOCK_REALTIME);
  if (!timeout_ms) return mq_receive(queue, text, sizeof text, NULL);
  return mq_timedreceive(queue, text, sizeof text, NULL, &until);
}
static long MqTimedsend(void) {
  struct timespec until = Absolute(CLOCK_REALTIME);
  if (!timeout_ms) return mq_send(queue, "y", 1, 0) < 0 ? -1 : 1;
  return mq_timedsend(queue, "y", 1, 0, &until) < 0 ? -1 : 1;
}
static long IoGetevents(void) {
  struct io_event event;
  struct timespec room;
  return syscall(SYS_io_getevents, aio, 1, 1, &event, RelativeOrNull(&room));
}
#ifndef __i386__
static long IoUringEnter(void) {
  if (!timeout_ms) return syscall(SYS_io_uring_enter, ring.ring_fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 8);
  struct __kernel_timespec value = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000LL};
  struct io_uring_getevents_arg argument = {.ts = (uint64_t)(uintptr_t)&value};
  const unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  return syscall(SYS_io_uring_enter, ring.ring_fd, 0, 1, flags, &argument, sizeof argument);
}
#endif
static long Wait4(void) {
  int status = 0;
  return wait4(helper, &status, 0, NULL) == helper ? status : -1;
}
static long Waitid(void) {
  siginfo_t info = {.si_signo = 0};
  return waitid(P_PID, (id_t)helper, &info, WEXITED) == 0 ? info.si_status : -1;
}
static long Flock(void) { return flock(fd, LOCK_EX) == 0 ? 1 : -1; }
static long Setlkw(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  return fcntl(fd, F_SETLKW, &lock) == 0 ? 1 : -1;
}
static long OfdSetlkw(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  return fcntl(fd, F_OFD_SETLKW, &lock) == 0 ? 1 : -1;
}
static long OpenFifo(void) { return open(path, O_RDONLY) < 0 ? -1 : 1; }
static long Pause(void) { return pause(); }
static long Sigsuspend(void) {
  sigset_t none;
  sigemptyset(&none);
  return sigsuspend(&none);
}

static const struct blocking_case kCases[] = {
    {"epoll_wait", OpenEpoll, EpollWait, SignalEvent, NULL},
    {"epoll_pwait", OpenEpoll, EpollPwait, SignalEvent, NULL},
    {"epoll_pwait2", OpenEpoll, EpollPwait2, SignalEvent, NULL},
    {"poll", OpenEvent, Poll, SignalEvent, NULL},
    {"ppoll", OpenEvent, Ppoll, SignalEvent, NULL},
    {"select", OpenEvent, Select, SignalEvent, NULL},
    {"pselect", OpenEvent, Pselect, SignalEvent, NULL},
    {"nanosleep", OpenNothing, Nanosleep, OpenNothing, NULL},
    {"clock_nanosleep", OpenNothing, ClockNanosleepRelative, OpenNothing, NULL},
    {"clock_nanosleep_absolute", OpenNothing, ClockNanosleepAbsolute, OpenNothing, NULL},
    {"futex_wait", OpenNothing, FutexWait, WakeFutex, NULL},
    {"futex_wait_bitset", OpenNothing, FutexWaitBitset, WakeFutex, NULL},
    {"read_socket", OpenPair, Read, WritePeer, NULL},
    {"recv", OpenPair, Recv, WritePeer, NULL},
    {"recvmsg", OpenPair, Recvmsg, WritePeer, NULL},
    {"accept", Listen, Accept, ConnectToIt, NULL},
    {"connect", OpenFullListener, Connect, AcceptOne, NULL},
    {"send", OpenFullPair, Send, DrainPeer, NULL},
    {"rt_sigtimedwait", BlockUsr2, RtSigtimedwait, SendUsr2, NULL},
    {"semop", OpenSemaphore, Semop, RaiseSemaphore, NULL},
    {"semtimedop", OpenSemaphore, Semtimedop, RaiseSemaphore, NULL},
    {"msgrcv", OpenMessages, Msgrcv, SendMessage, NULL},
    {"msgsnd", OpenFullMessages, Msgsnd, ReceiveMessage, NULL},
    {"mq_timedreceive", OpenMq, MqTimedreceive, SendMq, NULL},
    {"mq_timedsend", OpenFullMq, MqTimedsend, ReceiveMq, NULL},
    {"io_getevents", OpenAio, IoGetevents, SignalEvent, NULL},
#ifndef __i386__
    {"io_uring_enter", OpenRing, IoUringEnter, SignalEvent, NULL},
#endif
    {"wait4", OpenNothing, Wait4, ExitHelper, NULL},
    {"waitid", OpenNothing, Waitid, ExitHelper, NULL},
    {"flock", OpenFile, Flock, ReleaseLock, HoldFlock},
    {"fcntl_setlkw", OpenFile, Setlkw, ReleaseLock, HoldRecord},
    {"fcntl_ofd_setlkw", OpenFile, OfdSetlkw, ReleaseLock, HoldRecord},
    {"read_pipe", OpenPipe, Read, WritePeer, NULL},
    {"write_pipe", OpenFullPipe, Write, DrainPeer, NULL},
    {"read_tty", OpenTty, Read, WritePeer, NULL},
    {"read_eventfd", OpenEvent, Read, SignalEvent, NULL},
    {"read_timerfd", OpenTimer, Read, ArmTimer, NULL},
    {"read_inotify", OpenInotify, Read, CreateFile, NULL},
    {"read_signalfd", OpenSignalfd, Read, SendUsr2, NULL},
    {"open_fifo", MakeFifo, OpenFifo, OpenOtherEnd, NULL},
    {"pause", CatchUsr2, Pause, SendUsr2, NULL},
    {"sigsuspend", CatchUsr2, Sigsuspend, SendUsr2, NULL},
};

static const struct blocking_case* FindCase(const char* name) {
  for (size_t i = 0; i < sizeof kCases / sizeof kCases[0]; i++) {
    if (strcmp(kCases[i].name, name) == 0) return &kCases[i];
  }
  return NULL;
}
