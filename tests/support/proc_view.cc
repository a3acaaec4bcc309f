#include "support/proc_view.h"

#include <dirent.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "base/clock.h"
#include "base/proc_file.h"

namespace zxctl::test {

bool WaitUntil(const std::function<bool()>& condition, int timeout_s) {
  const int64_t end = MonotonicNs() + timeout_s * kNsPerSec;
  while (!condition()) {
    if (MonotonicNs() >= end) return false;
    const timespec between_looks{.tv_sec = 0, .tv_nsec = kNsPerMs};
    nanosleep(&between_looks, nullptr);
  }
  return true;
}

std::string ProcText(pid_t pid, const std::string& name) {
  return ReadFile("/proc/" + std::to_string(pid) + "/" + name).value_or("");
}

std::string ProcStatusField(pid_t pid, const std::string& field) {
  const std::string status = ProcText(pid, "status");
  return std::string(StatusField(status, field).value_or(""));
}

pid_t TracerOf(pid_t tid) { return std::atoi(ProcStatusField(tid, "TracerPid").c_str()); }

char StateOf(pid_t tid) {
  const std::string state = ProcStatusField(tid, "State");
  return state.empty() ? '\0' : state[0];
}

std::optional<long> BlockedCallOf(pid_t tid) {
  if (StateOf(tid) != 'S') return std::nullopt;
  const std::string text = ProcText(tid, "syscall");
  char* end = nullptr;
  const long number = std::strtol(text.c_str(), &end, 10);
  if (end == text.c_str() || number < 0) return std::nullopt;
  return number;
}

namespace {

std::vector<std::string> TaskFoldersOf(pid_t pid) {
  std::vector<std::string> folders;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* dir = opendir(tasks.c_str());
  if (dir == nullptr) return folders;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') folders.push_back(tasks + "/" + entry->d_name);
  }
  closedir(dir);
  return folders;
}

}  // namespace

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  for (const std::string& folder : TaskFoldersOf(pid)) {
    std::istringstream text(ReadFile(folder + "/children").value_or(""));
    for (pid_t child = 0; text >> child;) children.push_back(child);
  }
  return children;
}

std::string ThreadsText(pid_t pid) {
  std::string text;
  for (const std::string& folder : TaskFoldersOf(pid)) {
    text += folder + ":";
    std::istringstream status(ReadFile(folder + "/status").value_or(""));
    for (std::string line; std::getline(status, line);) {
      for (const char* field : {"State:", "TracerPid:", "SigPnd:", "ShdPnd:"}) {
        if (line.starts_with(field)) text += " " + line;
      }
    }
    text += " in " + ReadFile(folder + "/wchan").value_or("?") + ", " + ReadFile(folder + "/syscall").value_or("?\n");
  }
  return text;
}

UniqueFd OpenPidfd(pid_t pid) { return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

bool ProcessGone(const UniqueFd& pidfd, int timeout_s) {
  if (!pidfd.valid()) return true;
  pollfd entry{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return poll(&entry, 1, timeout_s * 1000) == 1;
}

void AdoptOrphans() { prctl(PR_SET_CHILD_SUBREAPER, 1); }

bool NoDescendantIsLeft(int timeout_s) {
  return WaitUntil(
      [] {
        while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
        }
        return waitpid(-1, nullptr, WNOHANG | __WALL) < 0 && errno == ECHILD;
      },
      timeout_s);
}

}  // namespace zxctl::test
