// Memory that can be mapped into guests: zeros at first, and nothing is taken before it is touched.
#pragma once

#include <zircon/rights.h>
#include <zircon/types.h>

#include <cstdint>

#include "base/unique_fd.h"
#include "object/dispatcher.h"

namespace zxctl {

inline constexpr uint64_t kPageBytes = 4096;
[[nodiscard]] constexpr bool IsPageAligned(uint64_t value) { return value % kPageBytes == 0; }

// Any thread. Of one size for ever.
class Vmo final : public Dispatcher {
 public:
  static constexpr zx_obj_type_t kType = ZX_OBJ_TYPE_VMO;
  static constexpr zx_rights_t kRights = ZX_DEFAULT_VMO_RIGHTS;
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 47;

  // The size is rounded up to whole pages. OUT_OF_RANGE for more than kMaxBytes; NO_MEMORY; NO_RESOURCES where there are no
  // descriptors left.
  static zx_status_t Create(uint64_t bytes, RefPtr<Vmo>* out, int* out_errno);

  [[nodiscard]] bool is_waitable() const override { return true; }
  [[nodiscard]] bool has_name() const override { return true; }

  [[nodiscard]] uint64_t size() const { return bytes_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

  // OUT_OF_RANGE, with nothing copied, for what is not all inside. NO_MEMORY where the machine has none left for it.
  zx_status_t Read(uint64_t offset, void* out, size_t bytes) const;
  zx_status_t Write(uint64_t offset, const void* in, size_t bytes);

 private:
  Vmo(UniqueFd fd, uint64_t bytes);

  const UniqueFd fd_;
  const uint64_t bytes_;
};

}  // namespace zxctl
