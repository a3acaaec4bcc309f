#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include "syscalls/call.h"
#include "syscalls/task_life.h"

using namespace zxctl;

namespace {

constexpr uint32_t kSpawnOptions = ZXL_SPAWN_START | ZXL_SPAWN_NEW_PGRP | ZXL_SPAWN_EXACT_TIMEOUTS;

zx_status_t CheckLiving(const Call& call, const char* argument, const client::Task& task) {
  task.connection().TakeIn();
  if (task.connection().dead()) return call.FailBecause(ZX_ERR_PEER_CLOSED, {});
  return task.IsOver() ? call.Fail(ZX_ERR_BAD_STATE, argument, WhyUnfit(task)) : ZX_OK;
}

// For zxl_process_start() and zxl_process_detach().
zx_status_t Order(const Call& call, zx_handle_t process, ring::CommandType order) {
  RefPtr<client::Process> object;
  zx_status_t status = call.Object("process", process, ZX_RIGHT_MANAGE_PROCESS, &object);
  if (status != ZX_OK) return status;
  if (status = CheckLiving(call, "process", *object); status != ZX_OK) return status;
  const client::Answer answer = object->connection().Request(order, {.task = object->koid()});
  if (answer.status == ZX_OK) return ZX_OK;
  return FailRefused(call, "process", *object, answer.status, answer.Sentence());
}

zx_status_t GiveMade(const Call& call, const client::Made& made, zx_handle_t* out_process, zx_handle_t* out_thread) {
  zx_handle_t process = ZX_HANDLE_INVALID;
  zx_handle_t thread = ZX_HANDLE_INVALID;
  zx_status_t status = call.Give("the process", made.process, client::Process::kRights, &process);
  if (status != ZX_OK) return status;
  if (out_thread != nullptr) {
    status = call.Give("the thread", made.thread, client::Thread::kRights, &thread);
    if (status != ZX_OK) {
      zx_handle_close(process);
      return status;
    }
    *out_thread = thread;
  }
  *out_process = process;
  return ZX_OK;
}

zx_status_t CheckTransfer(const Call& call, const client::Process& process, zx_status_t status, uint64_t address,
                          size_t moved, size_t* actual) {
  if (status == ZX_ERR_NO_MEMORY) {
    return call.Fail(status, "process", Mistake::kUnmapped, address, static_cast<uint64_t>(process.pid()));
  }
  if (status == ZX_ERR_PEER_CLOSED) return call.FailBecause(status, {});
  if (status != ZX_OK) {
    const bool let_go = process.life() == ring::TaskLife::kDetached;
    return call.Fail(status, "process", let_go ? Mistake::kIsLetGo : Mistake::kIsDead);
  }
  *actual = moved;
  return ZX_OK;
}

}  // namespace

zx_status_t zxl_process_spawn(zx_handle_t job, const zxl_spawn_args_t* args, zx_handle_t* out_process,
                              zx_handle_t* out_thread) {
  const Call call("zxl_process_spawn");
  zx_status_t status = call.Check<Job>("job", job, ZX_RIGHT_MANAGE_PROCESS);
  if (status != ZX_OK) return status;
  if (status = call.In("args", args); status != ZX_OK) return status;
  if (status = call.In("path", args->path); status != ZX_OK) return status;
  if (status = call.In("argv", args->argv); status != ZX_OK) return status;
  if (status = call.Out("out_process", out_process); status != ZX_OK) return status;
  if (status = call.OptionalOut("out_thread", out_thread); status != ZX_OK) return status;
  if ((args->options & ~kSpawnOptions) != 0) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, args->options & ~kSpawnOptions);
  }
  RefPtr<Job> parent;
  if (status = call.Object("job", job, ZX_RIGHT_MANAGE_PROCESS, &parent); status != ZX_OK) return status;
  if (parent->killed()) return call.Fail(ZX_ERR_BAD_STATE, "job", Mistake::kJobKilled);
  const auto made = client::Spawn(parent, {.path = args->path,
                                           .argv = args->argv,
                                           .envp = args->envp,
                                           .cwd = args->cwd,
                                           .stdio = {args->stdio[0], args->stdio[1], args->stdio[2]},
                                           .start = (args->options & ZXL_SPAWN_START) != 0,
                                           .new_group = (args->options & ZXL_SPAWN_NEW_PGRP) != 0,
                                           .exact_timeouts = (args->options & ZXL_SPAWN_EXACT_TIMEOUTS) != 0});
  if (!made) return call.FailBecause(made.error());
  return GiveMade(call, *made, out_process, out_thread);
}

