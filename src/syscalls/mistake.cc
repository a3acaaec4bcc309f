#include "syscalls/mistake.h"

#include <fmt/format.h>
#include <zircon/rights.h>
#include <zircon/syscalls/object.h>
#include <zxtask/linux.h>

#include <array>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

namespace zxctl {
namespace {

struct Note {
  const char* call;
  const char* argument;
  uint64_t a;
  uint64_t b;
  Mistake mistake;
};

// Neither needs a constructor or a destructor: threads that never fail pay nothing.
thread_local Note t_note;
thread_local std::array<char, 512> t_sentence;

constexpr std::array<std::string_view, 20> kRightNames = {
    "DUPLICATE",    "TRANSFER",  "READ",       "WRITE",          "EXECUTE",       "MAP",          "GET_PROPERTY",
    "SET_PROPERTY", "ENUMERATE", "DESTROY",    "SET_POLICY",     "GET_POLICY",    "SIGNAL",       "SIGNAL_PEER",
    "WAIT",         "INSPECT",   "MANAGE_JOB", "MANAGE_PROCESS", "MANAGE_THREAD", "APPLY_PROFILE"};

std::string RightNames(uint64_t rights) {
  std::string names;
  const auto add = [&names](std::string_view name) {
    if (!names.empty()) names += ", ";
    names += name;
  };
  for (size_t bit = 0; bit < kRightNames.size(); ++bit) {
    if ((rights >> bit & 1) != 0) add(kRightNames[bit]);
  }
  const uint64_t unknown = rights >> kRightNames.size() << kRightNames.size();
  if (unknown != 0) add(fmt::format("{:#x}, which is no right,", unknown));
  return names;
}

std::string_view TypeName(uint64_t type) {
  switch (type) {
    case ZX_OBJ_TYPE_PROCESS:
      return "process";
    case ZX_OBJ_TYPE_THREAD:
      return "thread";
    case ZX_OBJ_TYPE_VMO:
      return "VMO";
    case ZX_OBJ_TYPE_PORT:
      return "port";
    case ZX_OBJ_TYPE_RESOURCE:
      return "resource";
    case ZX_OBJ_TYPE_JOB:
      return "job";
    case ZX_OBJ_TYPE_VMAR:
      return "VMAR";
    case ZX_OBJ_TYPE_GUEST:
      return "guest";
    case ZX_OBJ_TYPE_VCPU:
      return "VCPU";
    case ZX_OBJ_TYPE_SUSPEND_TOKEN:
      return "suspend token";
    default:
      return "object of another kind";
  }
}

std::string AboutArgument(const Note& note) {
  switch (note.mistake) {
    case Mistake::kNullPointer:
      return "is null: pass the address of what it points to";
    case Mistake::kMisalignedPointer:
      return "is not aligned as its type demands: pass the address of a variable of that type";
    case Mistake::kKernelPointer:
      return "points into the kernel's half of the address space: it is not an address of this program";
    case Mistake::kBadHandle:
      return fmt::format("is {:#x}, which is no open handle: it was never one, or has been closed", note.a);
    case Mistake::kWrongType:
      return fmt::format("is a {}, not a {}: pass a handle to a {}", TypeName(note.a), TypeName(note.b),
                         TypeName(note.b));
    case Mistake::kNoName:
      return fmt::format("is a {}, which has no name: jobs, processes, threads and VMOs do", TypeName(note.a));
    case Mistake::kNoChildren:
      return fmt::format("is a {}, which has no children: jobs and processes do", TypeName(note.a));
    case Mistake::kMissingRight:
      return fmt::format("lacks the right {0}: use a handle that has {0}, which was left out when this one was made",
                         RightNames(note.a));
    case Mistake::kMoreRights:
      return fmt::format("asks for {}, which the handle has not: ask for less, or ZX_RIGHT_SAME_RIGHTS alone",
                         RightNames(note.a));
    case Mistake::kUnknownOptions:
      return fmt::format("has {:#x}, which is no option of this call: leave it out", note.a);
    case Mistake::kNotUserSignals:
      return fmt::format("has {:#x}: only the user signals, bits 24 to 31, can be changed", note.a);
    case Mistake::kNotWaitable:
      return fmt::format("is a {}, which has no signals to wait for", TypeName(note.a));
    case Mistake::kUnknownTopic:
      return fmt::format("is {}: there is no such topic; <zircon/syscalls/object.h> has those there are", note.a);
    case Mistake::kUnknownProperty:
      return fmt::format("is {}: there is no such property; ZX_PROP_NAME ({}) is one", note.a, ZX_PROP_NAME);
    case Mistake::kBufferTooSmall:
      return fmt::format("has {} bytes, and {} are needed", note.a, note.b);
    case Mistake::kTooManyItems:
      return fmt::format("is {}: at most {} can be waited for at once", note.a, note.b);
    case Mistake::kNoSuchChild:
      return fmt::format("is {}: the object has no such child; zx_object_get_info() lists those it has", note.a);
    case Mistake::kTreeTooHigh:
      return fmt::format("is {} jobs away from the root: a tree is at most that high", note.a);
    case Mistake::kPortFull:
      return fmt::format("holds {} packets, which is all it can: take some with zx_port_wait() first", note.a);
    case Mistake::kPortClosed:
      return "lost its last handle to another thread during the call";
    case Mistake::kPortClosedInWait:
      return "lost its last handle to another thread while this one waited";
    case Mistake::kHandleClosedInWait:
      return "was closed by another thread while this one waited";
    case Mistake::kDeadline:
      return "came before what was waited for";
    case Mistake::kNothingToCancel:
      return fmt::format("is {}: no zx_object_wait_async() of this port and handle has it outstanding", note.a);
    case Mistake::kNoHandlesLeft:
      return fmt::format("cannot be given a handle: {} are open, or all values have been used; close some", note.a);
    case Mistake::kNoMemory:
      return "could not be made for want of memory";
    case Mistake::kNoDescriptor:
      return fmt::format("could not be made: {}", strerrordesc_np(static_cast<int>(note.a)));
    case Mistake::kNone:
      break;
  }
  return "";
}

const char* Sentence() {
  if (t_note.mistake == Mistake::kNone) return "";
  const auto end = fmt::format_to_n(t_sentence.data(), t_sentence.size() - 1, "{}: {} {}", t_note.call, t_note.argument,
                                    AboutArgument(t_note));
  *end.out = '\0';
  return t_sentence.data();
}

}  // namespace

zx_status_t NoteMistake(zx_status_t status, const char* call, const char* argument, Mistake mistake, uint64_t a,
                        uint64_t b) {
  t_note = {.call = call, .argument = argument, .a = a, .b = b, .mistake = mistake};
  return status;
}

}  // namespace zxctl

extern "C" const char* zxl_last_error() {
  try {
    return zxctl::Sentence();
  } catch (const std::exception&) {
    return "there was no memory to say what the last mistake was";
  }
}
