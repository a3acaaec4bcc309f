#include <algorithm>
#include <cerrno>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

using generic::CallPlace;

constexpr uint64_t kInstructionBytes = kSystemCallInstruction.size();

bool HasResult(const Registers& registers) { return registers.place == CallPlace::kAfter; }

}  // namespace

bool MakesThread(int64_t number) { return generic::MakesThread(number); }

void SetSystemCall(Registers& registers, uint64_t address, int64_t number, const CallArguments& arguments) {
  registers.pc = address;
  registers.x[kA7] = static_cast<uint64_t>(number);
  std::copy(arguments.begin(), arguments.end(), registers.x.begin() + kA0);
  registers.place = CallPlace::kBefore;
}

int64_t SystemCallResult(const Registers& registers) { return static_cast<int64_t>(registers.x[kA0]); }

bool NeedsCode(const Registers& registers) { return registers.x[kA7] < generic::kCallLimit; }

void NoteCode(Registers& registers, std::span<const uint8_t> code, size_t before) {
  registers.place = generic::FindCallPlace(code, before, kSystemCallInstruction);
}

int64_t SystemCallNumber(const Registers& registers) {
  return registers.place == CallPlace::kNone ? -1 : static_cast<int64_t>(registers.x[kA7]);
}

CallArguments SystemCallArguments(const Registers& r) {
  const uint64_t first = EndedWithEintr(r) ? r.first_argument : r.x[kA0];
  return {first, r.x[kA0 + 1], r.x[kA0 + 2], r.x[kA0 + 3], r.x[kA0 + 4], r.x[kA0 + 5]};
}

int32_t MadeTask(const Registers& registers) {
  const auto result = static_cast<int64_t>(registers.x[kA0]);
  // Inside a call the register holds an argument.
  const bool made = registers.place == CallPlace::kAfter && MakesThread(SystemCallNumber(registers));
  if (!made || result <= 0 || result > INT32_MAX) return 0;
  return static_cast<int32_t>(result);
}

bool EndedWithEintr(const Registers& registers) {
  return HasResult(registers) && static_cast<int32_t>(registers.x[kA0]) == -EINTR;
}

std::optional<RestartableCall> FindRestartableCall(const Registers& registers, bool compat) {
  if (compat || !EndedWithEintr(registers)) return std::nullopt;
  return generic::FindRestartable(static_cast<uint64_t>(SystemCallNumber(registers)), SystemCallArguments(registers));
}

std::optional<TimeLeft> FindTimeLeft(const Registers& registers, bool compat) {
  if (compat || registers.place != CallPlace::kBefore) return std::nullopt;
  return generic::FindTimeLeft(registers.x[kA7], SystemCallArguments(registers));
}

void SetRestart(Registers& registers) {
  registers.pc -= kInstructionBytes;
  registers.x[kA0] = registers.first_argument;
  registers.place = CallPlace::kBefore;
}

void TakeBackRestart(Registers& registers) {
  if (registers.place != CallPlace::kBefore) return;
  registers.pc += kInstructionBytes;
  registers.first_argument = registers.x[kA0];
  SetResult(registers, -EINTR);
  registers.place = CallPlace::kAfter;
}

bool WillRunCall(const Registers& registers) { return registers.place == CallPlace::kBefore; }

int64_t RestartCode(const Registers& entering) { return generic::RestartCode(entering.x[kA7], entering.x[kA0 + 1]); }

void SetEndOfCall(Registers& registers, const Registers& own, int64_t code) {
  registers.pc = own.pc + kInstructionBytes;
  registers.x[kA0] = static_cast<uint64_t>(code);
  registers.place = CallPlace::kAfter;
}

void SetResult(Registers& registers, int64_t result) {
  registers.x[kA0] = static_cast<uint64_t>(result);
  registers.place = CallPlace::kNone;
}

}  // namespace zxctl::arch
