#include "object/job.h"

#include <new>
#include <utility>

#include "object/koid.h"
#include "object/tracer_link.h"

namespace zxctl {

Job::Job(RefPtr<Job> parent, uint32_t height)
    : Dispatcher(kType, NewLocalKoid(), ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES),
      parent_(std::move(parent)),
      height_(height) {}

Job::~Job() {
  if (TracerLink* link = TracerLink::Current(); link != nullptr) link->EndJob(koid());
  if (!parent_) return;
  const std::lock_guard lock(parent_->children_lock_);
  parent_->children_.Erase(*this);
  parent_->UpdateEmptinessLocked();
}

void Job::UpdateEmptinessLocked() {
  zx_signals_t there = 0;
  if (children_.empty()) there |= ZX_JOB_NO_JOBS;
  if (process_count_ == 0) there |= ZX_JOB_NO_PROCESSES;
  if (killed_ && children_.empty() && process_count_ == 0) there |= ZX_JOB_TERMINATED;
  const zx_signals_t all = ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES | ZX_JOB_TERMINATED;
  UpdateSignals(all & ~there, there);
}

void Job::SetProcessCount(size_t count) {
  const std::lock_guard lock(children_lock_);
  process_count_ = count;
  UpdateEmptinessLocked();
}

void Job::Kill() {
  MarkKilled();
  if (TracerLink* link = TracerLink::Current(); link != nullptr) link->KillJob(koid());
}

void Job::MarkKilled() {
  std::vector<RefPtr<Job>> below;
  {
    const std::lock_guard lock(children_lock_);
    killed_ = true;
    for (Job* child = children_.First(); child != nullptr; child = children_.After(*child)) {
      if (child->TryAddRef()) below.push_back(RefPtr<Job>::Adopt(child));
    }
    UpdateEmptinessLocked();
  }
  for (const RefPtr<Job>& child : below) child->MarkKilled();
}

RefPtr<Job> Job::CreateRoot() { return RefPtr<Job>::Adopt(new (std::nothrow) Job({}, 1)); }

zx_status_t Job::Create(const RefPtr<Job>& parent, RefPtr<Job>* out) {
  if (parent->height_ == kMaxHeight) return ZX_ERR_OUT_OF_RANGE;
  auto job = RefPtr<Job>::Adopt(new (std::nothrow) Job(parent, parent->height_ + 1));
  if (!job) return ZX_ERR_NO_MEMORY;
  {
    const std::lock_guard lock(parent->children_lock_);
    parent->children_.PushBack(*job);
    job->killed_ = parent->killed_.load();
    parent->UpdateEmptinessLocked();
  }
  if (job->killed()) return ZX_ERR_BAD_STATE;
  *out = std::move(job);
  return ZX_OK;
}

RefPtr<Dispatcher> Job::FindChild(zx_koid_t koid) {
  {
    const std::lock_guard lock(children_lock_);
    for (Job* child = children_.First(); child != nullptr; child = children_.After(*child)) {
      if (child->koid() == koid && child->TryAddRef()) return RefPtr<Job>::Adopt(child);
    }
  }
  TracerLink* link = TracerLink::Current();
  return link == nullptr ? RefPtr<Dispatcher>() : link->FindProcess(this->koid(), koid);
}

zx_status_t Job::ListKoids(uint32_t topic, std::vector<zx_koid_t>* out) {
  if (topic != ZX_INFO_JOB_CHILDREN) {
    TracerLink* link = TracerLink::Current();
    return link == nullptr ? ZX_OK : link->ListProcesses(koid(), out);
  }
  const std::lock_guard lock(children_lock_);
  for (Job* child = children_.First(); child != nullptr; child = children_.After(*child)) out->push_back(child->koid());
  return ZX_OK;
}

}  // namespace zxctl
