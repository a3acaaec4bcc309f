
#include <magenta/syscalls.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <string>

#include "syscalls/call.h"
#include "syscalls/task_life.h"

using namespace zxctl;

namespace {

constexpr uint32_t kBindOptions = ZX_EXCEPTION_PORT_DEBUGGER;
constexpr uint32_t kUnbindOptions = ZX_EXCEPTION_PORT_DEBUGGER | ZX_EXCEPTION_PORT_UNBIND_QUIETLY;

zx_status_t ExplainResume(const Call& call, const client::Thread& thread, zx_status_t status) {
  if (status == ZX_ERR_BAD_STATE) {
    return call.Fail(status, "task", thread.IsOver() ? WhyUnfit(thread) : Mistake::kNoException);
  }
  if (status == ZX_ERR_ACCESS_DENIED) return call.Fail(status, "port", Mistake::kOtherPort);
  if (status == ZX_ERR_PEER_CLOSED) return call.FailBecause(status, {});
  return status;
}

ring::Verdict VerdictOf(uint32_t options) {
  return (options & ZX_RESUME_TRY_NEXT) != 0 ? ring::Verdict::kTryNext : ring::Verdict::kResume;
}

// A thread or process; a job is the wrong type.
zx_status_t SuspendableTask(const Call& call, zx_handle_t handle, RefPtr<client::Task>* out) {
  RefPtr<Dispatcher> object;
  zx_rights_t rights = 0;
  const zx_status_t status = call.Object("task", handle, 0, &object, &rights);
  if (status != ZX_OK) return status;
  const zx_obj_type_t type = object->type();
  if (type != ZX_OBJ_TYPE_THREAD && type != ZX_OBJ_TYPE_PROCESS) {
    return call.Fail(ZX_ERR_WRONG_TYPE, "task", Mistake::kNotSuspendable, type);
  }
  *out = RefPtr<client::Task>::Adopt(static_cast<client::Task*>(object.Leak()));
  return call.Rights("task", **out, rights, ZX_RIGHT_WRITE);
}

bool IsCaller(const client::Task& task) {
  if (task.pid() != getpid()) return false;
  return task.type() == ZX_OBJ_TYPE_PROCESS || static_cast<const client::Thread&>(task).tid() == gettid();
}

zx_status_t Suspend(const char* name, zx_handle_t handle, zx_handle_t* token) {
  const Call call(name);
  RefPtr<client::Task> task;
  zx_status_t status = SuspendableTask(call, handle, &task);
  if (status != ZX_OK) return status;
  const bool itself = IsCaller(*task);
  task = {};
  if (itself) return call.Fail(ZX_ERR_NOT_SUPPORTED, "task", Mistake::kItself);
  if (status = call.Out("token", token); status != ZX_OK) return status;
  if (status = SuspendableTask(call, handle, &task); status != ZX_OK) return status;
  task->connection().TakeIn();
  if (task->connection().dead()) return call.FailBecause(ZX_ERR_PEER_CLOSED, {});
  if (task->IsOver() || task->life() == ring::TaskLife::kDying) {
    return call.Fail(ZX_ERR_BAD_STATE, "task", WhyUnfit(*task));
  }
  RefPtr<client::SuspendToken> made = MakeRefCounted<client::SuspendToken>(std::move(task));
  if (!made) return call.Fail(ZX_ERR_NO_MEMORY, "the token", Mistake::kNoMemory);
  zx_handle_t value = ZX_HANDLE_INVALID;
  status = call.Give("the token", made, client::SuspendToken::kRights, &value);
  if (status != ZX_OK) {
    made->OnLastHandleClosed();
    return status;
  }
  *token = value;
  return ZX_OK;
}

zx_status_t Resume(const char* name, zx_handle_t handle, uint32_t options) {
  const Call call(name);
  if ((options & ~(ZX_RESUME_EXCEPTION | ZX_RESUME_TRY_NEXT)) != 0) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions,
                     options & ~(ZX_RESUME_EXCEPTION | ZX_RESUME_TRY_NEXT));
  }
  if (options == ZX_RESUME_TRY_NEXT) return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kTryNextAlone);
  RefPtr<client::Thread> thread;
  const zx_status_t status = call.Object("task", handle, ZX_RIGHT_WRITE, &thread);
  if (status != ZX_OK) return status;
  if (thread->connection().dead()) return call.FailBecause(ZX_ERR_PEER_CLOSED, {});
  if (options == 0) {
    const zx_status_t resumed = thread->ClearFlag();
    return resumed == ZX_OK ? ZX_OK : call.Fail(resumed, "task", WhyUnfit(*thread));
  }
  return ExplainResume(call, *thread, thread->ResumeFromException(0, VerdictOf(options)));
}

