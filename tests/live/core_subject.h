// A crashing program that stays at its crash, with what a tracer hands to the core writer.
#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "report/core_writer.h"

namespace zxctl::report::test {

// Runs target_core, stops it at its fatal signal with all its threads, and kills it in the end. Of the test's main thread.
class CoreSubject {
 public:
  explicit CoreSubject(const std::string& mode);
  CoreSubject(const CoreSubject&) = delete;
  CoreSubject& operator=(const CoreSubject&) = delete;
  ~CoreSubject() { Kill(); }

  // True when the program stands at its crash.
  [[nodiscard]] bool crashed() const { return record_.signal.signo != 0; }
  [[nodiscard]] const std::vector<ring::ThreadRecord>& threads() const { return threads_; }
  // Refers to this object.
  [[nodiscard]] CoreRequest Request(const std::string& directory) const;
  void Kill();

 private:
  void Start(const std::string& mode);
  // Runs the program until one of its threads has a fault, which becomes the first of threads_.
  void RunToCrash();
  void StopOthers();
  void AddThread(pid_t tid);
  void AddRegisterSet(pid_t tid, uint32_t note_type);

  pid_t pid_ = -1;
  ring::CrashRecord record_;
  std::vector<ring::ThreadRecord> threads_;
  std::vector<RegisterSet> register_sets_;
  UniqueFd mem_;
};

}  // namespace zxctl::report::test
