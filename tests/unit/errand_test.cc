#include "supervisor/errand.h"

#include <gtest/gtest.h>

namespace zxctl {
namespace {

using Next = Errand::Next;
using Phase = Errand::Phase;

TEST(Errand, GoesIntoTheCallAndComesBackByAnInterrupt) {
  Errand errand(Errand::Return::kTrap);
  EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
  EXPECT_EQ(errand.OnEventStop(), Next::kGoOn);
  EXPECT_EQ(errand.OnSyscallStop(1234), Next::kComeBack);
  EXPECT_EQ(errand.OnTrapStop(), Next::kStay);
  EXPECT_EQ(errand.phase(), Phase::kBack);
  EXPECT_EQ(errand.result(), 1234);
}

TEST(Errand, AThreadThatStoodAtASignalComesBackByOne) {
  Errand errand(Errand::Return::kSignal);
  EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
  EXPECT_EQ(errand.OnSyscallStop(0), Next::kComeBack);
  // From an interrupt's stop no signal can be delivered.
  EXPECT_EQ(errand.OnTrapStop(), Next::kRun);
  EXPECT_EQ(errand.OnSignalStop(false), Next::kRun);
  EXPECT_EQ(errand.OnSignalStop(true), Next::kStay);
  EXPECT_EQ(errand.phase(), Phase::kBack);
}

TEST(Errand, PassesJobControlOnItsWay) {
  Errand errand(Errand::Return::kTrap);
  EXPECT_EQ(errand.OnTrapStop(), Next::kGoOn);
  EXPECT_EQ(errand.OnSignalStop(false), Next::kGoOn);
  EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
  EXPECT_EQ(errand.OnTrapStop(), Next::kGoOn);
  EXPECT_EQ(errand.phase(), Phase::kInCall);
}

// A stop that is pending when the call is made keeps clone from being made: the kernel runs it again afterwards.
TEST(Errand, ACallThatIsRestartedIsMadeAgain) {
  for (const int64_t code : {-512, -513, -514, -516}) {
    Errand errand(Errand::Return::kTrap);
    EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
    EXPECT_EQ(errand.OnSyscallStop(code), Next::kGoOn) << code;
    EXPECT_EQ(errand.phase(), Phase::kGoing) << code;
    EXPECT_EQ(errand.OnTrapStop(), Next::kGoOn);
    EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
    EXPECT_EQ(errand.OnSyscallStop(7), Next::kComeBack);
    EXPECT_EQ(errand.result(), 7);
  }
}

TEST(Errand, ErrorsOfTheCallAreItsResult) {
  Errand errand(Errand::Return::kTrap);
  EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
  EXPECT_EQ(errand.OnSyscallStop(-11), Next::kComeBack);
  EXPECT_EQ(errand.result(), -11);
}

TEST(Errand, AFiltersSignalIsARefusal) {
  Errand errand(Errand::Return::kTrap);
  EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
  EXPECT_EQ(errand.OnFiltered(), Next::kGoOn);
  // A stop for job control comes first.
  EXPECT_EQ(errand.OnTrapStop(), Next::kGoOn);
  EXPECT_EQ(errand.OnFilterSignal(-1), Next::kComeBack);
  EXPECT_EQ(errand.OnTrapStop(), Next::kStay);
  EXPECT_EQ(errand.result(), -1);
}

TEST(Errand, SetsOutAtOnceWhereNothingHasToBeFoundOut) {
  Errand errand(Errand::Return::kTrap);
  EXPECT_EQ(errand.Begin(false), Next::kSetOut);
  EXPECT_EQ(errand.phase(), Phase::kGoing);
}

TEST(Errand, AsksByTheThreadsOwnCallAndSkipsIt) {
  Errand errand(Errand::Return::kTrap);
  EXPECT_EQ(errand.Begin(true), Next::kAsk);
  EXPECT_EQ(errand.OnSyscallStop(0), Next::kGoOn);
  EXPECT_EQ(errand.phase(), Phase::kSkipping);
  // Whatever the registers hold there: nothing was called.
  EXPECT_EQ(errand.OnSyscallStop(-512), Next::kSetOut);
  EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
  EXPECT_EQ(errand.OnSyscallStop(1234), Next::kComeBack);
  EXPECT_EQ(errand.OnTrapStop(), Next::kStay);
  EXPECT_EQ(errand.result(), 1234);
}

TEST(Errand, StillAsksAfterStopsThatComeFirst) {
  for (const auto back : {Errand::Return::kTrap, Errand::Return::kSignal}) {
    Errand errand(back);
    EXPECT_EQ(errand.Begin(true), Next::kAsk);
    EXPECT_EQ(errand.OnTrapStop(), Next::kAsk);
    EXPECT_EQ(errand.OnSignalStop(false), Next::kAsk);
    EXPECT_EQ(errand.OnEventStop(), Next::kAsk);
    EXPECT_EQ(errand.phase(), Phase::kAsking);
  }
}

TEST(Errand, GoesWithoutAnAnswerWhereItCannotAsk) {
  Errand errand(Errand::Return::kSignal);
  EXPECT_EQ(errand.Begin(true), Next::kAsk);
  EXPECT_EQ(errand.Begin(false), Next::kSetOut);
  EXPECT_EQ(errand.OnSyscallStop(-38), Next::kGoOn);
  EXPECT_EQ(errand.phase(), Phase::kInCall);
}

}  // namespace
}  // namespace zxctl
