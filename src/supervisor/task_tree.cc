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
  auto& slot = threads_[tid];
  slot = std::move(thread);
  return *slot;
}

Process& TaskTree::AddProcess(pid_t pid, Job& job) {
  auto process = std::make_unique<Process>();
  process->pid = pid;
  process->koid = NewKoid();
  process->job = &job;
  auto& slot = processes_[pid];
  slot = std::move(process);
  return *slot;
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
  if (threads.empty()) processes_.erase(process->pid);
}

void TaskTree::RemoveThread(pid_t tid) {
  const auto found = threads_.find(tid);
  if (found == threads_.end()) return;
  Leave(*found->second);
  threads_.erase(found);
}

Thread& TaskTree::Rename(pid_t former, pid_t pid) {
  auto node = threads_.extract(former);
  if (const auto leader = threads_.find(pid); leader != threads_.end()) {
    // The process must not go with its old leader: the renamed thread is in it still.
    Leave(*leader->second);
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

std::vector<pid_t> TaskTree::ThreadIds() const {
  std::vector<pid_t> tids;
  tids.reserve(threads_.size());
  for (const auto& [tid, thread] : threads_) tids.push_back(tid);
  return tids;
}

}  // namespace zxctl
