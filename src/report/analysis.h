// The analysis of a crash: why, the frames with their names, and what lies around. Runs in the sandboxed worker, because
// it parses what the program controls.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "report/abort_reason.h"
#include "report/classify_address.h"
#include "report/explain.h"
#include "report/gather.h"
#include "report/maps.h"
#include "report/memory_reader.h"
#include "report/model.h"
#include "report/module_files.h"
#include "report/modules.h"
#include "report/operand.h"
#include "report/symbolizer.h"
#include "report/unwinder.h"

namespace zxctl::report {

class Analysis {
 public:
  // Called with the report as far as it is known, each time it has become better; the last call is the whole.
  using Emit = std::function<void(const Report&)>;

  // `deadline_ns` (CLOCK_MONOTONIC) is when the analysis stops to look further; what is missing then is in the notes.
  Analysis(CrashInput input, int64_t deadline_ns, Emit emit);
  ~Analysis();

  void Run();

 private:
  // What the exception is about: the thread's last first-chance fault if there is one, otherwise the signal.
  [[nodiscard]] const SignalRecord& Subject() const;
  [[nodiscard]] const arch::Registers* SubjectRegisters() const;
  [[nodiscard]] bool IsException() const;
  // The breakpoint instruction that the exception is about stands before the thread's pc.
  [[nodiscard]] bool IsPastBreakpoint();
  [[nodiscard]] UnwoundStack UnwindSubject();
  [[nodiscard]] bool OutOfTime() const;

  // Without any file of the program's:
  void FillRegisters();
  void FillFault();
  void FillHang();
  void FillDisassembly(std::optional<uint64_t> function_start);
  void FillMemory();
  void UnwindFaulting();
  // With them:
  void NameFaulting();
  void FillAbort();
  void FillSource();
  void AnalyseOthers();
  void NameThread(const UnwoundStack& stack, ThreadInfo& thread);
  void FillModules();

  [[nodiscard]] std::optional<uint64_t> ReturnAddressOfBadCall(const arch::Registers& registers);
  [[nodiscard]] FaultFacts Facts();
  [[nodiscard]] std::string CallBefore(uint64_t return_address);
  [[nodiscard]] std::string BusFile(uint64_t address) const;
  [[nodiscard]] std::string SecondSignal() const;
  [[nodiscard]] Unwinder& UnwinderFor(const arch::Registers& registers);
  [[nodiscard]] MemoryExcerpt Excerpt(uint64_t address, size_t bytes);

  CrashInput input_;
  int64_t deadline_ns_;
  Emit emit_;
  Report report_;
  MemoryReader memory_;
  std::vector<Mapping> maps_;
  ModuleTable modules_;
  AddressSpace space_;
  std::optional<ModuleFiles> files_;
  std::optional<Symbolizer> symbolizer_;
  std::optional<Unwinder> unwinder64_;
  std::optional<Unwinder> unwinder32_;
  UnwoundStack faulting_stack_;
  std::optional<uint64_t> function_start_;
};

}  // namespace zxctl::report
