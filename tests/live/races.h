// Two things at once, as nearly as a test can have them, and a program that they happen to.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "live/zx_tasks.h"
#include "support/proc_view.h"
#include "support/supervised.h"
#include "targets/target_races.h"

namespace zxctl::test {

// A sanitizer sees in a few rounds what it can see, and each of them takes it longer.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kQuickRounds = 200;
#else
inline constexpr int kQuickRounds = 1000;
#endif
// Enough to see that it is so on another machine's kernel; an emulated round takes a hundred times as long.
inline constexpr int kEmulatedRounds = 50;
inline int Rounds() { return Scaled(100000, IsEmulated() ? kEmulatedRounds : kQuickRounds); }

// How long each side of a race spins before it acts. Starts from $ZX_SEED, or from a number that it prints.
class Delays {
 public:
  Delays() : seed_(SeedFromEnvironment()), random_(seed_) {
    std::cout << "ZX_SEED=" << seed_ << " repeats the delays of this test\n" << std::flush;
  }

  // Of any order of magnitude up to some 50 µs; one of the two is 0.
  std::array<uint32_t, 2> Next() {
    std::array<uint32_t, 2> delays = {};
    delays[random_() % 2] = static_cast<uint32_t>(random_() % (uint64_t{1} << random_() % 17));
    return delays;
  }
  uint64_t Number(uint64_t below) { return random_() % below; }
  [[nodiscard]] uint64_t seed() const { return seed_; }

 private:
  static uint64_t SeedFromEnvironment() {
    const char* seed = std::getenv("ZX_SEED");
    return seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device()();
  }

  uint64_t seed_;
  std::mt19937_64 random_;
};

inline void Spin(uint32_t turns) {
  for (uint32_t turn = 0; turn < turns; ++turn) asm volatile("");
}

// The second thread of all races of a test.
class Racer {
 public:
  Racer() : thread_([this] { Run(); }) {}
  ~Racer() {
    second_ = nullptr;
    go_.release();
    thread_.join();
  }
  Racer(const Racer&) = delete;
  Racer& operator=(const Racer&) = delete;

  // Runs both, each after its delay from when both threads are there. Returns when both are over.
  void Run(const std::array<uint32_t, 2>& delays, const std::function<void()>& first,
           const std::function<void()>& second) {
    second_ = &second;
    delay_ = delays[1];
    there_ = 0;
    go_.release();
    Meet();
    Spin(delays[0]);
    first();
    over_.acquire();
  }

 private:
  void Run() {
    for (go_.acquire(); second_ != nullptr; go_.acquire()) {
      Meet();
      Spin(delay_);
      (*second_)();
      over_.release();
    }
  }
  void Meet() {
    ++there_;
    while (there_ < 2) sched_yield();
  }

  const std::function<void()>* second_ = nullptr;
  uint32_t delay_ = 0;
  std::atomic<int> there_ = 0;
  std::binary_semaphore go_{0};
  std::binary_semaphore over_{0};
  std::thread thread_;
};

// Who is asked last: answers "go on" to every exception of a job that nobody below has dealt with, and counts them.
class Backstop {
 public:
  explicit Backstop(const zx::Job& job) : thread_([this] { Run(); }) {
    EXPECT_EQ(job.bind_exception_port(port_, 0, 0), ZX_OK) << zxl_last_error();
    EXPECT_EQ(job.duplicate(ZX_RIGHT_SAME_RIGHTS, &job_), ZX_OK);
    ready_.release();
  }
  ~Backstop() {
    const zx_port_packet_t end = {.key = kEnd, .type = ZX_PKT_TYPE_USER, .status = 0, .user = {}};
    EXPECT_EQ(port_.queue(&end), ZX_OK);
    thread_.join();
  }
  Backstop(const Backstop&) = delete;
  Backstop& operator=(const Backstop&) = delete;

  // How many came here, and how many of the answers were the first.
  [[nodiscard]] int asked() const { return asked_; }
  [[nodiscard]] int won() const {
    while (answered_ != asked_) sched_yield();
    return won_;
  }

 private:
  static constexpr uint64_t kEnd = 1;

  void Run() {
    ready_.acquire();
    for (zx_port_packet_t packet = {}; port_.wait(ZX_TIME_INFINITE, &packet) == ZX_OK && packet.key != kEnd;) {
      zx::Process process;
      zx::Thread thread;
      ++asked_;
      const bool lives = job_.get_child(packet.exception.pid, ZX_RIGHT_SAME_RIGHTS, &process) == ZX_OK &&
                         process.get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &thread) == ZX_OK;
      if (lives && thread.resume_from_exception(port_, 0) == ZX_OK) ++won_;
      ++answered_;
    }
  }

  zx::Port port_ = MakePort();
  zx::Job job_;
  std::atomic<int> asked_ = 0;
  std::atomic<int> answered_ = 0;
  std::atomic<int> won_ = 0;
  std::binary_semaphore ready_{0};
  std::thread thread_;
};

