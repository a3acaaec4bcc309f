// bench_crash8: eight threads in C++ with debug information, seven of them deep in the standard library and waiting, one
// that reads through a null pointer. What a report and a debugger are compared on.
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace shop {

struct Order {
  int id = 0;
  std::string customer;
  std::vector<double> prices;
};

class Ledger {
 public:
  // Everyone but the last to arrive waits for good.
  void Arrive(int waiting) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (++arrived_ == waiting) all_here_.notify_all();
    never_.wait(lock, [this] { return closed_; });
  }
  void WaitForAll(int waiting) {
    std::unique_lock<std::mutex> lock(mutex_);
    all_here_.wait(lock, [&] { return arrived_ == waiting; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_, never_;
  int arrived_ = 0;
  bool closed_ = false;
};

template <typename Visitor>
double Visit(const std::map<int, Order>& orders, Visitor visitor) {
  double sum = 0;
  std::for_each(orders.begin(), orders.end(), [&](const auto& entry) { sum += visitor(entry.second); });
  return sum;
}

double Total(const Order* order) {
  double sum = order->id;
  for (const double price : order->prices) sum += price;
  return sum;
}

[[gnu::noinline]] double Descend(Ledger& ledger, int depth, int waiting, const std::function<double()>& bottom) {
  if (depth == 0) return bottom();
  return Descend(ledger, depth - 1, waiting, bottom) + depth;
}

}  // namespace shop

int main() {
  constexpr int kThreads = 8;
  shop::Ledger ledger;
  std::map<int, shop::Order> orders;
  for (int i = 0; i < 10; ++i) orders[i] = {i, "customer " + std::to_string(i), {1.0, 2.0, 3.0 * i}};
  std::vector<std::thread> threads;
  for (int i = 1; i < kThreads; ++i) {
    threads.emplace_back(
        [&, i] { shop::Descend(ledger, 5 + i, kThreads - 1, [&] { return ledger.Arrive(kThreads - 1), 0.0; }); });
  }
  ledger.WaitForAll(kThreads - 1);
  const shop::Order* volatile missing = nullptr;
  const double sum = shop::Visit(
      orders, [&](const shop::Order& order) { return order.id < 9 ? shop::Total(&order) : shop::Total(missing); });
  std::printf("%f\n", sum);
  return 0;
}
