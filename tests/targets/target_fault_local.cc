// Crashes in a function that was inlined in a lambda of a member function: its debug information stands inside of that of
// the member function.
struct Box {
  const int* value;
  [[gnu::always_inline]] inline int Get() const {
    return *value;  // mark: get
  }
};

struct Shop {
  Box box;
  [[gnu::noinline]] int Sum(int factor) const {
    const auto product = [this](int by) __attribute__((noinline)) {
      return by * box.Get();  // mark: lambda
    };
    return product(factor);  // mark: sum
  }
};

int main(int argc, char**) {
  const Shop shop{{nullptr}};
  return shop.Sum(argc);
}
