// Tasks of the tree as records for clients. Pure.
#pragma once

#include "exceptions/router.h"
#include "ring/task_protocol.h"
#include "supervisor/task_tree.h"

namespace zxctl::service {

// What zx_info_process_t.return_code is for a process that died like this: the exit code, -1028 when a signal killed it
// that is an exception, -1024 for other signals.
[[nodiscard]] int64_t ReturnCode(int wait_status);

// `thread` has a process.
[[nodiscard]] ring::TaskRecord RecordOf(const Thread& thread);
[[nodiscard]] ring::TaskRecord RecordOf(const Process& process);
[[nodiscard]] ring::ExceptionRecord RecordOf(const ExceptionPacket& packet);

// ZX_THREAD_STATE_* and whose answer is outstanding; `exception` is null for a thread that is in none.
[[nodiscard]] ring::ThreadInfo InfoOf(const Thread& thread, const ExceptionPacket* exception, bool waits_for_answer);
[[nodiscard]] ring::ProcessInfo InfoOf(const Process& process);

}  // namespace zxctl::service
