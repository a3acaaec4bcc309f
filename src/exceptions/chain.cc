#include "exceptions/chain.h"

#include <algorithm>

namespace zxctl {

namespace {

bool IsDebugger(ChainLevel level) { return level == ChainLevel::kDebugger || level == ChainLevel::kJobDebugger; }

bool GoesFirst(ChainLevel level, const Binding& binding) {
  return level == ChainLevel::kDebugger || binding.first_chance;
}

}  // namespace

Result<void> Bindings::Bind(Koid task, ChainLevel level, const Binding& binding) {
  const auto [slot, is_new] = slots_.emplace(std::pair{task, level}, binding);
  if (!is_new)
    return Fail(
        Status{.zx = ZX_ERR_ALREADY_BOUND, .what = "a port is bound there already: unbind it first, with port 0"});
  slot->second.id = ++last_id_;
  if (GoesFirst(level, binding)) ++first_chances_;
  if (IsDebugger(level)) ++debuggers_;
  return {};
}

Bindings::Slots::iterator Bindings::Erase(Slots::iterator slot) {
  if (GoesFirst(slot->first.second, slot->second)) --first_chances_;
  if (IsDebugger(slot->first.second)) --debuggers_;
  return slots_.erase(slot);
}

Result<void> Bindings::Unbind(Koid task, ChainLevel level) {
  const auto found = slots_.find({task, level});
  if (found == slots_.end() && ended_.erase({task, level}) == 0) {
    return Fail(Status{
        .zx = ZX_ERR_BAD_STATE,
        .what = "no port is bound there; one that was bound with ZX_EXCEPTION_PORT_DEBUGGER is unbound with it"});
  }
  if (found != slots_.end()) Erase(found);
  return {};
}

const Binding* Bindings::Find(Koid task, ChainLevel level) const {
  const auto found = slots_.find({task, level});
  return found == slots_.end() ? nullptr : &found->second;
}

void Bindings::EndTask(Koid task) {
  auto slot = slots_.lower_bound({task, ChainLevel::kDebugger});
  while (slot != slots_.end() && slot->first.first == task) {
    ended_.insert(*slot);
    slot = Erase(slot);
  }
}

void Bindings::ForgetTask(Koid task) {
  EndTask(task);
  std::erase_if(ended_, [task](const auto& slot) { return slot.first.first == task; });
}

void Bindings::ForgetHandler(const ExceptionHandler* handler) {
  for (auto slot = slots_.begin(); slot != slots_.end();) {
    slot = slot->second.handler == handler ? Erase(slot) : std::next(slot);
  }
  std::erase_if(ended_, [handler](const auto& slot) { return slot.second.handler == handler; });
}

ChainWalk::ChainWalk(const Thread& thread, Chance chance) : chance_(chance) {
  const Process& process = *thread.process;
  places_ = {
      {ChainLevel::kDebugger, process.koid}, {ChainLevel::kThread, thread.koid}, {ChainLevel::kProcess, process.koid}};
  for (const Job* job = process.job; job != nullptr; job = job->parent)
    places_.push_back({ChainLevel::kJob, job->koid});
}

ChainWalk ChainWalk::ForStart(const Thread& thread, bool first_thread) {
  std::vector<Place> places;
  if (first_thread) {
    for (const Job* job = thread.process->job; job != nullptr; job = job->parent)
      places.push_back({ChainLevel::kJobDebugger, job->koid});
  }
  places.push_back({ChainLevel::kDebugger, thread.process->koid});
  return ChainWalk(std::move(places));
}

ChainWalk ChainWalk::ForExit(const Process& process) {
  return ChainWalk(std::vector<Place>{{ChainLevel::kDebugger, process.koid}});
}

bool ChainWalk::Asks(ChainLevel level, const Binding& binding) const {
  const bool goes_first = GoesFirst(level, binding);
  switch (chance_) {
    case Chance::kFirst:
      return goes_first;
    case Chance::kSecond:
      return std::ranges::find(skipped_, binding.id) == skipped_.end();
    case Chance::kBoth:
      return true;
    case Chance::kUndecided:
      return level == ChainLevel::kDebugger;
  }
  return false;
}

std::optional<ChainWalk::Stop> ChainWalk::Next(const Bindings& bindings) {
  // The debugger's place is the first.
  const size_t end = undecided() ? 1 : places_.size();
  while (next_ < end) {
    const Place place = places_[next_++];
    if (place.level == ChainLevel::kJobDebugger && job_debugger_told_) continue;
    const Binding* binding = bindings.Find(place.task, place.level);
    if (binding == nullptr || !Asks(place.level, *binding)) continue;
    job_debugger_told_ |= place.level == ChainLevel::kJobDebugger;
    return Stop{place.level, place.task, *binding};
  }
  return std::nullopt;
}

}  // namespace zxctl
