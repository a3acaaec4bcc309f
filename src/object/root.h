// The one global state of the library: this process's handles and its default job.
#pragma once

#include "object/handle_table.h"
#include "object/job.h"

namespace zxctl {

class Root {
 public:
  // Made at the first use, never destroyed: threads may call until the very end of the process.
  [[nodiscard]] static Root& Get();

  [[nodiscard]] HandleTable& handles() { return handles_; }
  // The job that everything is in; null when there was no memory for it.
  [[nodiscard]] RefPtr<Job> root_job() const { return root_job_; }
  // 0 when there was no memory for it.
  [[nodiscard]] zx_handle_t default_job() const { return default_job_; }

 private:
  Root();

  HandleTable handles_;
  RefPtr<Job> root_job_;
  zx_handle_t default_job_ = ZX_HANDLE_INVALID;
};

}  // namespace zxctl
