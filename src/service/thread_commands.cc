// What a client asks of threads: to be made, to be started, for their registers.
#include <zircon/syscalls/debug.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "service/client.h"
#include "service/task_records.h"

namespace zxctl::service {
namespace {

Status NotRunning(std::string_view why) { return {.zx = ZX_ERR_BAD_STATE, .what = std::string(why)}; }

}  // namespace

void Client::DoCreateThread(const ring::Command& command) {
  Process* process = tracer_.tree().FindProcessByKoid(command.task);
  if (process == nullptr || process->detaching)
    return Answer(command, NotRunning("the process is dead, or was let go"));
  tracer_.CreateThread(*process, [this, command](Result<Thread*> made) {
    if (!made) return Answer(command, made.error());
    WatchTask((*made)->koid);
    AnswerTask(command, RecordOf(**made));
  });
}

// First the process, then pc, then the thread: the order in which the call promises its errors.
void Client::DoStartThread(const ring::Command& command, std::span<const std::byte> bytes) {
  ring::StartThread start;
  if (bytes.size() != sizeof(start)) {
    broken_ = true;
    return;
  }
  std::memcpy(&start, bytes.data(), sizeof(start));
  const Process* process = tracer_.tree().FindProcessByKoid(command.other);
  if (process == nullptr || process->killed || process->detaching || process->dying_tid != 0) {
    return Answer(command, NotRunning("the process is dead, or about to be, or was let go"));
  }
  if (process->at_exec != AtExec::kNothing) return Answer(command, NotRunning("the process has no program yet"));
  if (start.must_be_first != 0 && !process->parked) {
    return Answer(command, NotRunning("the process has been started already: start its further threads with "
                                      "zx_thread_start()"));
  }
  if (const auto refused = arch::ValidateStartRegs(start.regs, arch::AddressBits()); refused) {
    return Answer(command, ZX_ERR_INVALID_ARGS, refused->ToString());
  }
  Thread* thread = tracer_.tree().FindThreadByKoid(command.task);
  const bool is_first = thread != nullptr && process->parked && thread->tid == process->pid;
  const bool is_starting =
      thread != nullptr && (thread->start != nullptr || (thread->created && thread->errand != nullptr));
  if (thread == nullptr || thread->kill != KillPhase::kNone || (!thread->created && !is_first) || is_starting) {
    const bool is_gone = thread == nullptr || thread->kill != KillPhase::kNone;
    return Answer(command,
                  NotRunning(is_gone ? "the thread is dead, or about to be" : "the thread has been started already"));
  }
  tracer_.StartThread(*thread, start.regs, [this, command](const Result<void>& started) {
    if (!started) return Answer(command, started.error());
    // Whoever has started it must not find it new.
    const Thread* running = tracer_.tree().FindThreadByKoid(command.task);
    if (running != nullptr && running->process != nullptr) SendTask(RecordOf(*running));
    const Process* begun = tracer_.tree().FindProcessByKoid(command.other);
    if (begun != nullptr) SendTask(RecordOf(*begun));
    Answer(command, ZX_OK);
  });
}

// ---- registers -------------------------------------------------------------------------------------------------------

const arch::StateLayout* Client::FindState(const ring::Command& command) {
  const arch::StateLayout* layout = arch::FindState(command.options);
  if (layout == nullptr) broken_ = true;
  return layout;
}

Thread* Client::StandingThread(const ring::Command& command, const arch::StateLayout& layout) {
  Thread* thread = tracer_.tree().FindThreadByKoid(command.task);
  const ExceptionPacket* exception = thread == nullptr ? nullptr : router_.Find(thread->tid);
  const bool runs_on = layout.kind == ZX_THREAD_STATE_GENERAL_REGS || layout.kind == ZX_THREAD_STATE_SINGLE_STEP;
  if (exception != nullptr && exception->kind == FaultKind::kExit && runs_on) {
    Answer(command, ZX_ERR_NOT_SUPPORTED, "a thread that exits has no registers any more");
    return nullptr;
  }
  const bool parked = thread != nullptr && thread->process != nullptr && thread->process->parked;
  if (thread == nullptr || parked || (exception == nullptr && !thread->told_suspended)) {
    Answer(command, ZX_ERR_BAD_STATE,
           "the thread is neither suspended nor in an exception: suspend it, and wait for ZX_THREAD_SUSPENDED");
    return nullptr;
  }
  return thread;
}

void Client::DoReadState(const ring::Command& command) {
  const arch::StateLayout* layout = FindState(command);
  if (command.key > ring::kMaxFurther) broken_ = true;
  Thread* thread = broken_ ? nullptr : StandingThread(command, *layout);
  if (thread == nullptr) return;
  // It may have gone on before it was lent, or died on the way.
  if (thread->errand != nullptr) return tracer_.AfterErrand(*thread, [this, command] { DoReadState(command); });
  std::vector<std::byte> state(layout->bytes);
  const auto read = tracer_.ReadState(*thread, *layout, state);
  if (!read) return Answer(command, read.error());
  const std::vector<Thread*>& threads = thread->process->threads;
  auto next = static_cast<size_t>(std::find(threads.begin(), threads.end(), thread) - threads.begin()) + 1;
  if (command.key != 0) AppendFurther(threads, next, state);
  AnswerBytes(command, state, state.size());
  SendFurther(command, threads, next);
}

// Who reads one thread's and then another's will want those that come next, too.
void Client::AppendFurther(const std::vector<Thread*>& threads, size_t& next, std::vector<std::byte>& out) {
  const arch::StateLayout& layout = *arch::FindState(ZX_THREAD_STATE_GENERAL_REGS);
  out.reserve(ring::kMaxBytes);
  for (; next < threads.size() && out.size() + sizeof(ring::RegistersRecord) <= ring::kMaxBytes; ++next) {
    const Thread& further = *threads[next];
    if (!further.told_suspended || further.errand != nullptr) continue;
    ring::RegistersRecord record{.thread = further.koid};
    if (!tracer_.ReadState(further, layout, std::as_writable_bytes(std::span(&record.registers, 1)))) continue;
    const auto bytes = std::as_bytes(std::span(&record, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
}

// While the client deals with what it has, the next is read.
void Client::SendFurther(const ring::Command& command, const std::vector<Thread*>& threads, size_t next) {
  const ring::FurtherRegisters head{.other = command.other};
  for (uint64_t i = 1; i < command.key; ++i) {
    if (outbox_.TakeWrote()) Wake();
    std::vector<std::byte> records;
    AppendFurther(threads, next, records);
    Put(ring::NoticeType::kRegisters, std::as_bytes(std::span(&head, 1)), records);
  }
}

void Client::DoWriteState(const ring::Command& command, std::span<const std::byte> bytes) {
  const arch::StateLayout* layout = FindState(command);
  if (layout != nullptr && bytes.size() != layout->bytes) broken_ = true;
  if (broken_) return;
  Thread* thread = StandingThread(command, *layout);
  if (thread == nullptr) return;
  if (thread->errand != nullptr) {
    return tracer_.AfterErrand(
        *thread, [this, command, copy = std::vector(bytes.begin(), bytes.end())] { DoWriteState(command, copy); });
  }
  tracer_.WriteState(*thread, *layout, bytes, [this, command](const Result<void>& written) {
    if (!written) return Answer(command, written.error());
    Answer(command, ZX_OK);
  });
}

}  // namespace zxctl::service
