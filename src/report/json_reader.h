// Takes a JSON document apart that may be hostile: each getter checks type and range, the first failure is kept with the
// member's name, and from then on every getter returns an empty value. So the caller reads straight through and looks
// for the failure once.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zxctl::report {

// A place in the document. Refers to its parent, which has to live as long.
class JsonReader {
 public:
  // The document itself; what is wrong with it goes to `failure`, which is empty at first.
  JsonReader(const nlohmann::json& document, std::string& failure) : json_(&document), failure_(&failure) {}

  // A member of an object, which has to be there.
  [[nodiscard]] JsonReader operator[](const char* name) const;

  [[nodiscard]] bool IsNull() const { return json_->is_null(); }
  [[nodiscard]] std::string Text() const;
  // Null is empty.
  [[nodiscard]] std::string TextOrNull() const { return IsNull() ? std::string() : Text(); }
  [[nodiscard]] bool Bool() const;
  [[nodiscard]] double Double() const;
  // A string "0x…" of at most 16 digits.
  [[nodiscard]] uint64_t Hex() const;
  [[nodiscard]] uint64_t HexOrNull() const { return IsNull() ? 0 : Hex(); }
  // A string with two hex digits a byte; nothing for "??" if `holes` are allowed.
  [[nodiscard]] std::vector<std::optional<uint8_t>> HexBytes(bool holes) const;

  template <std::integral T>
  [[nodiscard]] T Integer() const {
    if (json_->is_number_unsigned() && std::in_range<T>(json_->get<uint64_t>())) return json_->get<T>();
    if (json_->is_number_integer() && !json_->is_number_unsigned() && std::in_range<T>(json_->get<int64_t>())) {
      return json_->get<T>();
    }
    Fail("is not an integer that fits");
    return T{};
  }
  // Null is 0.
  template <std::integral T>
  [[nodiscard]] T IntegerOrNull() const {
    return IsNull() ? T{} : Integer<T>();
  }

  // visit(reader) for each element of an array.
  template <typename Visit>
  void ForEachElement(Visit visit) const {
    if (!json_->is_array()) return Fail("is not an array");
    for (size_t i = 0; i < json_->size() && failure_->empty(); ++i) visit(JsonReader((*json_)[i], *this, i));
  }
  // visit(key, reader) for each member of an object.
  template <typename Visit>
  void ForEachMember(Visit visit) const {
    if (!json_->is_object()) return Fail("is not an object");
    for (auto member = json_->begin(); member != json_->end() && failure_->empty(); ++member) {
      visit(member.key(), JsonReader(*member, *this, member.key().c_str()));
    }
  }

  // Records that this place `complaint`, unless something has failed before.
  void Fail(std::string_view complaint) const;

 private:
  JsonReader(const nlohmann::json& json, const JsonReader& parent, const char* name)
      : json_(&json), parent_(&parent), name_(name), failure_(parent.failure_) {}
  JsonReader(const nlohmann::json& json, const JsonReader& parent, size_t index)
      : json_(&json), parent_(&parent), index_(index), failure_(parent.failure_) {}

  [[nodiscard]] std::string Path() const;

  const nlohmann::json* json_;
  const JsonReader* parent_ = nullptr;
  const char* name_ = nullptr;
  size_t index_ = 0;
  std::string* failure_;
};

}  // namespace zxctl::report
