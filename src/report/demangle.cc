#include "report/demangle.h"

#include <cxxabi.h>
#include <libiberty/demangle.h>

#include <cstdlib>
#include <memory>

namespace zxctl::report {
namespace {

constexpr size_t kLongestMangled = 16384;

using Text = std::unique_ptr<char, decltype(&std::free)>;

}  // namespace

std::string Demangle(const std::string& name) {
  const bool cxx = name.starts_with("_Z");
  if ((!cxx && !name.starts_with("_R")) || name.size() > kLongestMangled) return name;
  // Rust's older names are C++ names as well, but read better as Rust.
  const Text rust(rust_demangle(name.c_str(), DMGL_PARAMS), &std::free);
  if (rust) return rust.get();
  if (!cxx) return name;
  int status = 0;
  const Text text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return text ? text.get() : name;
}

}  // namespace zxctl::report
