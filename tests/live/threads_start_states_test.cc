// Starting threads and processes: with which rights, in which states, and who is told of it in which order.
#include <zircon/syscalls/exception.h>

#include <csignal>

#include "live/started_program.h"
#include "machine_start.h"
#include "support/handles.h"
#include "support/proc_view.h"

namespace zxctl::test {
namespace {

// Nothing is there: who begins there faults.
constexpr uint64_t kNowhere = 0x1230;
constexpr uint64_t kSp = 0x4560;
constexpr uint64_t kNumber = 77;

const std::vector<std::string> kSleeper = {"/bin/sleep", "0"};

zx::Thread Duplicate(const zx::Thread& thread, zx_rights_t rights) {
  zx_handle_t duplicate = ZX_HANDLE_INVALID;
  EXPECT_EQ(zx_handle_duplicate(thread.get(), rights, &duplicate), ZX_OK) << zxl_last_error();
  return zx::Thread(duplicate);
}

GeneralRegs RegsOf(const zx::Thread& thread) {
  GeneralRegs regs = {};
  EXPECT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &regs, sizeof(regs)), ZX_OK) << zxl_last_error();
  return regs;
}

// All of its registers are those with which it was started.
void ExpectBeginning(const zx::Thread& thread, const arch::StartRegs& given) {
  const auto words = [](const GeneralRegs& regs) {
    std::vector<uint64_t> found(sizeof(regs) / sizeof(uint64_t));
    std::memcpy(found.data(), &regs, sizeof(regs));
    return found;
  };
  EXPECT_EQ(words(RegsOf(thread)), words(InitialRegs(given)));
}

// The next packet is this thread's, of this type, and of whoever has bound with this key.
void ExpectPacket(const zx::Port& port, const zx::Thread& thread, uint32_t type, uint64_t key) {
  const zx_port_packet_t packet = NextPacket(port);
  EXPECT_EQ(packet.type, type);
  EXPECT_EQ(packet.key, key);
  EXPECT_EQ(packet.exception.tid, KoidOf(thread.get()));
}

void ExpectNoPacket(const zx::Port& port) {
  zx_port_packet_t packet = {};
  EXPECT_EQ(port.wait(0, &packet), ZX_ERR_TIMED_OUT) << packet.type;
}

void Answer(const zx::Thread& thread) { ASSERT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error(); }

// pc is looked at before the thread's state.
void ExpectNotNew(const zx::Thread& thread, uint64_t good_pc) {
  EXPECT_EQ(thread.start(good_pc, 0, 0, 0), ZX_ERR_BAD_STATE);
  EXPECT_EQ(thread.start_regs(good_pc, 0, 0, 0, 0, 0), ZX_ERR_BAD_STATE);
  for (const uint64_t pc : kBadPcs) EXPECT_EQ(thread.start(pc, 0, 0, 0), ZX_ERR_INVALID_ARGS) << std::hex << pc;
}

// ---- the first thread -----------------------------------------------------------------------------------------------

enum class First { kLeader, kMade };

// A process that was not started, and the thread that it will be started with.
struct Parked {
  explicit Parked(First who, const zx::Job& job = *zx::Job::default_job()) : program(Spawn(kSleeper, 0, job)) {
    if (who == First::kMade) {
      EXPECT_EQ(zx::Thread::create(program.process, "made", 4, 0, &made), ZX_OK) << zxl_last_error();
    }
  }
  [[nodiscard]] const zx::Thread& first() const { return made ? made : program.thread; }

  Program program;
  zx::Thread made;
};

class FirstThread : public testing::TestWithParam<First> {};

INSTANTIATE_TEST_SUITE_P(Of, FirstThread, testing::Values(First::kLeader, First::kMade),
                         [](const auto& info) { return info.param == First::kLeader ? "Leader" : "Made"; });

