// Races on purpose: two things that happen to a task at once, a thousand times each (a hundred thousand with ZX_SOAK=1), each
// time with other delays. Whatever comes first, calls agree on who did, nobody hangs, and the program goes on.
#include <magenta/syscalls.h>
#include <signal.h>
#include <zircon/syscalls/exception.h>

#include <memory>
#include <utility>

#include "base/clock.h"
#include "live/races_test.h"

namespace zxctl::test {
namespace {

// ---- answers ---------------------------------------------------------------------------------------------------------

TEST_F(Races, OfTwoAnswersOnlyTheFirstCounts) {
  Bind();
  Repeat([&] {
    Fault();
    const std::array<uint32_t, 2> options = {delays_.Number(2) != 0 ? ZX_RESUME_TRY_NEXT : 0,
                                             delays_.Number(2) != 0 ? ZX_RESUME_TRY_NEXT : 0};
    std::array<zx_status_t, 2> statuses = {};
    Race([&] { statuses[0] = subject_->leader().resume_from_exception(port_, options[0]); },
         [&] { statuses[1] = subject_->leader().resume_from_exception(port_, options[1]); });
    EXPECT_TRUE(subject_->Hear(0));
    EXPECT_EQ((statuses[0] == ZX_OK) + (statuses[1] == ZX_OK), 1) << statuses[0] << " " << statuses[1];
    const size_t winner = statuses[0] == ZX_OK ? 0 : 1;
    EXPECT_EQ(PassedOn(), options[winner] == ZX_RESUME_TRY_NEXT ? 1 : 0);
  });
}

TEST_F(Races, AnAnswerWithoutThePacketIsOneLikeAnyOther) {
  Bind();
  Repeat([&] {
    std::atomic<zx_status_t> with_packet = ZX_ERR_NEXT;
    zx_status_t without = ZX_ERR_BAD_STATE;
    Race(
        [&] {
          Fault();
          with_packet = subject_->leader().resume_from_exception(port_, 0);
        },
        [&] {
          while (with_packet != ZX_OK && without != ZX_OK) without = subject_->leader().resume(ZX_RESUME_EXCEPTION);
        });
    EXPECT_EQ((with_packet == ZX_OK) + (without == ZX_OK), 1) << with_packet << " " << without;
    EXPECT_TRUE(subject_->Hear(0));
    EXPECT_EQ(PassedOn(), 0);
  });
}

// The answer is timed so that about one in two comes too late.
TEST_F(Races, AnAnswerOrTheEndOfTheLeaseAndNeverBoth) {
  constexpr int64_t kLeaseNs = 200 * kNsPerUs;
  Bind(0, kLeaseNs);
  int64_t wait_ns = kLeaseNs;
  int in_time = 0;
  Repeat([&] {
    Fault();
    const int64_t end = MonotonicNs() + wait_ns + static_cast<int64_t>(delays_.Number(40)) * kNsPerUs;
    while (MonotonicNs() < end) {
    }
    const zx_status_t status = subject_->leader().resume_from_exception(port_, 0);
    EXPECT_TRUE(subject_->Hear(0));
    const int passed_on = PassedOn();
    EXPECT_EQ((status == ZX_OK) + passed_on, 1) << status;
    if (status == ZX_OK) ++in_time;
    wait_ns += status == ZX_OK ? 2 * kNsPerUs : -2 * kNsPerUs;
  });
  std::cout << in_time << " answers in time, at last after " << wait_ns << " ns\n";
  EXPECT_GT(in_time, 0);
  EXPECT_LT(in_time, Rounds());
}

TEST_F(Races, AnAnswerOrAnUnbindAndNeverBoth) {
  Bind();
  Repeat([&] {
    Fault();
    const bool quietly = delays_.Number(2) != 0;
    zx_status_t status = ZX_OK;
    Race([&] { status = subject_->leader().resume_from_exception(port_, 0); },
         [&] {
           EXPECT_EQ(subject_->process().unbind_exception_port(quietly ? ZX_EXCEPTION_PORT_UNBIND_QUIETLY : 0), ZX_OK);
         });
    EXPECT_TRUE(subject_->Hear(0));
    EXPECT_EQ((status == ZX_OK) + PassedOn(), 1) << status;
    if (quietly) {
      EXPECT_EQ(status, ZX_OK);
    }
    Bind();
  });
}

TEST_F(Races, AnAnswerOrTheCloseOfThePortAndNeverBoth) {
  Repeat([&] {
    port_ = MakePort();
    Bind();
    Fault();
    const int won_before = backstop_.won();
    zx_status_t status = ZX_OK;
    Race([&] { status = subject_->leader().resume(ZX_RESUME_EXCEPTION); }, [&] { port_.reset(); });
    EXPECT_TRUE(subject_->Hear(0));
    // One of them may have answered for the last handler.
    EXPECT_EQ((status == ZX_OK) + backstop_.won() - won_before, 1) << status;
    EXPECT_TRUE(IsOkOrDead(status)) << status;
  });
}

TEST_F(Races, AnAnswerOrADetachAndNeverBoth) {
  Repeat([&] {
    const zx::Process child = subject_->MakeChild(job_);
    const zx::Thread thread = Subject::Find(child, subject_->tid(kRaceChild));
    const UniqueFd end = OpenPidfd(subject_->tid(kRaceChild));
    EXPECT_EQ(child.bind_exception_port(port_, 7, 0), ZX_OK) << zxl_last_error();
    subject_->Tell(kRaceChild, 'f');
    NextPacket(port_);
    zx_status_t status = ZX_OK;
    Race([&] { status = thread.resume_from_exception(port_, 0); },
         [&] { EXPECT_EQ(child.detach(), ZX_OK) << zxl_last_error(); });
    EXPECT_TRUE(IsOkOrDead(status)) << status;
    // An exception that is not answered takes its course.
    if (status == ZX_OK) {
      EXPECT_TRUE(subject_->Hear(kRaceChild));
      EXPECT_EQ(kill(subject_->tid(kRaceChild), SIGKILL), 0);
    }
    EXPECT_TRUE(ProcessGone(end));
    AwaitEnd(child);
  });
}

TEST_F(Races, AFaultWhileItsPortIsClosedGoesToTheNextHandler) {
  Repeat([&] {
    port_ = MakePort();
    Bind();
    Race([&] { subject_->Tell(0, 'f'); }, [&] { port_.reset(); });
    EXPECT_TRUE(subject_->Hear(0));
    EXPECT_EQ(PassedOn(), 1);
  });
}

TEST_F(Races, AFaultWhileItsPortIsBoundIsAskedAboutOnce) {
  Repeat([&] {
    Race([&] { subject_->Tell(0, 'f'); }, [&] { Bind(); });
    zx_port_packet_t packet = {};
    while (backstop_.asked() == asked_before_ && port_.wait(zx_deadline_after(ZX_MSEC(1)), &packet) != ZX_OK) {
    }
    if (packet.key == 7) {
      EXPECT_EQ(subject_->leader().resume_from_exception(port_, 0), ZX_OK);
    }
    EXPECT_TRUE(subject_->Hear(0));
    EXPECT_EQ((packet.key == 7) + PassedOn(), 1);
    EXPECT_EQ(subject_->process().unbind_exception_port(0), ZX_OK);
  });
}

TEST_F(Races, AThreadDiesBetweenPacketAndAnswer) {
  Bind();
  Repeat([&] {
    const zx::Thread thread = subject_->MakeThread(1);
    subject_->Tell(1, 'f');
    NextPacket(port_);
    const uint32_t options = delays_.Number(2) != 0 ? ZX_RESUME_TRY_NEXT : 0;
    Race([&] { EXPECT_TRUE(IsOkOrDead(thread.resume_from_exception(port_, options))) << zxl_last_error(); },
         [&] { EXPECT_EQ(thread.kill(), ZX_OK) << zxl_last_error(); });
    ExpectDead(thread);
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(Races, AProcessEndsBetweenPacketAndAnswer) {
  Repeat([&] {
    const zx::Process child = subject_->MakeChild(job_);
    const zx::Thread thread = Subject::Find(child, subject_->tid(kRaceChild));
    EXPECT_EQ(child.bind_exception_port(port_, 7, 0), ZX_OK) << zxl_last_error();
    subject_->Tell(kRaceChild, 'f');
    NextPacket(port_);
    Race([&] { EXPECT_TRUE(IsOkOrDead(thread.resume_from_exception(port_, 0))) << zxl_last_error(); },
         [&] { EXPECT_EQ(kill(subject_->tid(kRaceChild), SIGKILL), 0); });
    AwaitEnd(child);
    ExpectDead(thread);
  });
}

// ---- suspends --------------------------------------------------------------------------------------------------------

TEST_F(Races, ASuspendThatBeginsAsTheLastOneEndsTakesEffect) {
  zx::SuspendToken token;
  EXPECT_EQ(subject_->leader().suspend(&token), ZX_OK);
  Repeat([&] {
    zx::SuspendToken next;
    EXPECT_EQ(subject_->leader().wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
    Race([&] { token.reset(); }, [&] { EXPECT_EQ(subject_->leader().suspend(&next), ZX_OK); });
    EXPECT_EQ(subject_->leader().wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK) << zxl_last_error();
    zx_info_thread_t info = {};
    EXPECT_EQ(subject_->leader().get_info(ZX_INFO_THREAD, &info, sizeof(info)), ZX_OK);
    EXPECT_EQ(info.state, ZX_THREAD_STATE_SUSPENDED);
    // What the tracer had to say by then is heard.
    EXPECT_EQ(SignalsOf(subject_->leader()), ZX_THREAD_SUSPENDED);
    token = std::move(next);
  });
}

TEST_F(Races, AFlagThatIsSetAndClearedAtOnceEndsAsOneOfBoth) {
  Repeat([&] {
    Race([&] { EXPECT_EQ(mx_task_suspend(subject_->leader().get()), ZX_OK); },
         [&] { EXPECT_EQ(subject_->leader().resume(0), ZX_OK); });
    // Behind whatever the two have asked for.
    zx_info_thread_t info = {};
    EXPECT_EQ(subject_->leader().get_info(ZX_INFO_THREAD, &info, sizeof(info)), ZX_OK);
    if (info.state == ZX_THREAD_STATE_SUSPENDED) {
      EXPECT_EQ(subject_->leader().wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
    }
    EXPECT_EQ(subject_->leader().resume(0), ZX_OK);
    EXPECT_EQ(subject_->leader().wait_one(ZX_THREAD_RUNNING, Soon()), ZX_OK);
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(Races, ASuspendOfAThreadAgainstThatOfItsProcess) {
  Repeat([&] {
    zx::SuspendToken thread;
    zx::SuspendToken process;
    Race([&] { EXPECT_EQ(subject_->leader().suspend(&thread), ZX_OK); },
         [&] { EXPECT_EQ(subject_->process().suspend(&process), ZX_OK); });
    EXPECT_EQ(subject_->leader().wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK);
    Race([&] { thread.reset(); }, [&] { process.reset(); });
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(Races, ASuspendAgainstTheAnswer) {
  Bind();
  Repeat([&] {
    Fault();
    zx::SuspendToken token;
    Race([&] { EXPECT_EQ(subject_->leader().resume_from_exception(port_, 0), ZX_OK) << zxl_last_error(); },
         [&] { EXPECT_EQ(subject_->leader().suspend(&token), ZX_OK); });
    EXPECT_EQ(subject_->leader().wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK) << zxl_last_error();
    token.reset();
    EXPECT_TRUE(subject_->Hear(0));
  });
}

TEST_F(Races, ATokenThatIsClosedWhileItsThreadExits) {
  Repeat([&] {
    const zx::Thread thread = subject_->MakeThread(1);
    zx::SuspendToken token;
    EXPECT_EQ(thread.suspend(&token), ZX_OK);
    // It comes to it before it is stopped, or when it goes on.
    subject_->Tell(1, 'e', false);
    Race([&] { token.reset(); },
         [&] {
           zx::SuspendToken other;
           EXPECT_TRUE(IsOkOrDead(thread.suspend(&other)));
         });
    ExpectDead(thread);
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(Races, ASuspendOfAProcessAgainstItsExec) {
  Repeat([&] {
    const bool by_leader = delays_.Number(2) != 0;
    if (!by_leader) static_cast<void>(subject_->MakeThread(1));
    zx::SuspendToken token;
    Race([&] { subject_->Tell(by_leader ? 0 : 1, 'x', false); },
         [&] { EXPECT_EQ(subject_->process().suspend(&token), ZX_OK); });
    token.reset();
    subject_->Executed();
    EXPECT_TRUE(subject_->Works());
    EXPECT_EQ(Subject::Koids(subject_->process(), ZX_INFO_PROCESS_THREADS).size(), 1U);
  });
}

TEST_F(Races, ASuspendOfAThreadThatExecutesStaysUntilItsTokenIsClosed) {
  Repeat([&] {
    const zx::Thread thread = subject_->MakeThread(1);
    zx::SuspendToken token;
    Race([&] { subject_->Tell(1, 'x', false); }, [&] { EXPECT_EQ(thread.suspend(&token), ZX_OK); });
    EXPECT_EQ(thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK) << zxl_last_error();
    token.reset();
    subject_->Executed();
    EXPECT_TRUE(subject_->Works());
    // It is the first thread now, and the one that is left.
    EXPECT_EQ(SignalsOf(thread), ZX_THREAD_RUNNING);
  });
}

// ---- kills -----------------------------------------------------------------------------------------------------------

TEST_F(Races, KillOfAThreadAgainstItsSuspend) {
  KillThreadAgainst([](const zx::Thread& thread) {
    zx::SuspendToken token;
    EXPECT_TRUE(IsOkOrDead(thread.suspend(&token))) << zxl_last_error();
    static_cast<void>(thread.wait_one(ZX_THREAD_SUSPENDED | ZX_THREAD_TERMINATED, Soon()));
  });
}

TEST_F(Races, KillOfAThreadAgainstItsFault) {
  Bind();
  KillThreadAgainst([&](const zx::Thread& thread) {
    subject_->Tell(1, 'f');
    zx_port_packet_t packet = {};
    if (port_.wait(zx_deadline_after(ZX_USEC(200)), &packet) != ZX_OK) return;
    EXPECT_TRUE(IsOkOrDead(thread.resume_from_exception(port_, 0))) << zxl_last_error();
  });
}

TEST_F(Races, KillOfAThreadAgainstItsExit) {
  KillThreadAgainst([&](const zx::Thread& /*thread*/) { subject_->Tell(1, 'e', false); });
}

TEST_F(Races, KillOfAThreadAgainstItsDebugger) {
  Bind(ZX_EXCEPTION_PORT_DEBUGGER);
  std::thread handler([&] {
    for (zx_port_packet_t packet = NextPacket(port_); packet.key == 7; packet = NextPacket(port_)) {
      zx::Thread thread;
      if (subject_->process().get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &thread) != ZX_OK) continue;
      EXPECT_TRUE(IsOkOrDead(thread.resume_from_exception(port_, 0))) << zxl_last_error();
    }
  });
  KillThreadAgainst([&](const zx::Thread& /*thread*/) {
    if (delays_.seed() % 2 == 0) subject_->Tell(1, 'e', false);
  });
  const zx_port_packet_t end = {.key = 1, .type = ZX_PKT_TYPE_USER, .status = 0, .user = {}};
  EXPECT_EQ(port_.queue(&end), ZX_OK);
  handler.join();
}

TEST_F(Races, KillOfAThreadAgainstAnotherKill) {
  KillThreadAgainst([&](const zx::Thread& thread) { EXPECT_EQ(thread.kill(), ZX_OK) << zxl_last_error(); });
}

TEST_F(Races, KillOfAThreadAgainstItsRegisters) {
  KillThreadAgainst([&](const zx::Thread& thread) {
    zx::SuspendToken token;
    zx_thread_state_general_regs_t registers = {};
    EXPECT_TRUE(IsOkOrDead(thread.suspend(&token)));
    EXPECT_TRUE(IsOkOrDead(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers))));
  });
}

TEST_F(Races, KillOfAThreadAgainstWaits) {
  KillThreadAgainst([&](const zx::Thread& thread) {
    EXPECT_EQ(thread.wait_async(port_, 3, ZX_THREAD_TERMINATED, ZX_WAIT_ASYNC_ONCE), ZX_OK);
    EXPECT_EQ(thread.wait_one(ZX_THREAD_TERMINATED, Soon()), ZX_OK);
    EXPECT_EQ(NextPacket(port_).key, 3U);
  });
}

TEST_F(Races, KillOfAThreadThatIsBeingBorn) {
  Repeat([&] {
    subject_->Begin(1);
    std::vector<zx_koid_t> koids;
    while (koids.size() < 2) koids = Subject::Koids(subject_->process(), ZX_INFO_PROCESS_THREADS);
    zx::Thread thread;
    EXPECT_EQ(subject_->process().get_child(koids.back(), ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK);
    Spin(delays_.Next()[0]);
    EXPECT_EQ(thread.kill(), ZX_OK) << zxl_last_error();
    ExpectDead(thread);
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(Races, KillOfAThreadAgainstItsExec) {
  Repeat([&] {
    const zx::Thread thread = subject_->MakeThread(1);
    Race([&] { EXPECT_EQ(thread.kill(), ZX_OK) << zxl_last_error(); }, [&] { subject_->Tell(1, 'x', false); });
    ExpectDead(thread);
    // The process is there if it was killed before, and not if it was the last thread by then.
    if (Subject::Koids(subject_->process(), ZX_INFO_PROCESS_THREADS).empty()) {
      AwaitEnd(subject_->process());
      MakeSubject();
    } else {
      EXPECT_TRUE(subject_->Works());
    }
  });
}

TEST_F(Races, KillOfAProcessAgainstItsSuspend) {
  KillProcessAgainst([](const zx::Process& process, const zx::Thread& thread) {
    zx::SuspendToken token;
    EXPECT_TRUE(IsOkOrDead(process.suspend(&token))) << zxl_last_error();
    static_cast<void>(thread.wait_one(ZX_THREAD_SUSPENDED | ZX_THREAD_TERMINATED, Soon()));
  });
}

TEST_F(Races, KillOfAProcessAgainstItsExec) {
  KillProcessAgainst(
      [&](const zx::Process& /*process*/, const zx::Thread& /*thread*/) { subject_->Tell(kRaceChild, 'x', false); });
}

TEST_F(Races, KillOfAProcessAgainstItsExit) {
  KillProcessAgainst(
      [&](const zx::Process& /*process*/, const zx::Thread& /*thread*/) { subject_->Tell(kRaceChild, 'q', false); });
}

TEST_F(Races, KillOfAProcessAgainstAKillOfItsThread) {
  KillProcessAgainst([&](const zx::Process& /*process*/, const zx::Thread& thread) {
    EXPECT_EQ(thread.kill(), ZX_OK) << zxl_last_error();
  });
}

TEST_F(Races, KillOfAProcessAgainstItsDetach) {
  Repeat([&] {
    const zx::Process child = subject_->MakeChild(job_);
    zx_status_t killed = ZX_OK;
    zx_status_t detached = ZX_OK;
    Race([&] { killed = child.kill(); }, [&] { detached = child.detach(); });
    EXPECT_TRUE(IsOkOrDead(killed) && IsOkOrDead(detached)) << killed << " " << detached;
    if (killed != ZX_OK) {
      EXPECT_EQ(kill(subject_->tid(kRaceChild), SIGKILL), 0);
    }
    AwaitEnd(child);
  });
}

TEST_F(Races, KillOfAProcessAgainstItsStart) {
  Repeat([&] {
    const Program program = Spawn({TargetPath("target_races"), "0"}, 0, job_);
    Race([&] { EXPECT_EQ(program.process.kill(), ZX_OK) << zxl_last_error(); },
         [&] { EXPECT_TRUE(IsOkOrDead(program.process.start())) << zxl_last_error(); });
    AwaitEnd(program.process);
    ExpectDead(program.thread);
  });
}

TEST_F(Races, KillOfAJobAgainstASpawnInIt) {
  Repeat([&] {
    const zx::Job above = MakeJob();
    zx::Job job;
    EXPECT_EQ(zx::Job::create(above, 0, &job), ZX_OK);
    Program program;
    zx_status_t spawned = ZX_OK;
    const zx::Job& killed = delays_.Number(2) != 0 ? above : job;
    const uint32_t options = delays_.Number(2) != 0 ? ZXL_SPAWN_START : 0;
    Race([&] { EXPECT_EQ(killed.kill(), ZX_OK); },
         [&] {
           spawned = TrySpawn(job, {"/bin/sleep", "1000"}, options, &program);
         });
    if (spawned == ZX_OK) AwaitEnd(program.process);
    EXPECT_EQ(job.wait_one(ZX_JOB_TERMINATED, Soon()), ZX_OK) << zxl_last_error();
    EXPECT_TRUE(Subject::Koids(job, ZX_INFO_JOB_PROCESSES).empty());
  });
}

TEST_F(Races, KillOfAJobAgainstForksInIt) {
  Repeat([&] {
    const zx::Job job = MakeJob();
    Subject subject(job);
    Race(
        [&] {
          for (int i = 0; i < 3; ++i) subject.Tell(0, 'k', false);
        },
        [&] { EXPECT_EQ(job.kill(), ZX_OK); });
    AwaitEnd(subject.process());
    EXPECT_EQ(job.wait_one(ZX_JOB_NO_PROCESSES, Soon()), ZX_OK) << zxl_last_error();
    EXPECT_TRUE(Subject::Koids(job, ZX_INFO_JOB_PROCESSES).empty());
  });
}

// ---- handles ---------------------------------------------------------------------------------------------------------

TEST_F(Races, AHandleThatIsTakenAsItsThreadEndsTellsOfTheEnd) {
  Repeat([&] {
    static_cast<void>(subject_->MakeThread(1));
    const zx_koid_t koid = Subject::Koids(subject_->process(), ZX_INFO_PROCESS_THREADS).back();
    zx::Thread thread;
    zx_status_t status = ZX_OK;
    Race([&] { status = subject_->process().get_child(koid, ZX_RIGHT_SAME_RIGHTS, &thread); },
         [&] { subject_->Tell(1, 'e', false); });
    if (status == ZX_OK) ExpectDead(thread);
    EXPECT_TRUE(status == ZX_OK || status == ZX_ERR_NOT_FOUND) << status;
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(Races, AHandleThatIsTakenAsTheLastOneClosesWorks) {
  zx::Thread thread = subject_->MakeThread(1);
  const zx_koid_t koid = Subject::Koids(subject_->process(), ZX_INFO_PROCESS_THREADS).back();
  Repeat([&] {
    zx::Thread again;
    Race([&] { EXPECT_EQ(subject_->process().get_child(koid, ZX_RIGHT_SAME_RIGHTS, &again), ZX_OK); },
         [&] { thread.reset(); });
    ExpectSuspendsAndGoesOn(again);
    EXPECT_TRUE(subject_->Works(1));
    thread = std::move(again);
  });
  EXPECT_EQ(thread.kill(), ZX_OK);
  ExpectDead(thread);
}

TEST_F(Races, TheLastHandleOfAThreadIsClosedAsItFaults) {
  zx::Thread thread = subject_->MakeThread(1);
  Bind();
  Repeat([&] {
    Race([&] { subject_->Tell(1, 'f'); }, [&] { thread.reset(); });
    const zx_port_packet_t packet = NextPacket(port_);
    EXPECT_EQ(subject_->process().get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK);
    EXPECT_EQ(thread.resume_from_exception(port_, 0), ZX_OK) << zxl_last_error();
    EXPECT_TRUE(subject_->Hear(1));
  });
}

TEST_F(Races, TheLastHandleOfAThreadIsClosedAsItEnds) {
  Repeat([&] {
    zx::Thread thread = subject_->MakeThread(1);
    EXPECT_EQ(thread.wait_async(port_, 3, ZX_THREAD_TERMINATED, ZX_WAIT_ASYNC_ONCE), ZX_OK);
    Race([&] { subject_->Tell(1, 'e', false); }, [&] { thread.reset(); });
    EXPECT_TRUE(subject_->Works());
    // The wait ended with its handle, or was over before.
    zx_port_packet_t packet = {};
    const zx_status_t status = port_.wait(0, &packet);
    EXPECT_TRUE(status == ZX_ERR_TIMED_OUT || (status == ZX_OK && packet.key == 3)) << status;
  });
}

TEST_F(Races, TheLastHandleIsClosedWhileSomebodyWaits) {
  Repeat([&] {
    zx::Thread thread = subject_->MakeThread(1);
    const zx_handle_t value = thread.get();
    zx_status_t waited = ZX_OK;
    Race([&] { waited = zx_object_wait_one(value, ZX_THREAD_TERMINATED, Soon(), nullptr); },
         [&] {
           subject_->Tell(1, 'e', false);
           thread.reset();
         });
    EXPECT_TRUE(waited == ZX_OK || waited == ZX_ERR_CANCELED || waited == ZX_ERR_BAD_HANDLE) << waited;
    EXPECT_TRUE(subject_->Works());
  });
}

TEST_F(Races, ATokenOutlivesTheLastHandleOfItsThread) {
  zx::Thread thread = subject_->MakeThread(1);
  const zx_koid_t koid = Subject::Koids(subject_->process(), ZX_INFO_PROCESS_THREADS).back();
  Repeat([&] {
    zx::SuspendToken token;
    EXPECT_EQ(thread.suspend(&token), ZX_OK);
    Race([&] { thread.reset(); }, [&] { token.reset(); });
    EXPECT_TRUE(subject_->Works(1));
    EXPECT_EQ(subject_->process().get_child(koid, ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK);
    EXPECT_EQ(thread.wait_one(ZX_THREAD_RUNNING, Soon()), ZX_OK);
  });
}

TEST_F(Races, AWaitIsCancelledOrHasItsPacketAsTheThreadEnds) {
  Repeat([&] {
    const zx::Thread thread = subject_->MakeThread(1);
    EXPECT_EQ(thread.wait_async(port_, 3, ZX_THREAD_TERMINATED, ZX_WAIT_ASYNC_ONCE), ZX_OK);
    zx_status_t cancelled = ZX_OK;
    zx_status_t taken = ZX_OK;
    zx_port_packet_t packet = {};
    subject_->Tell(1, 'e', false);
    Race([&] { cancelled = port_.cancel(thread, 3); },
         [&] { taken = port_.wait(zx_deadline_after(ZX_USEC(30)), &packet); });
    EXPECT_EQ((cancelled == ZX_OK) + (taken == ZX_OK), 1) << cancelled << " " << taken;
    ExpectDead(thread);
    EXPECT_EQ(port_.wait(0, &packet), ZX_ERR_TIMED_OUT);
  });
}

}  // namespace
}  // namespace zxctl::test
