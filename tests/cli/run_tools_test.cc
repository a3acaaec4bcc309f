// Tools and language runtimes under `zxctl run`: output, exit status and files as without.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "support/supervised.h"
#include "support/temp_dir.h"
#include "support/twin_dirs.h"

namespace zxctl::test {
namespace {

constexpr const char* kPython = "/usr/bin/python3";

void ExpectSuccess(const Outcome& outcome) {
  EXPECT_EQ(DescribeStatus(outcome.status), "exit 0") << outcome.out << outcome.err;
}

// ---- building --------------------------------------------------------------------------------------------------------

void WriteProject(const TempDir& dir) {
  std::string objects;
  std::string calls;
  for (int i = 0; i < 12; i++) {
    const std::string n = std::to_string(i);
    dir.Write("part" + n + ".c",
              "#include <stdio.h>\nint part" + n + "(int x) { return printf(\"part " + n + " %d\\n\", x) > 0; }\n");
    objects += " part" + n + ".o";
    calls += "  part" + n + "(" + n + ");\n";
  }
  dir.Write("main.c", "#include \"parts.h\"\nint main(void) {\n" + calls + "  return 7;\n}\n");
  dir.Write("Makefile", "prog: main.o" + objects + "\n\t$(CC) -o $@ $^\nmain.o: parts.h\nparts.h:\n" +
                            "\tgrep -ho '^int part[0-9]*(int x)' part?.c part1?.c | sed 's/$$/;/' > $@\n" +
                            "check: prog\n\t./prog > out.txt; test $$? = 7\n");
}

TEST(RunMake, ParallelBuildOfAProjectIsTheSame) {
  TwinDirs dirs;
  dirs.SetUp(WriteProject);
  const Twins twins = dirs.ExpectSame({"make", "-j4", "check"}, {}, SortedLines);
  ExpectSuccess(twins.supervised);
  dirs.ExpectSameFiles();
}

TEST(RunGcc, CompilesAndFailsTheSame) {
  TwinDirs dirs;
  dirs.SetUp([](const TempDir& dir) {
    dir.Write("good.cc",
              "#include <map>\n#include <string>\nint main() { return std::map<int, std::string>{}.size(); }\n");
    dir.Write("bad.c", "int main(void) { return undeclared; }\n");
  });
  ExpectSuccess(dirs.ExpectSame({"g++", "-O1", "-o", "good", "good.cc"}).supervised);
  dirs.ExpectSame({"gcc", "-c", "bad.c"});
  dirs.ExpectSameFiles();
}

TEST(RunGit, RepositoryOfACommitHasTheSameObjects) {
  const std::string script =
      "set -e; git init -q -b main repo; cd repo; echo one > a; git add a; git commit -q -m first\n"
      "git checkout -q -b side; echo two > b; git add b; git commit -q -m second; git checkout -q main\n"
      "echo three > c; git add c; git commit -q -m third; git merge -q -m merged side\n"
      "git log --graph --format='%H %an %ad %s'; git status --short --branch; git gc -q; git fsck; git show --stat "
      "HEAD^\n";
  const RunOptions options{.env = {"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=A",
                                   "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=C",
                                   "GIT_COMMITTER_EMAIL=c@example.com", "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z",
                                   "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z"}};
  TwinDirs dirs;
  ExpectSuccess(dirs.ExpectSame({"sh", "-c", script}, options).supervised);
  dirs.ExpectSameFiles("index");  // it holds inode numbers and times
}

// ---- python ------------------------------------------------------------------------------------------------------------

TEST(RunPython, ThreadsAndProcessesGiveTheSame) {
  const std::string script = R"(
import multiprocessing, subprocess, threading, signal, os, asyncio, sys
def square(x): return x * x
def work(out, i): out[i] = sum(square(x) for x in range(20000))
if __name__ == '__main__':
    out = {}
    threads = [threading.Thread(target=work, args=(out, i)) for i in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
    print(sorted(out.items()))
    for method in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(method).Pool(3) as pool: print(method, sum(pool.map(square, range(500))))
    async def ask(i):
        p = await asyncio.create_subprocess_exec('echo', str(i), stdout=subprocess.PIPE)
        return (await p.communicate())[0]
    async def main(): print(await asyncio.gather(*(ask(i) for i in range(8))))
    asyncio.run(main())
    print(subprocess.run(['sh', '-c', 'kill -9 $$']).returncode)
    hits = []
    signal.signal(signal.SIGALRM, lambda *a: hits.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    while len(hits) < 20: signal.pause()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print('alarms')
    sys.exit(9)
)";
  TwinDirs dirs;
  dirs.SetUp([&](const TempDir& dir) { dir.Write("work.py", script); });
  const Twins twins = dirs.ExpectSame({kPython, "work.py"});
  EXPECT_EQ(DescribeStatus(twins.supervised.status), "exit 9") << twins.supervised.err;
}

TEST(RunPython, SegfaultInCtypesIsReportedAndSeenByTheParent) {
  const std::string script =
      "import subprocess, sys\n"
      "print(subprocess.run([sys.executable, '-c', 'import ctypes; ctypes.string_at(0)']).returncode)\n";
  const Twins twins = RunTwins({kPython, "-c", script}, {}, {"--report=json"});
  EXPECT_EQ(twins.supervised.out, "-11\n");
  EXPECT_EQ(twins.bare.out, twins.supervised.out);
  EXPECT_EQ(twins.bare.status, twins.supervised.status);
  EXPECT_EQ(SplitLines(twins.supervised.err).size(), 1U) << twins.supervised.err;
  EXPECT_NE(twins.supervised.err.find("\"fatal-page-fault\""), std::string::npos);
}

TEST(RunPython, SegfaultThatFaulthandlerPrintsIsReportedOnce) {
  const Argv argv = {kPython, "-X", "faulthandler", "-c", "import ctypes; ctypes.string_at(0)"};
  const Twins twins = RunTwins(argv, {}, {"--report=json"});
  EXPECT_EQ(twins.bare.status, twins.supervised.status);
  std::vector<std::string> lines = SplitLines(twins.supervised.err);
  ASSERT_FALSE(lines.empty());
  EXPECT_NE(lines.back().find("\"fatal-page-fault\""), std::string::npos) << "the report is about the first fault";
  lines.pop_back();
  std::string rest;
  for (const std::string& line : lines) rest += line + "\n";
  const auto no_addresses = [](const std::string& text) { return Replaced(text, "0x[0-9a-f]+", "ADDRESS"); };
  EXPECT_EQ(LineDifferences(no_addresses(twins.bare.err), no_addresses(rest)), "");
}

// ---- node --------------------------------------------------------------------------------------------------------------

TEST(RunNode, WorkersChildrenAndWasmTrapsGiveTheSame) {
  if (!HasProgram("node")) GTEST_SKIP() << "node is not installed";
  // The module's f(address) loads 4 bytes; out of bounds it traps, which V8 does with a handler of SIGSEGV.
  const std::string script = R"(
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFileSync, spawnSync } = require('child_process');
const wasm = new Uint8Array([0,97,115,109,1,0,0,0,1,6,1,96,1,127,1,127,3,2,1,0,5,3,1,0,1,7,5,1,1,102,0,0,
                             10,9,1,7,0,32,0,40,2,0,11]);
function traps(n) {
  const f = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports.f;
  let caught = 0;
  for (let i = 0; i < n; i++) { try { f(70000 + i); } catch (e) { caught += e instanceof WebAssembly.RuntimeError; } }
  return caught;
}
if (!isMainThread) {
  let sum = 0;
  for (let i = 0; i < 200000; i++) sum += i % (workerData + 2);
  parentPort.postMessage([workerData, sum, traps(200)]);
} else {
  const jobs = [...Array(4).keys()].map(i => new Promise((done, fail) => {
    const w = new Worker(__filename, { workerData: i }); w.on('message', done); w.on('error', fail);
  }));
  Promise.all(jobs).then(results => {
    console.log(JSON.stringify(results), traps(1000));
    console.log(execFileSync('echo', ['from a child']).toString());
    console.log(spawnSync('sh', ['-c', 'kill -15 $$']).signal);
    process.exitCode = 4;
  });
}
)";
  TwinDirs dirs;
  dirs.SetUp([&](const TempDir& dir) { dir.Write("work.js", script); });
  const Twins twins = dirs.ExpectSame({"node", "work.js"});
  EXPECT_EQ(DescribeStatus(twins.supervised.status), "exit 4") << twins.supervised.err;
  EXPECT_NE(twins.bare.out.find(" 1000\n"), std::string::npos) << twins.bare.out;
}

// ---- a JVM -------------------------------------------------------------------------------------------------------------

TEST(RunJvm, NullPointerExceptionsOfManyThreadsAreTheProgramsOwnBusiness) {
  if (!HasProgram("javac")) GTEST_SKIP() << "no Java compiler is installed";
  const std::string source = R"(
public class Faults {
  static class Node { int value; Node next; }
  static int chase(Node n) { return n.next.value; }
  static int deep(int n) { return deep(n + 1) + 1; }
  static long provoke() {
    long caught = 0;
    Node ok = new Node(); ok.next = ok;
    for (int i = 0; i < 50000; i++) {
      try { chase(i % 20 == 0 ? new Node() : ok); } catch (NullPointerException e) { caught++; }
    }
    try { deep(0); } catch (StackOverflowError e) { caught += 1000000; }
    return caught;
  }
  public static void main(String[] args) throws Exception {
    Thread[] threads = new Thread[6];
    long[] caught = new long[threads.length];
    for (int i = 0; i < threads.length; i++) { final int n = i; (threads[n] = new Thread(() -> caught[n] = provoke())).start(); }
    for (Thread t : threads) t.join();
    for (long c : caught) System.out.println(c);
    System.gc();
    System.exit(3);
  }
}
)";
  TwinDirs dirs;
  dirs.SetUp([&](const TempDir& dir) { dir.Write("Faults.java", source); });
  ExpectSuccess(dirs.ExpectSame({"javac", "Faults.java"}).supervised);
  dirs.ExpectSameFiles();
  const Twins twins = dirs.ExpectSame({"java", "-Xmx128m", "-cp", ".", "Faults"});
  EXPECT_EQ(DescribeStatus(twins.supervised.status), "exit 3");
  EXPECT_NE(twins.supervised.out.find("1002500\n"), std::string::npos) << twins.supervised.out;
  EXPECT_EQ(twins.supervised.err, "");
}

