// A client on a world of tasks: what it may say, and what becomes of it and of its tasks.
#include <gtest/gtest.h>
#include <zircon/syscalls/exception.h>
#include <zxtask/linux.h>

#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "support/service_house.h"

namespace zxctl::test {
namespace {

using ring::Command;
using ring::CommandType;
using ring::NoticeType;

constexpr pid_t kPid = 100;
constexpr uint64_t kPort = 3;
// What the tracer may have to tell a client that does not read: nobody needs more.
constexpr size_t kMostNotices = 3 * ring::kSlots;

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() { house.world().AddProcess(kPid, 2); }

  // The process's record; its leader's is the one behind it.
  ring::TaskRecord Attach() {
    EXPECT_TRUE(house.Write(CommandType::kAttach, {.seq = 1, .task = ServiceHouse::kRootJob, .pid = kPid}));
    house.Turn();
    const auto reply = house.ReadNext<ring::Reply>(NoticeType::kReply);
    EXPECT_TRUE(reply && reply->zx == ZX_OK);
    return reply ? reply->task : ring::TaskRecord{};
  }
  int32_t Ask(CommandType type, Command command) {
    command.seq = ++last_seq;
    EXPECT_TRUE(house.Write(type, command));
    house.Turn();
    const auto reply = house.ReadNext<ring::Reply>(NoticeType::kReply);
    return reply && reply->seq == command.seq ? reply->zx : 1;
  }
  void BindAndFault(int64_t lease_ns = 0) {
    process = Attach();
    ASSERT_EQ(Ask(CommandType::kBind, {.task = process.koid, .other = kPort, .key = 9, .lease_ns = lease_ns}), ZX_OK);
    house.world().Fault(kPid, SIGSEGV);
    house.Turn();
    offered = house.ReadNext<ring::ExceptionNotice>(NoticeType::kException);
    ASSERT_TRUE(offered);
  }
  bool IsAsked() { return house.router().AskedNow(kPid) != nullptr; }
  void Answer(uint64_t slot, uint64_t generation, ring::Verdict verdict) {
    const auto phase = verdict == ring::Verdict::kResume ? ring::SlotPhase::kResumed : ring::SlotPhase::kPassedOn;
    if (slot < ring::kSlots) house.shared().slots[slot] = ring::SlotWord(generation, phase);
    EXPECT_TRUE(house.Write(CommandType::kAnswer,
                            {.task = slot, .other = generation, .options = static_cast<uint32_t>(verdict)}));
    house.Turn();
  }
  // Everybody runs on, untraced.
  void ExpectAllAreFree() {
    house.Turn();
    EXPECT_TRUE(house.world().LeftBehind().empty());
    EXPECT_TRUE(house.tracer().idle());
    EXPECT_EQ(house.world().tids(), (std::vector<pid_t>{kPid, kPid + 1}));
  }

  ServiceHouse house;
  uint64_t last_seq = 1;
  ring::TaskRecord process;
  std::optional<ring::ExceptionNotice> offered;
};

TEST_F(ServiceTest, AMessageThatCannotBeIsTheEndOfTheClientOnly) {
  Attach();
  EXPECT_TRUE(house.channel().out().Write(static_cast<uint32_t>(CommandType::kList), {}));
  house.Turn();
  EXPECT_FALSE(house.is_there());
  ExpectAllAreFree();
}

TEST_F(ServiceTest, AnUnknownCommandIsTheEndOfTheClientOnly) {
  Attach();
  EXPECT_TRUE(house.Write(static_cast<CommandType>(1000), {}));
  house.Turn();
  EXPECT_FALSE(house.is_there());
  ExpectAllAreFree();
}

TEST_F(ServiceTest, GarbageInTheRingIsTheEndOfTheClientOnly) {
  Attach();
  house.channel().out().header().head = 0x1234567;
  house.Turn();
  EXPECT_FALSE(house.is_there());
  ExpectAllAreFree();
}

TEST_F(ServiceTest, WhoTakesTheLeadersPlaceHasItsTidBeforeTheLeaderIsDead) {
  process = Attach();
  const Koid koid = house.tracer().tree().FindThread(kPid + 1)->koid;
  ASSERT_EQ(Ask(CommandType::kFind, {.task = process.koid, .other = koid}), ZX_OK);
  house.world().Exec(kPid + 1);
  house.Turn();
  const auto first = house.ReadNext<ring::TaskRecord>(NoticeType::kTask);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->koid, koid);
  EXPECT_EQ(first->tid, kPid);
  EXPECT_EQ(first->life, ring::TaskLife::kAlive);
  const auto second = house.ReadNext<ring::TaskRecord>(NoticeType::kTask);
  ASSERT_TRUE(second);
  EXPECT_NE(second->koid, koid);
  EXPECT_EQ(second->life, ring::TaskLife::kDead);
}

