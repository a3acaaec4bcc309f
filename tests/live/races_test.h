// What the tests of races have in common: a program with threads that are told what to do, a port, and two who do things at
// once with other delays each time.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>

#include "live/races.h"

namespace zxctl::test {

// What a call may give for a thread that is dying or dead.
inline bool IsOkOrDead(zx_status_t status) { return status == ZX_OK || status == ZX_ERR_BAD_STATE; }

class Races : public testing::Test {
 protected:
  Races() : tracer_(TracerOf(PidOf(subject_->process()))) {}

  // Every program does its work, and when they have ended nothing of them is left.
  void TearDown() override {
    EXPECT_TRUE(subject_->Works());
    EXPECT_EQ(job_.kill(), ZX_OK) << zxl_last_error();
    AwaitEnd(subject_->process());
    EXPECT_TRUE(WaitUntil([this] { return Subject::Koids(job_, ZX_INFO_JOB_PROCESSES).empty(); }));
    EXPECT_TRUE(WaitUntil([this] { return TracesNobody(tracer_); })) << "tracer " << tracer_;
  }

  template <typename F>
  void Repeat(F body) {
    const int rounds = Rounds();
    for (int round = 0; round < rounds; ++round) {
      body();
      if (!HasFailure()) continue;
      ADD_FAILURE() << "in round " << round << " with ZX_SEED=" << delays_.seed();
      return;
    }
  }
  void Race(const std::function<void()>& first, const std::function<void()>& second) {
    racer_.Run(delays_.Next(), first, second);
  }

  void Bind(uint32_t options = 0, int64_t lease_ns = 0) {
    EXPECT_EQ(subject_->process().bind_exception_port(port_, 7, options, lease_ns), ZX_OK) << zxl_last_error();
  }
  // The first thread faults, and is in its exception.
  void Fault() {
    subject_->Tell(0, 'f');
    EXPECT_EQ(NextPacket(port_).key, 7U);
  }
  // How often the last handler was asked since this was called last.
  int PassedOn() {
    const int asked = backstop_.asked();
    return asked - std::exchange(asked_before_, asked);
  }

  // A new thread is killed while something else happens to it. `second` is given the thread.
  void KillThreadAgainst(const std::function<void(const zx::Thread&)>& second) {
    Repeat([&] {
      const zx::Thread thread = subject_->MakeThread(1);
      Race([&] { EXPECT_EQ(thread.kill(), ZX_OK) << zxl_last_error(); }, [&] { second(thread); });
      ExpectDead(thread);
      EXPECT_TRUE(subject_->Works());
    });
  }
  // The same with a process.
  void KillProcessAgainst(const std::function<void(const zx::Process&, const zx::Thread&)>& second) {
    Repeat([&] {
      const zx::Process child = subject_->MakeChild(job_);
      const zx::Thread thread = Subject::Find(child, subject_->tid(kRaceChild));
      Race([&] { EXPECT_EQ(child.kill(), ZX_OK) << zxl_last_error(); }, [&] { second(child, thread); });
      AwaitEnd(child);
      ExpectDead(thread);
    });
  }
  static void ExpectDead(const zx::Thread& thread) {
    EXPECT_EQ(thread.wait_one(ZX_THREAD_TERMINATED, Soon()), ZX_OK) << zxl_last_error();
    EXPECT_EQ(SignalsOf(thread), ZX_THREAD_TERMINATED);
    EXPECT_EQ(thread.resume(ZX_RESUME_EXCEPTION), ZX_ERR_BAD_STATE);
    EXPECT_EQ(thread.resume(0), ZX_ERR_BAD_STATE);
  }
  static void ExpectSuspendsAndGoesOn(const zx::Thread& thread) {
    zx::SuspendToken token;
    EXPECT_EQ(thread.suspend(&token), ZX_OK) << zxl_last_error();
    EXPECT_EQ(thread.wait_one(ZX_THREAD_SUSPENDED, Soon()), ZX_OK) << zxl_last_error();
  }
  void MakeSubject() { subject_ = std::make_unique<Subject>(job_); }

  zx::Job job_ = MakeJob();
  zx::Port port_ = MakePort();
  Backstop backstop_{job_};
  std::unique_ptr<Subject> subject_ = std::make_unique<Subject>(job_);
  const pid_t tracer_;
  Delays delays_;
  Racer racer_;
  int asked_before_ = 0;
};

}  // namespace zxctl::test
