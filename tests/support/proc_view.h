// What /proc and pidfds tell a test about a process that it does not trace.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace zxctl::test {

// Looks at a condition until it holds; false after `timeout_s`. For conditions that nothing can wait on.
[[nodiscard]] bool WaitUntil(const std::function<bool()>& condition, int timeout_s = 60);

// The text of /proc/PID/NAME; empty if the process is gone.
[[nodiscard]] std::string ProcText(pid_t pid, const std::string& name);
// A field of /proc/PID/status.
[[nodiscard]] std::string ProcStatusField(pid_t pid, const std::string& field);

// The process that traces `tid`; 0 if none or gone.
[[nodiscard]] pid_t TracerOf(pid_t tid);
// The state letter of a thread ('R', 'S', 'T', 't', 'Z' …); 0 if gone.
[[nodiscard]] char StateOf(pid_t tid);
// The number of the system call that a sleeping thread is blocked in; nothing while it runs or after it is gone.
[[nodiscard]] std::optional<long> BlockedCallOf(pid_t tid);
// The children of a process, of all its threads.
[[nodiscard]] std::vector<pid_t> ChildrenOf(pid_t pid);
// A line a thread of a process: state, tracer, pending signals, where in the kernel it sleeps. For the messages of failures.
[[nodiscard]] std::string ThreadsText(pid_t pid);

[[nodiscard]] UniqueFd OpenPidfd(pid_t pid);
// True when the process behind a pidfd has ended, false after `timeout_s`. A pidfd that never opened is a gone process.
[[nodiscard]] bool ProcessGone(const UniqueFd& pidfd, int timeout_s = 60);

// Makes this process the parent of every orphan among its descendants, tracers included.
void AdoptOrphans();
// True when no descendant is left, after AdoptOrphans(); reaps them. False after `timeout_s`.
[[nodiscard]] bool NoDescendantIsLeft(int timeout_s = 30);

}  // namespace zxctl::test
