// A crash service: one line for each crash of whatever runs in a job. It looks and passes on, so that each program dies of
// its crash as it would have without anybody watching.
//
//   crash_service          spawns some programs that crash
//   crash_service HOW      is one of them
#include <sys/resource.h>
#include <zxtask/zx.h>

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr const char* kWays[] = {"read-null", "divide", "illegal", "abort", "breakpoint"};

void Check(zx_status_t status, const char* what) {
  if (status == ZX_OK) return;
  std::fprintf(stderr, "%s: %s (%s)\n", what, zx_status_get_string(status), zxl_last_error());
  std::exit(1);
}

int Crash(const char* how) {
  const int* volatile null = nullptr;
  volatile int one = 1;
  volatile int zero = 0;
  if (std::strcmp(how, "read-null") == 0) return *null;
  if (std::strcmp(how, "divide") == 0) return one / zero;
  if (std::strcmp(how, "illegal") == 0) asm volatile("ud2");
  if (std::strcmp(how, "abort") == 0) std::abort();
  if (std::strcmp(how, "breakpoint") == 0) asm volatile("int3");
  return 1;
}

const char* NameOfType(uint32_t type) {
  switch (type) {
    case ZX_EXCP_GENERAL:
      return "general";
    case ZX_EXCP_FATAL_PAGE_FAULT:
      return "page-fault";
    case ZX_EXCP_UNDEFINED_INSTRUCTION:
      return "undefined-instruction";
    case ZX_EXCP_SW_BREAKPOINT:
      return "breakpoint";
    default:
      return "other";
  }
}

// A packet names the process and the thread by their numbers; the job has handles for them.
void Report(const zx::Job& job, const zx::Port& port, const zx_packet_exception_t& packet) {
  zx::Process process;
  zx::Thread thread;
  Check(job.get_child(packet.pid, ZX_RIGHT_SAME_RIGHTS, &process), "the process");
  Check(process.get_child(packet.tid, ZX_RIGHT_SAME_RIGHTS, &thread), "the thread");
  zx_exception_report_t report;  // Zircon's view
  zxl_exception_info_t signal;   // Linux's view
  zx_thread_state_general_regs_t registers;
  int32_t pid = 0;
  Check(thread.get_info(ZX_INFO_THREAD_EXCEPTION_REPORT, &report, sizeof(report)), "the report");
  Check(thread.get_exception(&signal), "get_exception");
  Check(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), "read_state");
  Check(process.get_pid(&pid), "get_pid");
  std::printf("%s, SIG%s, address 0x%" PRIx64 ", pid %d, rip 0x%" PRIx64 "\n", NameOfType(report.header.type),
              sigabbrev_np(signal.signo), signal.address, pid, registers.rip);
  Check(thread.resume_from_exception(port, ZX_RESUME_TRY_NEXT), "resume_from_exception");
}

zx::Process Spawn(const zx::Job& job, const char* how) {
  const char* const argv[] = {"crash_service", how, nullptr};
  zxl_spawn_args_t args = {};
  args.path = "/proc/self/exe";
  args.argv = argv;
  args.stdio[0] = args.stdio[1] = args.stdio[2] = -1;
  args.options = ZXL_SPAWN_START;
  zx::Process process;
  Check(zx::Process::spawn(job, args, &process), "spawn");
  return process;
}

int Serve() {
  const rlimit no_cores = {0, 0};
  setrlimit(RLIMIT_CORE, &no_cores);
  zx::Port port;
  zx::Job job;
  Check(zx::Port::create(0, &port), "a port");
  Check(zx::Job::create(*zx::Job::default_job(), 0, &job), "a job");
  // Whatever starts in the job from now on is covered, also what its programs start.
  constexpr uint64_t kCrash = 1;
  constexpr uint64_t kEnd = 2;
  Check(job.bind_exception_port(port, kCrash, 0), "bind_exception_port");

  std::vector<zx::Process> processes;
  for (const char* how : kWays) {
    processes.push_back(Spawn(job, how));
    Check(processes.back().wait_async(port, kEnd, ZX_PROCESS_TERMINATED, ZX_WAIT_ASYNC_ONCE), "wait_async");
  }
  size_t crashes = 0;
  for (size_t alive = processes.size(); alive > 0;) {
    zx_port_packet_t packet;
    Check(port.wait(ZX_TIME_INFINITE, &packet), "wait");
    if (packet.key == kEnd) {
      --alive;
    } else {
      Report(job, port, packet.exception);
      ++crashes;
    }
  }
  size_t died_of_it = 0;
  for (const zx::Process& process : processes) {
    zx_info_process_t info;
    Check(process.get_info(ZX_INFO_PROCESS, &info, sizeof(info)), "get_info");
    if (info.return_code == ZX_TASK_RETCODE_EXCEPTION_KILL) ++died_of_it;
  }
  std::printf("%zu crashes, %zu programs with return code %d\n", crashes, died_of_it,
              static_cast<int>(ZX_TASK_RETCODE_EXCEPTION_KILL));
  return crashes == processes.size() && died_of_it == processes.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return argc == 2 ? Crash(argv[1]) : Serve(); }
