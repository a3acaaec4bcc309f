#include "report/analysis.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "base/unique_fd.h"
#include "report/disassembler.h"
#include "report/frames.h"
#include "report/machine.h"
#include "report/proc_texts.h"
#include "report/signal_names.h"
#include "report/source_excerpt.h"

namespace zxctl::report {
namespace {

constexpr size_t kLongestInstruction = 16;
constexpr size_t kLongestCall = 8;
constexpr uint64_t kExcerptBefore = 32;
constexpr size_t kExcerptBytes = 96;
constexpr size_t kStackBytes = 1024;
// A report with more frames than this would be of no use to anybody.
constexpr size_t kMaxFramesOfOthers = 50'000;

std::vector<StackPointer> StackPointers(const CrashInput& input) {
  std::vector<StackPointer> pointers;
  for (const ring::ThreadRecord& thread : input.messages.threads) {
    if (thread.has_registers != 0) pointers.push_back({.tid = thread.tid, .sp = arch::Sp(thread.registers)});
  }
  return pointers;
}

void TakeShape(const UnwoundStack& stack, ThreadInfo& thread) {
  thread.frames_truncated = stack.truncated;
  thread.frames_left_out = stack.left_out;
}

bool IsDoubtful(const UnwoundStack& stack) {
  return std::any_of(stack.frames.begin(), stack.frames.end(),
                     [](const UnwoundFrame& f) { return f.trust == Trust::kFramePointer || f.trust == Trust::kScan; });
}

}  // namespace

Analysis::Analysis(CrashInput input, int64_t deadline_ns, Emit emit)
    : input_(std::move(input)),
      deadline_ns_(deadline_ns),
      emit_(std::move(emit)),
      report_(input_.report),
      memory_(input_.mem_fd),
      maps_(ParseMaps(input_.maps)),
      modules_(maps_, memory_),
      space_(maps_, StackPointers(input_), input_.messages.crash.pid, input_.stack_limit) {}

Analysis::~Analysis() = default;

const SignalRecord& Analysis::Subject() const {
  const ring::CrashRecord& crash = input_.messages.crash;
  return crash.first.signo != 0 ? crash.first : crash.signal;
}

const arch::Registers* Analysis::SubjectRegisters() const {
  const CrashMessages& messages = input_.messages;
  if (messages.crash.first.signo != 0) return &messages.crash.first_registers;
  if (messages.threads.empty() || messages.threads.front().has_registers == 0) return nullptr;
  return &messages.threads.front().registers;
}

bool Analysis::IsException() const {
  const ring::CrashReason reason = input_.messages.crash.reason;
  return reason == ring::CrashReason::kException || reason == ring::CrashReason::kForcedDeath;
}

bool Analysis::IsPastBreakpoint() {
  const arch::Registers* registers = SubjectRegisters();
  if (registers == nullptr || !IsException() || Subject().signo != SIGTRAP || WasSent(Subject())) return false;
  const bool ran = Subject().code == SI_KERNEL || Subject().code == TRAP_BRKPT;
  return ran && FollowsBreakpoint(memory_, arch::Pc(*registers));
}

bool Analysis::OutOfTime() const { return MonotonicNs() >= deadline_ns_; }

void Analysis::Run() {
  FillRegisters();
  if (IsException()) FillFault();
  if (input_.messages.crash.reason == ring::CrashReason::kHang) FillHang();
  FillDisassembly(std::nullopt);
  FillMemory();
  emit_(report_);
  if (SubjectRegisters() == nullptr) return;
  UnwindFaulting();
  emit_(report_);
  NameFaulting();
  FillAbort();
  FillSource();
  FillDisassembly(function_start_);
  FillModules();
  if (input_.messages.threads.size() <= 1) return emit_(report_);
  emit_(report_);
  AnalyseOthers();
  FillModules();
  emit_(report_);
}

// ---- registers, the fault, what is around -------------------------------------------------------------------------

void Analysis::FillRegisters() {
  const arch::Registers* registers = SubjectRegisters();
  if (registers == nullptr) return;
  std::array<arch::NamedValue, arch::kNamedRegisterCount> named;
  const size_t count = arch::NameRegisters(*registers, named);
  report_.thread.has_registers = true;
  report_.thread.registers.clear();
  for (const arch::NamedValue& reg : std::span(named).first(count)) {
    report_.thread.registers.push_back(
        {.name = std::string(reg.name), .value = reg.value, .meaning = space_.DescribeValue(reg.value)});
  }
}

std::string Analysis::CallBefore(uint64_t return_address) {
  const arch::Bits bits = arch::CodeBits(*SubjectRegisters());
  std::array<uint8_t, kLongestCall> code;
  if (memory_.Read(return_address - code.size(), std::as_writable_bytes(std::span(code))) != code.size()) return {};
  for (size_t length = 2; length < code.size(); ++length) {
    const auto candidate = std::span(code).last(length);
    if (!IsCall(candidate, bits)) continue;
    const auto text = Decode(candidate, return_address - length, bits);
    if (text) return text->text;
  }
  return {};
}

// Access beyond the end of a mapped file: which file, and how long it is now.
std::string Analysis::BusFile(uint64_t address) const {
  const Mapping* mapping = FindMapping(maps_, address);
  if (mapping == nullptr || !mapping->IsFile()) return {};
  const std::string link = fmt::format("/proc/{}/map_files/{:x}-{:x}", input_.view_tid, mapping->start, mapping->end);
  struct stat info {};
  if (stat(link.c_str(), &info) != 0 && (mapping->deleted || stat(mapping->path.c_str(), &info) != 0)) return {};
  const uint64_t wanted = address - mapping->start + mapping->offset;
  if (wanted < static_cast<uint64_t>(info.st_size)) return {};
  return fmt::format(
      "{} is {} bytes long, and the access was at offset {}: the file has been shortened or the mapping "
      "reaches past its end",
      mapping->path, info.st_size, wanted);
}

// Where a call that has gone to a bad pc would have returned to.
std::optional<uint64_t> Analysis::ReturnAddressOfBadCall(const arch::Registers& registers) {
  const UnwindLayout& layout = LayoutOf(arch::CodeBits(registers));
  if (!layout.HasLink()) return memory_.ReadWord(arch::Sp(registers), layout.word_bytes);
  return UnwindRegistersOf(registers).value[layout.return_register] & layout.address_mask;
}

FaultFacts Analysis::Facts() {
  FaultFacts facts{.signal = Subject(), .registers = SubjectRegisters(), .sender = input_.sender};
  if (facts.signal.signo == SIGBUS) facts.bus_file = BusFile(facts.signal.address);
  if (facts.registers == nullptr) return facts;
  uint64_t pc = arch::Pc(*facts.registers);
  const Mapping* mapping = FindMapping(maps_, pc);
  facts.pc_executable = mapping != nullptr && mapping->execute;
  arch::Registers at = *facts.registers;
  std::array<uint8_t, kLongestInstruction> code;
  const size_t got = memory_.Read(pc, std::as_writable_bytes(std::span(code)));
  if (facts.pc_executable && got > 0) facts.instruction = DecodeFault(std::span(code).first(got), at);
  if (facts.pc_executable) return facts;
  if (const auto caller = ReturnAddressOfBadCall(at)) facts.call_text = CallBefore(*caller);
  return facts;
}

std::string Analysis::SecondSignal() const {
  const ring::CrashRecord& crash = input_.messages.crash;
  if (crash.first.signo == 0) return {};
  const std::string name = SignalName(crash.signal.signo);
  if (WasSent(crash.signal)) return fmt::format("; the program's handler then raised {} again", name);
  if (crash.signal.code == SI_KERNEL) {
    return fmt::format("; its handler could not run (no alternate stack to run on), so the kernel raised {}", name);
  }
  return fmt::format("; {} while that was handled ended the process", name);
}

void Analysis::FillFault() {
  const FaultExplanation why = ExplainFault(Facts(), space_);
  report_.exception.access = why.access;
  report_.exception.address = why.address;
  report_.exception.explanation = why.text + SecondSignal();
  if (why.address) report_.exception.address_meaning = space_.Describe(*why.address, why.access);
  if (report_.exception.reason == ring::CrashReason::kForcedDeath && WasSent(Subject())) {
    report_.exception.explanation += "; the kernel did not offer the signal";
  }
}

void Analysis::FillHang() {
  const std::string state = SubjectRegisters() == nullptr
                                ? ""
                                : fmt::format("; the main thread is {}", DescribeThreadState(*SubjectRegisters()));
  report_.exception.explanation =
      fmt::format("the process did not exit within the time that --timeout allows (it is {:.1f} s old){}",
                  report_.process.uptime_seconds, state);
}

void Analysis::FillDisassembly(std::optional<uint64_t> function_start) {
  const arch::Registers* registers = SubjectRegisters();
  if (registers == nullptr) return;
  const uint64_t pc = arch::Pc(*registers) - (IsPastBreakpoint() ? arch::kBreakpointPcAdvance : 0);
  report_.disassembly =
      Disassemble(memory_, {.pc = pc, .function_start = function_start, .bits = arch::CodeBits(*registers)});
  for (Instruction& instruction : report_.disassembly) instruction.faulting = instruction.faulting && IsException();
}

MemoryExcerpt Analysis::Excerpt(uint64_t address, size_t bytes) {
  MemoryExcerpt excerpt{.address = address, .bytes = {}};
  for (uint64_t at = address; at < address + bytes; ++at) excerpt.bytes.push_back(memory_.ReadValue<uint8_t>(at));
  return excerpt;
}

void Analysis::FillMemory() {
  const arch::Registers* registers = SubjectRegisters();
  if (input_.with_memory && registers != nullptr) report_.stack = Excerpt(arch::Sp(*registers), kStackBytes);
  const auto address = report_.exception.address;
  if (!address || *address < kExcerptBefore) return;
  if (!input_.with_memory && (space_.StackAt(*address) != nullptr || space_.IsStackOverflow(*address))) return;
  MemoryExcerpt around = Excerpt((*address & ~uint64_t{15}) - kExcerptBefore, kExcerptBytes);
  const bool any = std::any_of(around.bytes.begin(), around.bytes.end(), [](const auto& b) { return b.has_value(); });
  if (any) report_.memory_at_fault = std::move(around);
}

// ---- frames -------------------------------------------------------------------------------------------------------

Unwinder& Analysis::UnwinderFor(const arch::Registers& registers) {
  const arch::Bits bits = arch::CodeBits(registers);
  auto& unwinder = bits == arch::Bits::k64 ? unwinder64_ : unwinder32_;
  if (!unwinder) {
    unwinder.emplace(memory_, modules_, bits);
    if (files_) unwinder->UseFiles(*files_);
  }
  return *unwinder;
}

UnwoundStack Analysis::UnwindSubject() {
  const arch::Registers& registers = *SubjectRegisters();
  return UnwinderFor(registers).Unwind(registers, deadline_ns_, IsPastBreakpoint());
}

void Analysis::UnwindFaulting() {
  faulting_stack_ = UnwindSubject();
  TakeShape(faulting_stack_, report_.thread);
  report_.thread.frames_left_out_after = faulting_stack_.left_out_after;
  for (const UnwoundFrame& frame : faulting_stack_.frames) report_.thread.frames.push_back(BareFrame(frame, modules_));
}

void Analysis::NameThread(const UnwoundStack& stack, ThreadInfo& thread) {
  thread.frames.clear();
  TakeShape(stack, thread);
  for (size_t i = 0; i < stack.frames.size(); ++i) {
    AppendNamedFrames(stack.frames[i], modules_, *symbolizer_, thread.frames);
    if (i + 1 == stack.left_out_after) thread.frames_left_out_after = static_cast<uint32_t>(thread.frames.size());
  }
}

void Analysis::NameFaulting() {
  files_.emplace(input_.view_tid, input_.debug_path);
  symbolizer_.emplace(memory_, modules_, *files_, PerfMap(input_.perf_map, static_cast<uid_t>(report_.process.uid)));
  if (unwinder64_) unwinder64_->UseFiles(*files_);
  if (unwinder32_) unwinder32_->UseFiles(*files_);
  if (IsDoubtful(faulting_stack_)) faulting_stack_ = UnwindSubject();
  NameThread(faulting_stack_, report_.thread);
  const auto& symbols = symbolizer_->Symbolize(faulting_stack_.frames.front().LookupPc());
  function_start_ = symbols.back().start;
}

void Analysis::FillAbort() {
  if (!IsException() || Subject().signo != SIGABRT) return;
  AbortFacts facts{.thread = &report_.thread, .message = ReadAbortMessage(memory_, modules_)};
  const ThrownException thrown =
      FindThrownException(memory_, faulting_stack_.frames, LayoutOf(arch::CodeBits(*SubjectRegisters())).word_bytes);
  facts.thrown_type = thrown.type;
  facts.thrown_what = thrown.what;
  const std::string reason = ExplainAbort(facts);
  if (!reason.empty()) report_.exception.explanation = reason + SecondSignal();
}

// The innermost frame whose source is there; for an aborted program from its own code on, not from the checked function
// of a header.
void Analysis::FillSource() {
  const ProcessInfo& process = report_.process;
  const std::span<const Frame> frames = report_.thread.frames;
  const bool aborted = IsException() && Subject().signo == SIGABRT;
  const Frame* culprit = aborted ? FindCulprit(report_.thread) : nullptr;
  for (const Frame& frame : frames.subspan(culprit == nullptr ? 0 : static_cast<size_t>(culprit - frames.data()))) {
    report_.source = ReadSource(frame.file, frame.line, input_.view_tid, static_cast<uid_t>(process.uid));
    if (report_.source) return;
  }
}

void Analysis::AnalyseOthers() {
  const auto& records = input_.messages.threads;
  size_t frames = 0;
  size_t done = 1;
  for (; done < records.size() && !OutOfTime() && frames < kMaxFramesOfOthers; ++done) {
    if (records[done].has_registers == 0) continue;
    ThreadInfo& thread = report_.threads[done - 1];
    NameThread(UnwinderFor(records[done].registers).Unwind(records[done].registers, deadline_ns_), thread);
    frames += thread.frames.size();
  }
  if (done < records.size()) {
    report_.notes.limits.push_back(
        fmt::format("{} threads have no backtrace: {}", records.size() - done,
                    OutOfTime() ? "the time for the report was over" : "there are too many frames to show"));
  }
}

void Analysis::FillModules() {
  report_.modules.clear();
  std::vector<const LoadedModule*> seen;
  const auto take = [&](const ThreadInfo& thread) {
    for (const Frame& frame : thread.frames) {
      const LoadedModule* module = modules_.Find(frame.pc);
      if (module == nullptr || std::find(seen.begin(), seen.end(), module) != seen.end()) continue;
      seen.push_back(module);
      const ModuleFacts facts = symbolizer_->FactsOf(*module);
      report_.modules.push_back({.path = module->path,
                                 .start = module->start,
                                 .end = module->end,
                                 .build_id = module->image ? module->image->build_id : std::string(),
                                 .deleted = module->deleted,
                                 .has_symbols = facts.has_symbols,
                                 .has_debug_info = facts.has_debug_info});
    }
  };
  take(report_.thread);
  for (const ThreadInfo& thread : report_.threads) take(thread);
}

}  // namespace zxctl::report
