// Making threads in processes, and starting them.
#include "client/task.h"

namespace zxctl::client {
namespace {

constexpr std::string_view kGone = "the process is dead, or was let go: nothing can be started in it any more";

}  // namespace

Result<RefPtr<Thread>> Process::CreateThread() {
  connection().TakeIn();
  if (connection().dead()) return Fail(Status{.zx = ZX_ERR_PEER_CLOSED});
  if (IsOver()) return Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = std::string(kGone)});
  const Answer answer = connection().Request(ring::CommandType::kCreateThread, {.task = koid()});
  if (answer.status != ZX_OK) return Fail(Status{.zx = answer.status, .what = answer.Sentence()});
  RefPtr<Thread> thread = DownCast<Thread>(answer.object);
  if (!thread) return Fail(Status{.zx = ZX_ERR_NO_MEMORY, .what = "no memory"});
  return thread;
}

zx_status_t Thread::Start(const arch::StartRegs& regs, bool must_be_first, std::string* out_sentence) {
  connection().TakeIn();
  const ring::StartThread start{.regs = regs, .must_be_first = must_be_first ? 1U : 0U};
  const Answer answer = connection().Request(ring::CommandType::kStartThread, {.task = koid(), .other = related_koid()},
                                             std::as_bytes(std::span(&start, 1)));
  if (answer.status == ZX_ERR_PEER_CLOSED) return answer.status;
  *out_sentence = answer.status == ZX_ERR_BAD_STATE && answer.bytes.empty() ? kGone : answer.Sentence();
  return answer.status;
}

void Thread::OnLastHandleClosed() {
  // Nobody can ever start it.
  if (life() == ring::TaskLife::kNew) connection().Post(ring::CommandType::kEndNewborn, {.task = koid()});
}

}  // namespace zxctl::client
