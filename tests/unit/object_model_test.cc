// Random sequences of calls against models that are as plain as can be.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "object/handle_table.h"
#include "object/job.h"
#include "object/port.h"

namespace zxctl {
namespace {

// One call: what it is, and three numbers that choose its arguments.
struct Op {
  uint8_t kind;
  uint8_t a;
  uint8_t b;
  uint8_t c;
};

void showValue(const Op& op, std::ostream& os) {
  os << int{op.kind} << '(' << int{op.a} << ',' << int{op.b} << ',' << int{op.c} << ')';
}

rc::Gen<std::vector<Op>> Ops(int kinds) {
  const auto byte = rc::gen::inRange<int>(0, 256);
  return rc::gen::scale(4, rc::gen::container<std::vector<Op>>(rc::gen::map(
                               rc::gen::tuple(rc::gen::inRange<int>(0, kinds), byte, byte, byte), [](const auto& t) {
                                 return Op{static_cast<uint8_t>(std::get<0>(t)), static_cast<uint8_t>(std::get<1>(t)),
                                           static_cast<uint8_t>(std::get<2>(t)), static_cast<uint8_t>(std::get<3>(t))};
                               })));
}

// ---- handles ---------------------------------------------------------------------------------------------------------

constexpr zx_rights_t kRightChoices[] = {0,
                                         ZX_RIGHT_DUPLICATE,
                                         ZX_RIGHT_READ,
                                         ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ,
                                         ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ | ZX_RIGHT_WRITE,
                                         ZX_RIGHT_SAME_RIGHTS};

class TableModel {
 public:
  void Run(const Op& op) {
    switch (op.kind) {
      case 0:
        return Add(op);
      case 1:
        return Duplicate(op);
      case 2:
        return Replace(op);
      default:
        return Close(op);
    }
  }

  void Check() {
    for (const auto& [handle, entry] : open_) {
      const auto found = table_.Find(handle);
      RC_ASSERT(found.object.get() == ports_[entry.object].get());
      RC_ASSERT(found.rights == entry.rights);
    }
    for (const auto& [handle, object] : ever_) {
      if (!open_.contains(handle)) RC_ASSERT(!table_.Find(handle).object);
    }
    for (size_t i = 0; i < ports_.size(); ++i) {
      zx_port_packet_t packet;
      const bool closed = ports_[i]->Wait(0, &packet) == ZX_ERR_CANCELED;
      const bool has_handle = std::ranges::any_of(open_, [i](const auto& entry) { return entry.second.object == i; });
      RC_ASSERT(closed == !has_handle);
    }
  }

 private:
  struct Entry {
    size_t object;
    zx_rights_t rights;
  };

  // Any value that ever was one; an open one mostly.
  zx_handle_t Choose(uint8_t number) {
    if (!open_.empty() && number % 4 != 0) return std::next(open_.begin(), number % open_.size())->first;
    if (!ever_.empty()) return std::next(ever_.begin(), number % ever_.size())->first;
    return 12345;
  }
  void Opened(zx_handle_t handle, Entry entry) {
    const auto [place, is_new] = ever_.emplace(handle, entry.object);
    RC_ASSERT(is_new || place->second == entry.object);
    RC_ASSERT(open_.emplace(handle, entry).second);
  }

