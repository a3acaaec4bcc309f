#include "object/tracer_link.h"

#include "object/dispatcher.h"
#include "object/futex.h"

namespace zxctl {
namespace {

std::atomic<TracerLink*> g_current = nullptr;

}  // namespace

TracerLink* TracerLink::Current() { return g_current.load(std::memory_order_acquire); }
void TracerLink::SetCurrent(TracerLink* link) { g_current.store(link, std::memory_order_release); }

bool SleepOn(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns) {
  TracerLink* link = TracerLink::Current();
  return link == nullptr ? FutexWait(word, seen, deadline_ns) : link->Sleep(word, seen, deadline_ns);
}

void TakeInEvents() {
  if (TracerLink* link = TracerLink::Current(); link != nullptr) link->TakeIn();
}

}  // namespace zxctl
