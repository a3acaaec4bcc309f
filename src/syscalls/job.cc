#include "object/job.h"

#include <zircon/syscalls.h>

#include "syscalls/call.h"

using namespace zxctl;

zx_handle_t zx_job_default() { return Root::Get().default_job(); }

zx_status_t zx_job_create(zx_handle_t parent_job, uint32_t options, zx_handle_t* out) {
  const Call call("zx_job_create");
  if (options != 0) return call.Fail(ZX_ERR_INVALID_ARGS, "options", Mistake::kUnknownOptions, options);
  RefPtr<Job> parent;
  zx_status_t status = call.Object(
      "parent_job", parent_job, ZX_RIGHT_MANAGE_JOB, [&] { return call.Out("out", out); }, &parent);
  if (status != ZX_OK) return status;
  RefPtr<Job> job;
  status = Job::Create(parent, &job);
  if (status == ZX_ERR_OUT_OF_RANGE) return call.Fail(status, "parent_job", Mistake::kTreeTooHigh, Job::kMaxHeight - 1);
  if (status == ZX_ERR_BAD_STATE) return call.Fail(status, "parent_job", Mistake::kJobKilled);
  if (status != ZX_OK) return call.Fail(status, "the job", Mistake::kNoMemory);
  zx_handle_t handle = ZX_HANDLE_INVALID;
  status = call.Give("the job", std::move(job), Job::kRights, &handle);
  if (status == ZX_OK) *out = handle;
  return status;
}