  void Add(const Op& op) {
    // An object that lost its last handle gets no new one: make one more.
    ports_.push_back(Port::Create());
    const zx_rights_t rights = kRightChoices[op.b % 5];
    zx_handle_t handle = ZX_HANDLE_INVALID;
    RC_ASSERT(table_.Add(RefPtr<Port>(ports_.back()), rights, &handle) == ZX_OK);
    Opened(handle, {.object = ports_.size() - 1, .rights = rights});
  }
  void Duplicate(const Op& op) {
    const zx_handle_t source = Choose(op.a);
    const zx_rights_t rights = kRightChoices[op.b % 6];
    zx_handle_t handle = ZX_HANDLE_INVALID;
    const zx_status_t status = table_.Duplicate(source, rights, &handle);
    const auto found = open_.find(source);
    if (found == open_.end()) RC_ASSERT(status == ZX_ERR_BAD_HANDLE);
    if (found == open_.end()) return;
    const Entry from = found->second;
    if ((from.rights & ZX_RIGHT_DUPLICATE) == 0) {
      RC_ASSERT(status == ZX_ERR_ACCESS_DENIED);
    } else {
      Derive(status, from, rights, handle);
    }
  }
  void Replace(const Op& op) {
    const zx_handle_t source = Choose(op.a);
    const zx_rights_t rights = kRightChoices[op.b % 6];
    zx_handle_t handle = ZX_HANDLE_INVALID;
    const zx_status_t status = table_.Replace(source, rights, &handle);
    const auto found = open_.find(source);
    if (found == open_.end()) RC_ASSERT(status == ZX_ERR_BAD_HANDLE);
    if (found == open_.end()) return;
    const Entry from = found->second;
    open_.erase(found);
    Derive(status, from, rights, handle);
  }
  void Derive(zx_status_t status, Entry from, zx_rights_t rights, zx_handle_t handle) {
    if (rights == ZX_RIGHT_SAME_RIGHTS) rights = from.rights;
    if ((rights & ~from.rights) != 0) {
      RC_ASSERT(status == ZX_ERR_INVALID_ARGS);
    } else {
      RC_ASSERT(status == ZX_OK);
      Opened(handle, {.object = from.object, .rights = rights});
    }
  }
  void Close(const Op& op) {
    const zx_handle_t handle = Choose(op.a);
    const bool was_open = open_.erase(handle) == 1;
    RC_ASSERT(table_.Close(handle) == (was_open ? ZX_OK : ZX_ERR_BAD_HANDLE));
  }

  HandleTable table_;
  std::vector<RefPtr<Port>> ports_;
  std::map<zx_handle_t, Entry> open_;
  std::map<zx_handle_t, size_t> ever_;
};

RC_GTEST_PROP(HandleTableModel, DoesWhatAMapWouldDo, ()) {
  const auto ops = *Ops(5);
  TableModel model;
  for (const Op& op : ops) model.Run(op);
  model.Check();
}

// ---- ports -----------------------------------------------------------------------------------------------------------

// Two objects, each with two handles, and one port.
class PortModel {
 public:
  PortModel() {
    for (auto& source : sources_) {
      source.job = Job::CreateRoot();
      source.signals = source.job->signals();
      for (auto& handle : source.handles) RC_ASSERT(Open(source.job, &handle));
    }
    RC_ASSERT(Open(port_, &port_handle_));
  }

  void Run(const Op& op) {
    switch (op.kind) {
      case 0:
        return QueueUser(op.a);
      case 1:
      case 2:
        return WaitAsync(op);
      case 3:
      case 4:
        return Signal(op);
      case 5:
        return Cancel(op);
      case 6:
        return Reopen(op);
      case 7:
        return Fill(op);
      default:
        return Take();
    }
  }

  void TakeAll() {
    while (!queue_.empty()) Take();
    Take();
  }

 private:
  struct Source {
    RefPtr<Job> job;
    zx_signals_t signals = 0;
    zx_handle_t handles[2] = {};
  };
  struct Watch {
    size_t source;
    zx_handle_t handle;
    uint64_t key;
    zx_signals_t trigger;
    bool repeating;
    int id;
  };
  struct Queued {
    uint64_t key;
    uint32_t type;
    zx_signals_t trigger;
    zx_signals_t observed;
    zx_handle_t handle;  // 0: a user packet
    int id;
  };

  template <typename T>
  bool Open(const RefPtr<T>& object, zx_handle_t* out) {
    return table_.Add(RefPtr<T>(object), T::kRights, out) == ZX_OK;
  }
  static zx_signals_t SomeSignals(uint8_t bits) { return zx_signals_t{bits & 7U} << 24; }

  // What a registration does with the signals of its source; false: it is over.
  bool Notice(const Watch& watch) {
    const zx_signals_t signals = sources_[watch.source].signals;
    const auto queued = std::ranges::find(queue_, watch.id, &Queued::id);
    if (queued != queue_.end()) {
      queued->observed |= signals;
    } else if ((watch.trigger & signals) != 0) {
      if (queue_.size() == Port::kMaxPackets) return false;
      queue_.push_back({watch.key, watch.repeating ? ZX_PKT_TYPE_SIGNAL_REP : ZX_PKT_TYPE_SIGNAL_ONE, watch.trigger,
                        signals, watch.handle, watch.id});
    }
    return true;
  }

