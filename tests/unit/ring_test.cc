#include "ring/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <thread>

#include "ring/channel.h"
#include "ring/protocol.h"

namespace zxctl::ring {
namespace {

struct Memory {
  RingHeader header{};
  std::vector<std::byte> data = std::vector<std::byte>(256);
  Ring ring() { return {&header, data}; }
};

std::vector<std::byte> Bytes(size_t count, uint8_t seed = 1) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(seed + i);
  return bytes;
}

TEST(Ring, GivesBackWhatWasWrittenInOrder) {
  Memory memory;
  Ring ring = memory.ring();
  Message message;
  for (uint32_t round = 0; round < 1000; ++round) {
    // Sizes that make messages wrap at every offset.
    const auto payload = Bytes(round % 97, static_cast<uint8_t>(round));
    ASSERT_TRUE(ring.Write(round, payload));
    const auto got = ring.Read(message);
    ASSERT_TRUE(got && *got) << round;
    EXPECT_EQ(message.type, round);
    EXPECT_EQ(message.payload, payload);
  }
  EXPECT_FALSE(*ring.Read(message));
}

TEST(Ring, RefusesWhenFullAndTakesMoreAfterARead) {
  Memory memory;
  Ring ring = memory.ring();
  int written = 0;
  while (ring.Write(7, Bytes(24))) ++written;
  EXPECT_EQ(written, 8);
  Message message;
  ASSERT_TRUE(*ring.Read(message));
  EXPECT_TRUE(ring.Write(7, Bytes(24)));
}

TEST(Ring, NeverTakesAMessageLargerThanItself) {
  Memory memory;
  EXPECT_FALSE(memory.ring().Write(1, Bytes(1000)));
}

TEST(Ring, FailsOnPositionsThatAProducerMadeUp) {
  for (const uint64_t head : {uint64_t{257}, ~uint64_t{0}, uint64_t{3}, uint64_t{1} << 63}) {
    Memory memory;
    memory.header.head = head;
    Message message;
    const auto got = memory.ring().Read(message);
    ASSERT_FALSE(got) << head;
    EXPECT_EQ(got.error().zx, ZX_ERR_IO_DATA_INTEGRITY);
  }
}

TEST(Ring, FailsOnSizesThatAProducerMadeUp) {
  for (const uint32_t size : {0U, 7U, 17U, 256U, 0xffffffffU}) {
    Memory memory;
    memory.header.head = 16;
    const MessageHeader header{.size = size, .type = 1};
    std::memcpy(memory.data.data(), &header, sizeof(header));
    Message message;
    EXPECT_FALSE(memory.ring().Read(message)) << size;
  }
}

TEST(Ring, SurvivesAnyBytes) {
  std::mt19937_64 random(42);
  for (int round = 0; round < 2000; ++round) {
    Memory memory;
    for (auto& byte : memory.data) byte = static_cast<std::byte>(random());
    memory.header.head = random() % 300;
    memory.header.tail = random() % 16 == 0 ? random() : 0;
    Message message;
    for (int reads = 0; reads < 64; ++reads) {
      const auto got = memory.ring().Read(message);
      if (!got || !*got) break;
      EXPECT_LE(message.payload.size(), memory.data.size());
    }
  }
}

TEST(Ring, AConsumerThatLiesAboutItsTailGetsNothingMore) {
  Memory memory;
  memory.header.tail = 1000;
  EXPECT_FALSE(memory.ring().Write(1, Bytes(8)));
}

TEST(Channel, CarriesMessagesBothWaysBetweenThreads) {
  auto here = Channel::Create(4096);
  ASSERT_TRUE(here);
  auto there = Channel::Attach(UniqueFd(dup(here->fd())));
  ASSERT_TRUE(there);
  constexpr int kRounds = 10000;
  std::thread echo([&there] {
    Message message;
    for (int i = 0; i < kRounds; ++i) {
      const auto got = there->Receive(message, kNever);
      if (!got || !*got || !there->SendBytes(message.type, message.payload)) return;
    }
  });
  Message message;
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_TRUE(here->Send(static_cast<uint32_t>(i), HelloRecord{.tracer_pid = i}));
    const auto got = here->Receive(message, MonotonicNs() + 60 * kNsPerSec);
    ASSERT_TRUE(got && *got);
    ASSERT_EQ(message.type, static_cast<uint32_t>(i));
    ASSERT_EQ(Unpack<HelloRecord>(message)->tracer_pid, i);
  }
  echo.join();
}

TEST(Channel, ReceiveEndsAtItsDeadline) {
  auto channel = Channel::Create(4096);
  ASSERT_TRUE(channel);
  Message message;
  const int64_t deadline = MonotonicNs() + kNsPerMs;
  EXPECT_FALSE(*channel->Receive(message, deadline));
  EXPECT_GE(MonotonicNs(), deadline);
}

TEST(Channel, AttachRefusesWhatIsNoRing) {
  EXPECT_FALSE(Channel::Attach(UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC))));
  UniqueFd plain(memfd_create("plain", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(plain.get(), 8192), 0);
  EXPECT_FALSE(Channel::Attach(std::move(plain)));  // could be shrunk under our feet
  UniqueFd sealed(memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(sealed.get(), 8192), 0);
  ASSERT_EQ(fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
  EXPECT_FALSE(Channel::Attach(std::move(sealed)));
}

TEST(Channel, KeepsItsSizeWhateverTheOtherSideDoesToItsFile) {
  auto here = Channel::Create(4096);
  ASSERT_TRUE(here);
  const size_t bytes = here->mapping().size();
  for (const size_t size : {size_t{0}, bytes - 1, bytes + 1, 2 * bytes}) {
    EXPECT_NE(ftruncate(here->fd(), static_cast<off_t>(size)), 0) << size;
    EXPECT_EQ(errno, EPERM);
  }
  EXPECT_NE(fcntl(here->fd(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  ASSERT_TRUE(here->Send(1, HelloRecord{.tracer_pid = 5}));
  // What is taken out of it reads as zeros, and does not fault.
  ASSERT_EQ(fallocate(here->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)), 0);
  Message message;
  const auto got = here->in().Read(message);
  EXPECT_TRUE(got && !*got);
  EXPECT_TRUE(here->Send(1, HelloRecord{.tracer_pid = 6}));
}

TEST(Unpack, RefusesTheWrongSize) {
  Message message{.type = 1, .payload = Bytes(3)};
  EXPECT_FALSE(Unpack<HelloRecord>(message));
}

}  // namespace
}  // namespace zxctl::ring
