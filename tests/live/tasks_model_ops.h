// The steps of the sequences that tasks and their model are put through.
#pragma once

#include <rapidcheck.h>

#include <array>
#include <ostream>
#include <utility>
#include <vector>

namespace zxctl::test {

// What a step does.
struct Kind {
  enum : int {
    kNothing,  // the simplest: what shrinking arrives at
    kCreateJob,
    kSpawn,
    kStart,
    kFault,
    kBind,
    kUnbind,
    kCreatePort,
    kClosePort,
    kSuspendThread,
    kSuspendProcess,
    kCloseToken,
    kSetFlag,
    kResume,
    kResumeException,
    kTryNext,
    kResumeFrom,
    kKillThread,
    kKillProcess,
    kKillJob,
    kExec,
    kFork,
    kExitThread,
    kExitProcess,
    kDetach,
  };
};

// How often each comes.
inline constexpr std::array<std::pair<int, int>, 25> kWeights = {{
    {Kind::kNothing, 1},        {Kind::kCreateJob, 2},      {Kind::kSpawn, 6},
    {Kind::kStart, 10},         {Kind::kFault, 24},         {Kind::kBind, 20},
    {Kind::kUnbind, 8},         {Kind::kCreatePort, 4},     {Kind::kClosePort, 2},
    {Kind::kSuspendThread, 12}, {Kind::kSuspendProcess, 6}, {Kind::kCloseToken, 14},
    {Kind::kSetFlag, 6},        {Kind::kResume, 8},         {Kind::kResumeException, 16},
    {Kind::kTryNext, 10},       {Kind::kResumeFrom, 6},     {Kind::kKillThread, 2},
    {Kind::kKillProcess, 1},    {Kind::kKillJob, 1},        {Kind::kExec, 4},
    {Kind::kFork, 4},           {Kind::kExitThread, 3},     {Kind::kExitProcess, 1},
    {Kind::kDetach, 1},
}};

struct Op {
  int kind = Kind::kNothing;
  int a = 0;
  int b = 0;
};

inline std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << op.kind << '(' << op.a << ',' << op.b << ')';
}

inline rc::Gen<std::vector<Op>> Sequences() {
  // Of all sizes from the first sequence on.
  const auto number = rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, 1000));
  std::vector<int> pool;
  for (const auto& [kind, weight] : kWeights) pool.insert(pool.end(), static_cast<size_t>(weight), kind);
  const auto op = rc::gen::map(rc::gen::tuple(rc::gen::elementOf(pool), number, number), [](const auto& t) {
    return Op{std::get<0>(t), std::get<1>(t), std::get<2>(t)};
  });
  // Elements shrink to nothing; the number of steps does not, so that what is said of its length stays true.
  return rc::gen::mapcat(rc::gen::resize(rc::kNominalSize, rc::gen::inRange<size_t>(50, 80)),
                         [op](size_t count) { return rc::gen::container<std::vector<Op>>(count, op); });
}

}  // namespace zxctl::test
