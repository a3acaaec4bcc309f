// Processes of others that a verb takes up for a moment.
//
// However zxctl ends, by a signal too, its tracer lets go of everything: nothing here has to be undone for that.
#pragma once

#include <sys/types.h>
#include <zxtask/zx.h>

#include <vector>

#include "base/status.h"

namespace zxctl {

// The process and the thread that an id of Linux stands for: a process's is its first thread's too.
struct TaskId {
  pid_t pid = 0;
  pid_t tid = 0;
};
// NOT_FOUND.
[[nodiscard]] Result<TaskId> FindTask(pid_t id);

// The library's sentence about the call that has just failed.
[[nodiscard]] Status LastError(zx_status_t status);

struct AttachedThread {
  pid_t tid = 0;
  zx::Thread thread;
};

class AttachedProcess {
 public:
  [[nodiscard]] static Result<AttachedProcess> Attach(pid_t pid);
  AttachedProcess(AttachedProcess&&) = default;
  AttachedProcess& operator=(AttachedProcess&&) = default;
  ~AttachedProcess();

  [[nodiscard]] const zx::Process& process() const { return process_; }
  // Those that live now, in the order of their ids.
  [[nodiscard]] Result<std::vector<AttachedThread>> Threads() const;
  // Lets it run on as if nothing had been. Fails when it has ended meanwhile. A thread that waits where nothing interrupts it
  // can be let go only when that is over: then its tracer sees to it, and nobody waits here.
  [[nodiscard]] Result<void> LetGo();

 private:
  explicit AttachedProcess(zx::Process process) : process_(std::move(process)) {}

  zx::Process process_;
};

}  // namespace zxctl
