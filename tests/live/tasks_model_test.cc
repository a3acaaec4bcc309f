// Random sequences of what can be done to tasks, on real processes, compared step by step with the reference model.
//
// RC_PARAMS="seed=… max_success=…" replays or lengthens; rapidcheck prints what is needed when a sequence fails, and makes
// it shorter first.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <magenta/syscalls.h>
#include <poll.h>
#include <rapidcheck.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <iostream>
#include <map>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "live/tasks_model_ops.h"
#include "support/handles.h"
#include "support/proc_view.h"
#include "support/supervised.h"
#include "support/task_model.h"

namespace zxctl::test {
namespace {

constexpr int64_t kPatienceNs = 10 * kNsPerSec;
constexpr size_t kMaxProcesses = 4;
constexpr size_t kSockets = 3;
constexpr size_t kBegunSize = 5;  // "s" and a tid

struct RealProcess {
  zx_handle_t handle = ZX_HANDLE_INVALID;
  zx_koid_t koid = 0;
  pid_t pid = 0;
  std::array<UniqueFd, kSockets> sockets;  // none for a forked child
};

struct RealThread {
  zx_handle_t handle = ZX_HANDLE_INVALID;
  zx_koid_t koid = 0;
  int socket = -1;  // which of the process's it obeys; -1: none
};

struct Token {
  zx_handle_t handle = ZX_HANDLE_INVALID;
  int thread = kNone;
  int process = kNone;
};

class World {
 public:
  World() {
    jobs_.push_back(NewJob());
    model_.jobs.push_back({});
    // The jobs above it are not the model's, and nothing is bound to them.
    AddPort();
  }
  ~World();

  void Do(const Op& op);
  [[nodiscard]] const std::string& log() const { return log_; }

 private:
  using Life = ModelProcess::Life;

  void Say(const std::string& what) { log_ += what + "\n"; }
  void Expect(zx_status_t real, zx_status_t expected, const std::string& what);
  void Fail(const std::string& what);
  template <typename T>
  int Pick(const std::vector<T>& values, int number) const {
    return values.empty() ? kNone : number % static_cast<int>(values.size());
  }

  void AddPort();
  void CreateJob(int parent);
  void Spawn(int job);
  void Start(int process);
  void Bind(int a, int b, bool unbind);
  void ClosePort(int port);
  void Suspend(int thread, int process);
  void CloseToken(int token);
  void ResumeException(int thread, bool try_next);
  void ResumeFrom(int thread, int port);
  void Fault(int thread);
  void Exec(int thread);
  void Fork(int thread);
  void ExitThread(int thread);
  void ExitProcess(int process);
  void Detach(int process);
  void DoToThread(const Op& op, int thread);
  void DoToProcess(const Op& op, int process);

  // A thread that runs and has a socket.
  [[nodiscard]] bool Obeys(int thread) const;
  void Tell(int thread, char command);
  void Hear(int process, int socket, void* answer, size_t size, const char* what);
  void HearThatItBegan(int thread, int socket);
  void TakeUpThreads(int process);
  int AddRealThread(int process, zx_koid_t koid, int socket);

  void Settle();
  [[nodiscard]] std::string Difference();
  [[nodiscard]] std::string PacketDifference();
  [[nodiscard]] std::string ThreadDifference(int thread) const;
  [[nodiscard]] std::string ProcessDifference(int process) const;
  [[nodiscard]] std::string JobDifference(int job) const;
  void DrainPorts();

