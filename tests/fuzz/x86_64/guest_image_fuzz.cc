// Whatever is given to `zxctl guest run` as an image is loaded, or refused with a sentence.
//
// Input: a byte for where a flat binary goes, then the file.
#include <sys/mman.h>
#include <unistd.h>
#include <zircon/syscalls.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/unique_fd.h"
#include "zxtask-guest/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  constexpr uint64_t kMemory = 1 << 20;
  if (size == 0) return 0;
  const zxctl::UniqueFd file(memfd_create("image", MFD_CLOEXEC));
  if (write(file.get(), input + 1, size - 1) != static_cast<ssize_t>(size - 1)) return 0;
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  const auto image = zxctl::LoadGuestImage(path, kMemory, uint64_t{input[0]} << 12);
  if (!image) {
    if (image.error().what.empty()) __builtin_trap();
    return 0;
  }
  if (image->bytes != kMemory) __builtin_trap();
  zx_handle_close(image->vmo);
  return 0;
}
