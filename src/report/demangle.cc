#include "report/demangle.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

namespace zxctl::report {
namespace {

constexpr size_t kLongestMangled = 16384;
// "::h" and 16 hex digits end a Rust name of the older scheme.
constexpr size_t kRustHashLength = 19;

bool EndsWithRustHash(std::string_view name) {
  if (name.size() <= kRustHashLength) return false;
  const std::string_view hash = name.substr(name.size() - kRustHashLength);
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return hash.starts_with("::h") && std::all_of(hash.begin() + 3, hash.end(), is_hex);
}

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string WithoutRustEscapes(std::string name) {
  static constexpr std::pair<std::string_view, std::string_view> kEscapes[] = {
      {"$LT$", "<"},  {"$GT$", ">"},  {"$LP$", "("},  {"$RP$", ")"},  {"$C$", ","},   {"$RF$", "&"},  {"$BP$", "*"},
      {"$u20$", " "}, {"$u27$", "'"}, {"$u5b$", "["}, {"$u5d$", "]"}, {"$u7b$", "{"}, {"$u7d$", "}"}, {"..", "::"}};
  name.resize(name.size() - kRustHashLength);
  for (const auto& [from, to] : kEscapes) ReplaceAll(name, from, to);
  ReplaceAll(name, "::_<", "::<");
  if (name.starts_with("_<")) name.erase(0, 1);
  return name;
}

}  // namespace

std::string Demangle(const std::string& name) {
  if (!name.starts_with("_Z") || name.size() > kLongestMangled) return name;
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                         &std::free);
  if (!text) return name;
  std::string plain(text.get());
  return EndsWithRustHash(plain) ? WithoutRustEscapes(std::move(plain)) : plain;
}

}  // namespace zxctl::report