TEST_P(FirstThread, BeginsWithWhatProcessStartGivesItAndNothingElse) {
  const zx::Port port = MakePort();
  const Parked parked(GetParam());
  const zx::Process& process = parked.program.process;
  ASSERT_EQ(process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  ASSERT_EQ(process.start(parked.first(), kNowhere, kSp, ZX_HANDLE_INVALID, kNumber), ZX_OK) << zxl_last_error();
  ExpectPacket(port, parked.first(), ZX_EXCP_THREAD_STARTING, 1);
  ExpectBeginning(parked.first(), {.pc = kNowhere, .sp = kSp, .arg1 = 0, .arg2 = kNumber, .tp = 0, .abi_reg = 0});
  // No signal is for a thread that has no thread pointer.
  const uint64_t cannot_be_blocked = uint64_t{1} << (SIGKILL - 1) | uint64_t{1} << (SIGSTOP - 1);
  const uint64_t blocked = std::stoull(ProcStatusField(TidOf(parked.first()), "SigBlk"), nullptr, 16);
  EXPECT_EQ(blocked | cannot_be_blocked, ~uint64_t{0});
  Answer(parked.first());
  ExpectPacket(port, parked.first(), ZX_EXCP_FATAL_PAGE_FAULT, 1);
  GeneralRegs regs = RegsOf(parked.first());
  EXPECT_EQ(PcOf(regs), kNowhere);
  EXPECT_EQ(SpOf(regs), kSp);
}

// Also where ptrace refuses the thread pointer, which the thread loads itself then.
TEST_P(FirstThread, BeginsWithTheThreadPointerThatItsStartGivesIt) {
  for (const uint64_t tp : {uint64_t{0}, (uint64_t{1} << 46) + 8, ~uint64_t{0} << 47}) {
    SCOPED_TRACE(tp);
    const zx::Port port = MakePort();
    const zx::Job job = MakeJob();
    ASSERT_EQ(job.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    const Parked parked(GetParam(), job);
    ASSERT_EQ(parked.program.process.bind_exception_port(port, 2, 0), ZX_OK) << zxl_last_error();
    const zx::Thread& thread = parked.first();
    const arch::StartRegs given = {.pc = kNowhere, .sp = kSp, .arg1 = 1, .arg2 = 2, .tp = tp, .abi_reg = 3};
    ASSERT_EQ(thread.start_regs(given.pc, given.sp, given.arg1, given.arg2, given.tp, given.abi_reg), ZX_OK)
        << zxl_last_error();
    ExpectPacket(port, thread, ZX_EXCP_PROCESS_STARTING, 1);
    ExpectBeginning(thread, given);
    Answer(thread);
    ExpectPacket(port, thread, ZX_EXCP_FATAL_PAGE_FAULT, 2);
  }
}

TEST_P(FirstThread, ThatIsSuspendedIsToldOfAndRunsNothingUntilItIsReleased) {
  const zx::Port port = MakePort();
  const Parked parked(GetParam());
  const zx::Thread& thread = parked.first();
  zx::SuspendToken token;
  ASSERT_EQ(thread.suspend(&token), ZX_OK) << zxl_last_error();
  const zx::Process& process = parked.program.process;
  ASSERT_EQ(process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  ASSERT_EQ(process.start(thread, kNowhere, kSp, ZX_HANDLE_INVALID, kNumber), ZX_OK) << zxl_last_error();
  ExpectPacket(port, thread, ZX_EXCP_THREAD_STARTING, 1);
  Answer(thread);
  ASSERT_EQ(thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  ExpectBeginning(thread, {.pc = kNowhere, .sp = kSp, .arg1 = 0, .arg2 = kNumber, .tp = 0, .abi_reg = 0});
  ExpectNoPacket(port);
  token.reset();
  ExpectPacket(port, thread, ZX_EXCP_FATAL_PAGE_FAULT, 1);
}

TEST_P(FirstThread, GetsZeroForAHandleValueThatStandsForNothing) {
  for (const bool is_stale : {true, false}) {
    const zx::Port port = MakePort();
    const Parked parked(GetParam());
    const zx::Process& process = parked.program.process;
    ASSERT_EQ(process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    const zx_handle_t arg1 = is_stale ? Stale() : ~zx_handle_t{0};
    ASSERT_EQ(process.start(parked.first(), kNowhere, kSp, arg1, kNumber), ZX_OK) << zxl_last_error();
    ExpectPacket(port, parked.first(), ZX_EXCP_THREAD_STARTING, 1);
    ExpectBeginning(parked.first(), {.pc = kNowhere, .sp = kSp, .arg1 = 0, .arg2 = kNumber, .tp = 0, .abi_reg = 0});
  }
}

TEST_P(FirstThread, IsStartedWithHandlesThatCanOnlyWrite) {
  const zx::Port port = MakePort();
  const Parked parked(GetParam());
  ASSERT_EQ(parked.program.process.bind_exception_port(port, 1, 0), ZX_OK) << zxl_last_error();
  zx_handle_t process = ZX_HANDLE_INVALID;
  ASSERT_EQ(zx_handle_duplicate(parked.program.process.get(), ZX_RIGHT_WRITE, &process), ZX_OK) << zxl_last_error();
  const OwnedHandle closed_at_the_end(process);
  const zx::Thread thread = Duplicate(parked.first(), ZX_RIGHT_WRITE);
  ASSERT_EQ(zx_process_start(process, thread.get(), kNowhere, kSp, ZX_HANDLE_INVALID, kNumber), ZX_OK)
      << zxl_last_error();
  ExpectPacket(port, parked.first(), ZX_EXCP_FATAL_PAGE_FAULT, 1);
}

// When the job's debugger has answered about the process, the process's own hears of the thread.
TEST_P(FirstThread, IsToldOfToTheJobsDebuggerAndThenToTheProcesss) {
  for (const bool by_process_start : {true, false}) {
    SCOPED_TRACE(by_process_start);
    const zx::Port port = MakePort();
    const zx::Job job = MakeJob();
    ASSERT_EQ(job.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    const Parked parked(GetParam(), job);
    const zx::Process& process = parked.program.process;
    const zx::Thread& thread = parked.first();
    ASSERT_EQ(process.bind_exception_port(port, 2, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    ExpectNoPacket(port);
    ASSERT_EQ(by_process_start ? process.start(thread, kNowhere, kSp, ZX_HANDLE_INVALID, kNumber)
                               : thread.start(kNowhere, kSp, 0, kNumber),
              ZX_OK)
        << zxl_last_error();
    for (const auto& [type, key] : {std::pair(ZX_EXCP_PROCESS_STARTING, 1U), std::pair(ZX_EXCP_THREAD_STARTING, 2U)}) {
      ExpectPacket(port, thread, type, key);
      EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
      ExpectBeginning(thread, {.pc = kNowhere, .sp = kSp, .arg1 = 0, .arg2 = kNumber, .tp = 0, .abi_reg = 0});
      ExpectNoPacket(port);
      Answer(thread);
    }
    ExpectPacket(port, thread, ZX_EXCP_FATAL_PAGE_FAULT, 2);
    // A second one is no start of the process.
    zx::Thread second;
    ASSERT_EQ(zx::Thread::create(process, "second", 6, 0, &second), ZX_OK) << zxl_last_error();
    ASSERT_EQ(second.start(kNowhere, kSp, 0, 0), ZX_OK) << zxl_last_error();
    ExpectPacket(port, second, ZX_EXCP_THREAD_STARTING, 2);
  }
}

void ExpectStart(const Parked& parked, const zx::Thread& thread, uint64_t pc, zx_status_t status) {
  EXPECT_EQ(parked.program.process.start(thread, pc, kSp, ZX_HANDLE_INVALID, 0), status) << std::hex << pc;
}

// A process goes with its own first thread, and its state is looked at before all else.
TEST(KilledFirstThread, TakesItsProcessAlong) {
  const Parked parked(First::kLeader);
  const zx::Process& process = parked.program.process;
  ASSERT_EQ(parked.first().kill(), ZX_OK) << zxl_last_error();
  AwaitExit(parked.first());
  AwaitEnd(process);
  EXPECT_EQ(InfoOf(process).return_code, ZX_TASK_RETCODE_SYSCALL_KILL);
  ExpectStart(parked, parked.first(), kNowhere, ZX_ERR_BAD_STATE);
  for (const uint64_t pc : kBadPcs) ExpectStart(parked, parked.first(), pc, ZX_ERR_BAD_STATE);
}

// One that was made goes alone: pc is looked at before the thread's state, and the process can still be started.
TEST(KilledMadeThread, LeavesItsProcessAsItWas) {
  const Parked parked(First::kMade);
  const zx::Process& process = parked.program.process;
  ASSERT_EQ(parked.first().kill(), ZX_OK) << zxl_last_error();
  AwaitExit(parked.first());
  EXPECT_EQ(SignalsOf(process) & ZX_PROCESS_TERMINATED, 0U);
  for (const uint64_t pc : kBadPcs) ExpectStart(parked, parked.first(), pc, ZX_ERR_INVALID_ARGS);
  ExpectStart(parked, parked.first(), kNowhere, ZX_ERR_BAD_STATE);
  ASSERT_EQ(zxl_process_start(process.get()), ZX_OK) << zxl_last_error();
  EXPECT_NE(InfoOf(process).flags & ZX_INFO_PROCESS_FLAG_STARTED, 0U);
  EXPECT_EQ(process.kill(), ZX_OK);
  AwaitEnd(process);
}

// ---- threads of a process that runs ---------------------------------------------------------------------------------

TEST(ThreadStart, NeedsNoRightButToManageTheThread) {
  StartedProgram program;
  for (const bool with_regs : {true, false}) {
    const zx::Thread thread = program.Create();
    const zx::Thread weak = Duplicate(thread, ZX_RIGHT_MANAGE_THREAD);
    ASSERT_EQ(with_regs ? weak.start_regs(program.at("entry"), program.Stack(), 3, 5, 0, 0)
                        : weak.start(program.at("entry"), program.Stack(), 3, 5),
              ZX_OK)
        << zxl_last_error();
    AwaitExit(thread);
  }
  EXPECT_EQ(program.Ask().counter, 30);
  program.ExpectEnd();
}

TEST(SecondStart, OfAThreadThatIsSuspendedIsRefusedAndChangesNothing) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  zx::SuspendToken token;
  ASSERT_EQ(thread.suspend(&token), ZX_OK) << zxl_last_error();
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
  ASSERT_EQ(thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
  ExpectNotNew(thread, program.at("exiter"));
  EXPECT_EQ(SignalsOf(thread), ZX_THREAD_SUSPENDED);
  ExpectBeginning(thread, {.pc = program.at("entry"), .sp = program.Stack(), .arg1 = 3, .arg2 = 5});
  token.reset();
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 15);
  program.ExpectEnd();
}

TEST(SecondStart, OfAThreadThatStandsInAnExceptionIsRefused) {
  StartedProgram program;
  const zx::Port port = MakePort();
  ASSERT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
  ExpectPacket(port, thread, ZX_EXCP_THREAD_STARTING, 1);
  ExpectNotNew(thread, program.at("exiter"));
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
  Answer(thread);
  ExpectPacket(port, thread, ZX_EXCP_THREAD_EXITING, 1);
  ExpectNotNew(thread, program.at("entry"));
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_DYING);
  Answer(thread);
  AwaitExit(thread);
  EXPECT_EQ(program.Ask().counter, 15);
  program.ExpectEnd();
}

TEST(SecondStart, OfAThreadThatHasEndedInAProcessThatLivesIsRefused) {
  StartedProgram program;
  const zx::Thread thread = program.Create();
  ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
  AwaitExit(thread);
  ExpectNotNew(thread, program.at("entry"));
  EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_DEAD);
  EXPECT_EQ(program.Ask().counter, 15);
  program.ExpectEnd();
}

// ---- starts while suspended -----------------------------------------------------------------------------------------

TEST(StartWhileSuspended, IsToldOfAndThenTheThreadIsSuspendedBeforeItRunsAnything) {
  for (const bool by_process : {false, true}) {
    SCOPED_TRACE(by_process);
    StartedProgram program;
    const zx::Port port = MakePort();
    ASSERT_EQ(program.process.bind_exception_port(port, 1, ZX_EXCEPTION_PORT_DEBUGGER), ZX_OK) << zxl_last_error();
    const zx::Thread thread = program.Create();
    zx::SuspendToken token;
    ASSERT_EQ(by_process ? program.process.suspend(&token) : thread.suspend(&token), ZX_OK) << zxl_last_error();
    ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
    ExpectPacket(port, thread, ZX_EXCP_THREAD_STARTING, 1);
    EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_BLOCKED_EXCEPTION);
    EXPECT_EQ(SignalsOf(thread), ZX_THREAD_RUNNING);
    Answer(thread);
    ASSERT_EQ(thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
    EXPECT_EQ(StateOf(thread), ZX_THREAD_STATE_SUSPENDED);
    ExpectBeginning(thread, {.pc = program.at("entry"), .sp = program.Stack(), .arg1 = 3, .arg2 = 5});
    if (!by_process) {
      EXPECT_EQ(program.Ask().counter, 0);
    }
    ExpectNoPacket(port);
    token.reset();
    ExpectPacket(port, thread, ZX_EXCP_THREAD_EXITING, 1);
    Answer(thread);
    AwaitExit(thread);
    EXPECT_EQ(program.Ask().counter, 15);
    program.ExpectEnd();
  }
}

TEST(StartWhileSuspended, ByItsOwnTokenAndItsProcesssNeedsBothReleased) {
  for (const bool own_first : {true, false}) {
    SCOPED_TRACE(own_first);
    StartedProgram program;
    const zx::Thread thread = program.Create();
    zx::SuspendToken own;
    zx::SuspendToken all;
    ASSERT_EQ(thread.suspend(&own), ZX_OK) << zxl_last_error();
    ASSERT_EQ(program.process.suspend(&all), ZX_OK) << zxl_last_error();
    ASSERT_EQ(thread.start(program.at("entry"), program.Stack(), 3, 5), ZX_OK) << zxl_last_error();
    ASSERT_EQ(thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
    (own_first ? own : all).reset();
    // Only who is suspended can be read.
    ExpectBeginning(thread, {.pc = program.at("entry"), .sp = program.Stack(), .arg1 = 3, .arg2 = 5});
    EXPECT_EQ(SignalsOf(thread), ZX_THREAD_SUSPENDED);
    if (!own_first) {
      EXPECT_EQ(program.Ask().counter, 0) << "the others run";
      ExpectBeginning(thread, {.pc = program.at("entry"), .sp = program.Stack(), .arg1 = 3, .arg2 = 5});
    }
    (own_first ? all : own).reset();
    AwaitExit(thread);
    EXPECT_EQ(program.Ask().counter, 15);
    program.ExpectEnd();
  }
}

}  // namespace
}  // namespace zxctl::test
