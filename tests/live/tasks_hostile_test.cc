// Clients that turn on their tracer, or end at any moment, beside one that goes on with its work: the programs of all of them
// run on, and the tracers end as they should.
//
// ZX_SEED=N repeats the random choices of a run; a failure names it.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <random>

#include "base/clock.h"
#include "live/zx_tasks.h"
#include "supervisor/wakeups.h"
#include "support/child_process.h"
#include "support/proc_view.h"
#include "support/supervised.h"

namespace zxctl::test {
namespace {

constexpr int kRounds = 5;
constexpr int kKillRounds = 25;
constexpr int kSoakFactor = 200;
// A tracer of two programs takes 4 MiB; what a client can leave unread adds to that. A sanitizer keeps what was freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr long kMostTracerKib = 512 * 1024;
#else
constexpr long kMostTracerKib = 32 * 1024;
#endif

uint64_t Seed() {
  static const uint64_t seed = getenv("ZX_SEED") != nullptr ? std::strtoull(getenv("ZX_SEED"), nullptr, 10)
                                                            : static_cast<uint64_t>(MonotonicNs());
  return seed;
}

int Rounds(int count) { return getenv("ZX_SOAK") != nullptr ? count * kSoakFactor : count; }

// A program of target_held that is ready.
class HeldProgram {
 public:
  explicit HeldProgram(const std::string& mode) : child_({TargetPath("target_held"), mode}, {.keep_stdin_open = true}) {
    EXPECT_TRUE(child_.Expect("ready")) << child_.err();
    static_cast<void>(child_.ReadLine());
  }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  void Go() { child_.Send("g"); }
  void ExpectSays(const std::string& text) { EXPECT_TRUE(child_.Expect(text)) << child_.out(); }
  void ExpectEnd() {
    child_.CloseStdin();
    EXPECT_EQ(DescribeStatus(child_.Finish().status), "exit 0");
  }

 private:
  ChildProcess child_;
};

// A hostile client in a process group of its own, with everything that it makes.
class HostileClient {
 public:
  HostileClient(const HeldProgram& waiting, const HeldProgram& breaking, const std::string& attack, uint64_t seed)
      : child_({TargetPath("target_hostile_client"), std::to_string(waiting.pid()), std::to_string(breaking.pid()),
                attack, std::to_string(seed), std::to_string(CommandSignal())},
               {.keep_stdin_open = true, .wait_for_eof = false, .before_exec = [] { setpgid(0, 0); }}) {}
  HostileClient(const HostileClient&) = delete;
  HostileClient& operator=(const HostileClient&) = delete;
  ~HostileClient() { kill(-child_.pid(), SIGKILL); }

  void AwaitReady() {
    EXPECT_TRUE(child_.Expect("ready ")) << child_.err();
    tracer_ = static_cast<pid_t>(std::atol(child_.ReadLine().value_or("").c_str()));
    ASSERT_GT(tracer_, 1) << child_.err();
  }
  [[nodiscard]] ChildProcess& child() { return child_; }
  [[nodiscard]] pid_t tracer() const { return tracer_; }
  void Begin() { child_.Send("g"); }
  void Kill() const { child_.Signal(SIGKILL); }
  // The tracer's end, as its adoptive parent hears of it.
  void ExpectTracerEndsWell() const {
    int status = -1;
    const auto ended = [&] { return waitpid(tracer_, &status, WNOHANG | __WALL) == tracer_; };
    ASSERT_TRUE(WaitUntil(ended)) << "the tracer is there still";
    EXPECT_EQ(DescribeStatus(status), "exit 0");
  }

 private:
  ChildProcess child_;
  pid_t tracer_ = 0;
};

class Hostile : public testing::Test {
 protected:
  Hostile() {
    AdoptOrphans();
    honest_ = Spawn({TargetPath("target_fault"), "null_write"});
    EXPECT_EQ(honest_.process.bind_exception_port(port_, 1, 0), ZX_OK) << zxl_last_error();
    EXPECT_EQ(honest_.process.start(), ZX_OK);
    EXPECT_EQ(NextPacket(port_).key, 1U);
  }

