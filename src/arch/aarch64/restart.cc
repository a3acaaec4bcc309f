#include <algorithm>
#include <cerrno>

#include "arch_machine.h"

namespace zxctl::arch {
namespace {

using generic::CallPlace;

constexpr uint64_t kInstructionBytes = kSystemCallInstruction.size();

bool HasResult(const Registers& registers) {
  return registers.place == CallPlace::kAfter || registers.place == CallPlace::kInside;
}

}  // namespace

bool MakesThread(int64_t number) { return generic::MakesThread(number); }

void SetSystemCall(Registers& registers, uint64_t address, int64_t number, const CallArguments& arguments) {
  registers.pc = address;
  registers.x[8] = static_cast<uint64_t>(number);
  std::copy(arguments.begin(), arguments.end(), registers.x.begin());
  registers.kernel_call = -1;
  registers.place = CallPlace::kBefore;
}

int64_t SystemCallResult(const Registers& registers) { return static_cast<int64_t>(registers.x[0]); }

bool NeedsCode(const Registers& registers) {
  return registers.kernel_call >= 0 || registers.x[8] < generic::kCallLimit;
}

void NoteCode(Registers& registers, std::span<const uint8_t> code, size_t before) {
  registers.place =
      registers.kernel_call >= 0 ? CallPlace::kInside : generic::FindCallPlace(code, before, kSystemCallInstruction);
}

int64_t SystemCallNumber(const Registers& registers) {
  if (registers.place == CallPlace::kNone) return -1;
  return registers.place == CallPlace::kInside ? registers.kernel_call : static_cast<int64_t>(registers.x[8]);
}

CallArguments SystemCallArguments(const Registers& r) {
  const uint64_t first = EndedWithEintr(r) ? r.first_argument : r.x[0];
  return {first, r.x[1], r.x[2], r.x[3], r.x[4], r.x[5]};
}

int32_t MadeTask(const Registers& registers) {
  const auto result = static_cast<int64_t>(registers.x[0]);
  // Inside a call the register holds an argument.
  const bool made = registers.place == CallPlace::kAfter && MakesThread(SystemCallNumber(registers));
  if (!made || result <= 0 || result > INT32_MAX) return 0;
  return static_cast<int32_t>(result);
}

bool EndedWithEintr(const Registers& registers) {
  return HasResult(registers) && static_cast<int32_t>(registers.x[0]) == -EINTR;
}

std::optional<RestartableCall> FindRestartableCall(const Registers& registers, bool compat) {
  if (compat || !EndedWithEintr(registers)) return std::nullopt;
  return generic::FindRestartable(static_cast<uint64_t>(SystemCallNumber(registers)), SystemCallArguments(registers));
}

std::optional<TimeLeft> FindTimeLeft(const Registers& registers, bool compat) {
  if (compat || registers.place != CallPlace::kBefore) return std::nullopt;
  return generic::FindTimeLeft(registers.x[8], SystemCallArguments(registers));
}

void SetRestart(Registers& registers) {
  registers.pc -= kInstructionBytes;
  registers.x[0] = registers.first_argument;
  registers.place = CallPlace::kBefore;
}

void TakeBackRestart(Registers& registers) {
  if (registers.place != CallPlace::kBefore) return;
  registers.pc += kInstructionBytes;
  registers.first_argument = registers.x[0];
  SetResult(registers, -EINTR);
  registers.place = CallPlace::kAfter;
}

bool WillRunCall(const Registers& registers) { return registers.place == CallPlace::kBefore; }

int64_t RestartCode(const Registers& entering) { return generic::RestartCode(entering.x[8], entering.x[1]); }

void SetEndOfCall(Registers& registers, const Registers& own, int64_t code) {
  registers.pc = own.pc + kInstructionBytes;
  registers.x[0] = static_cast<uint64_t>(code);
  registers.place = CallPlace::kAfter;
}

void SetResult(Registers& registers, int64_t result) {
  registers.x[0] = static_cast<uint64_t>(result);
  registers.place = CallPlace::kNone;
}

}  // namespace zxctl::arch