TEST_F(ServiceTest, AnAnswerCountsOnce) {
  BindAndFault();
  Answer(offered->slot, offered->generation, ring::Verdict::kResume);
  EXPECT_FALSE(IsAsked());
  // The same fault again: the answer before is not one to this.
  house.world().Fault(kPid, SIGSEGV);
  house.Turn();
  EXPECT_TRUE(IsAsked());
  Answer(offered->slot, offered->generation, ring::Verdict::kResume);
  EXPECT_TRUE(IsAsked());
  EXPECT_TRUE(house.is_there());
}

TEST_F(ServiceTest, AnAnswerToAnotherSlotAnswersNothing) {
  BindAndFault();
  for (const uint64_t slot : {offered->slot + 1, ring::kSlots - 1, ring::kSlots, ~uint64_t{0}}) {
    Answer(slot, offered->generation, ring::Verdict::kResume);
    EXPECT_TRUE(IsAsked()) << slot;
  }
  Answer(offered->slot, offered->generation + 1, ring::Verdict::kResume);
  EXPECT_TRUE(IsAsked());
}

TEST_F(ServiceTest, WordsThatAClientRewritesDecideNothing) {
  BindAndFault(1000);
  for (const uint64_t word : {uint64_t{0}, ~uint64_t{0}, ring::SlotWord(7, ring::SlotPhase::kResumed)}) {
    house.shared().slots[offered->slot] = word;
    house.Turn();
    EXPECT_TRUE(IsAsked());
  }
  house.PassTime(2000);
  EXPECT_FALSE(IsAsked()) << "its lease is over all the same";
}

TEST_F(ServiceTest, AClientThatLeavesLetsGoWhoWaitsForIt) {
  house.world().Catch(kPid, SIGSEGV);
  process = Attach();
  ASSERT_EQ(Ask(CommandType::kBind, {.task = process.koid, .other = kPort, .options = ZXL_EXCEPTION_PORT_FIRST_CHANCE}),
            ZX_OK);
  EXPECT_TRUE(house.Write(CommandType::kSuspend, {.task = process.koid}));
  house.world().Fault(kPid, SIGSEGV);
  house.Turn();
  EXPECT_TRUE(IsAsked());
  house.Leave();
  house.Turn();
  EXPECT_TRUE(house.world().LeftBehind().empty());
}

TEST_F(ServiceTest, AClientThatDoesNotReadDoesNotKeepTheTracerAwake) {
  process = Attach();
  // Until the ring is full, and more has to wait.
  for (int i = 0; i < 5000; ++i) {
    (void)house.Write(CommandType::kThreadInfo, {.task = process.koid});
    if (i % 64 == 0) house.Turn(1);
  }
  house.Turn(1000);
  // A task that it knows changes.
  house.world().Exit(kPid);
  house.Turn(1000);
  EXPECT_TRUE(house.client().BeginSleep()) << "there is nothing it could do";
  house.client().EndSleep();
  // It reads at last: nothing was lost.
  ring::Message message;
  size_t replies = 0;
  for (int i = 0; i < 20; ++i) {
    while (house.Read(message)) replies += message.type == static_cast<uint32_t>(NoticeType::kReply) ? 1 : 0;
    house.Turn(1000);
  }
  EXPECT_GT(replies, 1024U);
  EXPECT_TRUE(house.client().BeginSleep());
}

