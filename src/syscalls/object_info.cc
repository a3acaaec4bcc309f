#include <zircon/syscalls.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>
#include <vector>

#include "syscalls/call.h"
#include "syscalls/task_life.h"

using namespace zxctl;

namespace {

// What a topic takes. A list has records of sizeof(zx_koid_t).
struct Topic {
  uint32_t topic;
  zx_obj_type_t type;  // NONE: any
  zx_rights_t rights;
  size_t record_size;
  bool is_list;
};

constexpr std::array kTopics = {
    Topic{ZX_INFO_HANDLE_VALID, ZX_OBJ_TYPE_NONE, 0, 0, false},
    Topic{ZX_INFO_HANDLE_BASIC, ZX_OBJ_TYPE_NONE, 0, sizeof(zx_info_handle_basic_t), false},
    Topic{ZX_INFO_PROCESS, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_INSPECT, sizeof(zx_info_process_t), false},
    Topic{ZX_INFO_PROCESS_THREADS, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_ENUMERATE, sizeof(zx_koid_t), true},
    Topic{ZX_INFO_JOB_CHILDREN, ZX_OBJ_TYPE_JOB, ZX_RIGHT_ENUMERATE, sizeof(zx_koid_t), true},
    Topic{ZX_INFO_JOB_PROCESSES, ZX_OBJ_TYPE_JOB, ZX_RIGHT_ENUMERATE, sizeof(zx_koid_t), true},
    Topic{ZX_INFO_THREAD, ZX_OBJ_TYPE_THREAD, ZX_RIGHT_INSPECT, sizeof(zx_info_thread_t), false},
    Topic{ZX_INFO_THREAD_EXCEPTION_REPORT, ZX_OBJ_TYPE_THREAD, ZX_RIGHT_INSPECT, sizeof(zx_exception_report_t), false},
    Topic{ZX_INFO_VCPU, ZX_OBJ_TYPE_VCPU, ZX_RIGHT_INSPECT, sizeof(zx_info_vcpu_t), false},
};
constexpr size_t kMaxRecordSize = sizeof(zx_info_thread_t);

// Where an answer goes: the pointers of the call.
struct Answer {
  void* buffer;
  size_t size;
  size_t* actual;
  size_t* avail;