  // Our own work goes on: the program faults again, and we hear of it.
  void ExpectHonestWorkGoesOn() {
    EXPECT_EQ(honest_.thread.resume(ZX_RESUME_EXCEPTION), ZX_OK) << zxl_last_error();
    EXPECT_EQ(NextPacket(port_).key, 1U);
    zx_thread_state_general_regs_t registers = {};
    EXPECT_EQ(honest_.thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), ZX_OK);
  }

  // Sets an attack up, lets `act` do what the test is about, and looks at what is left.
  template <typename F>
  void Round(const std::string& attack, uint64_t seed, F act) {
    SCOPED_TRACE(attack + " with seed " + std::to_string(seed) + ", ZX_SEED=" + std::to_string(Seed()));
    HeldProgram waiting("wait");
    HeldProgram breaking("break");
    HostileClient client(waiting, breaking, attack, seed);
    ASSERT_TRUE(client.child().Expect("bound")) << client.child().err();
    breaking.Go();
    client.AwaitReady();
    client.Begin();
    act(client);
    ExpectHonestWorkGoesOn();
    // They are free now: the one was suspended, the other in an exception that nobody answered.
    waiting.Go();
    waiting.ExpectSays("alive");
    breaking.ExpectSays("joined, caught 1");
    waiting.ExpectEnd();
    breaking.ExpectEnd();
    client.ExpectTracerEndsWell();
  }

  const zx::Port port_ = MakePort();
  Program honest_;
};

// ---- garbage ---------------------------------------------------------------------------------------------------------

class HostileAttack : public Hostile, public testing::WithParamInterface<const char*> {};

TEST_P(HostileAttack, HurtsNobodyElse) {
  for (int round = 0; round < Rounds(kRounds); ++round) {
    Round(GetParam(), Seed() + static_cast<uint64_t>(round), [](HostileClient& client) {
      // It may have crashed by what it did to itself.
      EXPECT_TRUE(client.child().Expect("done") || client.child().out().find("ready") != std::string::npos);
      EXPECT_EQ(client.child().out().find("shrunk"), std::string::npos);
      EXPECT_EQ(client.child().out().find("grown"), std::string::npos);
      EXPECT_EQ(client.child().out().find("sealed"), std::string::npos);
      client.Kill();
    });
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(With, HostileAttack,
                         testing::Values("positions", "lengths", "messages", "slots", "all", "shrink"),
                         [](const auto& info) { return std::string(info.param); });

// ---- ends ------------------------------------------------------------------------------------------------------------

TEST_F(Hostile, AClientThatClosesEverythingIsGone) {
  Round("close", Seed(), [](HostileClient& client) { EXPECT_TRUE(client.child().Expect("done")); });
}

TEST_F(Hostile, AClientIsGoneAlsoWhenAChildOfItLivesOn) {
  Round("fork", Seed(), [](HostileClient& /*client*/) {});
}

TEST_F(Hostile, AClientThatExecutesAnotherProgramIsGoneAlsoWhenAChildKeepsItsDescriptors) {
  Round("forkexec", Seed(), [](HostileClient& /*client*/) {});
}

TEST_F(Hostile, AClientMayBeKilledAtAnyMoment) {
  std::mt19937_64 random(Seed());
  for (int round = 0; round < Rounds(kKillRounds); ++round) {
    Round("busy", random(), [&](HostileClient& client) {
      // Not to wait for anything: the moment is what is random.
      const timespec moment{.tv_sec = 0, .tv_nsec = static_cast<long>(random() % (20 * kNsPerMs))};
      nanosleep(&moment, nullptr);
      client.Kill();
    });
    if (HasFailure()) return;
  }
}

// ---- memory ----------------------------------------------------------------------------------------------------------

TEST_F(Hostile, ATracerDoesNotGrowByWhatItsClientDoesNotRead) {
  Round("flood", Seed() * 2, [](HostileClient& client) {
    EXPECT_TRUE(client.child().Expect("done"));
    EXPECT_LT(std::atol(ProcStatusField(client.tracer(), "VmHWM").c_str()), kMostTracerKib);
    client.Kill();
  });
}

}  // namespace
}  // namespace zxctl::test
