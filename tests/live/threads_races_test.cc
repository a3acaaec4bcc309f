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

}  // namespace
}  // namespace zxctl::test
