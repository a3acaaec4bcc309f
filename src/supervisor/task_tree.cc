#include "supervisor/task_tree.h"

#include <algorithm>

namespace zxctl {

Thread* TaskTree::FindThread(pid_t tid) {
  const auto found = threads_.find(tid);
  return found == threads_.end() ? nullptr : found->second.get();
}

Process* TaskTree::FindProcess(pid_t pid) {
  const auto found = processes_.find(pid);
  return found == processes_.end() ? nullptr : found->second.get();
}

Thread& TaskTree::AddThread(pid_t tid) {
  auto thread = std::make_unique<Thread>();
  thread->tid = tid;
  thread->koid = NewKoid();
  threads_by_koid_[thread->koid] = thread.get();
  auto& slot = threads_[tid];
  if (slot != nullptr) threads_by_koid_.erase(slot->koid);
  slot = std::move(thread);
  return *slot;
}

Process& TaskTree::AddProcess(pid_t pid, Job& job) {
  auto process = std::make_unique<Process>();
  process->pid = pid;
  process->koid = NewKoid();
  process->job = &job;
  ++job.processes;
  processes_by_koid_[process->koid] = process.get();
  auto& slot = processes_[pid];
  if (slot != nullptr) Drop(*slot);
  slot = std::move(process);
  return *slot;
}

void TaskTree::SkipKoids(Koid next) {
  constexpr Koid kTooHigh = Koid{1} << 40;
  if (next < kTooHigh) next_koid_ = std::max(next_koid_, next);
}

void TaskTree::Drop(const Process& process) {
  --process.job->processes;
  processes_by_koid_.erase(process.koid);
}

Job& TaskTree::AddJob(Job& parent) {
  auto job = std::make_unique<Job>();
  job->koid = NewKoid();
  job->parent = &parent;
  job->killed = parent.killed;
  ++parent.jobs;
  return *(jobs_[job->koid] = std::move(job));
}

void TaskTree::MarkKilled(Job& job) {
  job.killed = true;
  for (const auto& [koid, each] : jobs_) {
    const Job* above = each->parent;
    while (above != nullptr && above != &job) above = above->parent;
    if (above == &job) each->killed = true;
  }
}

void TaskTree::RemoveJob(Job& job) {
  if (job.processes != 0 || job.jobs != 0 || job.parent == nullptr) return;
  --job.parent->jobs;
  jobs_.erase(job.koid);
}

Thread* TaskTree::FindThreadByKoid(Koid koid) {
  const auto found = threads_by_koid_.find(koid);
  return found == threads_by_koid_.end() ? nullptr : found->second;
}

Process* TaskTree::FindProcessByKoid(Koid koid) {
  const auto found = processes_by_koid_.find(koid);
  return found == processes_by_koid_.end() ? nullptr : found->second;
}

Job* TaskTree::FindJobByKoid(Koid koid) {
  if (koid == root_job_.koid) return &root_job_;
  const auto found = jobs_.find(koid);
  return found == jobs_.end() ? nullptr : found->second.get();
}

void TaskTree::Join(Thread& thread, Process& process) {
  thread.process = &process;
  process.threads.push_back(&thread);
}

void TaskTree::Leave(Thread& thread) {
  Process* process = thread.process;
  if (process == nullptr) return;
  thread.process = nullptr;
  auto& threads = process->threads;
  // Threads mostly end in the order they came or the reverse; the order kept here means nothing.
  const auto found = std::find(threads.rbegin(), threads.rend(), &thread);
  *found = threads.back();
  threads.pop_back();
  if (!threads.empty()) return;
  Drop(*process);
  processes_.erase(process->pid);
}

void TaskTree::RemoveThread(pid_t tid) {
  const auto found = threads_.find(tid);
  if (found == threads_.end()) return;
  Leave(*found->second);
  threads_by_koid_.erase(found->second->koid);
  threads_.erase(found);
}

Thread& TaskTree::Rename(pid_t former, pid_t pid) {
  auto node = threads_.extract(former);
  if (const auto leader = threads_.find(pid); leader != threads_.end()) {
    // The process must not go with its old leader: the renamed thread is in it still.
    Leave(*leader->second);
    threads_by_koid_.erase(leader->second->koid);
    threads_.erase(leader);
  }
  node.key() = pid;
  Thread& thread = *node.mapped();
  thread.tid = pid;
  threads_.insert(std::move(node));
  return thread;
}

std::vector<pid_t> TaskTree::ProcessIds() const {
  std::vector<pid_t> pids;
  pids.reserve(processes_.size());
  for (const auto& [pid, process] : processes_) pids.push_back(pid);
  return pids;
}

std::vector<pid_t> TaskTree::ProcessIdsIn(const Job& job) const {
  std::vector<pid_t> pids;
  for (const auto& [pid, process] : processes_) {
    for (const Job* above = process->job; above != nullptr; above = above->parent) {
      if (above == &job) pids.push_back(pid);
    }
  }
  return pids;
}

std::vector<pid_t> TaskTree::ThreadIds() const {
  std::vector<pid_t> tids;
  tids.reserve(threads_.size());
  for (const auto& [tid, thread] : threads_) tids.push_back(tid);
  return tids;
}

std::vector<pid_t> TaskTree::RunningThreadIds() const {
  std::vector<pid_t> tids;
  tids.reserve(threads_.size());
  for (const auto& [tid, thread] : threads_) {
    const PtraceStop stop = thread->state.stop;
    if (stop == PtraceStop::kRunning || stop == PtraceStop::kListening) tids.push_back(tid);
  }
  return tids;
}

}  // namespace zxctl
