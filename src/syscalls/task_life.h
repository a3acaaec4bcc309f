// Why a task is in no state for a call, told by what it is now.
#pragma once

#include <string_view>

#include "client/task.h"
#include "syscalls/call.h"

namespace zxctl {

[[nodiscard]] inline Mistake WhyUnfit(const client::Task& task) {
  switch (task.life()) {
    case ring::TaskLife::kNew:
      return Mistake::kIsNew;
    case ring::TaskLife::kDying:
      return Mistake::kIsDying;
    case ring::TaskLife::kDead:
      return Mistake::kIsDead;
    case ring::TaskLife::kDetached:
      return Mistake::kIsLetGo;
    case ring::TaskLife::kAlive:
      break;
  }
  return Mistake::kHasChanged;
}

// What the tracer has refused: of a task that is no more this program knows better why.
inline zx_status_t FailRefused(const Call& call, const char* argument, const client::Task& task, zx_status_t status,
                               std::string_view sentence) {
  if (status == ZX_ERR_BAD_STATE && task.IsOver()) return call.Fail(status, argument, WhyUnfit(task));
  return call.FailBecause(status, sentence);
}

}  // namespace zxctl
