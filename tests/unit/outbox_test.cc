#include "service/outbox.h"

#include <gtest/gtest.h>

namespace zxctl::service {
namespace {

struct Fixture {
  ring::RingHeader header{};
  std::vector<std::byte> data = std::vector<std::byte>(256);
  ring::Ring ring{&header, data};
  Outbox outbox{ring};
  std::vector<std::byte> bytes = std::vector<std::byte>(24);

  void FillRing() {
    while (outbox.waiting() == 0) outbox.Send(1, bytes);
  }
  int ReadAll() {
    ring::Message message;
    int count = 0;
    while (*ring.Read(message)) ++count;
    return count;
  }
};

TEST(Outbox, HeadAndTailArriveAsOneMessage) {
  Fixture f;
  const std::vector<std::byte> head = {std::byte{1}, std::byte{2}};
  const std::vector<std::byte> tail = {std::byte{3}};
  f.outbox.Send(5, head, tail);
  ring::Message message;
  ASSERT_TRUE(*f.ring.Read(message));
  EXPECT_EQ(message.type, 5U);
  EXPECT_EQ(message.payload, (std::vector<std::byte>{std::byte{1}, std::byte{2}, std::byte{3}}));
}

// Else nobody would tell that there is room again.
TEST(Outbox, WhatFindsNoRoomAsksForRoomAtOnce) {
  Fixture f;
  EXPECT_EQ(f.header.short_of_room.load(), 0U);
  f.FillRing();
  EXPECT_EQ(f.header.short_of_room.load(), 1U);
}

TEST(Outbox, AsksForNoRoomOnceAllIsWritten) {
  Fixture f;
  f.FillRing();
  ASSERT_GT(f.ReadAll(), 0);
  EXPECT_TRUE(f.outbox.Flush());
  EXPECT_EQ(f.header.short_of_room.load(), 1U);  // the reader's to clear
  f.header.short_of_room.store(0);
  f.outbox.Send(1, f.bytes);
  EXPECT_EQ(f.header.short_of_room.load(), 0U);
  EXPECT_EQ(f.ReadAll(), 2);
}

TEST(Outbox, LosesNothingAndKeepsTheOrder) {
  Fixture f;
  uint32_t read = 0;
  for (uint32_t sent = 0; sent < 200; ++sent) {
    f.outbox.Send(sent, f.bytes);
    if (sent % 20 != 19) continue;
    ring::Message message;
    do {
      while (*f.ring.Read(message)) EXPECT_EQ(message.type, read++);
    } while (!f.outbox.Flush() || f.ring.has_messages());
  }
  EXPECT_EQ(read, 200U);
}

}  // namespace
}  // namespace zxctl::service
