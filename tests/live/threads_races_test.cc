// Threads that are made in a program while something else happens to it or to the thread that is borrowed for it; see
// tasks_races_test.cc.
#include <zircon/syscalls/exception.h>

#include "live/races_test.h"

namespace zxctl::test {
namespace {

class RacesOfNewThreads : public Races {};

// OK, or that nobody is there any more who could make one.
zx_status_t Make(const zx::Process& process, zx::Thread* out) {
  const zx_status_t status = zx::Thread::create(process, "made", 4, 0, out);
  EXPECT_TRUE(IsOkOrDead(status)) << status << " " << zxl_last_error();
  return status;
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstASuspendOfItsMaker) {
  Repeat([&] {
    zx::Thread made;
    zx::SuspendToken token;
    Race([&] { EXPECT_EQ(Make(subject_->process(), &made), ZX_OK); },
         [&] { EXPECT_EQ(subject_->leader().suspend(&token), ZX_OK); });
    EXPECT_EQ(subject_->leader().wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
    token.reset();
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstAFaultOfItsMaker) {
  Bind();
  Repeat([&] {
    zx::Thread made;
    Race([&] { EXPECT_EQ(Make(subject_->process(), &made), ZX_OK); }, [&] { subject_->Tell(0, 'f'); });
    EXPECT_EQ(NextPacket(port_).key, 7U);
    EXPECT_EQ(subject_->leader().resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstTheAnswerToItsMakersException) {
  Bind();
  Repeat([&] {
    zx::Thread made;
    Fault();
    Race([&] { EXPECT_EQ(Make(subject_->process(), &made), ZX_OK); },
         [&] { EXPECT_EQ(subject_->leader().resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error(); });
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstAnExecOfItsMaker) {
  Repeat([&] {
    zx::Thread made;
    Race([&] { static_cast<void>(Make(subject_->process(), &made)); }, [&] { subject_->Tell(0, 'x', false); });
    subject_->Executed();
    EXPECT_TRUE(subject_->Works());
    EXPECT_EQ(Subject::Koids(subject_->process(), ZX_INFO_PROCESS_THREADS).size(), 1U);
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstAnExecOfAnother) {
  Repeat([&] {
    static_cast<void>(subject_->MakeThread(1));
    zx::Thread made;
    Race([&] { static_cast<void>(Make(subject_->process(), &made)); }, [&] { subject_->Tell(1, 'x', false); });
    subject_->Executed();
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstTheKillOfItsProcess) {
  KillProcessAgainst([&](const zx::Process& process, const zx::Thread& /*thread*/) {
    zx::Thread made;
    static_cast<void>(Make(process, &made));
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstTheEndOfItsProcess) {
  Repeat([&] {
    const zx::Process child = subject_->MakeChild(job_);
    zx::Thread made;
    Race([&] { static_cast<void>(Make(child, &made)); }, [&] { subject_->Tell(kRaceChild, 'q', false); });
    AwaitEnd(child);
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstTheDetachOfItsProcess) {
  Repeat([&] {
    const zx::Process child = subject_->MakeChild(job_);
    zx::Thread made;
    Race([&] { static_cast<void>(Make(child, &made)); }, [&] { EXPECT_EQ(child.detach(), ZX_OK) << zxl_last_error(); });
    EXPECT_TRUE(subject_->Works(kRaceChild));
    made.reset();
    // It goes as one that nobody ever made a thread in.
    subject_->Tell(kRaceChild, 'q', false);
    AwaitEnd(child);
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstAnother) {
  Repeat([&] {
    zx::Thread first;
    zx::Thread second;
    Race([&] { EXPECT_EQ(Make(subject_->process(), &first), ZX_OK); },
         [&] { EXPECT_EQ(Make(subject_->process(), &second), ZX_OK); });
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(RacesOfNewThreads, AThreadIsMadeAgainstTheKillOfItsMaker) {
  Repeat([&] {
    const zx::Thread other = subject_->MakeThread(1);
    zx::Thread made;
    Race([&] { EXPECT_EQ(Make(subject_->process(), &made), ZX_OK); }, [&] { EXPECT_EQ(other.kill(), ZX_OK); });
    ExpectDead(other);
    EXPECT_TRUE(subject_->Works());
  });
}

// ---- starting --------------------------------------------------------------------------------------------------------

// Where started threads fault: they are killed with their process, or let end.
constexpr uint64_t kNowhere = 0x1000;

// OK, or that it was not there any more to be started.
zx_status_t Start(const zx::Thread& thread) {
  const zx_status_t status = thread.start(kNowhere, 0, 0, 0);
  EXPECT_TRUE(IsOkOrDead(status)) << status << " " << zxl_last_error();
  return status;
}

TEST_F(RacesOfNewThreads, OfTwoStartsOneCounts) {
  Bind();
  Repeat([&] {
    zx::Thread made;
    ASSERT_EQ(Make(subject_->process(), &made), ZX_OK);
    zx::Thread again;
    ASSERT_EQ(made.duplicate(ZX_RIGHT_SAME_RIGHTS, &again), ZX_OK);
    zx_status_t first = ZX_OK;
    zx_status_t second = ZX_OK;
    Race([&] { first = Start(made); }, [&] { second = Start(again); });
    EXPECT_EQ((first == ZX_OK) + (second == ZX_OK), 1) << first << " " << second;
    EXPECT_EQ(NextPacket(port_).type, ZX_EXCP_FATAL_PAGE_FAULT);
    EXPECT_EQ(made.kill(), ZX_OK) << zxl_last_error();
    ExpectDead(made);
    EXPECT_TRUE(subject_->Works());
  });
}

// A started thread lives on without handles, one that was not goes.
TEST_F(RacesOfNewThreads, AStartAgainstTheCloseOfAnotherHandle) {
  Bind();
  Repeat([&] {
    zx::Thread made;
    ASSERT_EQ(Make(subject_->process(), &made), ZX_OK);
    zx::Thread other;
    ASSERT_EQ(made.duplicate(ZX_RIGHT_SAME_RIGHTS, &other), ZX_OK);
    Race([&] { EXPECT_EQ(Start(made), ZX_OK); }, [&] { other.reset(); });
    EXPECT_EQ(NextPacket(port_).type, ZX_EXCP_FATAL_PAGE_FAULT);
    EXPECT_EQ(made.kill(), ZX_OK) << zxl_last_error();
    ExpectDead(made);
  });
}

TEST_F(RacesOfNewThreads, AStartAgainstASuspendOfItsProcess) {
  Bind();
  Repeat([&] {
    zx::Thread made;
    ASSERT_EQ(Make(subject_->process(), &made), ZX_OK);
    zx::SuspendToken token;
    Race([&] { EXPECT_EQ(Start(made), ZX_OK); },
         [&] { EXPECT_EQ(subject_->process().suspend(&token), ZX_OK) << zxl_last_error(); });
    token.reset();
    EXPECT_EQ(NextPacket(port_).type, ZX_EXCP_FATAL_PAGE_FAULT);
    EXPECT_EQ(made.kill(), ZX_OK) << zxl_last_error();
    ExpectDead(made);
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(RacesOfNewThreads, AStartAgainstTheKillOfItsProcess) {
  Repeat([&] {
    const zx::Process child = subject_->MakeChild(job_);
    zx::Thread made;
    ASSERT_EQ(Make(child, &made), ZX_OK);
    Race([&] { static_cast<void>(Start(made)); }, [&] { EXPECT_EQ(child.kill(), ZX_OK) << zxl_last_error(); });
    AwaitEnd(child);
  });
}

TEST_F(RacesOfNewThreads, AStartAgainstAnExecOfItsProcess) {
  Bind();
  Repeat([&] {
    zx::Thread made;
    ASSERT_EQ(Make(subject_->process(), &made), ZX_OK);
    Race([&] { static_cast<void>(made.start_regs(kNowhere, 0, 0, 0, ~uint64_t{0} << 47, 0)); },
         [&] { subject_->Tell(0, 'x', false); });
    subject_->Executed();
    EXPECT_TRUE(subject_->Works());
    EXPECT_EQ(Subject::Koids(subject_->process(), ZX_INFO_PROCESS_THREADS).size(), 1U);
    // It may have faulted before.
    zx_port_packet_t packet;
    while (port_.wait(0, &packet) == ZX_OK) EXPECT_EQ(packet.type, ZX_EXCP_FATAL_PAGE_FAULT);
  });
}

}  // namespace
}  // namespace zxctl::test
