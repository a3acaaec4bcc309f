#include "exceptions/chain.h"

namespace zxctl {

Result<void> Bindings::Bind(Koid task, ChainLevel level, const Binding& binding) {
  if (!slots_.emplace(std::pair{task, level}, binding).second) {
    return Fail(Status{.zx = ZX_ERR_ALREADY_BOUND, .what = "a handler is bound there already"});
  }
  return {};
}

Result<void> Bindings::Unbind(Koid task, ChainLevel level) {
  if (slots_.erase({task, level}) == 0) return Fail(Status{.zx = ZX_ERR_BAD_STATE, .what = "no handler is bound there"});
  return {};
}

const Binding* Bindings::Find(Koid task, ChainLevel level) const {
  const auto found = slots_.find({task, level});
  return found == slots_.end() ? nullptr : &found->second;
}

void Bindings::ForgetTask(Koid task) {
  slots_.erase(slots_.lower_bound({task, ChainLevel::kDebugger}), slots_.upper_bound({task, ChainLevel::kJob}));
}

void Bindings::ForgetHandler(const ExceptionHandler* handler) {
  std::erase_if(slots_, [handler](const auto& slot) { return slot.second.handler == handler; });
}

ChainWalk::ChainWalk(const Thread& thread, Chance chance) : chance_(chance) {
  const Process& process = *thread.process;
  places_ = {{ChainLevel::kDebugger, process.koid}, {ChainLevel::kThread, thread.koid}, {ChainLevel::kProcess, process.koid}};
  for (const Job* job = process.job; job != nullptr; job = job->parent) places_.push_back({ChainLevel::kJob, job->koid});
}

bool ChainWalk::Asks(ChainLevel level, const Binding& binding) const {
  const bool goes_first = level == ChainLevel::kDebugger || binding.first_chance;
  switch (chance_) {
    case Chance::kFirst:
      return goes_first;
    case Chance::kSecond:
      return !goes_first;
    case Chance::kBoth:
      return true;
  }
  return false;
}

std::optional<ChainWalk::Stop> ChainWalk::Next(const Bindings& bindings) {
  while (next_ < places_.size()) {
    const Place place = places_[next_++];
    const Binding* binding = bindings.Find(place.task, place.level);
    if (binding != nullptr && Asks(place.level, *binding)) return Stop{place.level, place.task, *binding};
  }
  return std::nullopt;
}

}  // namespace zxctl
