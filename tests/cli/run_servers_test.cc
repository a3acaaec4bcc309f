// Servers under `zxctl run` and under load.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/temp_dir.h"
#include "support/twin_dirs.h"

namespace zxctl::test {
namespace {

constexpr uid_t kNobody = 65534;
constexpr const char* kPostgresBin = "/usr/lib/postgresql/15/bin/";

std::string OutputOf(const Argv& argv, const RunOptions& options = {}) {
  const Outcome outcome = RunCommand(argv, options);
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0") << argv[0] << ": " << outcome.out << outcome.err;
  return outcome.out;
}

// ---- redis -------------------------------------------------------------------------------------------------------------

// Loads a redis-server and returns what its data and its end look like.
std::string LoadRedis(bool supervised) {
  const TempDir dir;
  const std::string socket = dir.Path("socket");
  const Argv argv = {"redis-server", "--port", "0", "--unixsocket",           socket, "--dir",
                     dir.path(),     "--save", "",  "--enable-debug-command", "yes"};
  ChildProcess server(supervised ? Supervised(argv) : argv);
  EXPECT_TRUE(server.Expect("eady to accept connections"));
  const std::string load = std::to_string(Scaled(100'000, 10'000));
  const std::string table =
      OutputOf({"redis-benchmark", "-s", socket, "-q", "-n", load, "-c", "20", "-t", "set,get,lpush,lpop,incr,sadd"});
  EXPECT_NE(table.find("LPUSH"), std::string::npos);
  const auto ask = [&](const Argv& words) {
    Argv call = {"redis-cli", "-s", socket};
    call.insert(call.end(), words.begin(), words.end());
    return OutputOf(call);
  };
  std::string facts = ask({"debug", "digest"}) + ask({"dbsize"}) + ask({"bgsave"});
  EXPECT_TRUE(WaitUntil([&] {
    return ask({"info", "persistence"}).find("rdb_bgsave_in_progress:0") != std::string::npos;
  }));
  facts += Replaced(ask({"info", "persistence"}), "[^]*(rdb_last_bgsave_status:[a-z]+)[^]*", "$1\n");
  (void)RunCommand({"redis-cli", "-s", socket, "shutdown", "nosave"});
  const Outcome outcome = server.Finish();
  EXPECT_EQ(outcome.err, "");
  return facts + DescribeStatus(outcome.status);
}

TEST(RunRedis, ServesABenchmarkAndKeepsTheSameData) {
  if (!HasProgram("redis-server")) GTEST_SKIP() << "redis is not installed";
  const std::string bare = LoadRedis(false);
  EXPECT_EQ(bare, LoadRedis(true));
  EXPECT_NE(bare.find("rdb_last_bgsave_status:ok\nexit 0"), std::string::npos) << bare;
}

// ---- PostgreSQL ----------------------------------------------------------------------------------------------------------

class Postgres {
 public:
  explicit Postgres(bool supervised) : supervised_(supervised) {
    chmod(dir_.path().c_str(), 0755);
    if (geteuid() == 0 && chown(dir_.path().c_str(), kNobody, kNobody) == 0) options_.uid = kNobody;
    options_.cwd = dir_.path();
  }

  // What initdb prints.
  std::string InitDb() {
    const std::string text = OutputOf(
        Command({Bin("initdb"), "-D", Data(), "--no-sync", "-A", "trust", "-U", "tester", "--no-locale", "-E", "UTF8"}),
        options_);
    return Replaced(text, dir_.path(), "DIR");
  }

  // Serves pgbench; returns what is in the tables after it and how the server ended.
  std::string Bench() {
    ChildProcess server(Command({Bin("postgres"), "-D", Data(), "-k", dir_.path(), "-h", "", "-F"}), options_);
    EXPECT_TRUE(server.ExpectErr("ready to accept connections"));
    (void)Ask({Bin("pgbench"), "-i", "-q", "-s", "1"});
    const std::string transactions = std::to_string(Scaled(2'000, 100));
    const std::string table = Ask({Bin("pgbench"), "-c", "4", "-j", "2", "-t", transactions});
    EXPECT_NE(table.find("number of failed transactions: 0"), std::string::npos) << table;
    std::string facts =
        Ask({Bin("psql"), "-At", "-c", "select count(*) from pgbench_history"}) +
        Ask({Bin("psql"), "-At", "-c",
             "select sum(abalance) = (select sum(bbalance) from pgbench_branches) from pgbench_accounts"});
    server.Signal(SIGINT);
    const Outcome outcome = server.Finish();
    EXPECT_EQ(outcome.err.find("zx|"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("database system is shut down"), std::string::npos) << outcome.err;
    return facts + DescribeStatus(outcome.status);
  }

 private:
  static std::string Bin(const std::string& name) { return kPostgresBin + name; }
  [[nodiscard]] std::string Data() const { return dir_.Path("data"); }
  [[nodiscard]] Argv Command(const Argv& argv) const { return supervised_ ? Supervised(argv) : argv; }
  std::string Ask(Argv argv) {
    const Argv where = {"-h", dir_.path(), "-U", "tester", "postgres"};
    argv.insert(argv.end(), where.begin(), where.end());
    return OutputOf(argv, options_);
  }

  bool supervised_;
  TempDir dir_;
  RunOptions options_;
};

TEST(RunPostgres, InitdbAndPgbenchGiveTheSame) {
  if (!HasProgram(std::string(kPostgresBin) + "postgres")) GTEST_SKIP() << "PostgreSQL 15 is not installed";
  Postgres bare(false);
  Postgres supervised(true);
  const std::string printed = bare.InitDb();
  EXPECT_EQ(LineDifferences(printed, supervised.InitDb()), "");
  const std::string facts = bare.Bench();
  EXPECT_EQ(facts, supervised.Bench());
  EXPECT_EQ(facts, std::to_string(4 * Scaled(2'000, 100)) + "\nt\nexit 0");
}

}  // namespace
}  // namespace zxctl::test
