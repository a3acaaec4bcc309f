#include "unit/report_sample.h"

#include <csignal>

namespace zxctl::report::test {
namespace {

ProcessInfo SampleProcess() {
  return {.pid = 4711,
          .parent_pid = 4700,
          .name = "server",
          .executable = "/usr/sbin/server",
          .command_line = {"server", "--name", "two words"},
          .working_directory = "/srv/data",
          .uptime_seconds = 3.25,
          .memory_bytes = 12u << 20,
          .thread_count = 5,
          .limits = {{"Max stack size", "8388608 unlimited bytes"}, {"Max cpu time", "unlimited unlimited seconds"}},
          .uid = 1000};
}

ExceptionInfo SampleException() {
  return {.reason = ring::CrashReason::kException,
          .type = ExceptionType::kFatalPageFault,
          .signal = {.signo = SIGSEGV, .code = SEGV_MAPERR, .address = 0x10},
          .first = {},
          .signal_name = "SIGSEGV",
          .code_name = "SEGV_MAPERR",
          .code_text = "address not mapped to object",
          .address = 0x10,
          .address_meaning = "null plus 0x10",
          .access = Access::kWrite,
          .explanation = "mov %rax,0x10(%rdi) wrote 8 bytes to 0x10: rdi is 0",
          .consequence = "the process dies of SIGSEGV"};
}

std::vector<Frame> SampleFrames() {
  Frame push = MakeFrame(0x555555555189, "list_push", Trust::kContext);
  push.file = "/src/list.c";
  push.line = 42;
  push.column = 7;
  Frame add = MakeFrame(0x5555555551c0, "list_add", Trust::kInlined);
  add.inlined = true;
  add.file = "/src/list.h";
  add.line = 10;
  return {push, add, MakeFrame(0x5555555551c0, "work"),
          MakeFrame(0x7ffff7c89134, "start_thread", Trust::kFramePointer)};
}

std::vector<Instruction> SampleCode() {
  return {
      {.address = 0x555555555185, .bytes = {0x48, 0x8b, 0x45, 0xf8}, .text = "mov -0x8(%rbp),%rax", .faulting = false},
      {.address = 0x555555555189, .bytes = {0x48, 0x89, 0x47, 0x10}, .text = "mov %rax,0x10(%rdi)", .faulting = true}};
}

ThreadInfo SampleThread() {
  ThreadInfo thread = MakeThread(4714, "worker-3", SampleFrames());
  thread.state = "running in user code";
  thread.registers = {{"rax", 0x2a, ""}, {"rdi", 0, "null"}, {"rip", 0x555555555189, "server .text"}};
  return thread;
}

Module SampleModule() {
  return {.path = "/usr/sbin/server",
          .start = 0x555555554000,
          .end = 0x555555558000,
          .build_id = "00c0ffee",
          .deleted = false,
          .has_symbols = true,
          .has_debug_info = true};
}

}  // namespace

Frame MakeFrame(uint64_t pc, const std::string& function, Trust trust) {
  Frame frame;
  frame.pc = pc;
  frame.sp = 0x7ffff7d80000;
  frame.trust = trust;
  frame.function = function;
  frame.function_offset = 0x29;
  frame.module = "/usr/sbin/server";
  frame.module_offset = pc & 0xffff;
  frame.build_id = "00c0ffee";
  return frame;
}

ThreadInfo MakeThread(int32_t tid, const std::string& name, std::vector<Frame> frames) {
  ThreadInfo thread;
  thread.tid = tid;
  thread.name = name;
  thread.has_registers = true;
  thread.state = "in system call 202 (futex)";
  thread.frames = std::move(frames);
  return thread;
}

Report SampleReport() {
  Report report;
  report.time = "2024-01-31T12:00:00.123Z";
  report.machine = "x86_64";
  report.process = SampleProcess();
  report.exception = SampleException();
  report.thread = SampleThread();
  report.threads = {MakeThread(4711, "server", {MakeFrame(0x7ffff7d12345, "poll")}),
                    MakeThread(4712, "worker-1", {MakeFrame(0x7ffff7d54321, "futex_wait")}),
                    MakeThread(4713, "worker-2", {MakeFrame(0x7ffff7d54321, "futex_wait")})};
  report.disassembly = SampleCode();
  report.modules = {SampleModule()};
  report.source = SourceExcerpt{"/src/list.c", 42, {{41, "\tnode->prev = 0;"}, {42, "\tnode->next = head;"}}};
  report.memory_at_fault = MemoryExcerpt{0x0, std::vector<std::optional<uint8_t>>(32)};
  report.core_file = "/var/cores/core.server.4711.0";
  report.notes = {{"thread 4715 could not be stopped in time"},
                  {"environment and stack memory; --with-memory shows them"}};
  report.elapsed_ms = 12.5;
  return report;
}

}  // namespace zxctl::report::test