  void Count(size_t given, size_t there) const {
    if (actual != nullptr) *actual = given;
    if (avail != nullptr) *avail = there;
  }
};

zx_status_t FillRecord(const Topic& topic, Dispatcher& object, zx_rights_t rights, std::span<std::byte> record) {
  if (topic.topic != ZX_INFO_HANDLE_BASIC) return object.ReadRecord(topic.topic, record);
  const zx_info_handle_basic_t basic = {
      .koid = object.koid(),
      .rights = rights,
      .type = object.type(),
      .related_koid = object.related_koid(),
      .props = object.is_waitable() ? ZX_OBJ_PROP_WAITABLE : ZX_OBJ_PROP_NONE,
  };
  std::memcpy(record.data(), &basic, sizeof(basic));
  return ZX_OK;
}

// The object that is asked about: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED.
zx_status_t Subject(const Call& call, const Topic& topic, zx_handle_t handle, RefPtr<Dispatcher>* out,
                    zx_rights_t* out_rights) {
  const zx_status_t status = call.Object("handle", handle, 0, out, out_rights);
  if (status != ZX_OK) return status;
  if (topic.type != ZX_OBJ_TYPE_NONE && topic.type != (*out)->type()) {
    return call.Fail(ZX_ERR_WRONG_TYPE, "handle", Mistake::kWrongType, (*out)->type(), topic.type);
  }
  return call.Rights("handle", **out, *out_rights, topic.rights);
}

// BUFFER_TOO_SMALL for a record that does not fit, INVALID_ARGS. Of a list, what does not fit is left out.
zx_status_t CheckBuffer(const Call& call, const Topic& topic, const Answer& answer) {
  if (!topic.is_list && answer.size < topic.record_size) {
    answer.Count(0, 1);
    return call.Fail(ZX_ERR_BUFFER_TOO_SMALL, "buffer", Mistake::kBufferTooSmall, answer.size, topic.record_size);
  }
  const size_t records = topic.is_list ? answer.size / topic.record_size : 1;
  const bool has_words = topic.record_size % sizeof(uint64_t) == 0;
  return call.OutBytes("buffer", answer.buffer, records * topic.record_size,
                       has_words ? alignof(uint64_t) : alignof(uint32_t));
}

// Only of tasks can there be none.
Mistake WhyNoRecord(const Topic& topic, const Dispatcher& object) {
  const auto& task = static_cast<const client::Task&>(object);
  if (topic.topic == ZX_INFO_THREAD_EXCEPTION_REPORT && !task.IsOver()) return Mistake::kNoException;
  if (topic.topic == ZX_INFO_PROCESS && task.life() == ring::TaskLife::kDead) return Mistake::kEndUnknown;
  return WhyUnfit(task);
}

zx_status_t GiveRecord(const Call& call, const Topic& topic, Dispatcher& object, zx_rights_t rights,
                       const Answer& answer) {
  std::array<std::byte, kMaxRecordSize> record = {};
  const zx_status_t status = FillRecord(topic, object, rights, std::span(record).first(topic.record_size));
  if (status == ZX_ERR_NOT_SUPPORTED) return call.Fail(status, "topic", Mistake::kUnknownTopic, topic.topic);
  if (status == ZX_ERR_PEER_CLOSED) return call.FailBecause(status, {});
  if (status != ZX_OK) return call.Fail(status, "handle", WhyNoRecord(topic, object));
  std::memcpy(answer.buffer, record.data(), topic.record_size);
  answer.Count(1, 1);
  return ZX_OK;
}

zx_status_t GiveList(const Call& call, const Topic& topic, Dispatcher& object, const Answer& answer) {
  const size_t room = answer.size / sizeof(zx_koid_t);
  std::vector<zx_koid_t> koids;
  zx_status_t status = ZX_OK;
  try {
    status = object.ListKoids(topic.topic, &koids);
  } catch (const std::bad_alloc&) {
    return call.Fail(ZX_ERR_NO_MEMORY, "the list", Mistake::kNoMemory);
  }
  if (status != ZX_OK) return call.FailBecause(status, {});
  const size_t given = std::min(room, koids.size());
  if (given != 0) std::memcpy(answer.buffer, koids.data(), given * sizeof(zx_koid_t));
  answer.Count(given, koids.size());
  return ZX_OK;
}

}  // namespace

zx_status_t zx_object_get_info(zx_handle_t handle, uint32_t topic_number, void* buffer, size_t buffer_size,
                               size_t* actual, size_t* avail) {
  const Call call("zx_object_get_info");
  const auto topic = std::ranges::find(kTopics, topic_number, &Topic::topic);
  if (topic == kTopics.end()) {
    return call.Fail(ZX_ERR_NOT_SUPPORTED, "topic", Mistake::kUnknownTopic, topic_number);
  }
  zx_rights_t rights = 0;
  RefPtr<Dispatcher> object;
  zx_status_t status = Subject(call, *topic, handle, &object, &rights);
  if (status != ZX_OK) return status;
  object = {};
  if (status = call.OptionalOut("actual", actual); status != ZX_OK) return status;
  if (status = call.OptionalOut("avail", avail); status != ZX_OK) return status;
  const Answer answer = {.buffer = buffer, .size = buffer_size, .actual = actual, .avail = avail};
  if (topic->record_size == 0) return ZX_OK;
  if (status = CheckBuffer(call, *topic, answer); status != ZX_OK) return status;
  if (status = Subject(call, *topic, handle, &object, &rights); status != ZX_OK) return status;
  if (topic->is_list) return GiveList(call, *topic, *object, answer);
  return GiveRecord(call, *topic, *object, rights, answer);
}