TEST_F(ServiceTest, AClientThatDoesNotReadIsToldOfSoManyExceptionsOnly) {
  house.world().Catch(kPid, SIGSEGV);
  process = Attach();
  const Command bind = {
      .task = process.koid, .other = kPort, .lease_ns = 1, .options = ZXL_EXCEPTION_PORT_FIRST_CHANCE};
  ASSERT_EQ(Ask(CommandType::kBind, bind), ZX_OK);
  // Each time it is told, nobody answers in time, and the program's own handler runs.
  for (size_t i = 0; i < kMostNotices; ++i) {
    house.world().Fault(kPid, SIGSEGV);
    house.Turn();
    house.PassTime(1000);
  }
  EXPECT_GT(house.tracer().stats().lost_packets, 0U);
  EXPECT_FALSE(IsAsked());
  ring::Message message;
  size_t told = 0;
  for (int i = 0; i < 100; ++i) {
    while (house.Read(message)) ++told;
    house.Turn();
  }
  EXPECT_GT(told, ring::kSlots);
  EXPECT_LT(told, kMostNotices);
}

TEST_F(ServiceTest, ALeaseWithoutEndIsNotOverAtOnce) {
  BindAndFault(INT64_MAX);
  house.PassTime(1000 * kNsPerSec);
  EXPECT_TRUE(IsAsked());
}

TEST_F(ServiceTest, JobsAndPortsThatAreNotThereAreRefused) {
  process = Attach();
  EXPECT_EQ(Ask(CommandType::kAttach, {.task = 12345, .pid = kPid}), ZX_ERR_BAD_STATE);
  EXPECT_TRUE(house.Write(CommandType::kNewJob, {.task = 50, .other = 12345}));
  EXPECT_EQ(Ask(CommandType::kAttach, {.task = 50, .pid = kPid}), ZX_ERR_BAD_STATE) << "its parent is nobody's job";
  EXPECT_TRUE(house.is_there());
  EXPECT_TRUE(house.Write(CommandType::kEndPort, {.other = 12345}));
  EXPECT_EQ(Ask(CommandType::kUnbind, {.task = process.koid}), ZX_ERR_BAD_STATE);
}

// ---- registers that are read ahead ----

// The koids in records, and what the first register of each holds.
std::vector<std::pair<uint64_t, uint64_t>> RecordsIn(std::span<const std::byte> records) {
  std::vector<std::pair<uint64_t, uint64_t>> found;
  for (; records.size() >= sizeof(ring::RegistersRecord); records = records.subspan(sizeof(ring::RegistersRecord))) {
    ring::RegistersRecord record;
    uint64_t first = 0;
    std::memcpy(&record, records.data(), sizeof(record));
    std::memcpy(&first, &record.registers, sizeof(first));
    found.emplace_back(record.thread, first);
  }
  EXPECT_TRUE(records.empty());
  return found;
}

class ReadAheadTest : public testing::Test {
 protected:
  static constexpr pid_t kThreads = 250;
  static constexpr uint64_t kToken = 77;

