// Ends with an exception that nobody catches, thrown two calls deep, while other threads run.
#include <pthread.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace shop {

struct Order {
  int id;
};

class Ledger {
 public:
  __attribute__((noinline)) void Book(const Order& order) {
    if (order.id < 0)
      throw std::runtime_error("order " + std::to_string(order.id) + " cannot be booked");  // mark: throw
    sum_ += order.id;
  }
  [[nodiscard]] int sum() const { return sum_; }

 private:
  int sum_ = 0;
};

__attribute__((noinline)) int Run(const std::vector<Order>& orders) {
  Ledger ledger;
  for (const Order& order : orders) ledger.Book(order);
  return ledger.sum();
}

}  // namespace shop

static pthread_barrier_t barrier;

static void* Idle(void*) {
  pthread_barrier_wait(&barrier);
  for (;;) pause();
}

int main() {
  constexpr int kThreads = 7;
  pthread_barrier_init(&barrier, nullptr, kThreads + 1);
  for (int i = 0; i < kThreads; ++i) {
    pthread_t thread;
    pthread_create(&thread, nullptr, &Idle, nullptr);
  }
  pthread_barrier_wait(&barrier);
  return shop::Run({{1}, {2}, {-3}});
}
