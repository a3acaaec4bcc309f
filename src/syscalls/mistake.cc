#include "syscalls/mistake.h"

#include <fmt/format.h>
#include <zircon/rights.h>
#include <zircon/syscalls/debug.h>
#include <zircon/syscalls/object.h>
#include <zxtask/linux.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include "client/connection.h"

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
  if (unknown != 0) add(fmt::format("{:#x} (no right)", unknown));
  return names;
}

// What the first handle to such an object has; no other has more.
zx_rights_t RightsOfFirstHandle(uint64_t type) {
  switch (type) {
    case ZX_OBJ_TYPE_PROCESS:
      return ZX_DEFAULT_PROCESS_RIGHTS;
    case ZX_OBJ_TYPE_THREAD:
      return ZX_DEFAULT_THREAD_RIGHTS;
    case ZX_OBJ_TYPE_PORT:
      return ZX_DEFAULT_PORT_RIGHTS;
    case ZX_OBJ_TYPE_JOB:
      return ZX_DEFAULT_JOB_RIGHTS;
    case ZX_OBJ_TYPE_SUSPEND_TOKEN:
      return ZX_DEFAULT_SUSPEND_TOKEN_RIGHTS;
    default:
      return ZX_RIGHT_SAME_RIGHTS - 1;
  }
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

std::string MissingRight(const Note& note) {
  const uint64_t never = note.a & ~RightsOfFirstHandle(note.b);
  if (never != 0) {
    return fmt::format("lacks the right {}, which no handle to a {} has", RightNames(never), TypeName(note.b));
  }
  return fmt::format("lacks the right {0}: use a handle that has {0}, which was left out when this one was made",
                     RightNames(note.a));
}

std::string MoreRights(const Note& note) {
  if ((note.a & ZX_RIGHT_SAME_RIGHTS) != 0) {
    return "has ZX_RIGHT_SAME_RIGHTS together with others: pass that alone, or the others alone";
  }
  return fmt::format("asks for {}, which the handle has not: ask for less, or for ZX_RIGHT_SAME_RIGHTS alone",
                     RightNames(note.a));
}

std::string NotWaitable(const Note& note) {
  const std::string_view instead = note.a == ZX_OBJ_TYPE_PORT ? ": zx_port_wait() takes its packets" : "";
  return fmt::format("is a {}, which has no signals to wait for{}", TypeName(note.a), instead);
}

std::string BadHandle(const Note& note) {
  if (note.a == ZX_HANDLE_INVALID) return "is 0, which is no handle: look at the call that was to give one";
  const bool never = (note.a & ZX_HANDLE_FIXED_BITS_MASK) != ZX_HANDLE_FIXED_BITS_MASK;
  return fmt::format("is {:#x}, which is no open handle{}", note.a,
                     never ? ", and never was one" : ": it has been closed, if it ever was one");
}

// Those that need no numbers.
struct FixedText {
  Mistake mistake;
  std::string_view text;
};
constexpr std::array kFixedTexts = {
    FixedText{Mistake::kTryNextAlone, "has ZX_RESUME_TRY_NEXT without ZX_RESUME_EXCEPTION: set both"},
    FixedText{Mistake::kDebuggerOfThread,
              "has ZX_EXCEPTION_PORT_DEBUGGER, which threads do not have: pass the process, or leave it out"},
    FixedText{Mistake::kQuietBind,
              "has ZX_EXCEPTION_PORT_UNBIND_QUIETLY, which is for unbinding: leave it out, or pass 0 as the port"},
    FixedText{Mistake::kFirstChanceOfZircon,
              "has ZXL_EXCEPTION_PORT_FIRST_CHANCE, which only zxl_task_bind_exception_port() takes"},
    FixedText{Mistake::kItself, "is the caller itself, which could never undo it: another program has to do it"},
    FixedText{Mistake::kIsNew,
              "has not been started: zx_thread_start() starts a thread, zxl_process_start() a process"},
    FixedText{Mistake::kIsDying, "is about to end: nothing can be done with it any more"},
    FixedText{Mistake::kIsDead, "has ended: nothing can be done with it any more"},
    FixedText{Mistake::kIsLetGo, "was let go by zxl_process_detach(): attach to the process anew"},
    FixedText{Mistake::kHasChanged, "has changed its state during the call: look at it, and try again"},
    FixedText{Mistake::kNotEnded, "has not ended yet: wait for ZX_TASK_TERMINATED"},
    FixedText{Mistake::kEndUnknown, "was let go before it ended, so that nobody was told what it died of"},
    FixedText{Mistake::kDoesNotStand,
              "is neither suspended nor in an exception: suspend it, and wait for ZX_THREAD_SUSPENDED"},
    FixedText{Mistake::kNoException, "is in no exception: it has one from the packet that tells of it to its answer"},
    FixedText{Mistake::kOtherPort, "is not the port that the exception was sent to: pass the one its packet came from"},
    FixedText{Mistake::kNegativeLease, "is negative: give nanoseconds, or 0 for no limit"},
    FixedText{Mistake::kJobKilled, "was killed, and nothing can be made in it any more: use another job"},
    FixedText{Mistake::kNullPointer, "is null: pass the address of what it points to"},
    FixedText{Mistake::kMisalignedPointer,
              "is not aligned as its type demands: pass the address of a variable of that type"},
    FixedText{Mistake::kKernelPointer,
              "points into the kernel's half of the address space: it is not an address of this program"},
    FixedText{Mistake::kPortClosed, "lost its last handle to another thread during the call"},
    FixedText{Mistake::kPortClosedInWait, "lost its last handle to another thread while this one waited"},
    FixedText{Mistake::kHandleClosedInWait, "was closed by another thread while this one waited"},
    FixedText{Mistake::kDeadline, "came before what was waited for"},
    FixedText{Mistake::kNoMemory, "could not be made for want of memory"},
};

// Those that do.
struct NumberedText {
  Mistake mistake;
  std::string (*make)(const Note& note);
};
constexpr std::array kNumberedTexts = {
    NumberedText{Mistake::kBadHandle, BadHandle},
    NumberedText{Mistake::kWrongType,
                 [](const Note& note) {
                   return fmt::format("is a {}, not a {}: pass a handle to a {}", TypeName(note.a), TypeName(note.b),
                                      TypeName(note.b));
                 }},
    NumberedText{Mistake::kNoTask,
                 [](const Note& note) {
                   return fmt::format("is a {}, not a task: pass a handle to a job, process or thread",
                                      TypeName(note.a));
                 }},
    NumberedText{Mistake::kNoLinuxId,
                 [](const Note& note) {
                   return fmt::format("is a {}, which Linux has no number for: pass a handle to a process or thread",
                                      TypeName(note.a));
                 }},
    NumberedText{Mistake::kNoName,
                 [](const Note& note) {
                   return fmt::format("is a {}, which has no name: jobs, processes and threads do", TypeName(note.a));
                 }},
    NumberedText{Mistake::kNoChildren,
                 [](const Note& note) {
                   return fmt::format("is a {}, which has no children: jobs and processes do", TypeName(note.a));
                 }},
    NumberedText{Mistake::kMissingRight, MissingRight},
    NumberedText{Mistake::kMoreRights, MoreRights},
    NumberedText{Mistake::kUnknownOptions,
                 [](const Note& note) {
                   return fmt::format("has {:#x}, which is no option of this call: leave it out", note.a);
                 }},
    NumberedText{Mistake::kNotUserSignals,
                 [](const Note& note) {
                   return fmt::format("has {:#x}: only the user signals, bits 24 to 31, can be changed", note.a);
                 }},
    NumberedText{Mistake::kNotWaitable, NotWaitable},
    NumberedText{Mistake::kUnknownTopic,
                 [](const Note& note) {
                   return fmt::format("is {}, which nothing answers: docs/api/zx_object_get_info.md has the topics",
                                      note.a);
                 }},
    NumberedText{Mistake::kUnknownProperty,
                 [](const Note& note) {
                   return fmt::format("is {}: there is no such property; ZX_PROP_NAME ({}) is one", note.a,
                                      ZX_PROP_NAME);
                 }},
    NumberedText{Mistake::kBufferTooSmall,
                 [](const Note& note) { return fmt::format("has {} bytes, and {} are needed", note.a, note.b); }},
    NumberedText{Mistake::kTooManyItems,
                 [](const Note& note) {
                   return fmt::format("is {}: at most {} can be waited for at once; zx_object_wait_async() takes more",
                                      note.a, note.b);
                 }},
    NumberedText{Mistake::kTooManyHandles,
                 [](const Note& note) { return fmt::format("is {}: no memory holds so many", note.a); }},
    NumberedText{Mistake::kNoSuchChild,
                 [](const Note& note) {
                   return fmt::format("is {}: the object has no such child; zx_object_get_info() lists those it has",
                                      note.a);
                 }},
    NumberedText{Mistake::kTreeTooHigh,
                 [](const Note& note) {
                   return fmt::format("has {} jobs above it, and more cannot be: use one nearer to the root", note.a);
                 }},
    NumberedText{Mistake::kPortFull,
                 [](const Note& note) {
                   return fmt::format("holds {} packets, which is all it can: take some with zx_port_wait() first",
                                      note.a);
                 }},
    NumberedText{Mistake::kNothingToCancel,
                 [](const Note& note) {
                   return fmt::format("is {}: no zx_object_wait_async() of this port and handle has it outstanding",
                                      note.a);
                 }},
    NumberedText{
        Mistake::kNoHandlesLeft,
        [](const Note& note) { return fmt::format("cannot be given a handle: all {} are taken; close some", note.a); }},
    NumberedText{Mistake::kNoDescriptor,
                 [](const Note& note) {
                   return fmt::format("could not be made: {}", strerrordesc_np(static_cast<int>(note.a)));
                 }},
    NumberedText{Mistake::kNotSuspendable,
                 [](const Note& note) {
                   return fmt::format("is a {}, which cannot be suspended: pass a handle to a process or thread",
                                      TypeName(note.a));
                 }},
    NumberedText{Mistake::kUnknownKind,
                 [](const Note& note) {
                   return fmt::format(
                       "is {}: the kinds are ZX_THREAD_STATE_GENERAL_REGS ({}), FP_REGS ({}), VECTOR_REGS "
                       "({}), DEBUG_REGS ({}) and SINGLE_STEP ({})",
                       note.a, ZX_THREAD_STATE_GENERAL_REGS, ZX_THREAD_STATE_FP_REGS, ZX_THREAD_STATE_VECTOR_REGS,
                       ZX_THREAD_STATE_DEBUG_REGS, ZX_THREAD_STATE_SINGLE_STEP);
                 }},
    NumberedText{Mistake::kUnmapped,
                 [](const Note& note) {
                   return fmt::format("has nothing at {:#x}: /proc/{}/maps has what is mapped", note.a, note.b);
                 }},
};

std::string AboutArgument(const Note& note) {
  const auto* const fixed = std::ranges::find(kFixedTexts, note.mistake, &FixedText::mistake);
  if (fixed != kFixedTexts.end()) return std::string(fixed->text);
  const auto* const numbered = std::ranges::find(kNumberedTexts, note.mistake, &NumberedText::mistake);
  return numbered == kNumberedTexts.end() ? "" : numbered->make(note);
}

const char* Sentence() {
  if (t_note.mistake == Mistake::kNone) return "";
  if (t_note.mistake == Mistake::kSentence) return t_sentence.data();
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

zx_status_t NoteSentence(zx_status_t status, const char* call, std::string_view sentence) {
  if (sentence.empty() && client::Connection::IsForked()) sentence = client::kForkedSentence;
  if (sentence.empty()) sentence = "the tracer is gone, and with it what it knew of the tasks: spawn or attach anew";
  NoteMistake(status, call, "", Mistake::kSentence);
  const auto end = fmt::format_to_n(t_sentence.data(), t_sentence.size() - 1, "{}: {}", call, sentence);
  *end.out = '\0';
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
