// Threads that share the work of one port: each packet goes to one of them, and closing the port sends all of them home.
#include <zircon/syscalls.h>
#include <zxtask/linux.h>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

void Check(zx_status_t status) {
  if (status != ZX_OK) throw std::runtime_error(std::string(zx_status_get_string(status)) + ": " + zxl_last_error());
}

class Port {
 public:
  Port() { Check(zx_port_create(0, &handle_)); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port() { Close(); }

  void Send(uint64_t number) const {
    zx_port_packet_t packet = {};
    packet.key = number;
    Check(zx_port_queue(handle_, &packet));
  }
  // False when the port has been closed.
  bool Take(uint64_t* number) const {
    zx_port_packet_t packet;
    if (zx_port_wait(handle_, ZX_TIME_INFINITE, &packet) != ZX_OK) return false;
    *number = packet.key;
    return true;
  }
  // More than once does no harm: the value never stands for another port.
  void Close() const { zx_handle_close(handle_); }

 private:
  zx_handle_t handle_ = ZX_HANDLE_INVALID;
};

uint64_t SumOfSquares(uint64_t count) {
  Port work;
  Port results;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (uint64_t number = 0; work.Take(&number);) results.Send(number * number);
    });
  }
  for (uint64_t number = 1; number <= count; ++number) work.Send(number);
  uint64_t sum = 0;
  for (uint64_t square = 0; count > 0 && results.Take(&square); --count) sum += square;
  work.Close();
  for (auto& thread : threads) thread.join();
  return sum;
}

}  // namespace

int main() {
  try {
    std::printf("the squares of 1 to 100 are %llu together\n", static_cast<unsigned long long>(SumOfSquares(100)));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