// ---- others ------------------------------------------------------------------------------------------------------------

TEST(RunSqlite, DatabaseIsTheSame) {
  const std::string script =
      "PRAGMA journal_mode=WAL;\nCREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);\n"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, 'row '||i "
      "FROM n;\n"
      "CREATE INDEX i ON t(b);\nSELECT count(*), sum(a), max(b) FROM t;\nDELETE FROM t WHERE a % 3 = 0;\nVACUUM;\n"
      "PRAGMA integrity_check;\nSELECT nonsense;\n";
  TwinDirs dirs;
  dirs.ExpectSame({"sqlite3", "test.db"}, {.stdin_text = script});
  dirs.ExpectSameFiles();
}

TEST(RunOpenssl, SpeedRunsAndSaysTheSameButForItsFigures) {
  const auto normalize = [](const std::string& text) {
    return Replaced(Replaced(text, "[0-9]+(\\.[0-9]+)?k?", "N"), "[ \t]+", " ");
  };
  const Twins twins = ExpectSameAsBare({"openssl", "speed", "-seconds", "1", "-bytes", "1024", "-multi", "2", "sha256"},
                                       {}, {}, [&](const std::string& text) { return SortedLines(normalize(text)); });
  ExpectSuccess(twins.supervised);
}

TEST(RunManyTasks, ThousandThreadsAndFiveHundredChildren) {
  ExpectSuccess(ExpectSameAsBare({TargetPath("target_shapes"), "many-threads", "1000"}).supervised);
  ExpectSuccess(ExpectSameAsBare({TargetPath("target_shapes"), "fork-storm", "500"}).supervised);
}

}  // namespace
}  // namespace zxctl::test
