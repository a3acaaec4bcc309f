#include "regs.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "attached.h"
#include "base/proc_file.h"
#include "cli/complain.h"
#include "cli/option_kinds.h"
#include "cli/print.h"
#include "supervisor/proc_facts.h"
#include "symbols.h"

namespace zxctl {
namespace {

using Json = nlohmann::ordered_json;

// So often it is looked whether threads were born that have not been seen to stop.
constexpr int kMaxRounds = 100;

struct Assignment {
  const arch::RegisterField* field = nullptr;
  std::vector<std::byte> value;
};

// What is asked for, as far as it can be known without stopping anybody.
struct Request {
  TaskId task;
  const RegisterKind& kind;
  std::vector<Assignment> assignments;
  int64_t timeout_ns = 0;
  std::string program;  // ProgramOf() when the names were looked up
};

// What became of one thread.
struct ThreadAnswer {
  pid_t tid = 0;
  std::string name;
  std::optional<RegisterValues> values;
  std::string error;  // empty if there are values, or it has ended
  bool has_ended = false;
};

// ---- --set -----------------------------------------------------------------------------------------------------------

std::pair<std::string, std::string> SplitSet(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return {text, {}};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string TooWide(const arch::RegisterField& field, const std::string& text) {
  return fmt::format("{} has {} bits, and {} needs more", field.name, 8 * field.bytes, text);
}

// What is wrong with a word after --set; empty if nothing is.
std::string WhyNoSet(const std::string& text, const RegisterKind& kind) {
  const auto [name, value] = SplitSet(text);
  if (name.empty() || value.empty()) return fmt::format("'{}' is not of the form NAME=VALUE", text);
  const arch::RegisterField* field = kind.Find(name);
  if (field == nullptr) {
    return fmt::format("there is no register {}; there are {} (--kind {})", name, kind.List(), kind.name);
  }
  if (ParseHex(value, *field)) return {};
  const auto number = ParseNumber(value);
  return number && !BytesOf(*number, *field) ? TooWide(*field, value) : WhyNoValue(value);
}

void CheckSets(const RegsOptions& options) {
  const auto refuse = [](const std::string& why) { throw CLI::ValidationError("--set", why); };
  if (options.sets.empty()) return;
  // A breakpoint that outlived its tracer would kill the program.
  if (options.kind == "debug") {
    refuse("breakpoints last as long as somebody traces the thread, and zxctl lets it go at once");
  }
  const RegisterKind kind(options.kind);
  std::set<std::string> names;
  for (const std::string& set : options.sets) {
    if (const std::string why = WhyNoSet(set, kind); !why.empty()) refuse(why);
    const std::string name = SplitSet(set).first;
    if (!names.insert(name).second) refuse(name + " is set twice");
  }
}

Result<std::vector<std::byte>> ResolveSet(pid_t pid, const arch::RegisterField& field, const std::string& text) {
  if (auto bytes = ParseHex(text, field)) return std::move(*bytes);
  const auto value = ResolveValue(pid, text, ValueUse::kAny);
  if (!value) return Fail(value.error());
  if (auto bytes = BytesOf(*value, field)) {
    // A negative number is one at any width.
    const bool is_negative = text.starts_with('-');
    if (is_negative && bytes->size() > sizeof(*value))
      std::fill(bytes->begin() + sizeof(*value), bytes->end(), std::byte{0xff});
    return std::move(*bytes);
  }
  return Fail(Status{.zx = ZX_ERR_INVALID_ARGS, .what = TooWide(field, text)});
}

Result<std::vector<Assignment>> ResolveSets(pid_t pid, const RegisterKind& kind, const std::vector<std::string>& sets) {
  std::vector<Assignment> assignments;
  for (const std::string& set : sets) {
    const auto [name, text] = SplitSet(set);
    const arch::RegisterField* field = kind.Find(name);
    auto value = ResolveSet(pid, *field, text);
    if (!value) return Fail(value.error());
    assignments.push_back({.field = field, .value = std::move(*value)});
  }
  return assignments;
}

// What becomes another when the process executes a program: names stand for other addresses then.
std::string ProgramOf(pid_t pid) {
  constexpr size_t kMaxBytes = 4096;
  const auto auxv = ReadFile(fmt::format("/proc/{}/auxv", LiveThread(pid)), kMaxBytes);
  return auxv ? *auxv : std::string();
}

// ---- threads that stand ----------------------------------------------------------------------------------------------

bool IsKnown(const std::vector<AttachedThread>& known, pid_t tid) {
  return std::any_of(known.begin(), known.end(), [&](const AttachedThread& thread) { return thread.tid == tid; });
}

// Whether it stands: false when it has ended, or the time is up.
bool AwaitStop(const zx::Thread& thread, zx_time_t deadline) {
  zx_signals_t seen = 0;
  const zx_status_t status = thread.wait_one(ZX_THREAD_SUSPENDED | ZX_THREAD_TERMINATED, deadline, &seen);
  return status == ZX_OK && (seen & ZX_THREAD_TERMINATED) == 0;
}

// Those of a process that is being suspended: a thread that still runs may make others, until nobody is new.
Result<std::vector<AttachedThread>> AwaitAll(const AttachedProcess& process, zx_time_t deadline) {
  std::vector<AttachedThread> known;
  for (int round = 0; round < kMaxRounds; ++round) {
    auto threads = process.Threads();
    if (!threads) return Fail(threads.error());
    bool is_news = false;
    for (AttachedThread& thread : *threads) {
      if (IsKnown(known, thread.tid)) continue;
      is_news = true;
      (void)AwaitStop(thread.thread, deadline);
      known.push_back(std::move(thread));
    }
    if (!is_news) break;
  }
  return known;
}

Result<AttachedThread> FindThread(const AttachedProcess& process, pid_t tid) {
  auto threads = process.Threads();
  if (!threads) return Fail(threads.error());
  for (AttachedThread& thread : *threads) {
    if (thread.tid != tid) continue;
    auto found = std::move(thread);
    return found;
  }
  return Fail(Status{.zx = ZX_ERR_NOT_FOUND, .what = fmt::format("thread {} has ended", tid)});
}

bool HasSignal(const AttachedThread& thread, zx_signals_t which) {
  zx_signals_t signals = 0;
  (void)thread.thread.wait_one(0, 0, &signals);
  return (signals & which) != 0;
}

ThreadAnswer ReadThread(const AttachedThread& thread, const Request& request) {
  ThreadAnswer answer{.tid = thread.tid, .name = {}, .values = std::nullopt, .error = {}, .has_ended = false};
  if (const auto name = ReadTaskName(thread.tid)) answer.name = name->name;
  if (!HasSignal(thread, ZX_THREAD_SUSPENDED | ZX_THREAD_TERMINATED)) {
    answer.error = fmt::format(
        "it does not stop in time: it waits where nothing interrupts it (/proc/{}/task/{}/wchan names the "
        "place; a vfork, a device, or a frozen cgroup), or for a CPU; --timeout gives it more time",
        request.task.pid, thread.tid);
    return answer;
  }
  auto values = RegisterValues::Read(thread.thread, request.kind);
  answer.has_ended = HasSignal(thread, ZX_THREAD_TERMINATED);
  if (answer.has_ended) return answer;
  if (values) {
    answer.values = std::move(*values);
  } else {
    answer.error = values.error().ToString();
  }
  return answer;
}

ThreadAnswer SetAndRead(const AttachedThread& thread, const Request& request) {
  ThreadAnswer answer = ReadThread(thread, request);
  if (!answer.values || request.assignments.empty()) return answer;
  if (ProgramOf(request.task.pid) != request.program) {
    answer.values.reset();
    answer.error = "the process has executed another program meanwhile; nothing was set";
    return answer;
  }
  for (const Assignment& assignment : request.assignments) answer.values->Set(*assignment.field, assignment.value);
  if (const auto written = answer.values->Write(thread.thread); !written) {
    answer.values.reset();
    answer.error = written.error().ToString();
    return answer;
  }
  // What it has now need not be what was written: some bits are not a program's to set.
  return ReadThread(thread, request);
}

// ---- what is asked for -----------------------------------------------------------------------------------------------

using Answers = std::vector<ThreadAnswer>;

// What is suspended stays so until `token` is closed.
Result<Answers> OfOneThread(const AttachedProcess& process, const Request& request, zx::SuspendToken& token) {
  const auto thread = FindThread(process, request.task.tid);
  if (!thread) return Fail(thread.error());
  if (const zx_status_t status = thread->thread.suspend(&token); status != ZX_OK) return Fail(LastError(status));
  (void)AwaitStop(thread->thread, zx_deadline_after(request.timeout_ns));
  Answers answers;
  answers.push_back(SetAndRead(*thread, request));
  return answers;
}

Status WhichThread(pid_t pid, size_t threads) {
  return {
      .zx = ZX_ERR_INVALID_ARGS,
      .what = fmt::format("process {} has {} threads, and --set is for one: name it by its id (`ls /proc/{}/task`), "
                          "with --thread if it is the first",
                          pid, threads, pid)};
}

Result<Answers> OfAllThreads(const AttachedProcess& process, const Request& request, zx::SuspendToken& token) {
  // Nothing is stopped for what is refused anyway.
  auto threads = process.Threads();
  if (threads && (request.assignments.empty() || threads->size() == 1)) {
    if (const zx_status_t status = process.process().suspend(&token); status != ZX_OK) return Fail(LastError(status));
    threads = AwaitAll(process, zx_deadline_after(request.timeout_ns));
  }
  if (!threads) return Fail(threads.error());
  if (!request.assignments.empty() && threads->size() > 1) return Fail(WhichThread(request.task.pid, threads->size()));
  Answers answers;
  for (const AttachedThread& thread : *threads) answers.push_back(SetAndRead(thread, request));
  return answers;
}

// `kind` outlives the answers.
Result<Answers> Ask(const TaskId& task, const RegsOptions& options, const RegisterKind& kind) {
  // Before anything else: whoever may not trace it may not look for its names either.
  auto process = AttachedProcess::Attach(task.pid);
  if (!process) return Fail(process.error());
  const std::string program = ProgramOf(task.pid);
  auto assignments = ResolveSets(task.pid, kind, options.sets);
  if (!assignments) return Fail(assignments.error());
  const Request request{task, kind, std::move(*assignments), options.timeout_ns, program};
  const bool one = options.one_thread || task.tid != task.pid;
  const NoJobControl standing;
  // What was set may be good only while it is suspended: a trap after the next instruction ends as the process is let go.
  zx::SuspendToken token;
  auto answers = one ? OfOneThread(*process, request, token) : OfAllThreads(*process, request, token);
  // Before anything is printed: who reads that may be slow. What it has ended of meanwhile is its own affair.
  (void)process->LetGo();
  if (!answers) return answers;
  // Threads come and go.
  std::erase_if(*answers, [](const ThreadAnswer& answer) { return answer.has_ended; });
  if (!answers->empty()) return answers;
  return Fail(Status{.zx = ZX_ERR_NOT_FOUND,
                     .what = fmt::format("{} {} has ended", one ? "thread" : "process", one ? task.tid : task.pid)});
}

// ---- output ----------------------------------------------------------------------------------------------------------

void PrintText(const Answers& answers) {
  bool first = true;
  for (const ThreadAnswer& answer : answers) {
    if (!answer.values) {
      Complain(fmt::format("thread {} ({}): {}", answer.tid, answer.name, answer.error));
      continue;
    }
    Print("{}thread {} ({})\n", first ? "" : "\n", answer.tid, answer.name);
    first = false;
    for (const arch::RegisterField& field : answer.values->kind().fields) {
      Print("  {:<8} {}\n", field.name, answer.values->Hex(field));
    }
  }
}

Json ToJson(const ThreadAnswer& answer) {
  Json thread = {{"tid", answer.tid}, {"name", answer.name}};
  if (!answer.values) {
    thread["error"] = answer.error;
    return thread;
  }
  Json registers = Json::object();
  const RegisterValues& values = *answer.values;
  for (const arch::RegisterField& field : values.kind().fields) registers[std::string(field.name)] = values.Hex(field);
  thread[std::string(values.kind().name)] = std::move(registers);
  return thread;
}

void PrintJson(pid_t pid, const Answers& answers) {
  Json document = {{"schema_version", 1}, {"machine", arch::kMachineName}, {"pid", pid}, {"threads", Json::array()}};
  for (const ThreadAnswer& answer : answers) document["threads"].push_back(ToJson(answer));
  Print("{}\n", document.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

void DeclareRegs(CLI::App& app, RegsOptions& options) {
  AddTaskId(app, "TASK", options.task, "A process, all of whose threads are shown, or a thread, by its id")->required();
  app.add_option("--set", options.sets, "Write this first; may be given again for other registers")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
  app.add_option("--kind", options.kind, "Which registers: general, fp, vector or debug (general)")
      ->check(CLI::IsMember(RegisterKindNames()))
      ->type_name("");
  app.add_flag("--thread", options.one_thread, "The thread of this id alone, also where it is a process's first");
  AddDuration(app, "--timeout", options.timeout_ns, "How long threads may take to stop (5s)");
  app.add_flag("--json", options.json, "Print JSON");
  app.callback([&options] { CheckSets(options); });
  app.footer(
      "A VALUE is a number, or a name that the process has: main, libc.so.6!getpid, buffer+0x40. Of several --set all "
      "are "
      "written or none. The threads stand for as long as it takes, and then go on; calls that they were in too. Exit "
      "status "
      "0: done, 1: something failed, 125: wrong arguments, or standard output cannot be written.");
}

int Regs(const RegsOptions& options) {
  const auto task = FindTask(options.task);
  const RegisterKind kind(options.kind);
  const auto answers = task ? Ask(*task, options, kind) : Fail(task.error());
  if (!answers) {
    Complain((task ? Explain(task->pid, answers.error()) : answers.error()).ToString());
    return 1;
  }
  if (options.json) {
    PrintJson(task->pid, *answers);
  } else {
    PrintText(*answers);
  }
  const bool all = std::all_of(answers->begin(), answers->end(), [](const auto& answer) { return answer.values; });
  const int status = EndOutput(all ? 0 : 1);
  if (status > 1 && all && !options.sets.empty()) Complain("the registers were set all the same");
  return status;
}

}  // namespace zxctl