  TaskModel model_;
  std::vector<zx_handle_t> jobs_;
  std::vector<zx_handle_t> ports_;
  std::vector<RealProcess> processes_;
  std::vector<RealThread> threads_;
  std::vector<Token> tokens_;
  std::vector<std::pair<int, zx_port_packet_t>> packets_;
  uint64_t next_key_ = 1;
  bool child_began_ = false;  // the last that was forked
  std::string log_;
};

template <typename T>
auto& At(T& values, int index) {
  return values[static_cast<size_t>(index)];
}

zx_signals_t SignalsOf(zx_handle_t handle) {
  zx_signals_t signals = 0;
  zx_object_wait_one(handle, 0, 0, &signals);
  return signals;
}

std::vector<zx_koid_t> ListOf(zx_handle_t handle, uint32_t topic) {
  std::vector<zx_koid_t> koids(64);
  size_t actual = 0;
  zx_object_get_info(handle, topic, koids.data(), koids.size() * sizeof(zx_koid_t), &actual, nullptr);
  koids.resize(actual);
  std::sort(koids.begin(), koids.end());
  return koids;
}

World::~World() {
  for (const Token& token : tokens_) zx_handle_close(token.handle);
  for (const RealProcess& process : processes_) {
    if (zx_task_kill(process.handle) == ZX_ERR_BAD_STATE) kill(process.pid, SIGKILL);
  }
  for (const RealProcess& process : processes_) {
    EXPECT_EQ(zx_object_wait_one(process.handle, ZX_TASK_TERMINATED, zx_deadline_after(kPatienceNs), nullptr), ZX_OK)
        << "process " << process.pid << " does not end\n"
        << ThreadsText(process.pid) << "after:\n"
        << log_;
    zx_handle_close(process.handle);
  }
  for (const RealThread& thread : threads_) zx_handle_close(thread.handle);
  for (const zx_handle_t port : ports_) zx_handle_close(port);
  for (const zx_handle_t job : jobs_) zx_handle_close(job);
}

void World::Fail(const std::string& what) {
  // At once: a difference that comes only now and then is gone when rapidcheck tries again.
  std::cerr << what << "\nafter:\n" << log_ << std::flush;
  RC_FAIL(what);
}

void World::Expect(zx_status_t real, zx_status_t expected, const std::string& what) {
  Say(fmt::format("{} -> {}", what, zx_status_get_string(real)));
  if (real != expected) Fail(fmt::format("expected {} ({})", zx_status_get_string(expected), zxl_last_error()));
}

// ---- what is done ----------------------------------------------------------------------------------------------------

void World::AddPort() {
  ports_.push_back(NewPort());
  model_.port_open.push_back(true);
}

void World::CreateJob(int parent) {
  zx_handle_t job = ZX_HANDLE_INVALID;
  int index = kNone;
  const zx_status_t expected = model_.CreateJob(parent, &index);
  Expect(zx_job_create(At(jobs_, parent), 0, &job), expected, fmt::format("create a job in job {}", parent));
  if (expected == ZX_OK) jobs_.push_back(job);
}

void World::Spawn(int job) {
  const auto lives = [](const ModelProcess& process) { return process.life != Life::kDead; };
  if (static_cast<size_t>(std::count_if(model_.processes.begin(), model_.processes.end(), lives)) >= kMaxProcesses)
    return;
  RealProcess real;
  std::array<UniqueFd, kSockets> theirs;
  std::vector<std::string> words = {TargetPath("target_tasks")};
  for (size_t i = 0; i < kSockets; ++i) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    real.sockets[i].Reset(ends[0]);
    theirs[i].Reset(ends[1]);
    fcntl(ends[1], F_SETFD, 0);
    words.push_back(std::to_string(ends[1]));
  }
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  argv.push_back(nullptr);
  const zxl_spawn_args_t args = {
      .path = argv[0], .argv = argv.data(), .envp = nullptr, .cwd = nullptr, .stdio = {-1, -1, -1}, .options = 0};
  zx_handle_t thread = ZX_HANDLE_INVALID;
  int index = kNone;
  const zx_status_t expected = model_.Spawn(job, &index);
  Expect(zxl_process_spawn(At(jobs_, job), &args, &real.handle, &thread), expected,
         fmt::format("spawn process {} in job {}", index, job));
  if (expected != ZX_OK) return;
  real.koid = KoidOf(real.handle);
  zxl_task_get_pid(real.handle, &real.pid);
  processes_.push_back(std::move(real));
  threads_.push_back({.handle = thread, .koid = KoidOf(thread), .socket = 0});
}

void World::Start(int process) {
  Expect(zxl_process_start(At(processes_, process).handle), model_.Start(process),
         fmt::format("start process {}", process));
}

void World::Bind(int a, int b, bool unbind) {
  const auto level = static_cast<Level>(1 + b % 5);
  const bool of_job = level == Level::kJob || level == Level::kJobDebugger;
  const bool of_thread = level == Level::kThread;
  const int task = of_job ? Pick(jobs_, a) : of_thread ? Pick(threads_, a) : Pick(processes_, a);
  if (task == kNone) return;
  // Everything is refused there, or nothing is promised: a test of its own looks at it.
  if (!of_job) {
    const int process = of_thread ? At(model_.threads, task).process : task;
    if (At(model_.processes, process).life == Life::kDetached) return;
  }
  const zx_handle_t handle = of_job      ? At(jobs_, task)
                             : of_thread ? At(threads_, task).handle
                                         : At(processes_, task).handle;
  const bool debugger = level == Level::kDebugger || level == Level::kJobDebugger;
  uint32_t options = debugger ? ZX_EXCEPTION_PORT_DEBUGGER : 0;
  if (unbind) {
    const bool quietly = a % 3 == 0;
    if (quietly) options |= ZX_EXCEPTION_PORT_UNBIND_QUIETLY;
    const zx_status_t real = zx_task_bind_exception_port(handle, ZX_HANDLE_INVALID, 0, options);
    return Expect(real, model_.Unbind(level, task, quietly),
                  fmt::format("unbind level {} of {}{}", static_cast<int>(level), task, quietly ? " quietly" : ""));
  }
  const int port = Pick(ports_, a / 7);
  if (!model_.port_open[static_cast<size_t>(port)]) return;
  const uint64_t key = next_key_++;
  const zx_status_t real = zx_task_bind_exception_port(handle, At(ports_, port), key, options);
  Expect(real, model_.Bind(level, task, port, key),
         fmt::format("bind port {} to level {} of {}, key {}", port, static_cast<int>(level), task, key));
}

void World::ClosePort(int port) {
  if (!model_.port_open[static_cast<size_t>(port)]) return;
  model_.ClosePort(port);
  std::erase_if(packets_, [&](const auto& packet) { return packet.first == port; });
  Expect(zx_handle_close(std::exchange(At(ports_, port), ZX_HANDLE_INVALID)), ZX_OK,
         fmt::format("close port {}", port));
}

void World::Suspend(int thread, int process) {
  Token token{.thread = thread, .process = process};
  const bool of_thread = thread != kNone;
  const zx_status_t expected = of_thread ? model_.SuspendThread(thread) : model_.SuspendProcess(process);
  const zx_handle_t task = of_thread ? At(threads_, thread).handle : At(processes_, process).handle;
  Expect(zx_task_suspend(task, &token.handle), expected,
         of_thread ? fmt::format("suspend thread {}", thread) : fmt::format("suspend process {}", process));
  if (expected == ZX_OK) tokens_.push_back(token);
}

void World::CloseToken(int token) {
  const Token closed = At(tokens_, token);
  tokens_.erase(tokens_.begin() + token);
  if (closed.thread != kNone) {
    model_.CloseThreadToken(closed.thread);
  } else {
    model_.CloseProcessToken(closed.process);
  }
  Expect(zx_handle_close(closed.handle), ZX_OK,
         fmt::format("close a token of thread {}/process {}", closed.thread, closed.process));
}

void World::ResumeException(int thread, bool try_next) {
  const uint32_t options = ZX_RESUME_EXCEPTION | (try_next ? ZX_RESUME_TRY_NEXT : 0);
  const zx_status_t expected = model_.ResumeException(thread, try_next);
  Expect(zx_task_resume(At(threads_, thread).handle, options), expected,
         fmt::format("{} thread {}", try_next ? "try next for" : "resume the exception of", thread));
}

void World::ResumeFrom(int thread, int port) {
  if (!model_.port_open[static_cast<size_t>(port)]) return;
  const bool try_next = thread % 2 == 0;
  const zx_status_t expected = model_.ResumeFromException(thread, port, try_next);
  Expect(
      zx_task_resume_from_exception(At(threads_, thread).handle, At(ports_, port), try_next ? ZX_RESUME_TRY_NEXT : 0),
      expected, fmt::format("answer for thread {} from port {}", thread, port));
}

void World::Detach(int process) {
  Expect(zxl_process_detach(At(processes_, process).handle), model_.Detach(process),
         fmt::format("detach process {}", process));
}

// ---- what programs do ------------------------------------------------------------------------------------------------

bool World::Obeys(int thread) const { return model_.Runs(thread) && At(threads_, thread).socket >= 0; }

void World::Tell(int thread, char command) {
  const RealProcess& process = At(processes_, At(model_.threads, thread).process);
  Say(fmt::format("thread {} does '{}'", thread, command));
  if (send(At(process.sockets, At(threads_, thread).socket).get(), &command, 1, MSG_NOSIGNAL) != 1)
    Fail("the program is gone");
}

void World::Hear(int process, int socket, void* answer, size_t size, const char* what) {
  pollfd fd{.fd = At(At(processes_, process).sockets, socket).get(), .events = POLLIN, .revents = 0};
  for (;;) {
    const bool came = poll(&fd, 1, static_cast<int>(kPatienceNs / kNsPerMs)) == 1;
    std::array<char, 8> message{};
    const ssize_t got = came ? recv(fd.fd, message.data(), message.size(), 0) : -1;
    // That a fault is over, or a thread has begun, is seen by other means.
    const bool wanted = size == 1 && message[0] == *what;
    if (got == 1 && !wanted && message[0] == 'c') {
      child_began_ = true;
      continue;
    }
    if (got == 1 && !wanted && message[0] == 'd') continue;
    if (got == kBegunSize && size != kBegunSize) continue;
    if (got != static_cast<ssize_t>(size)) Fail(fmt::format("process {}: no {}", process, what));
    memcpy(answer, message.data(), size);
    return;
  }
}

// What a thread of the program before said may still lie there.
void World::HearThatItBegan(int thread, int socket) {
  int32_t tid = 0;
  if (zxl_task_get_pid(At(threads_, thread).handle, &tid) != ZX_OK) Fail("a thread without a tid");
  for (int32_t begun = 0; begun != tid;) {
    std::array<char, kBegunSize> message{};
    Hear(At(model_.threads, thread).process, socket, message.data(), message.size(), "s");
    memcpy(&begun, message.data() + 1, sizeof(begun));
  }
}

void World::Fault(int thread) {
  Tell(thread, 'f');
  model_.Fault(thread);
}

void World::Exec(int thread) {
  Tell(thread, 'x');
  model_.Exec(thread);
  At(threads_, thread).socket = 0;
}

void World::ExitThread(int thread) {
  if (At(threads_, thread).socket == 0) return;
  Tell(thread, 'e');
  model_.ExitThread(thread);
}

void World::ExitProcess(int process) {
  const int first = At(model_.processes, process).threads.front();
  if (!Obeys(first) || At(threads_, first).socket != 0) return;
  Tell(first, 'e');
  model_.ExitProcess(process, 5);
}

void World::Fork(int thread) {
  const auto lives = [](const ModelProcess& process) { return process.life != Life::kDead; };
  if (static_cast<size_t>(std::count_if(model_.processes.begin(), model_.processes.end(), lives)) >= kMaxProcesses)
    return;
  const int parent = At(model_.threads, thread).process;
  Tell(thread, 'k');
  RealProcess real;
  int32_t pid = 0;
  child_began_ = false;
  Hear(parent, At(threads_, thread).socket, &pid, sizeof(pid), "pid of the child");
  real.pid = pid;
  const int child = model_.Fork(parent);
  char began = 0;
  // Until then it could still be told of its start.
  const bool runs = model_.Runs(At(model_.processes, child).threads.front());
  if (runs && !child_began_) Hear(parent, At(threads_, thread).socket, &began, 1, "c");
  const int job = At(model_.processes, child).job;
  for (const zx_koid_t koid : ListOf(At(jobs_, job), ZX_INFO_JOB_PROCESSES)) {
    zx_handle_t handle = ZX_HANDLE_INVALID;
    int32_t found = 0;
    const bool is_it = zx_object_get_child(At(jobs_, job), koid, ZX_RIGHT_SAME_RIGHTS, &handle) == ZX_OK &&
                       zxl_task_get_pid(handle, &found) == ZX_OK && found == pid;
    if (is_it) {
      real.handle = handle;
      real.koid = koid;
      break;
    }
    zx_handle_close(handle);
  }
  if (real.koid == 0) Fail("the forked child is not in its parent's job");
  const auto threads = ListOf(real.handle, ZX_INFO_PROCESS_THREADS);
  processes_.push_back(std::move(real));
  if (threads.size() != 1) Fail("the forked child has not one thread");
  AddRealThread(child, threads.front(), -1);
}

int World::AddRealThread(int process, zx_koid_t koid, int socket) {
  zx_handle_t handle = ZX_HANDLE_INVALID;
  // All rights: the job's handle would not have lent those of threads.
  const zx_rights_t rights = ZX_RIGHT_SAME_RIGHTS;
  if (zx_object_get_child(At(processes_, process).handle, koid, rights, &handle) != ZX_OK) {
    Fail(fmt::format("no handle to a thread of process {}: {}", process, zxl_last_error()));
  }
  threads_.push_back({.handle = handle, .koid = koid, .socket = socket});
  return static_cast<int>(threads_.size()) - 1;
}

// The first thread of a program has made the others.
void World::TakeUpThreads(int process) {
  char ready = 0;
  Hear(process, 0, &ready, 1, "ready, all threads are there");
  const zx_koid_t first = At(threads_, At(model_.processes, process).threads.front()).koid;
  int socket = 1;
  for (const zx_koid_t koid : ListOf(At(processes_, process).handle, ZX_INFO_PROCESS_THREADS)) {
    // Those of the program before are dead, and have lower numbers than those that were made now.
    if (koid == first) continue;
    const bool known =
        std::any_of(threads_.begin(), threads_.end(), [&](const RealThread& t) { return t.koid == koid; });
    if (known) continue;
    const int thread = model_.AddThread(process);
    AddRealThread(process, koid, socket);
    // Until then it could still be told of its start.
    if (model_.Runs(thread)) HearThatItBegan(thread, socket);
    ++socket;
  }
  if (socket != static_cast<int>(kSockets)) Fail(fmt::format("process {} has {} new threads", process, socket - 1));
}

// ---- the comparison --------------------------------------------------------------------------------------------------

void World::DrainPorts() {
  for (size_t i = 0; i < ports_.size(); ++i) {
    zx_port_packet_t packet;
    while (model_.port_open[i] && zx_port_wait(ports_[i], 0, &packet) == ZX_OK)
      packets_.emplace_back(static_cast<int>(i), packet);
  }
}

// In any order: threads that wait for the same answer go on in whatever order they are found in. What a process that is
// dead had to say does not count: its threads may have been told of or not. Nor do the exits of threads that were killed.
std::string World::PacketDifference() {
  std::multiset<std::string> real;
  std::multiset<std::string> expected;
  const auto describe = [](int port, uint64_t key, uint32_t type, zx_koid_t process, zx_koid_t thread) {
    return fmt::format("port {} key {} type {:x} of {}/{}", port, key, type, process, thread);
  };
  std::set<zx_koid_t> dead;
  for (size_t i = 0; i < processes_.size(); ++i) {
    const Life life = model_.processes[i].life;
    if (life == Life::kDead || life == Life::kDetached) dead.insert(processes_[i].koid);
  }
  std::set<zx_koid_t> ended;
  for (size_t i = 0; i < threads_.size(); ++i) {
    if (model_.threads[i].dead) ended.insert(threads_[i].koid);
  }
  for (const auto& [port, p] : packets_) {
    if (dead.contains(p.exception.pid) || (p.type == ZX_EXCP_THREAD_EXITING && ended.contains(p.exception.tid)))
      continue;
    real.insert(describe(port, p.key, p.type, p.exception.pid, p.exception.tid));
  }
  for (const ModelPacket& p : model_.packets) {
    const zx_koid_t process = At(processes_, p.process).koid;
    if (!dead.contains(process)) expected.insert(describe(p.port, p.key, p.type, process, At(threads_, p.thread).koid));
  }
  if (real == expected) return "";
  std::string text = "packets that came:\n";
  for (const auto& packet : real) text += "  " + packet + "\n";
  text += "packets that should have come:\n";
  for (const auto& packet : expected) text += "  " + packet + "\n";
  return text;
}

std::string World::ThreadDifference(int thread) const {
  const ModelProcess& process = At(model_.processes, At(model_.threads, thread).process);
  const zx_handle_t handle = At(threads_, thread).handle;
  const zx_signals_t signals = SignalsOf(handle);
  if (signals != model_.ThreadSignals(thread)) {
    return fmt::format("thread {}: signals {:x}, should be {:x}\n", thread, signals, model_.ThreadSignals(thread));
  }
  if (process.life == Life::kDetached) return "";
  zx_info_thread_t info = {};
  const zx_status_t asked = zx_object_get_info(handle, ZX_INFO_THREAD, &info, sizeof(info), nullptr, nullptr);
  if (asked != ZX_OK || info.state != model_.ThreadState(thread) ||
      info.wait_exception_port_type != model_.WaitType(thread)) {
    return fmt::format("thread {}: {} state {:x} waits for {}, should be {:x} and {}\n", thread, asked, info.state,
                       info.wait_exception_port_type, model_.ThreadState(thread), model_.WaitType(thread));
  }
  zxl_exception_info_t exception = {};
  const zx_status_t in_exception = zxl_thread_get_exception(handle, &exception);
  const auto& expected = At(model_.threads, thread).exception;
  const int signo = expected && expected->kind == ModelException::Kind::kFault ? SIGSEGV : 0;
  if (in_exception != (expected ? ZX_OK : ZX_ERR_BAD_STATE) || exception.signo != signo) {
    return fmt::format("thread {}: exception info {} signal {}\n", thread, in_exception, exception.signo);
  }
  return "";
}

std::string World::ProcessDifference(int process) const {
  const ModelProcess& expected = At(model_.processes, process);
  const zx_handle_t handle = At(processes_, process).handle;
  if (expected.life == Life::kDetached) return "";
  const bool dead = expected.life == Life::kDead;
  const zx_signals_t signals = SignalsOf(handle);
  if (signals != (dead ? ZX_PROCESS_TERMINATED : 0)) return fmt::format("process {}: signals {:x}\n", process, signals);
  uint32_t flags = 0;
  if (expected.started) flags |= ZX_INFO_PROCESS_FLAG_STARTED;
  if (dead) flags |= ZX_INFO_PROCESS_FLAG_EXITED;
  if (!dead && expected.debugger.port != kNone) flags |= ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED;
  zx_info_process_t info = {};
  const zx_status_t asked = zx_object_get_info(handle, ZX_INFO_PROCESS, &info, sizeof(info), nullptr, nullptr);
  if (asked != ZX_OK || info.flags != flags || info.return_code != (dead ? expected.return_code : 0)) {
    return fmt::format("process {}: {} flags {} code {}, should be {} and {}\n", process, asked, info.flags,
                       info.return_code, flags, expected.return_code);
  }
  std::vector<zx_koid_t> living;
  for (const int thread : expected.threads) {
    if (!At(model_.threads, thread).dead && expected.life == Life::kAlive) living.push_back(At(threads_, thread).koid);
  }
  std::sort(living.begin(), living.end());
  if (ListOf(handle, ZX_INFO_PROCESS_THREADS) != living) return fmt::format("process {}: other threads\n", process);
  return "";
}

std::string World::JobDifference(int job) const {
  const zx_signals_t signals = SignalsOf(At(jobs_, job));
  if (signals != model_.JobSignals(job)) {
    return fmt::format("job {}: signals {:x}, should be {:x}\n", job, signals, model_.JobSignals(job));
  }
  std::vector<zx_koid_t> living;
  for (size_t i = 0; i < processes_.size(); ++i) {
    const ModelProcess& process = model_.processes[i];
    const bool here = process.job == job && process.life != Life::kDead && process.life != Life::kDetached;
    if (here) living.push_back(processes_[i].koid);
  }
  std::sort(living.begin(), living.end());
  if (ListOf(At(jobs_, job), ZX_INFO_JOB_PROCESSES) != living) return fmt::format("job {}: other processes\n", job);
  return "";
}

std::string World::Difference() {
  DrainPorts();
  std::string text = PacketDifference();
  for (size_t i = 0; i < threads_.size(); ++i) text += ThreadDifference(static_cast<int>(i));
  for (size_t i = 0; i < processes_.size(); ++i) text += ProcessDifference(static_cast<int>(i));
  for (size_t i = 0; i < jobs_.size(); ++i) text += JobDifference(static_cast<int>(i));
  return text;
}

// Most of what is asked for happens a little later: what does not come within the limit never comes.
void World::Settle() {
  while (!model_.begun.empty()) {
    const int process = model_.begun.front();
    model_.begun.erase(model_.begun.begin());
    if (At(model_.processes, process).life == Life::kAlive) TakeUpThreads(process);
  }
  const zx_time_t deadline = zx_deadline_after(kPatienceNs);
  std::string difference = Difference();
  while (!difference.empty() && zx_clock_get_monotonic() < deadline) {
    zx_nanosleep(zx_deadline_after(50 * kNsPerUs));
    difference = Difference();
  }
  if (!difference.empty()) Fail(difference);
  packets_.clear();
  model_.packets.clear();
}

// ---- one step --------------------------------------------------------------------------------------------------------

void World::DoToThread(const Op& op, int thread) {
  if (thread == kNone) return;
  const int process = At(model_.threads, thread).process;
  switch (op.kind) {
    case Kind::kFault:
      return Obeys(thread) ? Fault(thread) : void();
    case Kind::kExec:
      return Obeys(thread) ? Exec(thread) : void();
    case Kind::kFork:
      return Obeys(thread) ? Fork(thread) : void();
    case Kind::kExitThread:
      return Obeys(thread) ? ExitThread(thread) : void();
    case Kind::kSuspendThread:
      return Suspend(thread, kNone);
    case Kind::kSetFlag:
      return Expect(mx_task_suspend(At(threads_, thread).handle), model_.SetFlag(thread),
                    fmt::format("flag thread {}", thread));
    case Kind::kResume:
      return Expect(zx_task_resume(At(threads_, thread).handle, 0), model_.Resume(thread),
                    fmt::format("resume thread {}", thread));
    case Kind::kResumeException:
      return ResumeException(thread, false);
    case Kind::kTryNext:
      return ResumeException(thread, true);
    case Kind::kResumeFrom:
      return At(model_.processes, process).life == Life::kDetached ? void() : ResumeFrom(thread, Pick(ports_, op.b));
    default:
      return Expect(zx_task_kill(At(threads_, thread).handle), model_.KillThread(thread),
                    fmt::format("kill thread {}", thread));
  }
}

void World::DoToProcess(const Op& op, int process) {
  if (process == kNone) return;
  switch (op.kind) {
    case Kind::kStart:
      return Start(process);
    case Kind::kSuspendProcess:
      return Suspend(kNone, process);
    case Kind::kExitProcess:
      return At(model_.processes, process).life == Life::kAlive ? ExitProcess(process) : void();
    case Kind::kDetach:
      return Detach(process);
    case Kind::kKillProcess:
      // One that was let go may have ended by now, which nobody tells at once.
      if (At(model_.processes, process).life == Life::kDetached) return;
      [[fallthrough]];
    default:
      return Expect(zx_task_kill(At(processes_, process).handle), model_.KillProcess(process),
                    fmt::format("kill process {}", process));
  }
}

void World::Do(const Op& op) {
  switch (op.kind) {
    case Kind::kNothing:
      break;
    case Kind::kCreateJob:
      CreateJob(Pick(jobs_, op.a));
      break;
    case Kind::kSpawn:
      Spawn(Pick(jobs_, op.a));
      break;
    case Kind::kBind:
    case Kind::kUnbind:
      Bind(op.a, op.b, op.kind == Kind::kUnbind);
      break;
    case Kind::kCreatePort:
      AddPort();
      break;
    case Kind::kClosePort:
      ClosePort(Pick(ports_, op.a));
      break;
    case Kind::kCloseToken:
      if (!tokens_.empty()) CloseToken(Pick(tokens_, op.a));
      break;
    case Kind::kKillJob:
      Expect(zx_task_kill(At(jobs_, Pick(jobs_, op.a))), (model_.KillJob(Pick(jobs_, op.a)), ZX_OK),
             fmt::format("kill job {}", Pick(jobs_, op.a)));
      break;
    case Kind::kStart:
    case Kind::kSuspendProcess:
    case Kind::kExitProcess:
    case Kind::kDetach:
    case Kind::kKillProcess:
      DoToProcess(op, Pick(processes_, op.a));
      break;
    default:
      DoToThread(op, Pick(threads_, op.a));
      break;
  }
  Settle();
}

TEST(TaskModel, TasksDoWhatTheModelDoes) {
  // What is in the environment already goes first. Not shrunk: what failed once for the time it was done at seldom fails twice, and
  // each attempt that does waits as long as the first.
  const std::string sequences = std::to_string(Scaled(100'000, IsEmulated() ? 50 : 500));
  setenv("RC_PARAMS", ("noshrink=1 max_success=" + sequences).c_str(), 0);
  const bool holds = rc::check("tasks do what the model does", [] {
    const auto ops = *Sequences();
    World world;
    for (const Op& op : ops) world.Do(op);
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace zxctl::test
