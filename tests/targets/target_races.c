// A program whose threads do what they are told through shared memory: target_races FD [PLACE]. A command is a letter, and counted
// in "done" once it is over:
//   n  nothing: the thread works
//   f  raises SIGSEGV for itself
//   s  spins until the next command is there
//   c  makes a thread in the place "where"; counts itself when it runs. Waits for the end of whoever was there
//   e  ends the thread                               (does not count)
//   x  executes this program again, which counts it
//   k  forks a child in the last place, which counts itself when it runs
//   q  ends the process with 5                       (does not count)
#define _GNU_SOURCE
#include "target_races.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

static_assert(kRaceChild == 7, "the place that a child keeps when it executes");
static char** arguments;
static struct RacePage* page;
static pthread_t threads[kRacePlaces];

static void Count(int place) {
  __atomic_add_fetch(&page->done[place], 1, __ATOMIC_SEQ_CST);
  RaceWake(&page->done[place]);
}

static void* Begin(void* place);

static void Make(int place) {
  if (threads[place] != 0) pthread_join(threads[place], NULL);
  // It was told to one that did not come to it.
  __atomic_store_n(&page->command[place], 0, __ATOMIC_SEQ_CST);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 1 << 16);
  if (pthread_create(&threads[place], &attributes, Begin, (void*)(intptr_t)place) != 0) _exit(3);
  pthread_attr_destroy(&attributes);
}

static void Fork(void) {
  if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) Begin((void*)(intptr_t)kRaceChild);
}

static void Execute(int place) {
  char* const program[] = {arguments[0], arguments[1], place == kRaceChild ? "7" : "0", NULL};
  execv("/proc/self/exe", program);
  _exit(4);
}

static void Obey(int place) {
  uint32_t* word = &page->command[place];
  for (;;) {
    uint32_t command = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    if (command == 0) {
      RaceWait(word, 0);
      continue;
    }
    __atomic_compare_exchange_n(word, &command, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    switch (command) {
      case 'f':
        syscall(SYS_tgkill, (pid_t)syscall(SYS_getpid), (pid_t)syscall(SYS_gettid), SIGSEGV);
        break;
      case 's':
        while (__atomic_load_n(word, __ATOMIC_RELAXED) == 0) {
        }
        break;
      case 'c':
        Make((int)page->where);
        break;
      case 'k':
        Fork();
        break;
      case 'x':
        Execute(place);
        break;
      case 'e':
        syscall(SYS_exit, 0);
        break;
      case 'q':
        _exit(5);
      default:
        break;
    }
    Count(place);
  }
}

static void* Begin(void* place) {
  const int where = (int)(intptr_t)place;
  __atomic_store_n(&page->tid[where], (int32_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
  Count(where);
  Obey(where);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  arguments = argv;
  // Children are forgotten as they end.
  signal(SIGCHLD, SIG_IGN);
  page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
  if (page == MAP_FAILED) return 1;
  Begin((void*)(intptr_t)(argc > 2 ? atoi(argv[2]) : 0));
}
