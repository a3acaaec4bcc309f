#include <algorithm>

#include "report/json_names.h"
#include "report/json_reader.h"
#include "report/render_json.h"

namespace zxctl::report {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 16;

template <typename Convert>
auto List(const JsonReader& reader, Convert convert) {
  std::vector<decltype(convert(reader))> list;
  reader.ForEachElement([&](const JsonReader& element) { list.push_back(convert(element)); });
  return list;
}

template <typename Convert>
auto Optional(const JsonReader& reader, Convert convert) -> std::optional<decltype(convert(reader))> {
  if (reader.IsNull()) return std::nullopt;
  return convert(reader);
}

template <typename Enum, size_t N>
Enum Named(const JsonReader& reader, const std::array<EnumName<Enum>, N>& names) {
  const std::optional<Enum> value = ValueOf(names, reader.Text());
  if (value) return *value;
  reader.Fail("is not a word that it can be");
  return names[0].first;
}

std::string ToText(const JsonReader& reader) { return reader.Text(); }

Frame ToFrame(const JsonReader& reader) {
  return {.pc = reader["pc"].Hex(),
          .sp = reader["sp"].Hex(),
          .trust = Named(reader["trust"], kTrustNames),
          .function = reader["function"].TextOrNull(),
          .function_offset = reader["function_offset"].Hex(),
          .file = reader["file"].TextOrNull(),
          .line = reader["line"].IntegerOrNull<uint32_t>(),
          .column = reader["column"].IntegerOrNull<uint32_t>(),
          .inlined = reader["inlined"].Bool(),
          .module = reader["module"].TextOrNull(),
          .module_offset = reader["offset"].HexOrNull(),
          .build_id = reader["build_id"].TextOrNull()};
}

// The order is that of the details: the members of an object have none.
std::vector<RegisterValue> ToRegisters(const JsonReader& thread) {
  const JsonReader values = thread["registers"];
  return List(thread["register_details"], [&values](const JsonReader& detail) {
    RegisterValue value{.name = detail["name"].Text(), .meaning = detail["meaning"].TextOrNull()};
    value.value = values[value.name.c_str()].Hex();
    return value;
  });
}

template <typename T>
T GapMember(const JsonReader& gap, const char* name) {
  return gap.IsNull() ? T{} : gap[name].Integer<T>();
}

ThreadInfo ToThread(const JsonReader& thread, const JsonReader& frames) {
  return {.tid = thread["tid"].Integer<int32_t>(),
          .name = thread["name"].TextOrNull(),
          .has_registers = thread["has_registers"].Bool(),
          .state = thread["state"].TextOrNull(),
          .registers = ToRegisters(thread),
          .frames = List(frames, ToFrame),
          .frames_truncated = thread["frames_truncated"].Bool(),
          .frames_left_out = GapMember<uint64_t>(thread["frames_left_out"], "count"),
          .frames_left_out_after = GapMember<uint32_t>(thread["frames_left_out"], "after")};
}

std::map<std::string, std::string> ToLimits(const JsonReader& reader) {
  std::map<std::string, std::string> limits;
  reader.ForEachMember([&](const std::string& name, const JsonReader& value) { limits[name] = value.Text(); });
  return limits;
}

ProcessInfo ToProcess(const JsonReader& reader) {
  return {.pid = reader["pid"].Integer<int32_t>(),
          .parent_pid = reader["parent_pid"].Integer<int32_t>(),
          .name = reader["name"].TextOrNull(),
          .executable = reader["executable"].TextOrNull(),
          .command_line = List(reader["command_line"], ToText),
          .working_directory = reader["working_directory"].TextOrNull(),
          .uptime_seconds = reader["uptime_seconds"].Double(),
          .memory_bytes = reader["memory_bytes"].Integer<uint64_t>(),
          .thread_count = reader["thread_count"].Integer<uint32_t>(),
          .limits = ToLimits(reader["limits"]),
          .uid = reader["uid"].Integer<int32_t>()};
}

SignalRecord ToSignal(const JsonReader& reader) {
  if (reader.IsNull()) return {};
  return {.signo = reader["number"].Integer<int32_t>(),
          .code = reader["code"].Integer<int32_t>(),
          .address = reader["address"].Hex(),
          .pid = reader["pid"].Integer<int32_t>(),
          .uid = reader["uid"].Integer<int32_t>(),
          .syscall = reader["syscall"].Integer<int32_t>(),
          .error = reader["error"].Integer<int32_t>()};
}

ExceptionType ToType(const JsonReader& reader) {
  if (reader.IsNull()) return ExceptionType::kGeneral;
  const std::string name = reader.Text();
  for (const ExceptionType type : kExceptionTypes) {
    if (ExceptionTypeName(type) == name) return type;
  }
  reader.Fail("is no exception type");
  return ExceptionType::kGeneral;
}

ExceptionInfo ToException(const JsonReader& reader) {
  const JsonReader access = reader["access"];
  return {.reason = Named(reader["reason"], kReasonNames),
          .type = ToType(reader["type"]),
          .signal = ToSignal(reader["fatal_signal"]),
          .first = ToSignal(reader["first_fault"]),
          .signal_name = reader["signal"].TextOrNull(),
          .code_name = reader["code"].TextOrNull(),
          .code_text = reader["code_text"].TextOrNull(),
          .address = Optional(reader["address"], [](const JsonReader& address) { return address.Hex(); }),
          .address_meaning = reader["address_meaning"].TextOrNull(),
          .access = access.IsNull() ? Access::kUnknown : Named(access, kAccessNames),
          .explanation = reader["explanation"].TextOrNull(),
          .consequence = reader["consequence"].TextOrNull()};
}

Instruction ToInstruction(const JsonReader& reader) {
  Instruction instruction{.address = reader["address"].Hex(),
                          .bytes = {},
                          .text = reader["text"].Text(),
                          .faulting = reader["faulting"].Bool()};
  for (const std::optional<uint8_t> byte : reader["bytes"].HexBytes(false)) {
    instruction.bytes.push_back(byte.value_or(0));
  }
  return instruction;
}

Module ToModule(const JsonReader& reader) {
  return {.path = reader["path"].Text(),
          .start = reader["start"].Hex(),
          .end = reader["end"].Hex(),
          .build_id = reader["build_id"].TextOrNull(),
          .deleted = reader["deleted"].Bool(),
          .has_symbols = reader["has_symbols"].Bool(),
          .has_debug_info = reader["has_debug_info"].Bool()};
}

SourceExcerpt ToSource(const JsonReader& reader) {
  const auto line = [](const JsonReader& item) {
    return std::pair(item["number"].Integer<uint32_t>(), item["text"].Text());
  };
  return {
      .file = reader["file"].Text(), .line = reader["line"].Integer<uint32_t>(), .lines = List(reader["lines"], line)};
}

MemoryExcerpt ToMemory(const JsonReader& reader) {
  return {.address = reader["address"].Hex(), .bytes = reader["bytes"].HexBytes(true)};
}

std::map<std::string, std::string> ToEnvironment(const JsonReader& reader) {
  std::map<std::string, std::string> environment;
  reader.ForEachElement([&](const JsonReader& entry) { environment[entry["name"].Text()] = entry["value"].Text(); });
  return environment;
}

Report ToReport(const JsonReader& reader) {
  if (reader["schema_version"].Integer<int>() != kSchemaVersion) reader.Fail("has another schema_version");
  return {
      .time = reader["time"].Text(),
      .machine = reader["machine"].Text(),
      .process = ToProcess(reader["process"]),
      .exception = ToException(reader["exception"]),
      .thread = ToThread(reader["thread"], reader["frames"]),
      .threads = List(reader["threads"], [](const JsonReader& thread) { return ToThread(thread, thread["frames"]); }),
      .disassembly = List(reader["disassembly"], ToInstruction),
      .modules = List(reader["modules"], ToModule),
      .source = Optional(reader["source"], ToSource),
      .memory_at_fault = Optional(reader["memory_at_fault"], ToMemory),
      .stack = Optional(reader["stack"], ToMemory),
      .environment = ToEnvironment(reader["environment"]),
      .core_file = reader["core_file"].TextOrNull(),
      .notes = {.limits = List(reader["notes"]["limits"], ToText),
                .withheld = List(reader["notes"]["withheld"], ToText)},
      .elapsed_ms = reader["elapsed_ms"].Double()};
}

// The string that `pointer` names; nothing when it names no string.
std::string* FindText(json& document, const std::string& pointer) {
  try {
    return document.at(json::json_pointer(pointer)).get_ptr<std::string*>();
  } catch (const json::exception&) {
    return nullptr;
  }
}

// Puts the true bytes of the strings that were not UTF-8 back.
void RestoreRawBytes(json& document, std::string& failure) {
  json raw = json::object();
  raw["raw_bytes"] = std::move(document["raw_bytes"]);
  JsonReader(raw, failure)["raw_bytes"].ForEachElement([&](const JsonReader& entry) {
    std::string* text = FindText(document, entry["pointer"].Text());
    if (text == nullptr) return entry.Fail("names no string");
    text->clear();
    for (const std::optional<uint8_t> byte : entry["bytes"].HexBytes(false)) {
      text->push_back(static_cast<char>(byte.value_or(0)));
    }
  });
}

// How deep arrays and objects are nested. A report needs 6; a deep nest costs the parser much more memory than text.
size_t DepthOf(std::string_view text) {
  size_t depth = 0;
  size_t deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted) {
      i += c == '\\' ? 1 : 0;
      continue;
    }
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  return deepest;
}

}  // namespace

Result<Report> FromJson(std::string_view text) {
  const auto refuse = [](std::string what) {
    return Fail(Status{.zx = ZX_ERR_IO_DATA_INTEGRITY, .what = std::move(what)});
  };
  if (text.size() > kMaxJsonBytes) return refuse("the report is too long");
  if (DepthOf(text) > kMaxDepth) return refuse("the report is nested too deeply");
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return refuse("the report is not a JSON object");
  std::string failure;
  RestoreRawBytes(document, failure);
  Report report = ToReport(JsonReader(document, failure));
  if (!failure.empty()) return refuse(std::move(failure));
  return report;
}

}  // namespace zxctl::report
