// How long wrong sign-ins wait, and whom they do not touch.   covers W05
#include "server/auth/back_off.h"

#include <gtest/gtest.h>

namespace till::server {
namespace {

using Outcome = BackOff::Outcome;

const BackOff::Pair kAdmin{"admin", "here"};

// Wrong until the pair has to wait; how many were let through.
int GuessUntilHeld(BackOff& back_off, const BackOff::Pair& pair, int64_t now_ms) {
  int guesses = 0;
  while (guesses < 100 && back_off.Begin(pair, now_ms) == 0) {
    back_off.End(pair, Outcome::kWrong, now_ms);
    ++guesses;
  }
  return guesses;
}

TEST(BackOff, FiveAreFreeThenTheWaitDoubles) {
  BackOff back_off(100);
  int64_t now_ms = 1'000'000;
  EXPECT_EQ(GuessUntilHeld(back_off, kAdmin, now_ms), 5);
  for (const int64_t wait_s : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
    EXPECT_EQ(back_off.Begin(kAdmin, now_ms), wait_s);
    now_ms += wait_s * 1000;
    ASSERT_EQ(back_off.Begin(kAdmin, now_ms), 0);
    back_off.End(kAdmin, Outcome::kWrong, now_ms);
  }
}

TEST(BackOff, TouchesNeitherAnotherUserNorAnotherAddress) {
  BackOff back_off(100);
  EXPECT_EQ(GuessUntilHeld(back_off, kAdmin, 1'000), 5);
  EXPECT_EQ(back_off.Begin({"admin", "there"}, 1'000), 0);
  EXPECT_EQ(back_off.Begin({"bob", "here"}, 1'000), 0);
}

TEST(BackOff, ARightOneBeginsAnew) {
  BackOff back_off(100);
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(back_off.Begin(kAdmin, 1'000), 0);
    back_off.End(kAdmin, Outcome::kWrong, 1'000);
  }
  ASSERT_EQ(back_off.Begin(kAdmin, 1'000), 0);
  back_off.End(kAdmin, Outcome::kRight, 1'000);
  EXPECT_EQ(back_off.size(), 0U);
  EXPECT_EQ(GuessUntilHeld(back_off, kAdmin, 1'000), 5);
}

TEST(BackOff, ManyAtOnceGetNoMoreGuesses) {
  BackOff back_off(100);
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(back_off.Begin(kAdmin, 1'000), 0);
    back_off.End(kAdmin, Outcome::kWrong, 1'000);
  }
  EXPECT_EQ(back_off.Begin(kAdmin, 1'000), 0);  // the fifth is under way
  EXPECT_GT(back_off.Begin(kAdmin, 1'000), 0);
  BackOff other(100);
  int under_way = 0;
  for (int i = 0; i < 20; ++i) under_way += other.Begin({"user" + std::to_string(i), "here"}, 1'000) == 0;
  EXPECT_EQ(under_way, 4) << "one address does not fill the queue";
  EXPECT_EQ(other.Begin({"user", "there"}, 1'000), 0);
}

TEST(BackOff, TheTableIsBoundedAndForgetsTheLeastGuiltyFirst) {
  BackOff back_off(10);
  EXPECT_EQ(GuessUntilHeld(back_off, kAdmin, 1'000), 5);
  for (int i = 0; i < 1000; ++i) {
    const BackOff::Pair pair{"user" + std::to_string(i), "here"};
    ASSERT_EQ(back_off.Begin(pair, 1'000), 0);
    back_off.End(pair, Outcome::kWrong, 1'000);
  }
  EXPECT_LE(back_off.size(), 10U);
  EXPECT_GT(back_off.Begin(kAdmin, 1'000), 0) << "not washed away by a thousand others";
}

}  // namespace
}  // namespace till::server
