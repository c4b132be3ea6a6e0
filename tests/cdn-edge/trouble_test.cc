// What the origin and the disk may do to us, and what clients must never notice. covers W08 W09 S16
#include <fcntl.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/file.h"
#include "core/text.h"
#include "tests/cdn-edge/test_origin.h"

namespace till::edge::testing {
namespace {

class TroubleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    origin_.Sign({payload_});
    edge_ = std::make_unique<TestEdge>(origin_);
  }
  std::string path() const { return "/a/" + payload_.hex; }
  uint64_t size() const { return payload_.identity.size; }

  TestOrigin origin_;
  Payload payload_ = MakePayload(3'000'000, 1);
  std::unique_ptr<TestEdge> edge_;
};

TEST_F(TroubleTest, AFlippedBitIsFetchedAgainAndNeverSeen) {
  origin_.FlipAt(payload_.hex, 1'500'000, 2);
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
  EXPECT_EQ((*edge_)->counters().chunks_refused, 2U);
  EXPECT_LE(origin_.sent_bytes(payload_.hex), size() + 2 * (1 << 20)) << "what is wrong is fetched again, not all";
}

TEST_F(TroubleTest, AFlippedListIsFetchedAgain) {
  origin_.FlipAt(payload_.hex, 20, 1);
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
}

TEST_F(TroubleTest, AnOriginThatStaysWrongIsNeverPassedOn) {
  origin_.FlipAt(payload_.hex, 1'500'000);
  edge_->Start();
  const auto whole = edge_->TryGet(path());
  EXPECT_FALSE(whole.ok()) << "the answer must break off";
  EXPECT_EQ(edge_->Get(path(), {{"Range", "bytes=1490000-1510000"}}).status, 502);
  EXPECT_TRUE(edge_->Get(path(), {{"Range", "bytes=0-99999"}}).body == payload_.text().substr(0, 100'000));
  EXPECT_LE(origin_.requests(payload_.hex), 30U) << "it is not asked for ever";
}

TEST_F(TroubleTest, ABrokenTransferIsResumedAndNotNoticed) {
  origin_.CutAfter(300'000, 3);
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
  EXPECT_LE(origin_.sent_bytes(payload_.hex), size() + 3 * 2 * 32768);
}

TEST_F(TroubleTest, WhatTheOriginMayAnswerInstead) {
  struct Row {
    const char* name;
    int status;
    int64_t length_off_by;
    bool wrong_range;
    int expected;
  };
  const Row rows[] = {
      {"404", 404, 0, false, 404},
      {"410", 410, 0, false, 404},
      {"500", 500, 0, false, 503},
      {"503", 503, 0, false, 503},
      {"401, our token", 401, 0, false, 503},
      {"a redirect", 302, 0, false, 503},
      {"no content", 204, 0, false, 503},
      {"a byte too many", 0, 1, false, 502},
      {"a byte too few", 0, -1, false, 502},
      {"another range than asked for", 0, 0, true, 502},
  };
  for (const Row& row : rows) {
    TestEdge edge(origin_);
    edge.options.handler.wait_ms = 200;
    origin_.status = row.status;
    origin_.length_off_by = row.length_off_by;
    origin_.wrong_range = row.wrong_range;
    edge.Start();  // asks the origin at once whether its token is good
    const http::Reply reply = edge.Get(path());
    EXPECT_EQ(reply.status, row.expected) << row.name;
    if (row.expected == 503) {
      EXPECT_FALSE(reply.header("Retry-After").empty()) << row.name;
    }
    EXPECT_EQ(reply.header("Cache-Control"), "no-store") << row.name;
    EXPECT_EQ(edge->catalog().used_bytes(), 0U) << row.name;
  }
}

TEST_F(TroubleTest, AnErrorOfTheOriginIsNotKept) {
  origin_.status = 503;
  edge_->options.handler.wait_ms = 200;
  edge_->options.origin.longest_backoff_ms = 30;
  edge_->Start();
  EXPECT_EQ(edge_->Get(path()).status, 503);
  origin_.status = 0;
  http::Reply reply;
  for (int i = 0; i < 200 && reply.status != 200; ++i) reply = edge_->Get(path());
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.body == payload_.text());
}

TEST_F(TroubleTest, AnOriginWithoutRangesIsGoodEnough) {
  origin_.ignore_ranges = true;
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path(), {{"Range", "bytes=2000000-2000009"}}).body == payload_.text().substr(2'000'000, 10));
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
  EXPECT_LE(origin_.sent_bytes(payload_.hex), 4 * size());
}

TEST_F(TroubleTest, ServesWhatIsStoredWhenTheOriginDies) {
  edge_->options.handler.wait_ms = 200;
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
  origin_.Stop();
  EXPECT_TRUE(edge_->Get(path(), {{"Range", "bytes=-1000000"}}).body == payload_.text().substr(size() - 1'000'000));
  EXPECT_EQ(edge_->Get("/a/" + std::string(64, '7')).status, 503) << "unknown, and nobody to ask: not a 404";
}

