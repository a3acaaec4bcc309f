// FromJson(RenderJson(report)) is the report, whatever stands in it.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <tuple>

#include "report/json_names.h"
#include "report/render_json.h"
#include "report/text_safety.h"
#include "unit/report_sample.h"

namespace zxctl::report::test {
namespace {

// ---- equality: a structured binding does not compile when a member is added and forgotten here -------------------------

auto Members(const SignalRecord& s) {
  const auto& [a, b, c, d, e, f, g] = s;
  return std::tie(a, b, c, d, e, f, g);
}
auto Members(const Frame& s) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l] = s;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l);
}
auto Members(const RegisterValue& s) {
  const auto& [a, b, c] = s;
  return std::tie(a, b, c);
}
auto Members(const Instruction& s) {
  const auto& [a, b, c, d] = s;
  return std::tie(a, b, c, d);
}
auto Members(const ThreadInfo& s) {
  const auto& [a, b, c, d, e, f, g, h, i] = s;
  return std::tie(a, b, c, d, e, f, g, h, i);
}
auto Members(const Module& s) {
  const auto& [a, b, c, d, e, f, g] = s;
  return std::tie(a, b, c, d, e, f, g);
}
auto Members(const SourceExcerpt& s) {
  const auto& [a, b, c] = s;
  return std::tie(a, b, c);
}
auto Members(const MemoryExcerpt& s) {
  const auto& [a, b] = s;
  return std::tie(a, b);
}
auto Members(const ProcessInfo& s) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k] = s;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k);
}
auto Members(const ExceptionInfo& s) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l] = s;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l);
}
auto Members(const Notes& s) {
  const auto& [a, b] = s;
  return std::tie(a, b);
}
auto Members(const Report& s) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = s;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
}

template <typename T>
concept Record = requires(const T& value) {
  Members(value);
};

template <typename T>
bool Same(const T& a, const T& b);

template <typename T>
bool SameItem(const T& a, const T& b) {
  if constexpr (Record<T>) {
    return Same(a, b);
  } else {
    return a == b;
  }
}
template <typename T>
bool SameItem(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const T& x, const T& y) { return SameItem(x, y); });
}
template <typename T>
bool SameItem(const std::optional<T>& a, const std::optional<T>& b) {
  return a.has_value() == b.has_value() && (!a || SameItem(*a, *b));
}
template <typename T>
bool Same(const T& a, const T& b) {
  const auto left = Members(a);
  const auto right = Members(b);
  return [&]<size_t... I>(std::index_sequence<I...>) {
    return (SameItem(std::get<I>(left), std::get<I>(right)) && ...);
  }
  (std::make_index_sequence<std::tuple_size_v<decltype(left)>>());
}

// ---- arbitrary reports: any bytes in any text --------------------------------------------------------------------------

using rc::gen::arbitrary;

template <typename T>
T Any() {
  return *arbitrary<T>();
}
std::string AnyBytes() { return Any<std::string>(); }

template <typename Make>
auto Several(Make make) {
  std::vector<decltype(make())> items;
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) items.push_back(make());
  return items;
}
template <typename Make>
auto Perhaps(Make make) {
  return Any<bool>() ? std::optional(make()) : std::nullopt;
}
template <typename Enum, size_t N>
Enum AnyOf(const std::array<EnumName<Enum>, N>& names) {
  return names[*rc::gen::inRange<size_t>(0, N)].first;
}
// A key of an object: JSON has no other way than text for it.
std::string AnyKey() { return ReplaceInvalidUtf8(AnyBytes()); }

double AnyNumber() {
  return *rc::gen::suchThat(arbitrary<double>(), [](double value) { return std::isfinite(value); });
}

Frame AnyFrame() {
  Frame frame{Any<uint64_t>(), Any<uint64_t>(), AnyOf(kTrustNames), AnyBytes(), Any<uint64_t>(), AnyBytes(),
              Any<uint32_t>(), Any<uint32_t>(), Any<bool>(),        AnyBytes(), Any<uint64_t>(), AnyBytes()};
  if (frame.module.empty()) frame.module_offset = 0;
  return frame;
}

std::vector<RegisterValue> AnyRegisters() {
  std::vector<RegisterValue> registers;
  for (const std::string& name : *rc::gen::unique<std::vector<std::string>>(rc::gen::exec(AnyKey))) {
    registers.push_back({name, Any<uint64_t>(), AnyBytes()});
  }
  return registers;
}

