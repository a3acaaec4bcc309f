// What a crash report says, as values: filled by the analysis, rendered as text and JSON. No system calls, no parsing.
//
// Every text that came from the program (names, paths, command lines) is raw bytes; whoever renders it makes it safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exceptions/exception.h"
#include "ring/protocol.h"

namespace zxctl::report {

// How a frame was found, best first. Everything after kFramePointer is doubtful and is marked so.
enum class Trust : uint8_t {
  kContext,        // the registers themselves
  kSignalContext,  // the registers that a signal frame on the stack has saved
  kCfi,            // call frame information
  kInlined,        // an inlined function of the physical frame that follows in the list
  kFramePointer,   // the frame pointer chain
  kScan,           // a word on the stack that looks like a return address
};

enum class Access : uint8_t { kUnknown, kRead, kWrite, kExecute };

struct Frame {
  uint64_t pc = 0;
  uint64_t sp = 0;
  Trust trust = Trust::kContext;
  std::string function;  // demangled; empty if unknown
  uint64_t function_offset = 0;
  std::string file;  // source file; empty if unknown
  uint32_t line = 0;
  uint32_t column = 0;
  bool inlined = false;
  // Path of the mapped file, "[vdso]", "[jit]", "[stack]", "[anonymous rwxp]" …; empty if pc is in no mapping.
  std::string module;
  uint64_t module_offset = 0;  // offset in the file
  std::string build_id;        // lower-case hex
};

struct RegisterValue {
  std::string name;
  uint64_t value = 0;
  std::string meaning;  // "thread 3's stack", "libc.so.6 .text", "ASCII \"hello\""; empty if nothing is known
};

struct Instruction {
  uint64_t address = 0;
  std::vector<uint8_t> bytes;
  std::string text;  // AT&T syntax, as gdb and objdump show it
  bool faulting = false;
};

struct ThreadInfo {
  int32_t tid = 0;
  std::string name;
  bool has_registers = false;
  std::string state;  // "running in user code", "in system call 232 (epoll_wait)", "could not be stopped"
  std::vector<RegisterValue> registers;  // the faulting thread's only
  std::vector<Frame> frames;
  bool frames_truncated = false;
  uint64_t frames_left_out = 0;        // frames of a deep recursion that are not in the list …
  uint32_t frames_left_out_after = 0;  // … and the number of listed frames before the gap
};

struct Module {
  std::string path;
  uint64_t start = 0;
  uint64_t end = 0;
  std::string build_id;
  bool deleted = false;
  bool has_symbols = false;
  bool has_debug_info = false;
};

struct SourceExcerpt {
  std::string file;
  uint32_t line = 0;                                    // the line of the fault
  std::vector<std::pair<uint32_t, std::string>> lines;  // number and text
};

struct MemoryExcerpt {
  uint64_t address = 0;
  std::vector<std::optional<uint8_t>> bytes;  // nothing where memory is unreadable
};

struct ProcessInfo {
  int32_t pid = 0;
  int32_t parent_pid = 0;
  std::string name;
  std::string executable;
  std::vector<std::string> command_line;
  std::string working_directory;
  double uptime_seconds = 0;
  uint64_t memory_bytes = 0;  // resident
  uint32_t thread_count = 0;
  std::map<std::string, std::string> limits;  // name as in /proc/PID/limits → "soft hard units"
  int32_t uid = 0;
};

struct ExceptionInfo {
  ring::CrashReason reason = ring::CrashReason::kException;
  ExceptionType type = ExceptionType::kGeneral;
  SignalRecord signal;
  SignalRecord first;
  std::string signal_name;  // "SIGSEGV"
  std::string code_name;    // "SEGV_MAPERR"
  std::string code_text;    // "address not mapped to object"
  std::optional<uint64_t> address;
  std::string address_meaning;  // "null plus 0x10", "guard page of thread 3's stack: stack overflow"
  Access access = Access::kUnknown;
  std::string explanation;  // why, in one or two sentences
  std::string consequence;  // "the process dies of SIGSEGV (core dump if the limits allow)"
};

// What the report could not say and why; each a sentence.
struct Notes {
  std::vector<std::string> limits;    // "thread 12 could not be stopped in time"
  std::vector<std::string> withheld;  // "environment and raw stack memory; --with-memory shows them"
};

struct Report {
  std::string time;     // RFC 3339, UTC
  std::string machine;  // "x86_64"
  ProcessInfo process;
  ExceptionInfo exception;
  ThreadInfo thread;                // the faulting thread
  std::vector<ThreadInfo> threads;  // all the others
  std::vector<Instruction> disassembly;
  std::vector<Module> modules;  // those that hold a frame
  std::optional<SourceExcerpt> source;
  std::optional<MemoryExcerpt> memory_at_fault;
  std::optional<MemoryExcerpt> stack;              // only with --with-memory
  std::map<std::string, std::string> environment;  // only with --with-memory
  std::string core_file;                           // where the core was written; empty if none
  Notes notes;
  double elapsed_ms = 0;  // the time spent on the report
};

}  // namespace zxctl::report