TEST_F(TroubleTest, AnOriginThatDiesInTheMiddleAndComesBackIsNotNoticed) {
  origin_.HoldAt(500'000);
  edge_->Start();
  std::string body;
  std::thread client([&] { body = edge_->Get(path()).body; });
  origin_.AwaitHeld(1);
  origin_.Stop();
  origin_.Release();
  origin_.Restart();
  client.join();
  EXPECT_TRUE(body == payload_.text());
}

TEST_F(TroubleTest, AClientWaitsOnlySoLong) {
  origin_.HoldAt(600'000);
  edge_->options.handler.wait_ms = 300;
  edge_->Start();
  EXPECT_FALSE(edge_->TryGet(path()).ok()) << "cut in the middle: short, not wrong";
  origin_.HoldAt(0);
  EXPECT_EQ(edge_->Get(path(), {{"Range", "bytes=2900000-"}}).status, 503);
  origin_.Release();
  EXPECT_EQ((*edge_)->counters().requests, 2U);
}

TEST_F(TroubleTest, AWrongPlainObjectIsNeverCompleteAndNeverKept) {
  const Payload plain = MakePlain(500'000, 5);
  origin_.Add(plain);
  origin_.FlipAt(plain.hex, 250'000);
  edge_->Start();
  EXPECT_FALSE(edge_->TryGet("/a/" + plain.hex).ok());
  EXPECT_EQ((*edge_)->catalog().used_bytes(), 0U);
  origin_.FlipAt(plain.hex, 250'000, 0);
  EXPECT_TRUE(edge_->Get("/a/" + plain.hex).body == plain.text());
}

TEST_F(TroubleTest, ABitFlippedOnOurDiskIsFoundBeforeItIsServed) {
  const Payload plain = MakePlain(300'000, 6);
  origin_.Add(plain);
  edge_->Start();
  ASSERT_TRUE(edge_->Get(path()).body == payload_.text());
  ASSERT_TRUE(edge_->Get("/a/" + plain.hex).body == plain.text());
  edge_->Stop();
  for (const Payload* one : std::initializer_list<const Payload*>{&payload_, &plain}) {
    const UniqueFd file =
        OpenFile(edge_->data() + "/objects/" + one->hex.substr(0, 2) + "/" + one->hex, O_RDWR).value();
    const std::byte wrong = one->bytes[290'000] ^ std::byte{4};
    ASSERT_TRUE(WriteAllAt(file.get(), 290'000, ByteView(&wrong, 1)).ok());
  }
  edge_->options.scrub_bytes_per_s = 1;  // the scrub has not come by yet
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
  (void)edge_->TryGet("/a/" + plain.hex);  // may break off: nothing of it could be trusted
  EXPECT_TRUE(edge_->Get("/a/" + plain.hex).body == plain.text());
  EXPECT_EQ((*edge_)->counters().chunks_found_bad, 2U);
}

TEST_F(TroubleTest, PassesThroughWhatTheStoreHasNoRoomFor) {
  edge_->options.catalog.max_bytes = 400'000;
  edge_->options.catalog.memory_bytes = 256 * 1024;
  edge_->Start();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(edge_->Get(path()).body == payload_.text());
  EXPECT_TRUE(edge_->Get(path(), {{"Range", "bytes=1000000-1100000"}}).body ==
              payload_.text().substr(1'000'000, 100'001));
  EXPECT_LE((*edge_)->catalog().used_bytes(), 400'000U);
  EXPECT_GT((*edge_)->counters().stores_failed, 0U);
  const Payload plain = MakePlain(500'000, 5);
  origin_.Add(plain);
  EXPECT_NE(edge_->TryGet("/a/" + plain.hex).ok() ? edge_->Get("/a/" + plain.hex).status : 0, 200);
}

TEST_F(TroubleTest, OnlyAnEdgeWithTheTokenIsGivenAnything) {
  origin_.required_token = "edge_secret";
  edge_->Start();
  EXPECT_EQ(edge_->Get(path()).status, 503);
  edge_->Stop();
  edge_->options.origin.token = "edge_secret";
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
}

TEST_F(TroubleTest, AWrongTokenShowsBeforeAnyoneAsksForAnything) {
  origin_.required_token = "edge_secret";
  edge_->options.origin.token = "another";
  edge_->Start();
  const auto origin_state = [&] { return json::Parse(edge_->Get("/status").body)->operator[]("origin").AsString(); };
  std::string state;
  for (int i = 0; i < 500 && state != "token refused"; ++i) state = origin_state();
  EXPECT_EQ(state, "token refused");  // and stays so, although metadata is answered to anyone
  EXPECT_EQ(edge_->Get(path()).status, 503);
  EXPECT_EQ(origin_state(), "token refused");
}

TEST_F(TroubleTest, AnOriginThatIsAwayShowsAfterOneFailedRequest) {
  origin_.Stop();
  edge_->Start();
  std::string state;
  for (int i = 0; i < 2000 && state != "down"; ++i) {
    state = json::Parse(edge_->Get("/status").body)->operator[]("origin").AsString();
  }
  EXPECT_EQ(state, "down");
}

TEST_F(TroubleTest, AClientThatLeavesDoesNotStopTheFillForOthers) {
  origin_.HoldAt(400'000);
  edge_->Start();
  std::thread leaver([&] {
    http::Client client{http::ClientOptions{}};
    http::DownloadCall call;
    call.url = edge_->url(path());
    (void)client.Download(call, [](ByteView) -> Status { return Error{ErrorCode::kCanceled, "gone"}; });
  });
  origin_.AwaitHeld(1);
  leaver.join();
  std::string body;
  std::thread stayer([&] { body = edge_->Get(path()).body; });
  origin_.Release();
  stayer.join();
  EXPECT_TRUE(body == payload_.text());
  EXPECT_EQ(origin_.sent_bytes(payload_.hex), size());
}

}  // namespace
}  // namespace till::edge::testing
