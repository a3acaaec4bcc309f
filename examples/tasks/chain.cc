// Four handlers in a row. A program reads through a null pointer; its debugger, its thread, its process and its job each have
// somebody who could deal with that. The debugger passes, the thread's handler mends it, and the others never hear of it.
//
//   chain            spawns the faulty program and handles its exceptions
//   chain faulty     is the faulty program
#include <zxtask/zx.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kAnswer = 42;

void Check(zx_status_t status, const char* what) {
  if (status == ZX_OK) return;
  std::fprintf(stderr, "%s: %s (%s)\n", what, zx_status_get_string(status), zxl_last_error());
  std::exit(1);
}

// Reads a number through the null pointer in rax. rbx tells the address of a spare one, for whoever wants to help.
int BeFaulty() {
  int spare = 0;
  int number = 0;
  asm volatile("movl (%%rax), %0" : "=r"(number) : "a"(nullptr), "b"(&spare) : "memory");
  std::printf("program: read %d, and goes on\n", number);
  return number == kAnswer ? 0 : 1;
}

// One port can be bound in many places: the key tells which binding a packet comes from.
enum Key : uint64_t { kDebugger = 1, kThread, kProcess, kJob, kEnd };

const char* NameOf(uint64_t key) {
  static constexpr const char* kNames[] = {"?", "debugger", "thread", "process", "job", "end"};
  return key <= kEnd ? kNames[key] : "?";
}

const char* NameOfType(uint32_t type) {
  switch (type) {
    case ZX_EXCP_FATAL_PAGE_FAULT:
      return "page fault";
    case ZX_EXCP_THREAD_STARTING:
      return "a thread starts";
    case ZX_EXCP_THREAD_EXITING:
      return "a thread exits";
    default:
      return "something else";
  }
}

// The null pointer becomes a pointer to a number: one write to the program's memory, one to its registers.
void Mend(const zx::Process& process, const zx::Thread& thread) {
  zx_thread_state_general_regs_t registers;
  Check(thread.read_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), "read_state");
  size_t written = 0;
  Check(process.write_memory(registers.rbx, &kAnswer, sizeof(kAnswer), &written), "write_memory");
  registers.rax = registers.rbx;
  Check(thread.write_state(ZX_THREAD_STATE_GENERAL_REGS, &registers, sizeof(registers)), "write_state");
}

// Deals with one packet. A fault is passed on by everybody but the thread's handler.
void Handle(const zx_port_packet_t& packet, const zx::Port& port, const zx::Process& process,
            const zx::Thread& thread) {
  const bool fault = ZX_EXCP_IS_ARCH(packet.type);
  const bool mends = fault && packet.key == kThread;
  std::printf("%s: %s%s\n", NameOf(packet.key), NameOfType(packet.type),
              mends   ? ", mended"
              : fault ? ", not mine"
                      : "");
  // Nobody waits for an answer about a thread that exits together with its process.
  if (packet.type == ZX_EXCP_THREAD_EXITING) return;
  if (mends) Mend(process, thread);
  Check(thread.resume_from_exception(port, fault && !mends ? ZX_RESUME_TRY_NEXT : 0), "resume_from_exception");
}

int Supervise() {
  zx::Port port;
  zx::Job job;
  zx::Process process;
  zx::Thread thread;
  Check(zx::Port::create(0, &port), "a port");
  Check(zx::Job::create(*zx::Job::default_job(), 0, &job), "a job");
  const char* const argv[] = {"faulty", "faulty", nullptr};
  zxl_spawn_args_t args = {};
  args.path = "/proc/self/exe";
  args.argv = argv;
  args.stdio[0] = args.stdio[1] = args.stdio[2] = -1;
  // It waits at its first instruction until start(): nothing of it runs before the handlers are there.
  Check(zx::Process::spawn(job, args, &process, &thread), "spawn");

  Check(process.bind_exception_port(port, kDebugger, ZX_EXCEPTION_PORT_DEBUGGER), "the debugger");
  Check(thread.bind_exception_port(port, kThread, 0), "the thread's handler");
  Check(process.bind_exception_port(port, kProcess, 0), "the process's handler");
  Check(job.bind_exception_port(port, kJob, 0), "the job's handler");
  Check(process.wait_async(port, kEnd, ZX_PROCESS_TERMINATED, ZX_WAIT_ASYNC_ONCE), "wait_async");
  Check(process.start(), "start");

  bool mended = false;
  for (;;) {
    zx_port_packet_t packet;
    Check(port.wait(ZX_TIME_INFINITE, &packet), "wait");
    if (packet.key == kEnd) break;
    Handle(packet, port, process, thread);
    std::fflush(stdout);
    mended |= packet.key == kThread;
    if (packet.key == kProcess || packet.key == kJob) return 1;  // they were not to be asked
  }
  zx_info_process_t info;
  Check(process.get_info(ZX_INFO_PROCESS, &info, sizeof(info)), "get_info");
  std::printf("the program ended with %lld\n", static_cast<long long>(info.return_code));
  return mended && info.return_code == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return argc == 2 && std::strcmp(argv[1], "faulty") == 0 ? BeFaulty() : Supervise(); }
