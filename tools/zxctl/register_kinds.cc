#include "register_kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "attached.h"

namespace zxctl {
namespace {

constexpr std::array<std::pair<std::string_view, uint32_t>, 4> kKinds = {{{"general", ZX_THREAD_STATE_GENERAL_REGS},
                                                                          {"fp", ZX_THREAD_STATE_FP_REGS},
                                                                          {"vector", ZX_THREAD_STATE_VECTOR_REGS},
                                                                          {"debug", ZX_THREAD_STATE_DEBUG_REGS}}};

}  // namespace

std::vector<std::string> RegisterKindNames() {
  std::vector<std::string> names;
  names.reserve(kKinds.size());
  for (const auto& [name, number] : kKinds) names.emplace_back(name);
  return names;
}

RegisterKind::RegisterKind(std::string_view kind_name) : name(kind_name) {
  const auto* found = std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& kind) { return kind.first == name; });
  number = found->second;
  if (const arch::StateLayout* layout = arch::FindState(number)) bytes = layout->bytes;
  fields = arch::StateFields(number);
}

const arch::RegisterField* RegisterKind::Find(std::string_view field_name) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.name == field_name; });
  return found == fields.end() ? nullptr : &*found;
}

std::string RegisterKind::List() const {
  std::string list;
  for (const arch::RegisterField& field : fields) list += (list.empty() ? "" : ", ") + field.name;
  return list.empty() ? "none of this kind" : list;
}

std::optional<std::vector<std::byte>> ParseHex(std::string_view text, const arch::RegisterField& field) {
  if (!text.starts_with("0x")) return std::nullopt;
  text.remove_prefix(2);
  if (text.empty() || text.size() > 2 * field.bytes) return std::nullopt;
  std::vector<std::byte> value;
  while (!text.empty()) {
    const std::string_view digits = text.substr(text.size() - std::min<size_t>(text.size(), 2));
    uint8_t byte = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (parsed.ptr != digits.data() + digits.size()) return std::nullopt;
    value.push_back(static_cast<std::byte>(byte));
    text.remove_suffix(digits.size());
  }
  value.resize(field.bytes);
  return value;
}

std::optional<std::vector<std::byte>> BytesOf(uint64_t value, const arch::RegisterField& field) {
  if (field.bytes < sizeof(value) && value >> (8 * field.bytes) != 0) return std::nullopt;
  std::vector<std::byte> bytes(field.bytes);
  for (size_t i = 0; i < std::min(bytes.size(), sizeof(value)); ++i)
    bytes[i] = static_cast<std::byte>(value >> (8 * i));
  return bytes;
}

Result<RegisterValues> RegisterValues::Read(const zx::Thread& thread, const RegisterKind& kind) {
  RegisterValues values(kind);
  const zx_status_t status = thread.read_state(kind.number, values.bytes_.data(), values.bytes_.size());
  if (status != ZX_OK) return Fail(LastError(status));
  return values;
}

Result<void> RegisterValues::Write(const zx::Thread& thread) const {
  const zx_status_t status = thread.write_state(kind_->number, bytes_.data(), bytes_.size());
  if (status != ZX_OK) return Fail(LastError(status));
  return {};
}

std::string RegisterValues::Hex(const arch::RegisterField& field) const {
  std::string text = "0x";
  for (size_t i = field.bytes; i-- > 0;) text += fmt::format("{:02x}", static_cast<unsigned>(bytes_[field.offset + i]));
  return text;
}

void RegisterValues::Set(const arch::RegisterField& field, const std::vector<std::byte>& value) {
  std::copy(value.begin(), value.end(), bytes_.begin() + static_cast<ptrdiff_t>(field.offset));
}

}  // namespace zxctl
