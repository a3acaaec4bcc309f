#include "attached.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "base/proc_file.h"
#include "supervisor/proc_facts.h"

namespace zxctl {
namespace {

constexpr std::chrono::seconds kPatience(2);

}  // namespace

Status LastError(zx_status_t status) { return {.zx = status, .what = zxl_last_error()}; }

Result<TaskId> FindTask(pid_t id) {
  const auto process = ReadStatusNumber(id, "Tgid");
  if (process) return TaskId{.pid = static_cast<pid_t>(*process), .tid = id};
  return Fail(Status{.zx = ZX_ERR_NOT_FOUND, .what = fmt::format("there is no process or thread {} here", id)});
}

pid_t LiveThread(pid_t pid) {
  for (const pid_t tid : ReadThreadIds(pid)) {
    const auto facts = ReadTaskFacts(tid);
    if (facts && !facts->IsZombie()) return tid;
  }
  return pid;
}

Status Explain(pid_t pid, Status status) {
  const auto facts = ReadTaskFacts(LiveThread(pid));
  if (facts && !facts->IsZombie()) return status;
  return {.zx = ZX_ERR_NOT_FOUND, .what = fmt::format("process {} has ended", pid)};
}

NoJobControl::NoJobControl() {
  sigset_t stops;
  sigemptyset(&stops);
  for (const int signo : {SIGTSTP, SIGTTIN, SIGTTOU}) sigaddset(&stops, signo);
  pthread_sigmask(SIG_BLOCK, &stops, &before_);
}

NoJobControl::~NoJobControl() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

Result<AttachedProcess> AttachedProcess::Attach(pid_t pid) {
  const auto job = zx::Job::default_job();
  zx::Process process;
  // What the process waits for ends in time although it is stopped for a moment, where the kernel lets us see to that.
  zx_status_t status = zx::Process::attach(*job, pid, ZXL_ATTACH_EXACT_TIMEOUTS, &process);
  if (status == ZX_ERR_NOT_SUPPORTED) status = zx::Process::attach(*job, pid, 0, &process);
  if (status != ZX_OK) return Fail(LastError(status));
  return AttachedProcess(std::move(process));
}

AttachedProcess::~AttachedProcess() {
  if (process_) (void)LetGo();
}

Result<std::vector<AttachedThread>> AttachedProcess::Threads() const {
  std::vector<zx_koid_t> koids;
  size_t count = 0;
  size_t available = 0;
  do {
    koids.resize(available + 16);
    const zx_status_t status =
        process_.get_info(ZX_INFO_PROCESS_THREADS, koids.data(), koids.size() * sizeof(zx_koid_t), &count, &available);
    if (status != ZX_OK) return Fail(LastError(status));
  } while (count < available);
  koids.resize(count);
  std::vector<AttachedThread> threads;
  for (const zx_koid_t koid : koids) {
    AttachedThread thread;
    // One that cannot be had has ended meanwhile.
    if (process_.get_child(koid, ZX_RIGHT_SAME_RIGHTS, &thread.thread) != ZX_OK) continue;
    if (thread.thread.get_pid(&thread.tid) == ZX_OK) threads.push_back(std::move(thread));
  }
  std::sort(threads.begin(), threads.end(),
            [](const AttachedThread& a, const AttachedThread& b) { return a.tid < b.tid; });
  return threads;
}

Result<void> AttachedProcess::LetGo() {
  std::packaged_task<Result<void>(zx::Process)> detach([](const zx::Process& process) -> Result<void> {
    const zx_status_t status = process.detach();
    if (status != ZX_OK) return Fail(LastError(status));
    return {};
  });
  std::future<Result<void>> done = detach.get_future();
  std::thread(std::move(detach), std::move(process_)).detach();
  if (done.wait_for(kPatience) == std::future_status::ready) return done.get();
  return {};
}

}  // namespace zxctl
