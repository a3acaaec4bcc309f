// Two threads; the second takes what is sent to the process. Says "r" once it waits, and when a byte comes ends with 7 if
// SIGQUIT then waits for the process, with the sender's value, and with 1 if it does not.
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static sigset_t quit;

static void* Take(void* unused) {
  (void)unused;
  pthread_sigmask(SIG_UNBLOCK, &quit, NULL);
  if (write(1, "r", 1) != 1) _exit(2);
  for (;;) pause();
}

int main(void) {
  sigemptyset(&quit);
  sigaddset(&quit, SIGQUIT);
  pthread_sigmask(SIG_BLOCK, &quit, NULL);
  pthread_t thread;
  if (pthread_create(&thread, NULL, Take, NULL) != 0) return 2;
  char byte = 0;
  if (read(0, &byte, 1) != 1) return 2;
  const struct timespec limit = {.tv_sec = 30, .tv_nsec = 0};
  siginfo_t info;
  return sigtimedwait(&quit, &info, &limit) == SIGQUIT && info.si_value.sival_int == 42 ? 7 : 1;
}
