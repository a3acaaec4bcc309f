#include "report/render_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/text_safety.h"
#include "support/child_process.h"
#include "support/supervised.h"
#include "support/temp_dir.h"
#include "unit/report_sample.h"

namespace zxctl::report::test {
namespace {

using ::testing::HasSubstr;
using zxctl::test::Outcome;
using zxctl::test::RunCommand;
using zxctl::test::SourcePath;
using zxctl::test::TempDir;

constexpr char kBad[] =
    "b\xff\x80"
    "ad";

constexpr char kValidator[] = R"(
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
for line in open(sys.argv[2], encoding="utf-8"):
    jsonschema.Draft202012Validator(schema).validate(json.loads(line))
)";

// What the published schema has to say about the document; exit 0 for nothing. The system's own python3 has the module.
Outcome Validate(const std::string& document) {
  const TempDir dir;
  const std::string path = dir.Write("report.json", document + "\n");
  return RunCommand(
      {"/usr/bin/python3", "-W", "ignore", "-c", kValidator, SourcePath("docs/crash-report.schema.json"), path});
}

Report FullReport() {
  Report report = SampleReport();
  report.stack = MemoryExcerpt{0x7ffff7d80000, {0x00, std::nullopt, 0xff}};
  report.environment = {{"HOME", "/root"}, {kBad, kBad}};
  report.exception.first = report.exception.signal;
  report.process.name = kBad;
  report.thread.frames[0].function = kBad;
  return report;
}

TEST(RenderJson, IsAcceptedByThePublishedSchema) {
  for (const Report& report : {SampleReport(), FullReport(), Report{}}) {
    const Outcome outcome = Validate(RenderJson(report));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
  }
}

TEST(RenderJson, EveryReasonAndTypeIsAcceptedByThePublishedSchema) {
  std::string documents;
  for (uint32_t reason = 0; reason <= 3; ++reason) {
    for (const uint32_t type : {0u, 1u, 2u, 3u, 4u, 5u, 0x80u, 0x81u, 0x82u, 0x83u}) {
      Report report = SampleReport();
      report.exception.reason = static_cast<ring::CrashReason>(reason);
      report.exception.type = static_cast<ExceptionType>(type);
      documents += RenderJson(report) + "\n";
    }
  }
  const Outcome outcome = Validate(documents.substr(0, documents.size() - 1));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST(RenderJson, ThePublishedSchemaRefusesOtherDocuments) {
  Json json = ToJson(SampleReport());
  json["frames"][0]["trust"] = "perhaps";
  EXPECT_NE(Validate(json.dump()).status, 0);
  json = ToJson(SampleReport());
  json["surprise"] = 1;
  EXPECT_NE(Validate(json.dump()).status, 0);
  json = ToJson(SampleReport());
  json.erase("exception");
  EXPECT_NE(Validate(json.dump()).status, 0);
}

TEST(RenderJson, HasTheMembersThatReadersRelyOn) {
  const Json json = ToJson(SampleReport());
  EXPECT_EQ(json["schema_version"], 1);
  EXPECT_EQ(json["process"]["pid"], 4711);
  EXPECT_EQ(json["process"]["command_line"][2], "two words");
  EXPECT_EQ(json["exception"]["type"], "fatal-page-fault");
  EXPECT_EQ(json["exception"]["signal"], "SIGSEGV");
  EXPECT_EQ(json["exception"]["code"], "SEGV_MAPERR");
  EXPECT_EQ(json["exception"]["address"], "0x10");
  EXPECT_EQ(json["exception"]["access"], "write");
  EXPECT_EQ(json["thread"]["registers"]["rip"], "0x555555555189");
  EXPECT_EQ(json["frames"][0]["function"], "list_push");
  EXPECT_EQ(json["frames"][0]["line"], 42);
  EXPECT_EQ(json["frames"][1]["inlined"], true);
  EXPECT_EQ(json["frames"][3]["trust"], "frame-pointer");
  EXPECT_EQ(json["threads"].size(), 3u);
  EXPECT_EQ(json["disassembly"][1]["faulting"], true);
}

TEST(RenderJson, BeginsWithTheVersionAndIsOneLine) {
  const std::string text = RenderJson(FullReport());
  EXPECT_TRUE(text.starts_with("{\"schema_version\":1,\"time\":"));
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST(RenderJson, UnknownIsNull) {
  const Json json = ToJson(Report{});
  EXPECT_TRUE(json["exception"]["signal"].is_null());
  EXPECT_TRUE(json["exception"]["address"].is_null());
  EXPECT_TRUE(json["exception"]["access"].is_null());
  EXPECT_TRUE(json["source"].is_null());
  EXPECT_TRUE(json["core_file"].is_null());
}

TEST(RenderJson, AHangHasNoType) {
  Report report;
  report.exception.reason = ring::CrashReason::kHang;
  EXPECT_TRUE(ToJson(report)["exception"]["type"].is_null());
  EXPECT_EQ(ToJson(report)["exception"]["reason"], "hang");
}

TEST(RenderJson, BytesThatAreNotUtf8AreReplacedAndKeptBesides) {
  Report report;
  report.process.command_line = {"fine", kBad};
  const std::string text = RenderJson(report);
  EXPECT_TRUE(IsValidUtf8(text));
  const Json json = Json::parse(text);
  EXPECT_EQ(json["process"]["command_line"][1], "b\uFFFD\uFFFDad");
  EXPECT_EQ(json["raw_bytes"], Json::array({{{"pointer", "/process/command_line/1"}, {"bytes", "62ff806164"}}}));
}

TEST(RenderJson, NumbersThatJsonDoesNotHaveBecomeZero) {
  Report report;
  report.process.uptime_seconds = 1.0 / 0.0;
  EXPECT_EQ(ToJson(report)["process"]["uptime_seconds"], 0);
}

// ---- hostile documents ------------------------------------------------------------------------------------------------

std::string ErrorOf(const std::string& text) {
  const Result<Report> report = FromJson(text);
  return report ? "accepted" : report.error().what;
}

TEST(FromJson, RefusesWhatIsNoReport) {
  EXPECT_EQ(ErrorOf(""), "the report is not a JSON object");
  EXPECT_EQ(ErrorOf("[]"), "the report is not a JSON object");
  EXPECT_EQ(ErrorOf("null"), "the report is not a JSON object");
  EXPECT_EQ(ErrorOf("{\"a\":1e999}"), "the report is not a JSON object");
  EXPECT_EQ(ErrorOf("{\"a\":\"\xff\"}"), "the report is not a JSON object");
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("raw_bytes"));
  EXPECT_EQ(ErrorOf(std::string(kMaxJsonBytes + 1, ' ')), "the report is too long");
}

TEST(FromJson, IsCutAnywhereWithoutHarm) {
  const std::string text = RenderJson(FullReport());
  for (size_t length = 0; length < text.size(); length += 7) {
    EXPECT_FALSE(FromJson(std::string_view(text).substr(0, length)).has_value()) << length;
  }
}

// Every value of the document, one after the other, is replaced by `values`; nothing may crash, and what is accepted must
// be renderable.
void ReplaceEach(const Json& document, const std::vector<Json>& values) {
  const Json flat = document.flatten();
  for (const auto& [pointer, unused] : flat.items()) {
    for (const Json& value : values) {
      Json changed = document;
      changed[Json::json_pointer(pointer)] = value;
      const Result<Report> report = FromJson(changed.dump());
      EXPECT_FALSE((report ? RenderJson(*report) : report.error().what).empty());
    }
  }
}

TEST(FromJson, SurvivesAnyValueInAnyPlace) {
  ReplaceEach(ToJson(FullReport()), {Json(nullptr), Json(-1), Json(1e300), Json(UINT64_MAX), Json("?"),
                                     Json::array({1}), Json::object({{"x", 1}}), Json(true)});
}

TEST(FromJson, NamesTheMemberThatIsWrong) {
  Json json = ToJson(SampleReport());
  json["frames"][1]["pc"] = "12";
  EXPECT_EQ(ErrorOf(json.dump()), "the report.frames[1].pc is not an address (\"0x…\")");
  json = ToJson(SampleReport());
  json["process"].erase("pid");
  EXPECT_EQ(ErrorOf(json.dump()), "the report.process.pid is missing");
}

TEST(FromJson, RefusesNumbersThatDoNotFit) {
  for (const Json& value : {Json(1ll << 40), Json(-(1ll << 40)), Json(1.5), Json(UINT64_MAX)}) {
    Json json = ToJson(SampleReport());
    json["process"]["pid"] = value;
    EXPECT_THAT(ErrorOf(json.dump()), HasSubstr("process.pid is not an integer that fits"));
  }
}

TEST(FromJson, RefusesAddressesOfMoreThan64Bits) {
  Json json = ToJson(SampleReport());
  for (const char* value : {"0x10000000000000000", "0x", "0xg", "10", "0x-1", "0x+1", "0x 1"}) {
    json["exception"]["address"] = value;
    EXPECT_THAT(ErrorOf(json.dump()), HasSubstr("exception.address is not an address")) << value;
  }
}

TEST(FromJson, RefusesAnotherVersion) {
  Json json = ToJson(SampleReport());
  json["schema_version"] = 2;
  EXPECT_THAT(ErrorOf(json.dump()), HasSubstr("another schema_version"));
}

TEST(FromJson, RefusesRawBytesThatPointNowhere) {
  for (const char* pointer : {"/nowhere", "/process/pid", "no pointer", "", "/frames/99999999999999999999", "/frames/-",
                              "/raw_bytes/0/pointer"}) {
    Json json = ToJson(SampleReport());
    json["raw_bytes"] = Json::array({{{"pointer", pointer}, {"bytes", "ff"}}});
    EXPECT_THAT(ErrorOf(json.dump()), HasSubstr("raw_bytes[0] names no string")) << pointer;
  }
}

TEST(FromJson, RefusesDeepNests) {
  const size_t depth = 4u << 20;
  const std::string nest = std::string(depth, '[') + std::string(depth, ']');
  EXPECT_EQ(ErrorOf("{\"raw_bytes\":" + nest + "}"), "the report is nested too deeply");
  EXPECT_EQ(ErrorOf(std::string(depth, '[')), "the report is nested too deeply");
  EXPECT_EQ(ErrorOf(R"({"\\":)" + nest + "}"), "the report is nested too deeply");
}

TEST(FromJson, BracketsInTextAreNoNest) {
  Report report = SampleReport();
  report.process.name = "\"\\[[[[[[[[[[[[[[[[[[[[[[[[[[{{{{\\\"";
  EXPECT_EQ(ErrorOf(RenderJson(report)), "accepted");
}

TEST(FromJson, TakesManyMembersInItsStride) {
  std::string text = "{";
  for (int i = 0; i < 300000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  text += "\"last\":0}";
  EXPECT_NE(ErrorOf(text), "accepted");
}

TEST(FromJson, IgnoresMembersThatItDoesNotKnow) {
  Json json = ToJson(SampleReport());
  json["future"] = {{"x", 1}};
  EXPECT_EQ(ErrorOf(json.dump()), "accepted");
}

}  // namespace
}  // namespace zxctl::report::test