ThreadInfo AnyThread() {
  ThreadInfo thread{.tid = Any<int32_t>(),
                    .name = AnyBytes(),
                    .has_registers = Any<bool>(),
                    .state = AnyBytes(),
                    .registers = AnyRegisters(),
                    .frames = Several(AnyFrame),
                    .frames_truncated = Any<bool>()};
  thread.frames_left_out = Any<uint64_t>();
  if (thread.frames_left_out != 0) thread.frames_left_out_after = Any<uint32_t>();
  return thread;
}

SignalRecord AnySignal() {
  SignalRecord signal{Any<int32_t>(), Any<int32_t>(), Any<uint64_t>(), Any<int32_t>(),
                      Any<int32_t>(), Any<int32_t>(), Any<int32_t>()};
  return signal.signo == 0 ? SignalRecord{} : signal;
}

ExceptionInfo AnyException() {
  ExceptionInfo exception;
  exception.reason = AnyOf(kReasonNames);
  const bool hang = exception.reason == ring::CrashReason::kHang;
  exception.type =
      hang ? ExceptionType::kGeneral : kExceptionTypes[*rc::gen::inRange<size_t>(0, kExceptionTypes.size())];
  exception.signal = AnySignal();
  exception.first = AnySignal();
  exception.signal_name = AnyBytes();
  exception.code_name = AnyBytes();
  exception.code_text = AnyBytes();
  exception.address = Perhaps(Any<uint64_t>);
  exception.address_meaning = AnyBytes();
  exception.access = AnyOf(kAccessNames);
  exception.explanation = AnyBytes();
  exception.consequence = AnyBytes();
  return exception;
}

std::map<std::string, std::string> AnyMap(std::string (*key)()) {
  std::map<std::string, std::string> map;
  for (const std::string& name : Several(key)) map[name] = AnyBytes();
  return map;
}

ProcessInfo AnyProcess() {
  return {Any<int32_t>(), Any<int32_t>(),  AnyBytes(),      AnyBytes(),     Several(AnyBytes), AnyBytes(),
          AnyNumber(),    Any<uint64_t>(), Any<uint32_t>(), AnyMap(AnyKey), Any<int32_t>()};
}

MemoryExcerpt AnyMemory() {
  return {Any<uint64_t>(), Several([] { return Perhaps(Any<uint8_t>); })};
}

Report AnyReport() {
  Report report;
  report.time = AnyBytes();
  report.machine = AnyBytes();
  report.process = AnyProcess();
  report.exception = AnyException();
  report.thread = AnyThread();
  report.threads = Several(AnyThread);
  report.disassembly = Several([] {
    return Instruction{Any<uint64_t>(), Any<std::vector<uint8_t>>(), AnyBytes(), Any<bool>()};
  });
  report.modules = Several([] {
    return Module{AnyBytes(), Any<uint64_t>(), Any<uint64_t>(), AnyBytes(), Any<bool>(), Any<bool>(), Any<bool>()};
  });
  report.source = Perhaps([] {
    return SourceExcerpt{AnyBytes(), Any<uint32_t>(), Several([] { return std::pair(Any<uint32_t>(), AnyBytes()); })};
  });
  report.memory_at_fault = Perhaps(AnyMemory);
  report.stack = Perhaps(AnyMemory);
  report.environment = AnyMap(AnyBytes);
  report.core_file = AnyBytes();
  report.notes = {Several(AnyBytes), Several(AnyBytes)};
  report.elapsed_ms = AnyNumber();
  return report;
}

RC_GTEST_PROP(FromJson, GivesBackWhatRenderJsonWasGiven, ()) {
  const Report report = AnyReport();
  const Result<Report> parsed = FromJson(RenderJson(report));
  if (!parsed) RC_FAIL(parsed.error().what);
  RC_ASSERT(Same(*parsed, report));
}

TEST(FromJson, GivesBackTheSample) {
  const Result<Report> parsed = FromJson(RenderJson(SampleReport()));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().what;
  EXPECT_TRUE(Same(*parsed, SampleReport()));
}

TEST(FromJson, TheComparisonOfThisTestSeesDifferences) {
  Report other = SampleReport();
  other.threads[0].frames[0].column = 9;
  EXPECT_FALSE(Same(other, SampleReport()));
}

}  // namespace
}  // namespace zxctl::report::test
