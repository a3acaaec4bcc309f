#include "client/detached_watcher.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "client/task.h"

namespace zxctl::client {

DetachedWatcher& DetachedWatcher::Get() {
  // Never destroyed: its thread runs until the process ends.
  static DetachedWatcher* const watcher = std::make_unique<DetachedWatcher>().release();
  return *watcher;
}

void DetachedWatcher::Add(const RefPtr<Process>& process) {
  const std::lock_guard lock(lock_);
  added_.push_back(process);
  if (bell_.valid()) {
    const uint64_t one = 1;
    (void)!write(bell_.get(), &one, sizeof(one));
    return;
  }
  bell_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell_.valid()) return;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([this] { Watch(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void DetachedWatcher::Watch() {
  std::vector<RefPtr<Process>> watched;
  for (;;) {
    std::vector<pollfd> fds;
    {
      const std::lock_guard lock(lock_);
      watched.insert(watched.end(), added_.begin(), added_.end());
      added_.clear();
      fds.push_back({.fd = bell_.get(), .events = POLLIN, .revents = 0});
    }
    for (const auto& process : watched) fds.push_back({.fd = process->pidfd(), .events = POLLIN, .revents = 0});
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    uint64_t rung = 0;
    if (fds[0].revents != 0) (void)!read(fds[0].fd, &rung, sizeof(rung));
    std::vector<RefPtr<Process>> left;
    for (size_t i = 0; i < watched.size(); ++i) {
      if (fds[i + 1].revents == 0) {
        left.push_back(watched[i]);
      } else {
        // Nobody told what it died of.
        watched[i]->Update({.koid = watched[i]->koid(), .life = ring::TaskLife::kDead});
      }
    }
    watched = std::move(left);
  }
}

}  // namespace zxctl::client
