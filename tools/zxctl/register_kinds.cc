#include "register_kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "attached.h"

namespace zxctl {
namespace {

constexpr std::array kKinds = {
    RegisterKind{"general", ZX_THREAD_STATE_GENERAL_REGS, sizeof(arch::GeneralRegs), &arch::GeneralFields}};

}  // namespace

std::span<const RegisterKind> RegisterKinds() { return kKinds; }

const arch::RegisterField* FindField(const RegisterKind& kind, std::string_view name) {
  const auto fields = kind.fields();
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

std::string ListFields(const RegisterKind& kind) {
  std::string list;
  for (const arch::RegisterField& field : kind.fields()) {
    if (!list.empty()) list += ", ";
    list += field.name;
  }
  return list;
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

void RegisterValues::Set(const arch::RegisterField& field, uint64_t value) {
  for (size_t i = 0; i < field.bytes; ++i) {
    bytes_[field.offset + i] = static_cast<std::byte>(i < sizeof(value) ? value >> (8 * i) : 0);
  }
}

}  // namespace zxctl