// ---- bindings --------------------------------------------------------------------------------------------------------

bool IsTask(zx_obj_type_t type) {
  return type == ZX_OBJ_TYPE_JOB || type == ZX_OBJ_TYPE_PROCESS || type == ZX_OBJ_TYPE_THREAD;
}

zx_status_t BindableTask(const Call& call, zx_handle_t handle, RefPtr<Dispatcher>* out) {
  zx_rights_t rights = 0;
  const zx_status_t status = call.Object("task", handle, 0, out, &rights);
  if (status != ZX_OK) return status;
  const zx_obj_type_t type = (*out)->type();
  if (!IsTask(type)) return call.Fail(ZX_ERR_WRONG_TYPE, "task", Mistake::kNoTask, type);
  return call.Rights("task", **out, rights, ZX_RIGHT_MANAGE_THREAD);
}

zx_status_t TellTracer(const Call& call, const RefPtr<Dispatcher>& task, ring::CommandType type,
                       ring::Command command) {
  const auto connection = client::Connection::Get();
  if (!connection) return call.FailBecause(connection.error());
  (*connection)->Publish(DownCast<Job>(task));
  if (const auto* known = dynamic_cast<const client::Task*>(task.get()); known != nullptr) {
    if (&known->connection() != *connection) return call.FailBecause(ZX_ERR_PEER_CLOSED, {});
    if (known->life() == ring::TaskLife::kDetached) return call.Fail(ZX_ERR_BAD_STATE, "task", Mistake::kIsLetGo);
  }
  command.task = task->koid();
  const client::Answer answer = (*connection)->Request(type, command);
  return answer.status == ZX_OK ? ZX_OK : call.FailBecause(answer.status, answer.Sentence());
}

zx_status_t Bind(const Call& call, zx_handle_t task_handle, zx_handle_t port_handle, const ring::Command& command) {
  RefPtr<Dispatcher> task;
  zx_status_t status = BindableTask(call, task_handle, &task);
  if (status != ZX_OK) return status;
  const bool debugger = (command.options & ZX_EXCEPTION_PORT_DEBUGGER) != 0;
  const bool on_thread = task->type() == ZX_OBJ_TYPE_THREAD;
  if (port_handle == ZX_HANDLE_INVALID) {
    if (debugger && on_thread) return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kDebuggerOfThread);
    return TellTracer(call, task, ring::CommandType::kUnbind, command);
  }
  RefPtr<Port> port;
  if (status = call.Object("port", port_handle, ZX_RIGHT_WRITE, &port); status != ZX_OK) return status;
  if (debugger && on_thread) return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kDebuggerOfThread);
  const auto connection = client::Connection::Get();
  if (!connection) return call.FailBecause(connection.error());
  (*connection)->Publish(port);
  ring::Command bind = command;
  bind.other = port->koid();
  status = TellTracer(call, task, ring::CommandType::kBind, bind);
  // Its last handle may have been closed before the tracer had heard of it.
  if (port->is_closed()) (*connection)->EndPort(port->koid());
  return status;
}

zx_status_t CheckBindOptions(const Call& call, bool unbind, uint32_t options, uint32_t more) {
  const uint32_t unknown = options & ~((unbind ? kUnbindOptions : kBindOptions) | more);
  if (unknown == 0) return ZX_OK;
  Mistake mistake = Mistake::kUnknownOptions;
  if (unknown == ZX_EXCEPTION_PORT_UNBIND_QUIETLY) mistake = Mistake::kQuietBind;
  if (unknown == ZXL_EXCEPTION_PORT_FIRST_CHANCE) mistake = Mistake::kFirstChanceOfZircon;
  return call.Fail(ZX_ERR_INVALID_ARGS, "options", mistake, unknown);
}

}  // namespace

