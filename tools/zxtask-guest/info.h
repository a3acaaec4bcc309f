// `zxctl guest info`.
#pragma once

namespace zxctl {

// Prints what KVM here can do. 0 when guests can be had, 1 when not.
[[nodiscard]] int GuestInfo(bool json);

}  // namespace zxctl
