// What was wrong with a call: noted when it fails, made a sentence only when somebody asks.
#pragma once

#include <zircon/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace zxctl {

enum class Mistake : uint8_t {
  kNone,
  kNullPointer,
  kMisalignedPointer,
  kKernelPointer,
  kBadHandle,
  kWrongType,        // a: type it has, b: type it should have
  kNoTask,           // a: type
  kNoLinuxId,        // a: type
  kNoName,           // a: type
  kNoChildren,       // a: type
  kMissingRight,     // a: rights that are missing, b: type
  kMoreRights,       // a: rights that the handle has not
  kUnknownOptions,   // a: bits
  kNotUserSignals,   // a: bits
  kNotWaitable,      // a: type
  kUnknownTopic,     // a: topic
  kUnknownProperty,  // a: property
  kBufferTooSmall,   // a: bytes given, b: bytes needed
  kTooManyItems,     // a: given, b: limit
  kTooManyHandles,   // a: given
  kNoSuchChild,      // a: koid
  kTreeTooHigh,      // a: jobs above it
  kPortFull,         // a: limit
  kPortClosed,
  kPortClosedInWait,
  kHandleClosedInWait,
  kDeadline,
  kNothingToCancel,  // a: key
  kNoHandlesLeft,    // a: limit
  kNoMemory,
  kNoDescriptor,  // a: errno
  kSentence,      // the sentence is there already
  kTryNextAlone,
  kDebuggerOfThread,
  kQuietBind,
  kFirstChanceOfZircon,
  kNotSuspendable,  // a: type
  kItself,
  // What a task is, and not fit for the call by that.
  kIsNew,
  kIsDying,
  kIsDead,
  kIsLetGo,
  kHasChanged,
  kNotEnded,
  kEndUnknown,
  kDoesNotStand,
  kNoException,
  kOtherPort,
  kUnknownKind,  // a: kind
  kNegativeLease,
  kUnmapped,  // a: address, b: process
  kJobKilled
};

// Remembers a sentence that somebody else has made: "call: sentence". An empty one: that the tracer is gone.
zx_status_t NoteSentence(zx_status_t status, const char* call, std::string_view sentence);

// Remembers it for zxl_last_error() of this thread, and gives `status`. The texts have to live forever.
zx_status_t NoteMistake(zx_status_t status, const char* call, const char* argument, Mistake mistake, uint64_t a = 0,
                        uint64_t b = 0);

}  // namespace zxctl