zx_status_t zxl_process_attach(zx_handle_t job, int32_t pid, uint32_t options, zx_handle_t* out_process) {
  const Call call("zxl_process_attach");
  if (const uint32_t unknown = options & ~ZXL_ATTACH_EXACT_TIMEOUTS; unknown != 0) {
    return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, unknown);
  }
  RefPtr<Job> parent;
  zx_status_t status = call.Object(
      "job", job, ZX_RIGHT_MANAGE_PROCESS, [&] { return call.Out("out_process", out_process); }, &parent);
  if (status != ZX_OK) return status;
  if (parent->killed()) return call.Fail(ZX_ERR_BAD_STATE, "job", Mistake::kJobKilled);
  const auto made = client::Attach(parent, pid, (options & ZXL_ATTACH_EXACT_TIMEOUTS) != 0);
  if (!made) return call.FailBecause(made.error());
  return GiveMade(call, *made, out_process, nullptr);
}

zx_status_t zxl_process_start(zx_handle_t process) {
  return Order(Call("zxl_process_start"), process, ring::CommandType::kStart);
}

zx_status_t zxl_process_detach(zx_handle_t process) {
  return Order(Call("zxl_process_detach"), process, ring::CommandType::kDetach);
}

zx_status_t zxl_task_get_pid(zx_handle_t task, int32_t* out_pid) {
  const Call call("zxl_task_get_pid");
  RefPtr<Dispatcher> object;
  zx_rights_t rights = 0;
  zx_status_t status = call.Object("task", task, 0, &object, &rights);
  if (status != ZX_OK) return status;
  const zx_obj_type_t type = object->type();
  if (type != ZX_OBJ_TYPE_PROCESS && type != ZX_OBJ_TYPE_THREAD) {
    return call.Fail(ZX_ERR_WRONG_TYPE, "task", type == ZX_OBJ_TYPE_JOB ? Mistake::kNoLinuxId : Mistake::kNoTask, type);
  }
  if (status = call.Rights("task", *object, rights, ZX_RIGHT_INSPECT); status != ZX_OK) return status;
  const auto& known = static_cast<const client::Task&>(*object);
  known.connection().TakeIn();
  const pid_t pid = type == ZX_OBJ_TYPE_THREAD ? static_cast<const client::Thread&>(known).tid() : known.pid();
  object = {};
  if (status = call.Out("out_pid", out_pid); status != ZX_OK) return status;
  *out_pid = pid;
  return ZX_OK;
}

zx_status_t zxl_process_get_wait_status(zx_handle_t process, int32_t* out_status) {
  const Call call("zxl_process_get_wait_status");
  RefPtr<client::Process> object;
  zx_status_t status = call.Object(
      "process", process, ZX_RIGHT_INSPECT, [&] { return call.Out("out_status", out_status); }, &object);
  if (status != ZX_OK) return status;
  int32_t wait_status = 0;
  status = object->GetWaitStatus(&wait_status);
  if (status == ZX_ERR_PEER_CLOSED) return call.FailBecause(status, {});
  if (status != ZX_OK) {
    const bool dead = object->life() == ring::TaskLife::kDead;
    const Mistake alive = object->IsOver() ? Mistake::kIsLetGo : Mistake::kNotEnded;
    return call.Fail(status, "process", dead ? Mistake::kEndUnknown : alive);
  }
  *out_status = wait_status;
  return ZX_OK;
}

zx_status_t zx_process_read_memory(zx_handle_t process, uint64_t address, void* buffer, size_t size, size_t* actual) {
  const Call call("zx_process_read_memory");
  RefPtr<client::Process> object;
  zx_status_t status = call.Object(
      "process", process, ZX_RIGHT_READ,
      [&] {
        const zx_status_t checked = call.Out("actual", actual);
        return checked == ZX_OK ? call.OutBytes("buffer", buffer, size, 1) : checked;
      },
      &object);
  if (status != ZX_OK) return status;
  size_t moved = 0;
  status = object->ReadMemory(address, buffer, size, &moved);
  return CheckTransfer(call, *object, status, address, moved, actual);
}

zx_status_t zx_process_write_memory(zx_handle_t process, uint64_t address, const void* buffer, size_t size,
                                    size_t* actual) {
  const Call call("zx_process_write_memory");
  RefPtr<client::Process> object;
  zx_status_t status = call.Object(
      "process", process, ZX_RIGHT_WRITE,
      [&] {
        const zx_status_t checked = call.Out("actual", actual);
        return checked == ZX_OK ? call.InBytes("buffer", buffer, size) : checked;
      },
      &object);
  if (status != ZX_OK) return status;
  size_t moved = 0;
  status = object->WriteMemory(address, buffer, size, &moved);
  return CheckTransfer(call, *object, status, address, moved, actual);
}
