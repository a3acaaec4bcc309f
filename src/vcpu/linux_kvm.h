// KVM as the kernel has it: /dev/kvm and its ioctls.
#pragma once

#include <memory>

#include "arch/kvm.h"
#include "base/status.h"

namespace zxctl {

// Whether guests can be had here; the sentence says what would mend it. NOT_SUPPORTED; NO_RESOURCES and NO_MEMORY where there is
// no descriptor or no memory left to find out.
[[nodiscard]] Result<std::shared_ptr<Kvm>> OpenKvm(const char* path = "/dev/kvm");
// Whether a KVM has what is needed. NOT_SUPPORTED.
[[nodiscard]] Result<void> CheckKvm(Kvm& kvm);

}  // namespace zxctl
