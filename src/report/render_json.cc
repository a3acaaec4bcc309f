#include "report/render_json.h"

#include <fmt/format.h>

#include <cmath>
#include <span>

#include "report/json_names.h"
#include "report/text_safety.h"

namespace zxctl::report {
namespace {

std::string Hex(uint64_t value) { return fmt::format("{:#x}", value); }

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json OrNull(uint32_t number) { return number == 0 ? Json(nullptr) : Json(number); }

// JSON has no infinity and no NaN.
Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(0); }

std::string HexBytes(std::span<const uint8_t> bytes) {
  std::string out;
  for (const uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

std::string HexBytes(std::string_view bytes) {
  return HexBytes(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
}

template <typename Container, typename Convert>
Json Array(const Container& items, Convert convert) {
  Json array = Json::array();
  for (const auto& item : items) array.push_back(convert(item));
  return array;
}

template <typename T, typename Convert>
Json Optional(const std::optional<T>& value, Convert convert) {
  return value ? convert(*value) : Json(nullptr);
}

Json StringMap(const std::map<std::string, std::string>& map) {
  Json object = Json::object();
  for (const auto& [name, value] : map) object[ReplaceInvalidUtf8(name)] = value;
  return object;
}

Json FromFrame(const Frame& frame) {
  return {{"pc", Hex(frame.pc)},
          {"function", OrNull(frame.function)},
          {"function_offset", Hex(frame.function_offset)},
          {"file", OrNull(frame.file)},
          {"line", OrNull(frame.line)},
          {"column", OrNull(frame.column)},
          {"inlined", frame.inlined},
          {"module", OrNull(frame.module)},
          {"offset", frame.module.empty() ? Json(nullptr) : Json(Hex(frame.module_offset))},
          {"build_id", OrNull(frame.build_id)},
          {"sp", Hex(frame.sp)},
          {"trust", NameOf(kTrustNames, frame.trust)}};
}

Json FromRegisters(const std::vector<RegisterValue>& registers) {
  Json object = Json::object();
  for (const RegisterValue& value : registers) object[ReplaceInvalidUtf8(value.name)] = Hex(value.value);
  return object;
}

Json FromGap(const ThreadInfo& thread) {
  if (thread.frames_left_out == 0) return nullptr;
  return {{"count", thread.frames_left_out}, {"after", thread.frames_left_out_after}};
}

Json FromThreadHead(const ThreadInfo& thread) {
  return {{"tid", thread.tid},
          {"name", OrNull(thread.name)},
          {"state", OrNull(thread.state)},
          {"has_registers", thread.has_registers},
          {"registers", FromRegisters(thread.registers)},
          {"register_details", Array(thread.registers,
                                     [](const RegisterValue& value) {
                                       return Json{{"name", value.name}, {"meaning", OrNull(value.meaning)}};
                                     })},
          {"frames_truncated", thread.frames_truncated},
          {"frames_left_out", FromGap(thread)}};
}

Json FromThread(const ThreadInfo& thread) {
  Json object = FromThreadHead(thread);
  object["frames"] = Array(thread.frames, FromFrame);
  return object;
}

Json FromProcess(const ProcessInfo& process) {
  return {{"pid", process.pid},
          {"parent_pid", process.parent_pid},
          {"uid", process.uid},
          {"name", OrNull(process.name)},
          {"executable", OrNull(process.executable)},
          {"command_line", Array(process.command_line, [](const std::string& word) { return Json(word); })},
          {"working_directory", OrNull(process.working_directory)},
          {"uptime_seconds", Number(process.uptime_seconds)},
          {"memory_bytes", process.memory_bytes},
          {"thread_count", process.thread_count},
          {"limits", StringMap(process.limits)}};
}

Json FromSignal(const SignalRecord& signal) {
  if (signal.signo == 0) return nullptr;
  return {{"number", signal.signo}, {"code", signal.code},       {"address", Hex(signal.address)}, {"pid", signal.pid},
          {"uid", signal.uid},      {"syscall", signal.syscall}, {"error", signal.error}};
}

// A hang is no exception: nothing has faulted.
Json TypeOf(const ExceptionInfo& exception) {
  if (exception.reason == ring::CrashReason::kHang) return nullptr;
  return ExceptionTypeName(exception.type);
}

Json FromException(const ExceptionInfo& exception) {
  return {{"reason", NameOf(kReasonNames, exception.reason)},
          {"type", TypeOf(exception)},
          {"signal", OrNull(exception.signal_name)},
          {"code", OrNull(exception.code_name)},
          {"code_text", OrNull(exception.code_text)},
          {"address", Optional(exception.address, [](uint64_t address) { return Json(Hex(address)); })},
          {"address_meaning", OrNull(exception.address_meaning)},
          {"access", exception.access == Access::kUnknown ? Json(nullptr) : NameOf(kAccessNames, exception.access)},
          {"explanation", OrNull(exception.explanation)},
          {"consequence", OrNull(exception.consequence)},
          {"fatal_signal", FromSignal(exception.signal)},
          {"first_fault", FromSignal(exception.first)}};
}

Json FromInstruction(const Instruction& instruction) {
  return {{"address", Hex(instruction.address)},
          {"bytes", HexBytes(instruction.bytes)},
          {"text", instruction.text},
          {"faulting", instruction.faulting}};
}

Json FromModule(const Module& module) {
  return {{"path", module.path},
          {"start", Hex(module.start)},
          {"end", Hex(module.end)},
          {"build_id", OrNull(module.build_id)},
          {"deleted", module.deleted},
          {"has_symbols", module.has_symbols},
          {"has_debug_info", module.has_debug_info}};
}

Json FromSource(const SourceExcerpt& source) {
  const auto line = [](const std::pair<uint32_t, std::string>& item) {
    return Json{{"number", item.first}, {"text", item.second}};
  };
  return {{"file", source.file}, {"line", source.line}, {"lines", Array(source.lines, line)}};
}

Json FromMemory(const MemoryExcerpt& memory) {
  std::string bytes;
  for (const std::optional<uint8_t>& byte : memory.bytes) bytes += byte ? fmt::format("{:02x}", *byte) : "??";
  return {{"address", Hex(memory.address)}, {"bytes", bytes}};
}

Json FromEnvironment(const std::map<std::string, std::string>& environment) {
  return Array(environment, [](const auto& entry) { return Json{{"name", entry.first}, {"value", entry.second}}; });
}

// A key as a part of a JSON pointer (RFC 6901).
std::string PointerStep(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// Replaces the strings below `node` that are not UTF-8 and lists what they were.
void MakeUtf8(Json& node, const std::string& pointer, Json& raw) {
  if (node.is_string()) {
    auto& text = node.get_ref<std::string&>();
    if (IsValidUtf8(text)) return;
    raw.push_back({{"pointer", pointer}, {"bytes", HexBytes(text)}});
    text = ReplaceInvalidUtf8(text);
  } else if (node.is_structured()) {
    for (auto& [key, child] : node.items()) {
      // Only text can be bad, and most members are not text.
      if (child.is_string() || child.is_structured()) {
        MakeUtf8(child, pointer + PointerStep(key), raw);
      }
    }
  }
}

Json Head(const Report& report) {
  return {{"schema_version", kSchemaVersion},
          {"time", report.time},
          {"machine", report.machine},
          {"process", FromProcess(report.process)},
          {"exception", FromException(report.exception)},
          {"thread", FromThreadHead(report.thread)},
          {"frames", Array(report.thread.frames, FromFrame)},
          {"threads", Array(report.threads, FromThread)},
          {"disassembly", Array(report.disassembly, FromInstruction)}};
}

}  // namespace

Json ToJson(const Report& report) {
  Json json = Head(report);
  json["source"] = Optional(report.source, FromSource);
  json["memory_at_fault"] = Optional(report.memory_at_fault, FromMemory);
  json["stack"] = Optional(report.stack, FromMemory);
  json["environment"] = FromEnvironment(report.environment);
  json["modules"] = Array(report.modules, FromModule);
  json["core_file"] = OrNull(report.core_file);
  json["notes"] = {{"limits", report.notes.limits}, {"withheld", report.notes.withheld}};
  json["elapsed_ms"] = Number(report.elapsed_ms);
  Json raw = Json::array();
  MakeUtf8(json, "", raw);
  json["raw_bytes"] = std::move(raw);
  return json;
}

std::string RenderJson(const Report& report) {
  return ToJson(report).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace zxctl::report
