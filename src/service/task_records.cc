#include "service/task_records.h"

#include <zircon/syscalls/object.h>

#include "supervisor/wait_status.h"

namespace zxctl::service {
namespace {

// A leader that has exited before its threads: the kernel tells of its end only with theirs.
bool IsZombieLeader(const Thread& thread) {
  return thread.state.exception == ExceptionPhase::kNone && thread.tid == thread.process->pid &&
         thread.process->threads.size() > 1;
}

ring::TaskLife LifeOf(const Thread& thread) {
  // Whatever becomes of one that was not started, it does not end: nor is its end told.
  if (thread.created) return ring::TaskLife::kNew;
  switch (thread.state.life) {
    case Lifecycle::kExiting:
      return IsZombieLeader(thread) ? ring::TaskLife::kDead : ring::TaskLife::kDying;
    case Lifecycle::kDead:
      return ring::TaskLife::kDead;
    case Lifecycle::kUnannounced:
    case Lifecycle::kAnnounced:
    case Lifecycle::kAlive:
      break;
  }
  return thread.process->start_ns == 0 ? ring::TaskLife::kNew : ring::TaskLife::kAlive;
}

}  // namespace

int64_t ReturnCode(int wait_status) {
  const WaitStatus status = DecodeWait(wait_status);
  if (status.kind == WaitKind::kExited) return status.code;
  return DefaultActionOf(status.signo) == DefaultAction::kCore ? ZX_TASK_RETCODE_EXCEPTION_KILL
                                                               : ZX_TASK_RETCODE_SYSCALL_KILL;
}

ring::TaskRecord RecordOf(const Thread& thread) {
  const Process& process = *thread.process;
  return {.koid = thread.koid,
          .process = process.koid,
          .job = process.job->koid,
          .pid = process.pid,
          .tid = thread.tid,
          .life = LifeOf(thread),
          .suspended = thread.told_suspended,
          .is_thread = 1};
}

ring::TaskRecord RecordOf(const Process& process) {
  return {.koid = process.koid,
          .process = process.koid,
          .job = process.job->koid,
          .start_ns = process.start_ns,
          .pid = process.pid,
          .tid = process.pid,
          .life = process.start_ns == 0 ? ring::TaskLife::kNew : ring::TaskLife::kAlive};
}

ring::ExceptionRecord RecordOf(const ExceptionPacket& packet) {
  return {.type = static_cast<uint32_t>(packet.type),
          .signal = packet.signal,
          .first = packet.first ? packet.first->signal : SignalRecord{}};
}

ring::ThreadInfo InfoOf(const Thread& thread, const ExceptionPacket* exception, bool waits_for_answer) {
  ring::ThreadInfo info;
  if (exception != nullptr && waits_for_answer) {
    info.wait_exception_port_type = static_cast<uint32_t>(exception->level);
  }
  switch (LifeOf(thread)) {
    case ring::TaskLife::kNew:
      info.state = ZX_THREAD_STATE_NEW;
      break;
    case ring::TaskLife::kDying:
      info.state = ZX_THREAD_STATE_DYING;
      break;
    case ring::TaskLife::kDead:
    case ring::TaskLife::kDetached:
      info.state = ZX_THREAD_STATE_DEAD;
      break;
    case ring::TaskLife::kAlive:
      info.state = thread.told_suspended ? ZX_THREAD_STATE_SUSPENDED : ZX_THREAD_STATE_RUNNING;
      if (exception != nullptr) info.state = ZX_THREAD_STATE_BLOCKED_EXCEPTION;
      break;
  }
  return info;
}

ring::ProcessInfo InfoOf(const Process& process) {
  return {.start_ns = process.start_ns, .started = process.start_ns != 0, .debugged = process.debugged};
}

}  // namespace zxctl::service
