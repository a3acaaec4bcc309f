// A client that writes what it likes: commands of any content, messages that are none, garbage in the ring's and everybody's
// words; while its tasks fault, make threads, execute programs and end. Whatever it does, nobody is left traced behind it.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "support/service_house.h"

namespace zxctl::test {
namespace {

constexpr size_t kRingBytes = 4096;
constexpr size_t kMaxSteps = 200;
constexpr size_t kMaxTasks = 24;
constexpr pid_t kFirstPid = 100;
constexpr int kProcesses = 4;
// Numbers that the tracer gives to tasks begin here.
constexpr uint64_t kFirstKoid = 1024;

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  template <typename T>
  T Take() {
    T value{};
    const size_t size = std::min(sizeof(T), bytes_.size());
    std::memcpy(&value, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
};

// Mostly what means something somewhere: a task, a job, a port, a slot, a generation.
uint64_t TakeNumber(Input& input) {
  const auto choice = input.Take<uint8_t>();
  if (choice < 160) return kFirstKoid + choice % 48;
  if (choice < 200) return choice % 10;
  if (choice < 230) return uint64_t{1} << (choice % 64);
  return input.Take<uint64_t>();
}

pid_t TakeTid(Input& input, ServiceHouse& house) {
  const auto tids = house.world().tids();
  const auto choice = input.Take<uint8_t>();
  return tids.empty() ? kFirstPid : tids[choice % tids.size()];
}

// How much an honest client would send with it.
size_t HonestSize(ring::CommandType type, const ring::Command& command) {
  if (type == ring::CommandType::kStartThread) return sizeof(ring::StartThread);
  const arch::StateLayout* layout = arch::FindState(command.options);
  return type == ring::CommandType::kWriteState && layout != nullptr ? layout->bytes : 0;
}

void WriteCommand(Input& input, ServiceHouse& house) {
  const auto type = static_cast<ring::CommandType>(64 + input.Take<uint8_t>() % 28);
  const auto small = input.Take<uint8_t>();
  ring::Command command{.seq = small, .task = TakeNumber(input), .other = TakeNumber(input), .key = TakeNumber(input)};
  command.options = small % 8 == 7 ? input.Take<uint32_t>() : small % 8;
  command.lease_ns = small % 16 == 15 ? input.Take<int64_t>() : 0;
  command.pid = small % 32 == 31 ? input.Take<int32_t>() : TakeTid(input, house);
  const std::array<std::byte, arch::kMaxStateBytes> bytes{};
  const size_t size = small % 2 == 0 ? HonestSize(type, command) : small % 16;
  (void)house.Write(type, command, std::span(bytes).first(size));
}

// The answer that an honest client would give.
void AnswerNext(Input& input, ServiceHouse& house) {
  const auto notice = house.ReadNext<ring::ExceptionNotice>(ring::NoticeType::kException);
  if (!notice) return;
  const ring::Command command{.task = notice->slot, .other = notice->generation, .options = input.Take<uint8_t>() % 4U};
  for (int i = input.Take<uint8_t>() % 2; i >= 0; --i) (void)house.Write(ring::CommandType::kAnswer, command);
}

void Scribble(Input& input, ServiceHouse& house) {
  const auto memory = house.channel().mapping();
  const auto where = input.Take<uint16_t>();
  const auto value = input.Take<uint64_t>();
  // The first bytes are positions and words, the rest is what they speak of.
  const size_t at = where % 2 == 0 ? where / 2 % 160 : where % (memory.size() - sizeof(value));
  std::memcpy(memory.data() + at, &value, sizeof(value));
}

void LetTaskAct(Input& input, ServiceHouse& house) {
  TaskWorld& world = house.world();
  const auto what = input.Take<uint8_t>();
  const pid_t tid = TakeTid(input, house);
  switch (what % 8) {
    case 0:
    case 1:
      return world.Fault(tid, SIGSEGV);
    case 2:
      return world.Fault(tid, what % 16 == 2 ? SIGTERM : SIGABRT);
    case 3:
    case 4:
      if (world.tracees.size() < kMaxTasks) world.Clone(tid, what % 8 == 4, what % 16 > 7);
      return;
    case 5:
      return world.Exec(tid);
    case 6:
      return world.Exit(tid);
    default:
      if (what % 32 == 7) world.KillFromOutside(tid);
      if (what % 16 == 15) world.Catch(tid, SIGSEGV);
  }
}

void Step(Input& input, ServiceHouse& house) {
  switch (input.Take<uint8_t>() % 12) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return WriteCommand(input, house);
    case 5:
    case 6:
    case 7:
      return LetTaskAct(input, house);
    case 8:
      return AnswerNext(input, house);
    case 9: {
      // One in four: it mostly ends the client.
      const bool wild = input.Take<uint8_t>() % 4 == 0;
      return wild ? Scribble(input, house) : house.Turn();
    }
    case 10:
      return house.PassTime(int64_t{1} << (input.Take<uint8_t>() % 40));
    default:
      house.Turn();
  }
}

// The client is gone, and time passes: whoever lives still is free.
void ExpectNobodyIsLeftBehind(ServiceHouse& house) {
  constexpr int kTurns = 16;
  house.Turn();
  if (house.is_there()) house.Leave();
  for (int i = 0; i < kTurns; ++i) {
    house.Turn();
    house.PassTime(kNsPerSec);
  }
  if (!house.world().LeftBehind().empty()) __builtin_trap();
}

}  // namespace
}  // namespace zxctl::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace zxctl::test;
  ServiceHouse house(kRingBytes);
  for (int i = 0; i < kProcesses; ++i) house.world().AddProcess(kFirstPid * (i + 1), i + 1);
  Input input({bytes, size});
  for (size_t step = 0; step < kMaxSteps && !input.empty(); ++step) Step(input, house);
  ExpectNobodyIsLeftBehind(house);
  return 0;
}
