// Very many tasks at once: what a job of them can be made to do, and what one more of them costs.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <zircon/syscalls/debug.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "live/zx_tasks.h"
#include "support/proc_view.h"
#include "support/supervised.h"
#include "targets/target_crowd.h"

namespace zxctl::test {
namespace {

std::vector<zx_koid_t> Koids(const zx::Handle& task, uint32_t topic) {
  std::vector<zx_koid_t> koids(16384);
  size_t actual = 0;
  EXPECT_EQ(task.get_info(topic, koids.data(), koids.size() * sizeof(koids[0]), &actual), ZX_OK) << zxl_last_error();
  koids.resize(actual);
  return koids;
}

// A job full of processes, each full of threads; all of them are there.
class Crowd {
 public:
  Crowd(int processes, int threads) : tasks_(processes * threads) {
    UniqueFd memory(memfd_create("crowd", 0));
    EXPECT_EQ(ftruncate(memory.get(), sizeof(CrowdPage)), 0);
    page_ =
        static_cast<CrowdPage*>(mmap(nullptr, sizeof(CrowdPage), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0));
    EXPECT_NE(static_cast<void*>(page_), MAP_FAILED);
    program_ = Spawn(
        {TargetPath("target_crowd"), std::to_string(memory.get()), std::to_string(processes), std::to_string(threads)},
        ZXL_SPAWN_START, job_);
    EXPECT_TRUE(AllHaveCounted());
  }
  ~Crowd() {
    EXPECT_EQ(job_.kill(), ZX_OK);
    EXPECT_EQ(job_.wait_one(ZX_JOB_NO_PROCESSES, Soon()), ZX_OK);
    munmap(page_, sizeof(*page_));
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  [[nodiscard]] const zx::Job& job() const { return job_; }
  [[nodiscard]] const zx::Process& first() const { return program_.process; }
  [[nodiscard]] int tasks() const { return tasks_; }
  [[nodiscard]] pid_t tracer() const { return TracerOf(PidOf(program_.process)); }

  // Handles of all that is there now.
  void TakeHandles() {
    for (const zx_koid_t koid : Koids(job_, ZX_INFO_JOB_PROCESSES)) {
      zx::Process process;
      EXPECT_EQ(job_.get_child(koid, ZX_RIGHT_SAME_RIGHTS, &process), ZX_OK) << zxl_last_error();
      for (const zx_koid_t thread_koid : Koids(process, ZX_INFO_PROCESS_THREADS)) {
        zx::Thread thread;
        EXPECT_EQ(process.get_child(thread_koid, ZX_RIGHT_SAME_RIGHTS, &thread), ZX_OK) << zxl_last_error();
        threads_.push_back(std::move(thread));
      }
      processes_.push_back(std::move(process));
    }
  }
  [[nodiscard]] const std::vector<zx::Process>& processes() const { return processes_; }
  [[nodiscard]] const std::vector<zx::Thread>& threads() const { return threads_; }

  void SuspendAll() {
    for (const zx::Process& process : processes_) {
      EXPECT_EQ(process.suspend(&tokens_.emplace_back()), ZX_OK) << zxl_last_error();
    }
    AwaitAll(ZX_THREAD_SUSPENDED);
  }
  void ResumeAll() {
    tokens_.clear();
    AwaitAll(ZX_THREAD_RUNNING);
  }
  void AwaitAll(zx_signals_t signals) const {
    for (const zx::Thread& thread : threads_) {
      ASSERT_EQ(thread.wait_one(signals, Soon()), ZX_OK) << zxl_last_error();
    }
  }

  // Tells all threads to count themselves once.
  void Beat() {
    __atomic_store_n(&page_->counted, 0U, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&page_->beat, 1, __ATOMIC_SEQ_CST);
    CrowdWake(&page_->beat);
  }
  [[nodiscard]] uint32_t counted() const { return __atomic_load_n(&page_->counted, __ATOMIC_SEQ_CST); }
  [[nodiscard]] bool AllHaveCounted() {
    const int64_t end = MonotonicNs() + 120 * kNsPerSec;
    for (uint32_t now = counted(); MonotonicNs() < end; now = counted()) {
      if (now == static_cast<uint32_t>(tasks_)) return true;
      CrowdWait(&page_->counted, now);
    }
    ADD_FAILURE() << counted() << " of " << tasks_ << " threads have counted";
    return false;
  }

 private:
  int tasks_;
  CrowdPage* page_ = nullptr;
  zx::Job job_ = MakeJob();
  Program program_;
  std::vector<zx::Process> processes_;
  std::vector<zx::Thread> threads_;
  std::vector<zx::SuspendToken> tokens_;
};

// Everybody stands, goes on, and is killed with the job.
void SuspendResumeAndKill(int processes, int threads) {
  Crowd crowd(processes, threads);
  crowd.TakeHandles();
  ASSERT_EQ(crowd.processes().size(), static_cast<size_t>(processes));
  ASSERT_EQ(crowd.threads().size(), static_cast<size_t>(crowd.tasks()));
  crowd.SuspendAll();
  crowd.Beat();
  // Nobody can have heard it: they all stand.
  EXPECT_EQ(crowd.counted(), 0U);
  crowd.ResumeAll();
  EXPECT_TRUE(crowd.AllHaveCounted());
  EXPECT_EQ(crowd.job().kill(), ZX_OK) << zxl_last_error();
  crowd.AwaitAll(ZX_THREAD_TERMINATED);
  for (const zx::Process& process : crowd.processes()) {
    AwaitEnd(process);
    EXPECT_EQ(InfoOf(process).return_code, ZX_TASK_RETCODE_SYSCALL_KILL);
  }
  for (const zx::Thread& thread : crowd.threads()) EXPECT_EQ(SignalsOf(thread), ZX_THREAD_TERMINATED);
  EXPECT_EQ(crowd.job().wait_one(ZX_JOB_NO_PROCESSES, Soon()), ZX_OK);
  EXPECT_TRUE(Koids(crowd.job(), ZX_INFO_JOB_PROCESSES).empty());
}

TEST(TaskScale, AThousandProcessesOfTenThreadsAreSuspendedResumedAndKilledAsAJob) {
  SuspendResumeAndKill(IsEmulated() ? 50 : 1000, 10);
}

TEST(TaskScale, AProcessOfFourThousandThreadsIsSuspendedResumedAndKilled) {
  SuspendResumeAndKill(1, IsEmulated() ? 400 : 4000);
}

// ---- registers ----

using Registers = zx_thread_state_general_regs_t;

Registers Read(const zx::Thread& thread) {
  Registers registers = {};
  EXPECT_EQ(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK) << zxl_last_error();
  return registers;
}

void Write(const zx::Thread& thread, const Registers& registers) {
  EXPECT_EQ(thread.write_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK) << zxl_last_error();
}

bool Same(const Registers& a, const Registers& b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

std::vector<Registers> ReadAll(const std::vector<zx::Thread>& threads) {
  std::vector<Registers> all(threads.size());
  std::transform(threads.begin(), threads.end(), all.begin(), Read);
  return all;
}

size_t CountDifferences(const std::vector<Registers>& a, const std::vector<Registers>& b) {
  size_t count = a.size() == b.size() ? 0 : a.size() + b.size();
  for (size_t i = 0; i < a.size() && count < a.size(); ++i) count += Same(a[i], b[i]) ? 0 : 1;
  return count;
}

TEST(TaskScale, RegistersOfTwoThousandThreadsAreEachTheirOwn) {
  Crowd crowd(1, IsEmulated() ? 600 : 2000);
  crowd.TakeHandles();
  const auto& threads = crowd.threads();
  ASSERT_EQ(threads.size(), static_cast<size_t>(crowd.tasks()));
  crowd.SuspendAll();
  const std::vector<Registers> all = ReadAll(threads);
  for (size_t i = 1; i < all.size(); ++i) ASSERT_FALSE(Same(all[i - 1], all[i])) << i << ": two with one stack";
  // A write makes all that came before it old: each is asked for by itself.
  for (size_t i = 0; i < all.size(); i += 37) {
    Write(threads[0], all[0]);
    EXPECT_TRUE(Same(Read(threads[i]), all[i])) << i;
  }
  // From the end, and by four at the same time.
  for (size_t i = all.size(); i-- > 0;) ASSERT_TRUE(Same(Read(threads[i]), all[i])) << i;
  Write(threads[0], all[0]);
  constexpr size_t kReaders = 4;
  std::vector<std::thread> readers(kReaders);
  std::atomic<size_t> differences = 0;
  for (std::thread& reader : readers) {
    reader = std::thread([&] { differences += CountDifferences(ReadAll(threads), all); });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(differences, 0U);
}

TEST(TaskScale, RegistersThatAreWrittenAreNotThoseThatWereReadAhead) {
  Crowd crowd(1, IsEmulated() ? 600 : 1200);
  crowd.TakeHandles();
  const auto& threads = crowd.threads();
  crowd.SuspendAll();
  std::vector<Registers> all = ReadAll(threads);
  for (const size_t reads : {1, 2, 3, 100, 101, 500, crowd.tasks() - 1}) {
    // Some have been asked for; the others may be on their way here.
    for (size_t i = 0; i < reads; ++i) ASSERT_TRUE(Same(Read(threads[i]), all[i])) << i;
    const size_t changed = std::min(reads + 5, all.size() - 1);
    Registers other = all[changed];
    // A register that is any machine's to change: its second word.
    reinterpret_cast<uint64_t*>(&other)[1] ^= 0xff;
    Write(threads[changed], other);
    EXPECT_TRUE(Same(Read(threads[changed]), other)) << changed;
    Write(threads[changed], all[changed]);
    EXPECT_TRUE(Same(Read(threads[changed]), all[changed])) << changed;
  }
  crowd.ResumeAll();
  crowd.Beat();
  EXPECT_TRUE(crowd.AllHaveCounted());
}

TEST(TaskScale, RegistersAreReadWhileTheProcessIsKilled) {
  for (int round = 0; round < (IsEmulated() ? 2 : 5); ++round) {
    Crowd crowd(1, IsEmulated() ? 200 : 800);
    crowd.TakeHandles();
    crowd.SuspendAll();
    size_t read = 0;
    for (const zx::Thread& thread : crowd.threads()) {
      if (read == static_cast<size_t>(round) * 60) {
        EXPECT_EQ(crowd.job().kill(), ZX_OK);
      }
      Registers registers = {};
      const zx_status_t status = thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers));
      EXPECT_TRUE(status == ZX_OK || status == ZX_ERR_BAD_STATE) << status;
      ++read;
    }
    crowd.AwaitAll(ZX_THREAD_TERMINATED);
  }
}

TEST(TaskScale, AJobIsKilledWhileAllOfItIsSuspended) {
  Crowd crowd(100, 10);
  crowd.TakeHandles();
  crowd.SuspendAll();
  EXPECT_EQ(crowd.job().kill(), ZX_OK) << zxl_last_error();
  crowd.AwaitAll(ZX_THREAD_TERMINATED);
  EXPECT_EQ(crowd.job().wait_one(ZX_JOB_NO_PROCESSES, Soon()), ZX_OK);
}

// ---- what one more costs -------------------------------------------------------------------------------------------

// The CPU time that tracer and client have used: how long things take says as much about what else the machine does.
int64_t WorkNs(pid_t tracer) {
  timespec own = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
  return own.tv_sec * kNsPerSec + own.tv_nsec + std::atoll(ProcText(tracer, "schedstat").c_str());
}

int64_t SuspendAndResumeNs(Crowd& crowd) {
  const int64_t before = WorkNs(crowd.tracer());
  crowd.SuspendAll();
  crowd.ResumeAll();
  return (WorkNs(crowd.tracer()) - before) / crowd.tasks();
}

double MedianOf(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// Both crowds live at the same time, and their rounds alternate: whatever else the machine does hits both.
TEST(TaskScale, TheWorkForAThreadIsTheSameAmongFewAndMany) {
  if (IsEmulated()) GTEST_SKIP() << "thousands of threads take hours on an emulated processor";
  constexpr int kFew = 400;
  constexpr int kMany = 4000;
  constexpr double kMostRatio = 2.0;
  Crowd few(1, kFew);
  Crowd many(1, kMany);
  few.TakeHandles();
  many.TakeHandles();
  std::vector<double> ratios;
  std::vector<double> ns_few;
  std::vector<double> ns_many;
  for (int round = 0; round < Scaled(51, 7); ++round) {
    // As many threads on either side.
    int64_t small = 0;
    for (int i = 0; i < kMany / kFew; ++i) small += SuspendAndResumeNs(few);
    ns_few.push_back(static_cast<double>(small) * kFew / kMany);
    ns_many.push_back(static_cast<double>(SuspendAndResumeNs(many)));
    ratios.push_back(ns_many.back() / ns_few.back());
  }
  std::cout << "a suspend and its end: " << std::lround(MedianOf(ns_few)) << " ns a thread of " << kFew << ", "
            << std::lround(MedianOf(ns_many)) << " ns a thread of " << kMany << ", ratio " << MedianOf(ratios) << "\n";
  EXPECT_LE(MedianOf(ratios), kMostRatio)
      << "not linear: a thread among " << kMany << " costs so many times what it costs"
      << " among " << kFew << " (median of " << ratios.size() << " pairs)";
}

// In bytes: what the tracer has for itself.
// Of its program's file a process has as much for itself as no other process of the same program happens to map: that does
// not count.
int64_t MemoryOf(pid_t pid) {
  const std::string text = ProcText(pid, "smaps_rollup");
  const std::string field = "\nAnonymous:";
  const size_t at = text.find(field);
  EXPECT_NE(at, std::string::npos) << text;
  return at == std::string::npos ? 0 : std::atoll(text.c_str() + at + field.size()) * 1024;
}

// The next task has a tracer that has had none before.
void EndTracer() {
  const Program program = Spawn({"/bin/sleep", "1000"}, ZXL_SPAWN_START);
  const pid_t pid = PidOf(program.process);
  EXPECT_EQ(kill(TracerOf(pid), SIGKILL), 0);
  EXPECT_EQ(program.process.wait_one(ZX_PROCESS_TERMINATED, Soon()), ZX_ERR_PEER_CLOSED);
  EXPECT_EQ(kill(pid, SIGKILL), 0);
}

TEST(TaskScale, TheTracersMemoryForATaskIsSmallAndTheSameAmongFewAndMany) {
  if (IsEmulated()) GTEST_SKIP() << "thousands of threads take hours on an emulated processor";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int64_t kMostBytes = 64 * 1024;  // memory comes in large pieces there, and is kept
#else
  constexpr int64_t kMostBytes = 2048;
#endif
  EndTracer();
  const Crowd first(1, 1);
  const int64_t alone = MemoryOf(first.tracer());
  Crowd few(1, 400);
  few.TakeHandles();
  few.SuspendAll();
  const int64_t with_few = MemoryOf(first.tracer());
  Crowd many(1, 4000);
  many.TakeHandles();
  many.SuspendAll();
  const int64_t with_many = MemoryOf(first.tracer());
  Crowd processes(200, 10);
  processes.TakeHandles();
  processes.SuspendAll();
  const int64_t with_processes = MemoryOf(first.tracer());
  const std::array<int64_t, 3> bytes = {(with_few - alone) / few.tasks(), (with_many - with_few) / many.tasks(),
                                        (with_processes - with_many) / processes.tasks()};
  std::cout << "bytes of the tracer: " << alone << " alone; a task " << bytes[0] << " among 400 threads, " << bytes[1]
            << " among 4000, " << bytes[2] << " in 200 processes of 10\n";
  for (const int64_t each : bytes) EXPECT_LE(each, kMostBytes);
}

}  // namespace
}  // namespace zxctl::test
