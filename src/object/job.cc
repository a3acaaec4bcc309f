#include "object/job.h"

#include <new>
#include <utility>

#include "object/koid.h"

namespace zxctl {

Job::Job(RefPtr<Job> parent, uint32_t height)
    : Dispatcher(kType, NewLocalKoid(), ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES),
      parent_(std::move(parent)),
      height_(height) {}

Job::~Job() {
  if (!parent_) return;
  const std::lock_guard lock(parent_->children_lock_);
  parent_->children_.Erase(*this);
  if (parent_->children_.empty()) parent_->UpdateSignals(0, ZX_JOB_NO_JOBS);
}

RefPtr<Job> Job::CreateRoot() { return RefPtr<Job>::Adopt(new (std::nothrow) Job({}, 1)); }

zx_status_t Job::Create(const RefPtr<Job>& parent, RefPtr<Job>* out) {
  if (parent->height_ == kMaxHeight) return ZX_ERR_OUT_OF_RANGE;
  auto job = RefPtr<Job>::Adopt(new (std::nothrow) Job(parent, parent->height_ + 1));
  if (!job) return ZX_ERR_NO_MEMORY;
  {
    const std::lock_guard lock(parent->children_lock_);
    parent->children_.PushBack(*job);
    parent->UpdateSignals(ZX_JOB_NO_JOBS, 0);
  }
  *out = std::move(job);
  return ZX_OK;
}

RefPtr<Dispatcher> Job::FindChild(zx_koid_t koid) {
  const std::lock_guard lock(children_lock_);
  for (Job* child = children_.First(); child != nullptr; child = children_.After(*child)) {
    if (child->koid() == koid && child->TryAddRef()) return RefPtr<Job>::Adopt(child);
  }
  return {};
}

std::vector<zx_koid_t> Job::ListKoids(uint32_t topic) {
  std::vector<zx_koid_t> koids;
  if (topic != ZX_INFO_JOB_CHILDREN) return koids;
  const std::lock_guard lock(children_lock_);
  for (Job* child = children_.First(); child != nullptr; child = children_.After(*child))
    koids.push_back(child->koid());
  return koids;
}

}  // namespace zxctl