  void QueueUser(uint64_t key) {
    zx_port_packet_t packet = {};
    packet.key = key;
    const bool full = queue_.size() == Port::kMaxPackets;
    RC_ASSERT(port_->QueueUser(packet) == (full ? ZX_ERR_SHOULD_WAIT : ZX_OK));
    if (!full) queue_.push_back({key, ZX_PKT_TYPE_USER, 0, 0, 0, 0});
  }
  // Leaves room for a few packets.
  void Fill(const Op& op) {
    while (queue_.size() + op.a % 4 < Port::kMaxPackets) QueueUser(op.b);
  }
  void WaitAsync(const Op& op) {
    const size_t source = op.a % 2;
    const Watch watch = {source,    sources_[source].handles[op.a / 2 % 2], op.b % 3U, SomeSignals(op.c), op.b % 2 == 1,
                         ++last_id_};
    RC_ASSERT(port_->WaitAsync(table_, sources_[source].job, watch.handle, watch.key, watch.trigger, watch.repeating) ==
              ZX_OK);
    if (Notice(watch)) watches_.push_back(watch);
  }
  void Signal(const Op& op) {
    Source& source = sources_[op.a % 2];
    const zx_signals_t after = (source.signals & ~SomeSignals(op.b)) | SomeSignals(op.c);
    source.job->UpdateSignals(SomeSignals(op.b), SomeSignals(op.c));
    if (after == source.signals) return;
    source.signals = after;
    std::erase_if(watches_, [&](const Watch& watch) { return watch.source == op.a % 2U && !Notice(watch); });
  }
  void Cancel(const Op& op) {
    const size_t source = op.a % 2;
    const zx_handle_t handle = sources_[source].handles[op.a / 2 % 2];
    const uint64_t key = op.b % 3;
    const bool any = Forget([&](const auto& one) { return one.handle == handle && one.key == key; });
    RC_ASSERT(port_->Cancel(*sources_[source].job, handle, key) == (any ? ZX_OK : ZX_ERR_NOT_FOUND));
  }
  // Registrations and packets; false when there were none.
  template <typename Which>
  bool Forget(Which which) {
    return std::erase_if(watches_, which) + std::erase_if(queue_, which) != 0;
  }
  // Closes a handle, and opens another in its place.
  void Reopen(const Op& op) {
    Source& source = sources_[op.a % 2];
    zx_handle_t& handle = source.handles[op.a / 2 % 2];
    Forget([&](const auto& one) { return one.handle == handle; });
    RC_ASSERT(table_.Close(handle) == ZX_OK);
    RC_ASSERT(Open(source.job, &handle));
  }
  void Take() {
    zx_port_packet_t packet;
    const zx_status_t status = port_->Wait(0, &packet);
    RC_ASSERT(status == (queue_.empty() ? ZX_ERR_TIMED_OUT : ZX_OK));
    if (queue_.empty()) return;
    const Queued expected = queue_.front();
    queue_.pop_front();
    std::erase_if(watches_, [&](const Watch& watch) { return watch.id == expected.id && !watch.repeating; });
    RC_ASSERT(packet.key == expected.key);
    RC_ASSERT(packet.type == expected.type);
    RC_ASSERT(packet.signal.trigger == expected.trigger);
    RC_ASSERT(packet.signal.observed == expected.observed);
  }

  HandleTable table_;
  RefPtr<Port> port_ = Port::Create();
  zx_handle_t port_handle_ = ZX_HANDLE_INVALID;
  Source sources_[2];
  std::vector<Watch> watches_;
  std::deque<Queued> queue_;
  int last_id_ = 0;
};

RC_GTEST_PROP(PortModel, DoesWhatALineOfPacketsWouldDo, ()) {
  const auto ops = *Ops(11);
  PortModel model;
  for (const Op& op : ops) model.Run(op);
  model.TakeAll();
}

}  // namespace
}  // namespace zxctl