// A program of target_races in a job of its own.
class Subject {
 public:
  explicit Subject(const zx::Job& job) {
    UniqueFd memory(memfd_create("races", 0));
    EXPECT_EQ(ftruncate(memory.get(), sizeof(RacePage)), 0);
    void* mapping = mmap(nullptr, sizeof(RacePage), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    EXPECT_NE(mapping, MAP_FAILED);
    page_ = static_cast<RacePage*>(mapping);
    program_ = Spawn({TargetPath("target_races"), std::to_string(memory.get())}, ZXL_SPAWN_START, job);
    ++told_[0];
    EXPECT_TRUE(Hear(0));
  }
  ~Subject() { munmap(page_, sizeof(*page_)); }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  [[nodiscard]] const zx::Process& process() const { return program_.process; }
  [[nodiscard]] const zx::Thread& leader() const { return program_.thread; }
  [[nodiscard]] pid_t tid(int place) const { return __atomic_load_n(&page_->tid[place], __ATOMIC_SEQ_CST); }

  // Gives a command, which the place's thread counts, or not.
  void Tell(int place, char command, bool counts = true) {
    if (counts) ++told_[static_cast<size_t>(place)];
    __atomic_store_n(&page_->command[place], static_cast<uint32_t>(command), __ATOMIC_SEQ_CST);
    RaceWake(&page_->command[place]);
  }
  // Waits until the place's commands have all been dealt with.
  [[nodiscard]] bool Hear(int place) {
    const int64_t end = MonotonicNs() + 60 * kNsPerSec;
    while (MonotonicNs() < end) {
      const uint32_t done = __atomic_load_n(&page_->done[place], __ATOMIC_SEQ_CST);
      if (done == told_[static_cast<size_t>(place)]) return true;
      RaceWait(&page_->done[place], done);
    }
    ADD_FAILURE() << "place " << place << " does not answer";
    return false;
  }
  [[nodiscard]] bool Works(int place = 0) {
    Tell(place, 'n');
    return Hear(place);
  }

  // A new thread in a place whose thread is dead, or ends by itself.
  [[nodiscard]] zx::Thread MakeThread(int place) {
    Begin(place);
    EXPECT_TRUE(Hear(0) && Hear(place));
    return Find(tid(place));
  }
  void Begin(int place) {
    ExpectBirth(place);
    page_->where = static_cast<uint32_t>(place);
    Tell(0, 'c');
  }
  // The program has executed itself, or will: its first thread tells.
  void Executed() {
    ++told_[0];
    EXPECT_TRUE(Hear(0));
    for (uint32_t& command : page_->command) __atomic_store_n(&command, 0U, __ATOMIC_SEQ_CST);
  }
  // The child that 'k' has made; with its job.
  [[nodiscard]] zx::Process MakeChild(const zx::Job& job) {
    __atomic_store_n(&page_->command[kRaceChild], 0U, __ATOMIC_SEQ_CST);
    ExpectBirth(kRaceChild);
    Tell(0, 'k');
    EXPECT_TRUE(Hear(0) && Hear(kRaceChild));
    for (const zx_koid_t koid : Koids(job, ZX_INFO_JOB_PROCESSES)) {
      zx::Process child;
      if (job.get_child(koid, ZX_RIGHT_SAME_RIGHTS, &child) == ZX_OK && PidOf(child) == tid(kRaceChild)) return child;
    }
    ADD_FAILURE() << "the child is not known";
    return {};
  }

  [[nodiscard]] zx::Thread Find(pid_t tid) const { return Find(process(), tid); }
  [[nodiscard]] static zx::Thread Find(const zx::Process& process, pid_t tid) {
    const std::vector<zx_koid_t> koids = Koids(process, ZX_INFO_PROCESS_THREADS);
    for (auto koid = koids.rbegin(); koid != koids.rend(); ++koid) {
      zx::Thread thread;
      int32_t its = 0;
      if (process.get_child(*koid, ZX_RIGHT_SAME_RIGHTS, &thread) != ZX_OK) continue;
      if (thread.get_pid(&its) == ZX_OK && its == tid) return thread;
    }
    ADD_FAILURE() << "there is no thread " << tid;
    return {};
  }
  [[nodiscard]] static std::vector<zx_koid_t> Koids(const zx::Handle& task, uint32_t topic) {
    std::vector<zx_koid_t> koids(4096);
    size_t actual = 0;
    EXPECT_EQ(task.get_info(topic, koids.data(), koids.size() * sizeof(koids[0]), &actual), ZX_OK) << zxl_last_error();
    koids.resize(actual);
    return koids;
  }

 private:
  // Whoever is there will do no more of what it was told.
  void ExpectBirth(int place) {
    told_[static_cast<size_t>(place)] = __atomic_load_n(&page_->done[place], __ATOMIC_SEQ_CST) + 1;
  }

  RacePage* page_ = nullptr;
  std::array<uint32_t, kRacePlaces> told_ = {};
  Program program_;
};

// True when no thread on this machine is traced by the tracer any more.
inline bool TracesNobody(pid_t tracer) {
  std::error_code error;
  for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(process.path().filename().c_str());
    if (pid == 0) continue;
    for (const auto& task : std::filesystem::directory_iterator(process.path() / "task", error)) {
      if (TracerOf(std::atoi(task.path().filename().c_str())) == tracer) return false;
    }
  }
  return true;
}

}  // namespace zxctl::test
