// In which of its states a thread's registers can be read and written, kind by kind.
#include <gmock/gmock.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/exception.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "live/started_program.h"

namespace zxctl::test {
namespace {

using ::testing::HasSubstr;

constexpr std::array kKinds = {ZX_THREAD_STATE_GENERAL_REGS, ZX_THREAD_STATE_FP_REGS, ZX_THREAD_STATE_VECTOR_REGS,
                               ZX_THREAD_STATE_DEBUG_REGS, ZX_THREAD_STATE_SINGLE_STEP};
// Those that a thread has at its exit, too.
constexpr std::array kLastingKinds = {ZX_THREAD_STATE_FP_REGS, ZX_THREAD_STATE_VECTOR_REGS, ZX_THREAD_STATE_DEBUG_REGS};
// Room for every kind of every machine.
using State = std::array<uint8_t, 4096>;

void ExpectRefused(const zx::Thread& thread, uint32_t kind, zx_status_t status, const std::string& why) {
  SCOPED_TRACE("kind " + std::to_string(kind));
  State untouched;
  untouched.fill(0x5a);
  State state = untouched;
  EXPECT_EQ(thread.read_state(kind, state.data(), state.size()), status);
  EXPECT_THAT(zxl_last_error(), HasSubstr(why));
  EXPECT_EQ(state, untouched);
  // Zeros can be written where it stands.
  state.fill(0);
  EXPECT_EQ(thread.write_state(kind, state.data(), state.size()), status);
  EXPECT_THAT(zxl_last_error(), HasSubstr(why));
}

void ExpectNone(const zx::Thread& thread, const std::string& why) {
  for (const uint32_t kind : kKinds) ExpectRefused(thread, kind, ZX_ERR_BAD_STATE, why);
}

zx::SuspendToken Suspended(const zx::Process& process, const zx::Thread& its_thread) {
  zx::SuspendToken token;
  EXPECT_EQ(process.suspend(&token), ZX_OK) << zxl_last_error();
  EXPECT_EQ(its_thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK) << zxl_last_error();
  return token;
}

// Suspends are asynchronous: it has been told of as standing, and does not run before the token goes.
TEST(NoRegisters, OfARunningThread) {
  StartedProgram program;
  const zx::Thread leader = LeaderOf(program);
  const std::string why = "neither suspended nor in an exception: suspend it";
  ExpectNone(leader, why);
  Suspended(program.process, leader).reset();
  EXPECT_EQ(leader.wait_one(ZX_THREAD_RUNNING, Soon()), ZX_OK) << zxl_last_error();
  ExpectNone(leader, why);
  program.ExpectEnd();
}

TEST(NoRegisters, OfANewThread) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  ExpectNone(thread, "has not been started");
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_NEW);
  program.ExpectEnd();
}

TEST(NoRegisters, OfANewThreadOfASuspendedProcess) {
  StartedProgram program;
  const zx::Thread before = program.Create();
  zx::SuspendToken token = Suspended(program.process, LeaderOf(program));
  const zx::Thread meanwhile = program.Create();
  ExpectNone(before, "has not been started");
  ExpectNone(meanwhile, "has not been started");
  token.reset();
  ExpectNone(before, "has not been started");
  for (const zx::Thread* thread : {&before, &meanwhile}) {
    EXPECT_EQ(thread->start(program.at("exiter"), program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
    AwaitExit(*thread);
  }
  program.ExpectEnd();
}

TEST(NoRegisters, OfTheFirstThreadOfANewProcess) {
  const Program program = Spawn({"/bin/sleep", "1000"});
  ExpectNone(program.thread, "has not been started");
  zx::SuspendToken token;
  ASSERT_EQ(program.process.suspend(&token), ZX_OK) << zxl_last_error();
  ExpectNone(program.thread, "has not been started");
}

TEST(NoRegisters, OfADeadThread) {
  StartedProgram program;
  const zx::Thread leader = LeaderOf(program);
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("exiter"), program.Stack(), 0, 0), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  ExpectNone(thread, "has ended");
  {
    const zx::SuspendToken token = Suspended(program.process, leader);
    ExpectNone(thread, "has ended");
  }
  ASSERT_EQ(program.process.kill(), ZX_OK);
  AwaitEnd(program.process);
  ExpectNone(leader, "has ended");
}

// What there is of a kind, and whether it can be put back.
struct Answer {
  zx_status_t read = ZX_OK;
  zx_status_t written = ZX_OK;
  bool operator==(const Answer&) const = default;
};

Answer RoundTrip(const zx::Thread& thread, uint32_t kind) {
  State state = {};
  Answer answer;
  answer.read = thread.read_state(kind, state.data(), state.size());
  answer.written = thread.write_state(kind, state.data(), state.size());
  return answer;
}

TEST(AnExitingThread, HasNoGeneralRegistersAndNoStepsAndTheOtherKinds) {
  StartedProgram program;
  const zx::Port port = MakePort();
  const zx::Thread thread = program.CreateAndStandAtStart(port, "exiter");
  std::array<Answer, kLastingKinds.size()> at_start;
  std::transform(kLastingKinds.begin(), kLastingKinds.end(), at_start.begin(),
                 [&](uint32_t kind) { return RoundTrip(thread, kind); });
  ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  ASSERT_EQ(NextPacket(port).type, ZX_EXCP_THREAD_EXITING);
  for (const uint32_t kind : {ZX_THREAD_STATE_GENERAL_REGS, ZX_THREAD_STATE_SINGLE_STEP}) {
    ExpectRefused(thread, kind, ZX_ERR_NOT_SUPPORTED, "exits");
  }
  for (size_t i = 0; i < kLastingKinds.size(); ++i) {
    EXPECT_EQ(RoundTrip(thread, kLastingKinds[i]), at_start[i]) << kLastingKinds[i] << ": " << zxl_last_error();
  }
  ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  ExpectNone(thread, "has ended");
  EXPECT_EQ(program.process.bind_exception_port(zx::Port(), 0, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK);
  program.ExpectEnd();
}

}  // namespace
}  // namespace zxctl::test
