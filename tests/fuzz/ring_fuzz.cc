// A ring whose memory the other side has written as it liked: reading it ends in messages or an error, nothing else.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ring/channel.h"
#include "ring/protocol.h"
#include "ring/ring.h"

namespace zxctl::ring {
namespace {

constexpr size_t kRingBytes = 512;
constexpr int kMaxReads = 128;

void ReadEverything(RingHeader& header, std::vector<std::byte>& data) {
  Ring ring(&header, data);
  Message message;
  for (int i = 0; i < kMaxReads; ++i) {
    const auto got = ring.Read(message);
    if (!got || !*got) return;
    if (message.payload.size() > data.size()) __builtin_trap();
    (void)Unpack<CrashRecord>(message);
    (void)Unpack<LaunchRequest>(message);
  }
}

}  // namespace
}  // namespace zxctl::ring

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  using namespace zxctl::ring;
  RingHeader header{};
  uint64_t positions[2] = {};
  if (size < sizeof(positions)) return 0;
  std::memcpy(positions, input, sizeof(positions));
  header.head = positions[0];
  header.tail = positions[1];
  std::vector<std::byte> data(kRingBytes);
  std::memcpy(data.data(), input + sizeof(positions), std::min(size - sizeof(positions), data.size()));
  ReadEverything(header, data);
  return 0;
}
