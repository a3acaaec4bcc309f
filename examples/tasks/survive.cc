// A program that attaches to itself: when its main thread reads through a null pointer, another of its threads is told,
// puts a page there, and the read is made again as if nothing had happened.
#include <sys/mman.h>
#include <unistd.h>
#include <zxtask/zx.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kFault = 1;
constexpr uint64_t kStop = 2;

void Check(zx_status_t status, const char* what) {
  if (status == ZX_OK) return;
  std::fprintf(stderr, "%s: %s (%s)\n", what, zx_status_get_string(status), zxl_last_error());
  std::_Exit(1);
}

// Maps the page that a fault wants and writes the number there that the reader is after. False when it can't be.
bool MapPageOf(uint64_t address) {
  auto* const wanted = reinterpret_cast<void*>(address & ~(kPageSize - 1));
  void* const page =
      mmap(wanted, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (page != wanted) return false;
  *reinterpret_cast<int*>(address) = 42;
  return true;
}

// The handler: it runs in the same process as the thread that it helps, and must not need anything that this one holds.
// Here that is standard output.
void HandleFaults(const zx::Process& self, const zx::Port& port) {
  for (;;) {
    zx_port_packet_t packet;
    Check(port.wait(ZX_TIME_INFINITE, &packet), "wait");
    if (packet.key == kStop) return;
    zx::Thread thread;
    zxl_exception_info_t exception;
    Check(self.get_child(packet.exception.tid, ZX_RIGHT_SAME_RIGHTS, &thread), "the thread");
    Check(thread.get_exception(&exception), "get_exception");
    const bool mended = packet.type == ZX_EXCP_FATAL_PAGE_FAULT && MapPageOf(exception.address);
    // What cannot be mended takes its course: the next handler, and in the end the signal.
    Check(thread.resume_from_exception(port, mended ? 0 : ZX_RESUME_TRY_NEXT), "resume_from_exception");
  }
}

}  // namespace

int main() {
  zx::Port port;
  zx::Process self;
  Check(zx::Port::create(0, &port), "a port");
  Check(zx::Process::attach(*zx::Job::default_job(), getpid(), 0, &self), "attach");
  Check(self.bind_exception_port(port, kFault, 0), "bind_exception_port");
  std::thread handler([&] { HandleFaults(self, port); });

  // A table that was never made. Its first entries would be where Linux lets nobody map anything (vm.mmap_min_addr).
  const int* volatile table = nullptr;
  constexpr uint64_t kIndex = 0x40000;
  const int number = table[kIndex];
  std::printf("read %d from %#" PRIx64 ", and lives\n", number, kIndex * sizeof(int));

  zx_port_packet_t stop = {};
  stop.key = kStop;
  Check(port.queue(&stop), "queue");
  handler.join();
  return number == 42 ? 0 : 1;
}
