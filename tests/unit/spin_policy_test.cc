#include "supervisor/spin_policy.h"

#include <gtest/gtest.h>

namespace zxctl {
namespace {

TEST(ParseRunningTasks, ReadsTheFourthField) {
  EXPECT_EQ(ParseRunningTasks("0.53 0.40 0.30 3/345 6789\n"), 3);
  EXPECT_EQ(ParseRunningTasks("0.00 0.00 0.00 12/1 1"), 12);
}

TEST(ParseRunningTasks, RefusesWhatIsNoLoadavg) {
  for (const char* text : {"", "0.1", "0.1 0.2 0.3", "0.1 0.2 0.3 x/2 1", "0.1 0.2 0.3 4", "0.1 0.2 0.3 4 5"}) {
    EXPECT_EQ(ParseRunningTasks(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace zxctl
