#include "supervisor/linux_registers.h"

#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "base/proc_file.h"

namespace zxctl {
namespace {

using arch::RegisterPart;

constexpr size_t kSyscallBytes = 256;

int Call(int request, pid_t tid, uint64_t address, void* data) {
  return syscall(SYS_ptrace, request, static_cast<long>(tid), address, data) < 0 ? errno : 0;
}

// `bytes` is set to how many there are.
int CallForSet(int request, pid_t tid, uint32_t note_type, void* data, size_t& bytes) {
  iovec piece{.iov_base = data, .iov_len = bytes};
  const int error = Call(request, tid, note_type, &piece);
  bytes = piece.iov_len;
  return error;
}

int CallForPart(int request, pid_t tid, const RegisterPart& part, char* data) {
  if (part.note_type == 0) return Call(request, tid, 0, data);
  size_t bytes = part.bytes;
  const int error = CallForSet(request, tid, part.note_type, data, bytes);
  if (error != 0) return error;
  return bytes == part.bytes ? 0 : EOPNOTSUPP;
}

size_t ReadCode(pid_t tid, uint64_t address, std::span<uint8_t> out) {
  const iovec local{.iov_base = out.data(), .iov_len = out.size()};
  const iovec remote{.iov_base = reinterpret_cast<void*>(address), .iov_len = out.size()};
  const ssize_t got = process_vm_readv(tid, &local, 1, &remote, 1, 0);
  return got < 0 ? 0 : static_cast<size_t>(got);
}

void LookAtCode(pid_t tid, arch::Registers& registers) {
  std::array<uint8_t, arch::kCodeBytesBeforePc + arch::kCodeBytesAtPc> code{};
  size_t before = arch::kCodeBytesBeforePc;
  size_t got = ReadCode(tid, arch::Pc(registers) - before, code);
  if (got < before) {
    // pc may be at the beginning of what is mapped.
    before = 0;
    got = ReadCode(tid, arch::Pc(registers), std::span(code).first(arch::kCodeBytesAtPc));
  }
  arch::NoteCode(registers, std::span(code).first(got), before);
}

// "NUMBER ARGUMENT…": of a task that is in a call, as its registers in the kernel say.
bool ReadFirstArgument(pid_t tid, uint64_t& out) {
  const auto text = ReadFile(fmt::format("/proc/{}/syscall", tid), kSyscallBytes).value_or("");
  const size_t begin = text.find(" 0x");
  if (begin == std::string::npos || text.starts_with("-")) return false;
  return std::from_chars(text.data() + begin + 3, text.data() + text.size(), out, 16).ec == std::errc();
}

int WriteUserWord(pid_t tid, size_t index, uint64_t value) {
  return syscall(SYS_ptrace, PTRACE_POKEUSER, static_cast<long>(tid), arch::kUserWords.begin()[index], value) < 0
             ? errno
             : 0;
}

}  // namespace

int ReadRegisters(pid_t tid, arch::Registers& out) {
  auto* const bytes = reinterpret_cast<char*>(&out);
  for (const RegisterPart& part : arch::kRegisterParts) {
    if (const int error = CallForPart(part.read_request, tid, part, bytes + part.offset)) return error;
  }
  if (arch::NeedsCode(out)) LookAtCode(tid, out);
  return 0;
}

int WriteRegisters(pid_t tid, const arch::Registers& registers) {
  arch::Registers copy = registers;
  auto* const bytes = reinterpret_cast<char*>(&copy);
  for (const RegisterPart& part : arch::kRegisterParts) {
    if (part.write_request == 0) continue;
    const RegisterPart taken = arch::PartToWrite(registers, part);
    if (const int error = CallForPart(taken.write_request, tid, taken, bytes + taken.offset)) return error;
  }
  return 0;
}

int FindFirstArgument(pid_t tid, arch::Registers& registers) {
  if constexpr (!arch::kLosesFirstArgument) return 0;
  int32_t before = -1;
  auto number = static_cast<int32_t>(arch::SystemCallNumber(registers));
  size_t bytes = sizeof(before);
  // Where the kernel forgets the number when a call has ended, it is told for the moment of the look.
  if constexpr (arch::kCallNumberSet != 0) {
    if (const int error = CallForSet(PTRACE_GETREGSET, tid, arch::kCallNumberSet, &before, bytes)) return error;
    if (const int error = CallForSet(PTRACE_SETREGSET, tid, arch::kCallNumberSet, &number, bytes)) return error;
  }
  uint64_t argument = 0;
  const bool found = ReadFirstArgument(tid, argument);
  if constexpr (arch::kCallNumberSet != 0) {
    if (const int error = CallForSet(PTRACE_SETREGSET, tid, arch::kCallNumberSet, &before, bytes)) return error;
  }
  if (!found) return EIO;
  arch::SetFirstArgument(registers, argument);
  return 0;
}

size_t ReadUserWords(pid_t tid, std::span<std::byte> out) {
  size_t at = 0;
  for (const size_t offset : arch::kUserWords) {
    uint64_t word = 0;
    if (at + sizeof(word) > out.size()) return 0;
    // The call itself, not the C library's function: a word of -1 is none of its errors.
    if (syscall(SYS_ptrace, PTRACE_PEEKUSER, static_cast<long>(tid), offset, &word) < 0) return 0;
    std::memcpy(out.data() + at, &word, sizeof(word));
    at += sizeof(word);
  }
  return at;
}

int WriteUserWords(pid_t tid, std::span<const std::byte> in) {
  const size_t count = arch::kUserWords.size();
  if (count == 0 || in.size() != count * sizeof(uint64_t)) return EINVAL;
  if (const int error = WriteUserWord(tid, count - 1, 0)) return error;
  for (size_t i = 0; i < count; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, in.data() + i * sizeof(word), sizeof(word));
    if (const int error = WriteUserWord(tid, i, word)) return error;
  }
  return 0;
}

}  // namespace zxctl
