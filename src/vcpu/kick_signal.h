// The signal that brings a thread out of KVM_RUN.
//
// KVM_RUN ends for a signal and for nothing else. The first VCPU of a process takes a real-time signal that the program has left
// at its default, the highest there is, and gives it a handler that does nothing; threads that make VCPUs have it unblocked.
#pragma once

#include <sys/types.h>

#include "base/status.h"

namespace zxctl {

// Once for each thread that is to be kicked. NO_RESOURCES when the program uses all real-time signals.
[[nodiscard]] Result<void> PrepareForKicks();
// To a thread of this process; nothing happens to one that is no more.
void SendKick(pid_t tid);

}  // namespace zxctl
