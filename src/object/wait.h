// Waiting for signals of objects.
#pragma once

#include <zircon/types.h>

#include <span>

#include "object/dispatcher.h"
#include "object/handle_table.h"
#include "object/ref_counted.h"

namespace zxctl {

struct WaitTarget {
  RefPtr<Dispatcher> object;
  zx_handle_t handle = ZX_HANDLE_INVALID;
  zx_signals_t waitfor = 0;
  zx_signals_t pending = 0;  // result: the signals when one came true, or at the end
};

// Sleeps until a signal of one of them is there: OK; a handle of theirs is closed: CANCELED, and its `pending` has
// ZX_SIGNAL_HANDLE_CLOSED; or the deadline: TIMED_OUT. Whichever comes first. At most ZX_WAIT_MANY_MAX_ITEMS; none at all
// is a sleep. Objects may be among them more than once.
zx_status_t WaitMany(const HandleTable& handles, std::span<WaitTarget> targets, zx_time_t deadline);

}  // namespace zxctl