  void SetUp() override {
    house.world().AddProcess(kPid, kThreads);
    for (pid_t i = 0; i < kThreads; ++i) {
      arch::GeneralRegs general = {};
      const uint64_t number = i;
      std::memcpy(&general, &number, sizeof(number));
      ASSERT_FALSE(arch::FromZircon(general, house.world().tracees[kPid + i].registers));
    }
    EXPECT_TRUE(house.Write(CommandType::kAttach, {.seq = 1, .task = ServiceHouse::kRootJob, .pid = kPid}));
    house.Turn(10 * kThreads);
    const auto reply = house.ReadNext<ring::Reply>(NoticeType::kReply);
    ASSERT_TRUE(reply && reply->zx == ZX_OK);
    EXPECT_TRUE(house.Write(CommandType::kSuspend, {.seq = 2, .task = reply->task.koid}));
    house.Turn(10 * kThreads);
    ring::Message message;
    while (house.Read(message)) continue;
  }
  void Ask(pid_t tid, uint64_t messages) {
    const Koid koid = house.tracer().tree().FindThread(tid)->koid;
    EXPECT_TRUE(
        house.Write(CommandType::kReadState, {.seq = 3, .task = koid, .other = kToken, .key = messages, .options = 0}));
    house.Turn();
  }
  // The records of the answer, and of so many messages behind it; then there is nothing more.
  void ExpectRecords(size_t messages, std::vector<size_t> counts, pid_t first) {
    pid_t next = first;
    ring::Message message;
    for (size_t i = 0; i < messages; ++i) {
      ASSERT_TRUE(house.Read(message)) << i;
      const auto type = i == 0 ? NoticeType::kReply : NoticeType::kRegisters;
      ASSERT_EQ(message.type, static_cast<uint32_t>(type)) << i;
      const size_t head = i == 0 ? sizeof(ring::Reply) + sizeof(arch::GeneralRegs) : sizeof(ring::FurtherRegisters);
      ring::FurtherRegisters further;
      EXPECT_TRUE(i == 0 || (ring::UnpackHead(message, further) && further.other == kToken));
      const auto records = RecordsIn(std::span(message.payload).subspan(head));
      EXPECT_EQ(records.size(), counts[i]) << i;
      for (const auto& [koid, value] : records) {
        EXPECT_EQ(koid, house.tracer().tree().FindThread(next)->koid);
        EXPECT_EQ(value, static_cast<uint64_t>(next - kPid));
        ++next;
      }
    }
    EXPECT_FALSE(house.Read(message));
  }
  // How many fit into one, and into the answer.
  static constexpr size_t kRecords = ring::kMaxBytes / sizeof(ring::RegistersRecord);
  static constexpr size_t kBehindAnswer = (ring::kMaxBytes - sizeof(arch::GeneralRegs)) / sizeof(ring::RegistersRecord);

  ServiceHouse house;
};

TEST_F(ReadAheadTest, NothingThatWasNotAskedForComes) {
  Ask(kPid, 0);
  ExpectRecords(1, {0}, kPid + 1);
}

TEST_F(ReadAheadTest, AsManyMessagesComeAsWereAskedForOfThreadsInTheirOrder) {
  Ask(kPid, 1);
  ExpectRecords(1, {kBehindAnswer}, kPid + 1);
  Ask(kPid + 5, 2);
  ExpectRecords(2, {kBehindAnswer, kRecords}, kPid + 6);
}

TEST_F(ReadAheadTest, EmptyOnesWhereThereAreNoMoreThreads) {
  constexpr size_t kLast = 10;
  Ask(kPid + kThreads - kLast - 1, 4);
  ExpectRecords(4, {kLast, 0, 0, 0}, kPid + kThreads - kLast);
  Ask(kPid + kThreads - 1, 2);
  ExpectRecords(2, {0, 0}, kPid + kThreads);
}

TEST_F(ReadAheadTest, NoneBehindAnAnswerThatIsAnError) {
  const Koid koid = house.tracer().tree().FindThread(kPid + 3)->koid;
  EXPECT_TRUE(house.Write(CommandType::kReadState, {.seq = 4, .task = koid + 100000, .key = 5, .options = 0}));
  house.Turn();
  const auto reply = house.ReadNext<ring::Reply>(NoticeType::kReply);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->zx, ZX_ERR_BAD_STATE);
  ring::Message message;
  EXPECT_FALSE(house.Read(message));
}

TEST_F(ReadAheadTest, WhoAsksForMoreThanMayBeIsNotServed) {
  Ask(kPid, ring::kMaxFurther + 1);
  EXPECT_FALSE(house.is_there());
}

}  // namespace
}  // namespace zxctl::test
