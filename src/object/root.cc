#include "object/root.h"

#include <memory>

namespace zxctl {

Root& Root::Get() {
  static Root* const root = std::unique_ptr<Root>(new Root).release();
  return *root;
}

Root::Root() {
  RefPtr<Job> job = Job::CreateRoot();
  if (!job) return;
  job->SetName("root");
  root_job_ = job;
  // A failure leaves the handle 0, which every call refuses.
  static_cast<void>(handles_.Add(std::move(job), Job::kRights, &default_job_));
}

}  // namespace zxctl
