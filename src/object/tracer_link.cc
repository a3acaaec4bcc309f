#include "object/tracer_link.h"

#include "object/dispatcher.h"
#include "object/futex.h"

namespace zxctl {
namespace {

std::atomic<TracerLink*> g_current = nullptr;
std::atomic<bool> g_serve = false;
std::atomic<uint32_t> g_lone_sleepers = 0;

TracerLink* LinkThatIsThere() {
  TracerLink* link = TracerLink::Current();
  return link != nullptr && link->is_there() ? link : nullptr;
}

// Whoever starts a tracer meanwhile sees that somebody sleeps here, or is seen.
bool SleepAlone(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns) {
  g_lone_sleepers.fetch_add(1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const bool in_time = LinkThatIsThere() != nullptr || FutexWait(word, seen, deadline_ns);
  g_lone_sleepers.fetch_sub(1);
  return in_time;
}

}  // namespace

TracerLink* TracerLink::Current() { return g_current.load(std::memory_order_acquire); }
void TracerLink::SetCurrent(TracerLink* link) { g_current.store(link, std::memory_order_release); }

void TracerLink::Serve() {
  g_serve = true;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (TracerLink* link = LinkThatIsThere(); link != nullptr) link->KeepTakingIn();
}

bool TracerLink::HasToBeServed() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return g_serve.load() || g_lone_sleepers.load() != 0;
}

bool SleepOn(const std::atomic<uint32_t>& word, uint32_t seen, int64_t deadline_ns, zx_koid_t port) {
  TracerLink* link = LinkThatIsThere();
  return link == nullptr ? SleepAlone(word, seen, deadline_ns) : link->Sleep(word, seen, deadline_ns, port);
}

void TakeInEvents() {
  if (TracerLink* link = TracerLink::Current(); link != nullptr) link->TakeIn();
}

}  // namespace zxctl