zx_status_t zx_task_suspend(zx_handle_t task, zx_handle_t* token) { return Suspend("zx_task_suspend", task, token); }

zx_status_t zx_task_suspend_token(zx_handle_t task, zx_handle_t* token) {
  return Suspend("zx_task_suspend_token", task, token);
}

zx_status_t zx_task_resume(zx_handle_t task, uint32_t options) { return Resume("zx_task_resume", task, options); }

mx_status_t mx_task_resume(zx_handle_t task, uint32_t options) { return Resume("mx_task_resume", task, options); }

mx_status_t mx_task_suspend(zx_handle_t task) {
  const Call call("mx_task_suspend");
  RefPtr<client::Thread> thread;
  zx_status_t status = call.Object("task", task, ZX_RIGHT_WRITE, &thread);
  if (status != ZX_OK) return status;
  if (thread->connection().dead()) return call.FailBecause(ZX_ERR_PEER_CLOSED, {});
  status = thread->SetFlag();
  return status == ZX_OK ? ZX_OK : call.Fail(status, "task", WhyUnfit(*thread));
}

zx_status_t zx_task_resume_from_exception(zx_handle_t task, zx_handle_t port, uint32_t options) {
  const Call call("zx_task_resume_from_exception");
  RefPtr<client::Thread> thread;
  zx_status_t status = call.Object("task", task, ZX_RIGHT_WRITE, &thread);
  if (status != ZX_OK) return status;
  RefPtr<Port> queue;
  if (status = call.Object("port", port, 0, &queue); status != ZX_OK) return status;
  if ((options & ~ZX_RESUME_TRY_NEXT) != 0) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, options & ~ZX_RESUME_TRY_NEXT);
  }
  if (thread->connection().dead()) return call.FailBecause(ZX_ERR_PEER_CLOSED, {});
  return ExplainResume(call, *thread, thread->ResumeFromException(queue->koid(), VerdictOf(options)));
}

zx_status_t zx_task_kill(zx_handle_t task) {
  const Call call("zx_task_kill");
  RefPtr<Dispatcher> object;
  zx_rights_t rights = 0;
  zx_status_t status = call.Object("task", task, 0, &object, &rights);
  if (status != ZX_OK) return status;
  const zx_obj_type_t type = object->type();
  if (!IsTask(type)) return call.Fail(ZX_ERR_WRONG_TYPE, "task", Mistake::kNoTask, type);
  if (status = call.Rights("task", *object, rights, ZX_RIGHT_DESTROY); status != ZX_OK) return status;
  if (const RefPtr<Job> job = DownCast<Job>(object); job) {
    job->Kill();
    return ZX_OK;
  }
  std::string sentence;
  auto& victim = static_cast<client::Task&>(*object);
  status = victim.Kill(&sentence);
  return status == ZX_OK ? ZX_OK : FailRefused(call, "task", victim, status, sentence);
}

zx_status_t zx_task_bind_exception_port(zx_handle_t task, zx_handle_t port, uint64_t key, uint32_t options) {
  const Call call("zx_task_bind_exception_port");
  const zx_status_t status = CheckBindOptions(call, port == ZX_HANDLE_INVALID, options, 0);
  if (status != ZX_OK) return status;
  return Bind(call, task, port, {.key = key, .options = options});
}

zx_status_t zxl_task_bind_exception_port(zx_handle_t task, zx_handle_t port, uint64_t key, uint32_t options,
                                         int64_t lease_ns) {
  const Call call("zxl_task_bind_exception_port");
  const zx_status_t status =
      CheckBindOptions(call, port == ZX_HANDLE_INVALID, options, ZXL_EXCEPTION_PORT_FIRST_CHANCE);
  if (status != ZX_OK) return status;
  if (lease_ns < 0) return call.Fail(ZX_ERR_INVALID_ARGS, "lease_ns", Mistake::kNegativeLease);
  return Bind(call, task, port, {.key = key, .lease_ns = lease_ns, .options = options});
}
