// An origin that is away, or slow: who waits is served, and nobody waits for nothing. covers W08 W15
#include <gtest/gtest.h>

#include <thread>

#include "tests/cdn-edge/test_origin.h"

namespace till::edge::testing {
namespace {

constexpr uint64_t kCurlPeerFailedVerification = 60;

class LinkTest : public ::testing::Test {
 protected:
  void Note(int64_t began_ms, ErrorCode code, uint64_t detail = 0) {
    link_.Note(OriginLink::Asked::kObject, began_ms, Error{code, "a test", detail}, -1);
  }
  void FailOnce() {
    Note(clock_.monotonic_ms, ErrorCode::kUnavailable);
    clock_.monotonic_ms += link_.BackoffMs() + 1;
  }

  TestClock clock_;
  Counters counters_;
  OriginLink link_{OriginOptions{}, counters_, clock_};
};

TEST_F(LinkTest, FailuresOfOneTimeGrowTheBackoffOnce) {
  const int64_t began_ms = clock_.monotonic_ms;
  clock_.monotonic_ms += 5;
  for (int fetcher = 0; fetcher < 16; ++fetcher) Note(began_ms, ErrorCode::kUnavailable);
  EXPECT_LE(link_.BackoffMs(), link_.options().first_backoff_ms);
  EXPECT_EQ(counters_.origin_failures, 16U);
}

TEST_F(LinkTest, TriesAgainWithinASecondHoweverLongTheOutage) {
  for (int i = 0; i < 40; ++i) {
    Note(clock_.monotonic_ms, ErrorCode::kUnavailable);
    ASSERT_LE(link_.BackoffMs(), 1'000);
    clock_.monotonic_ms += link_.BackoffMs() + 1;
  }
}

TEST_F(LinkTest, IsHopelessOnlyAfterAsLongAsAnyoneWaits) {
  const int64_t began_ms = clock_.monotonic_ms;
  while (clock_.monotonic_ms - began_ms < 20'000) {
    Note(clock_.monotonic_ms, ErrorCode::kUnavailable);
    EXPECT_FALSE(link_.hopeless(30'000)) << clock_.monotonic_ms - began_ms;
    clock_.monotonic_ms += link_.BackoffMs() + 1;
  }
  while (clock_.monotonic_ms - began_ms < 31'000) FailOnce();
  EXPECT_FALSE(link_.hopeless(30'000)) << "the next try is due";
  Note(clock_.monotonic_ms, ErrorCode::kUnavailable);
  EXPECT_TRUE(link_.hopeless(30'000));
  link_.Note(OriginLink::Asked::kObject, clock_.monotonic_ms, Ok(), -1);
  EXPECT_FALSE(link_.hopeless(30'000));
}

TEST_F(LinkTest, NobodyWaitsForAnOriginThatRefusesUsOrIsNotTrusted) {
  Note(clock_.monotonic_ms, ErrorCode::kRefused, 401);
  EXPECT_TRUE(link_.hopeless(30'000));
  EXPECT_STREQ(link_.state(), "token refused");
}

TEST_F(LinkTest, AWrongCertificateIsToldAsThatAtOnce) {
  ::testing::internal::CaptureStderr();
  Note(clock_.monotonic_ms, ErrorCode::kUnavailable, kCurlPeerFailedVerification);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("T4017"), std::string::npos) << log;
  EXPECT_STREQ(link_.state(), "certificate not trusted");
  EXPECT_TRUE(link_.hopeless(30'000));
  clock_.monotonic_ms += 2'000;
  link_.Note(OriginLink::Asked::kObject, clock_.monotonic_ms, Ok(), -1);
  EXPECT_STREQ(link_.state(), "ok");
}

class OutageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    origin_.Sign({payload_});
    edge_ = std::make_unique<TestEdge>(origin_);
  }
  // That many at once, each asking for 64 KiB somewhere; how many got them.
  unsigned Herd(unsigned clients, const std::function<void()>& meanwhile) {
    std::atomic<unsigned> served{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < clients; ++i) {
      threads.emplace_back([&, i] {
        const uint64_t first = i * 104'729ULL % (payload_.identity.size - 65'536);
        const std::string range = "bytes=" + std::to_string(first) + "-" + std::to_string(first + 65'535);
        const auto reply = edge_->TryGet("/a/" + payload_.hex, {{"Range", range}});
        if (reply.ok() && reply->status == 206 && reply->body == payload_.text().substr(first, 65'536)) ++served;
      });
    }
    meanwhile();
    for (std::thread& thread : threads) thread.join();
    return served;
  }

  TestOrigin origin_;
  Payload payload_ = MakePayload(3'000'000, 1);
  std::unique_ptr<TestEdge> edge_;
};

TEST_F(OutageTest, ThoseWhoWaitThroughAnOutageAreServed) {
  edge_->Start();
  ASSERT_EQ(edge_->Get("/DEFAULT/tuf/timestamp.json").status, 200);  // what is signed is known
  origin_.Stop();
  EXPECT_EQ(Herd(60,
                 [&] {
                   const uint64_t failures = (*edge_)->counters().origin_failures;
                   while ((*edge_)->counters().requests < 60 || (*edge_)->counters().origin_failures < failures + 8) {
                     std::this_thread::yield();
                   }
                   origin_.Restart();
                 }),
            60U);
  EXPECT_LE(origin_.sent_bytes(payload_.hex), payload_.identity.size + payload_.identity.size / 100);
}

TEST_F(OutageTest, BehindASlowOriginItIsProgressThatCountsNotArrival) {
  edge_->options.handler.wait_ms = 1'000;  // the whole takes three times as long
  origin_.rate_bytes_per_s = 1'000'000;
  edge_->Start();
  EXPECT_EQ(Herd(60, [] {}), 60U);
  EXPECT_EQ(origin_.sent_bytes(payload_.hex), payload_.identity.size);
}

}  // namespace
}  // namespace till::edge::testing
