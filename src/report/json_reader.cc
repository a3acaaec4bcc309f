#include "report/json_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace zxctl::report {
namespace {

const nlohmann::json& Null() {
  static const nlohmann::json null;
  return null;
}

std::optional<uint8_t> HexByte(std::string_view digits) {
  uint8_t byte = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return byte;
}

}  // namespace

JsonReader JsonReader::operator[](const char* name) const {
  if (json_->is_object()) {
    const auto member = json_->find(name);
    if (member != json_->end()) return JsonReader(*member, *this, name);
  }
  JsonReader missing(Null(), *this, name);
  missing.Fail("is missing");
  return missing;
}

std::string JsonReader::Text() const {
  if (const auto* text = json_->get_ptr<const std::string*>()) return *text;
  Fail("is not a string");
  return {};
}

bool JsonReader::Bool() const {
  if (json_->is_boolean()) return json_->get<bool>();
  Fail("is not true or false");
  return false;
}

double JsonReader::Double() const {
  const double value = json_->is_number() ? json_->get<double>() : NAN;
  if (std::isfinite(value)) return value;
  Fail("is not a number");
  return 0;
}

uint64_t JsonReader::Hex() const {
  uint64_t value = 0;
  const auto* text = json_->get_ptr<const std::string*>();
  if (text != nullptr && text->size() > 2 && text->starts_with("0x")) {
    const auto [end, error] = std::from_chars(text->data() + 2, text->data() + text->size(), value, 16);
    if (error == std::errc() && end == text->data() + text->size()) return value;
  }
  Fail("is not an address (\"0x…\")");
  return 0;
}

std::vector<std::optional<uint8_t>> JsonReader::HexBytes(bool holes) const {
  const std::string text = Text();
  std::vector<std::optional<uint8_t>> bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const std::string_view digits = std::string_view(text).substr(i, 2);
    const std::optional<uint8_t> byte = HexByte(digits);
    if (digits.size() != 2 || (!byte && !(holes && digits == "??"))) Fail("is not bytes in hex");
    bytes.push_back(byte);
  }
  return bytes;
}

void JsonReader::Fail(std::string_view complaint) const {
  if (failure_->empty()) *failure_ = fmt::format("{} {}", Path(), complaint);
}

std::string JsonReader::Path() const {
  if (parent_ == nullptr) return "the report";
  const std::string own = name_ != nullptr ? fmt::format(".{:.64}", name_) : fmt::format("[{}]", index_);
  return parent_->Path() + own;
}

}  // namespace zxctl::report
