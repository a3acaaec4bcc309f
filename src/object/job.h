// A node of the tree that everything belongs to. A job lives while it has a handle or a child.
#pragma once

#include <zircon/rights.h>
#include <zircon/types.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "object/dispatcher.h"
#include "object/intrusive_list.h"
#include "object/ref_counted.h"

namespace zxctl {

struct AmongSiblings;

class Job final : public Dispatcher, public ListHook<AmongSiblings> {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_JOB;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_JOB_RIGHTS;
  // Jobs on the way from the root to the deepest, both counted.
  static constexpr uint32_t kMaxHeight = 32;

  // The job without a parent. Null when there is no memory.
  [[nodiscard]] static RefPtr<Job> CreateRoot();
  // OUT_OF_RANGE when the tree would be higher than kMaxHeight, BAD_STATE when the parent was killed, NO_MEMORY.
  static zx_status_t Create(const RefPtr<Job>& parent, RefPtr<Job>* out);
  ~Job() override;

  [[nodiscard]] bool is_waitable() const override { return true; }
  [[nodiscard]] bool has_name() const override { return true; }
  [[nodiscard]] bool has_children() const override { return true; }
  [[nodiscard]] zx_koid_t related_koid() const override { return parent_ ? parent_->koid() : ZX_KOID_INVALID; }
  [[nodiscard]] RefPtr<Dispatcher> FindChild(zx_koid_t koid) override;
  // Each in the order of their creation.
  zx_status_t ListKoids(uint32_t topic, std::vector<zx_koid_t>* out) override;

  [[nodiscard]] const RefPtr<Job>& parent() const { return parent_; }
  // Ends it and all jobs in it: nothing can be made in them any more, and their processes are killed.
  void Kill();
  [[nodiscard]] bool killed() const { return killed_.load(); }
  // How many processes are in it now.
  void SetProcessCount(size_t count);

 private:
  Job(RefPtr<Job> parent, uint32_t height);

  void MarkKilled();
  void UpdateEmptinessLocked();

  const RefPtr<Job> parent_;
  const uint32_t height_;  // from the root, which has 1

  // Taken before the lock of this object, and held while NO_JOBS follows the list: the two never disagree.
  std::mutex children_lock_;
  IntrusiveList<Job, AmongSiblings> children_;  // holds no reference: a job leaves when it is destroyed
  size_t process_count_ = 0;
  std::atomic<bool> killed_ = false;
};

}  // namespace zxctl
