// The machine seam: what the rooms above ask of a machine. Each folder beside this file answers with the same names; their
// contract is written in x86_64/arch_machine.h.
#pragma once

#include <concepts>
#include <type_traits>

#include "arch_machine.h"

namespace zxctl::arch {

// Register files: found, named and copied as plain data between processes.
template <typename R>
concept RegisterFile = std::is_trivially_copyable_v<R> && std::is_standard_layout_v<R> &&
                           kCoreRegisterBytes <= sizeof(R) &&
                       requires(const R& r, std::span<NamedValue, kNamedRegisterCount> named) {
  { kRegisterParts.front() } -> std::convertible_to<RegisterPart>;
  { Pc(r) } -> std::same_as<uint64_t>;
  { Sp(r) } -> std::same_as<uint64_t>;
  { FramePointer(r) } -> std::same_as<uint64_t>;
  { CodeBits(r) } -> std::same_as<Bits>;
  { Registers32(r) } -> std::same_as<std::array<uint32_t, kRegisterCount32>>;
  { NameRegisters(r, named) } -> std::same_as<size_t>;
};

// The system call that a stopped thread was in.
template <typename R>
concept SystemCallView = requires(R& r, const R& c, std::span<const uint8_t> code) {
  { NeedsCode(c) } -> std::same_as<bool>;
  NoteCode(r, code, kCodeBytesBeforePc);
  SetFirstArgument(r, uint64_t{});
  { SystemCallNumber(c) } -> std::same_as<int64_t>;
  { SystemCallArguments(c) } -> std::same_as<CallArguments>;
  { SystemCallResult(c) } -> std::same_as<int64_t>;
  { MakesThread(int64_t{}) } -> std::same_as<bool>;
  { MadeTask(c) } -> std::same_as<int32_t>;
  { EndedWithEintr(c) } -> std::same_as<bool>;
  { FindRestartableCall(c, bool{}) } -> std::same_as<std::optional<RestartableCall>>;
  { FindTimeLeft(c, bool{}) } -> std::same_as<std::optional<TimeLeft>>;
  SetRestart(r);
  TakeBackRestart(r);
  SetResult(r, int64_t{});
  { WillRunCall(c) } -> std::same_as<bool>;
  { RestartCode(c) } -> std::same_as<int64_t>;
  SetEndOfCall(r, c, int64_t{});
  SetSystemCall(r, uint64_t{}, int64_t{}, CallArguments{});
};

// What Zircon's interface has of the machine.
template <typename R, typename General>
concept ZirconView = std::is_trivially_copyable_v<General> &&
    requires(R& r, const R& c, const General& general, zx_exception_arch_t& context) {
  FillExceptionContext(int{}, int{}, uint64_t{}, context);
  { ToZircon(c) } -> std::same_as<General>;
  { FromZircon(general, r) } -> std::same_as<std::optional<std::string>>;
  ShowStepFlag(r);
  { TakeStepFlag(r) } -> std::same_as<bool>;
};

// The kinds of registers besides the general ones.
template <typename Layout>
concept StatesView = requires(const Layout& layout, const StateSets& sets, std::span<std::byte> out) {
  { FindState(uint32_t{}) } -> std::same_as<const Layout*>;
  { StateFields(uint32_t{}) } -> std::same_as<std::vector<RegisterField>>;
  { ShowState(layout, sets, out) } -> std::same_as<std::optional<std::string>>;
  { TakeState(layout, out, sets) } -> std::same_as<std::optional<std::string>>;
  { IsArmed(sets) } -> std::same_as<bool>;
  ResetDebugStatus(out);
  { IsLostInCalls(out) } -> std::same_as<bool>;
  kLostInCalls.size();
  { WritableBytes(uint32_t{}, out) } -> std::same_as<size_t>;
  { IsStep(int{}, int{}, int{}) } -> std::same_as<bool>;
  kUserWords.size();
};

// What a thread begins with.
template <typename R>
concept StartView = requires(R& r, const R& c, const StartRegs& start, std::span<std::byte> set) {
  { ValidateStartRegs(start, AddressBits()) } -> std::same_as<std::optional<StartRefusal>>;
  SetStart(r, start);
  { KernelTakesPointers(c) } -> std::same_as<bool>;
  { SamePointers(c, c) } -> std::same_as<bool>;
  { CanLoadPointers() } -> std::same_as<bool>;
  SetPointersToLoad(r, c);
  { PartToWrite(c, kRegisterParts.front()) } -> std::same_as<RegisterPart>;
  SetInitialVectors(set);
};

template <typename R, typename General>
concept Machine =
    RegisterFile<R> && SystemCallView<R> && ZirconView<R, General> && StartView<R> && StatesView<StateLayout>;

static_assert(Machine<Registers, GeneralRegs>, "the machine's folder does not answer all questions");
static_assert(!kBreakpointName.empty() && !kMachineName.empty() && kElfMachine != 0 && kElfMachine32 != 0);
static_assert(kCodeAlignment > 0 && kSystemCallInstruction.size() % kCodeAlignment == 0);
static_assert(kBreakpointPcAdvance % kCodeAlignment == 0 && kAuditArch32 != 0 && kMaxRegisterSetBytes > 0);
static_assert(std::same_as<decltype(kAlignmentFaultIsGeneral), const bool>);
static_assert(std::same_as<decltype(kLosesFirstArgument), const bool>);
static_assert(std::same_as<decltype(kRestartOutlivesHandlers), const bool>);
static_assert(std::same_as<decltype(kRestartIsDecidedLater), const bool>);
static_assert(requires(uint64_t address) {
  { IsCanonical(address) } -> std::same_as<bool>;
  { IsKernelHalf(address) } -> std::same_as<bool>;
  RelaxCpu();
});

}  // namespace zxctl::arch
