// What the calls about guests share.
#pragma once

#include "syscalls/call.h"
#include "vcpu/guest.h"

namespace zxctl {

// BAD_STATE in a process that was forked from the one that has the guest.
inline zx_status_t CheckNotForked(const Call& call, const GuestMachine& machine) {
  if (!machine.IsForked()) return ZX_OK;
  return call.FailBecause(ZX_ERR_BAD_STATE, GuestMachine::kForkedSentence);
}

}  // namespace zxctl
