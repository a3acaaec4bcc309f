// The registers of threads that stand: asked for, or known already.
#include <zircon/syscalls/debug.h>

#include <algorithm>
#include <cstring>

#include "client/task.h"

namespace zxctl::client {

bool Thread::KnowsRegisters(arch::GeneralRegs* out) {
  const std::lock_guard lock(exception_lock_);
  // Nobody but this program has changed them since.
  if (exception_ && exception_->has_registers != 0 && connection().IsOffered(*exception_) &&
      arch::CodeBits(exception_->registers) == arch::Bits::k64) {
    *out = arch::ToZircon(exception_->registers);
    return true;
  }
  if (!known_ || known_->changes != connection().changes() || (signals() & ZX_THREAD_SUSPENDED) == 0) return false;
  *out = known_->registers;
  connection().UseFurther();
  return true;
}

void Thread::NoteRegisters(const arch::GeneralRegs& registers, uint64_t changes) {
  const std::lock_guard lock(exception_lock_);
  if (!known_) known_ = std::make_unique<KnownRegisters>();
  *known_ = {.changes = changes, .registers = registers};
}

zx_status_t Thread::ReadState(const arch::StateLayout& layout, std::span<std::byte> out, std::string* out_sentence) {
  connection().TakeIn();
  if (connection().dead()) return ZX_ERR_PEER_CLOSED;
  const bool general = layout.kind == ZX_THREAD_STATE_GENERAL_REGS;
  arch::GeneralRegs known{};
  bool knows = general && KnowsRegisters(&known);
  while (general && !knows && connection().AwaitFurther(process_)) knows = KnowsRegisters(&known);
  if (knows) {
    std::memcpy(out.data(), &known, sizeof(known));
    return ZX_OK;
  }
  if (IsOver()) return ZX_ERR_BAD_STATE;
  const uint64_t changes = connection().changes();
  const uint64_t messages = general ? connection().AsksForMore(process_) : 0;
  const Answer answer = connection().Request(
      ring::CommandType::kReadState, {.task = koid(), .other = changes, .key = messages, .options = layout.kind});
  if (answer.status == ZX_OK && messages > 1) connection().ExpectFurther(messages - 1);
  if (answer.status != ZX_OK || answer.bytes.size() < out.size()) {
    *out_sentence = answer.Sentence();
    return answer.status == ZX_OK ? ZX_ERR_INTERNAL : answer.status;
  }
  std::memcpy(out.data(), answer.bytes.data(), out.size());
  if (!general) return ZX_OK;
  std::memcpy(&known, out.data(), sizeof(known));
  NoteRegisters(known, changes);
  connection().NoteRegisters(std::span(answer.bytes).subspan(out.size()), changes);
  return ZX_OK;
}

zx_status_t Thread::WriteState(const arch::StateLayout& layout, std::span<const std::byte> in,
                               std::string* out_sentence) {
  const Answer answer =
      connection().Request(ring::CommandType::kWriteState, {.task = koid(), .options = layout.kind}, in);
  if (answer.status != ZX_OK) {
    *out_sentence = answer.Sentence();
    return answer.status;
  }
  const std::lock_guard lock(exception_lock_);
  // What came with it is out of date.
  if (exception_) exception_->has_registers = 0;
  return ZX_OK;
}

}  // namespace zxctl::client
