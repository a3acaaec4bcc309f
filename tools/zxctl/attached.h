// Processes of others that a verb takes up for a moment.
//
// However zxctl ends, by a signal too, its tracer lets go of everything: nothing here has to be undone for that.
#pragma once

#include <signal.h>
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

// A thread of it whose files in /proc can be read: those of the first cannot when that has exited before the others. `pid` where
// there is none.
[[nodiscard]] pid_t LiveThread(pid_t pid);
// "process 71 has ended", if it has: who dies while it is looked at makes this and that fail, and all for one reason.
[[nodiscard]] Status Explain(pid_t pid, Status status);

// While it is there, the terminal's keys, and what else stops a whole job, stop nobody here: others stand still for us. Of the
// thread that has it.
class NoJobControl {
 public:
  NoJobControl();
  ~NoJobControl();
  NoJobControl(const NoJobControl&) = delete;
  NoJobControl& operator=(const NoJobControl&) = delete;

 private:
  sigset_t before_;
};

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
