// The signed metadata on its way through the edge. covers W08 W09
#include <gtest/gtest.h>

#include "tests/cdn-edge/test_origin.h"

namespace till::edge::testing {
namespace {

class MirrorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    origin_.Sign({first_});
    edge_ = std::make_unique<TestEdge>(origin_);
  }
  std::string FromOrigin(const std::string& file) {
    http::Client client{http::ClientOptions{}};
    http::Call call;
    call.url = origin_.url() + "/DEFAULT/tuf/" + file;
    return client.Send(call).value().body;
  }
  http::Reply FromEdge(const std::string& file) { return edge_->Get("/DEFAULT/tuf/" + file); }

  TestOrigin origin_;
  Payload first_ = MakePayload(100'000, 1);
  Payload second_ = MakePayload(100'000, 2);
  std::unique_ptr<TestEdge> edge_;
};

TEST_F(MirrorTest, GivesTheOriginsFilesByteForByte) {
  edge_->Start();
  for (const char* file : {"timestamp.json", "1.root.json", "2.snapshot.json", "2.deltas.json"}) {
    const http::Reply reply = FromEdge(file);
    EXPECT_EQ(reply.status, 200) << file;
    EXPECT_EQ(reply.body, FromOrigin(file)) << file;
  }
  const http::Reply stamp = FromEdge("timestamp.json");
  EXPECT_EQ(stamp.header("Cache-Control"), "no-cache");
  EXPECT_EQ(edge_->Get("/DEFAULT/tuf/timestamp.json", {{"If-None-Match", std::string(stamp.header("ETag"))}}).status,
            304);
}

TEST_F(MirrorTest, KnowsOnlyTheNamesOfMetadata) {
  edge_->Start();
  for (const char* file : {"root.json", "0.root.json", "01.root.json", "1.secret.json", "timestamp.json.bak", "1.root",
                           "99999999999999999999.root.json"}) {
    EXPECT_EQ(FromEdge(file).status, 404) << file;
  }
}

TEST_F(MirrorTest, SeesANewReleaseAtOnceAndKeepsTheOneBefore) {
  edge_->Start();
  EXPECT_EQ(FromEdge("timestamp.json").status, 200);
  EXPECT_TRUE(edge_->Get("/a/" + first_.hex).body == first_.text());
  origin_.Sign({second_});
  EXPECT_EQ(FromEdge("timestamp.json").body, FromOrigin("timestamp.json"));
  EXPECT_EQ(FromEdge("2.snapshot.json").status, 200) << "a client in the middle of its refresh still finds it";
  EXPECT_TRUE(edge_->Get("/a/" + second_.hex).body == second_.text());
}

TEST_F(MirrorTest, AnUnknownNameIsLookedUpInFreshMetadata) {
  edge_->Start();
  EXPECT_EQ(FromEdge("timestamp.json").status, 200);
  origin_.Sign({second_});
  EXPECT_TRUE(edge_->Get("/a/" + second_.hex, {{"Range", "bytes=50000-50009"}}).body ==
              second_.text().substr(50'000, 10));
  EXPECT_EQ(origin_.ranges(second_.hex).front(), "bytes=0-" + std::to_string(second_.identity.list_length - 1))
      << "it was fetched as a signed object: its list first";
}

TEST_F(MirrorTest, UnknownNamesDoNotMakeUsAskForMetadataAgainAndAgain) {
  edge_->options.mirror.fresh_ms = 60'000;
  edge_->Start();
  EXPECT_EQ(FromEdge("timestamp.json").status, 200);
  const uint64_t before = (*edge_)->counters().refreshes;
  for (char digit : {'1', '2', '3', '4', '5'}) edge_->Get("/a/" + std::string(64, digit));
  EXPECT_EQ((*edge_)->counters().refreshes, before);
}

TEST_F(MirrorTest, ServesTheLastVerifiedSetWhenTheOriginIsGoneAlsoAfterARestart) {
  edge_->Start();
  const std::string stamp = FromEdge("timestamp.json").body;
  const std::string deltas = FromEdge("2.deltas.json").body;
  ASSERT_TRUE(edge_->Get("/a/" + first_.hex).body == first_.text());
  origin_.Stop();
  EXPECT_EQ(FromEdge("timestamp.json").body, stamp);
  edge_->Stop();
  edge_->Start();
  EXPECT_EQ(FromEdge("timestamp.json").body, stamp);
  EXPECT_EQ(FromEdge("2.deltas.json").body, deltas);
  EXPECT_EQ(FromEdge("1.root.json").status, 200);
  EXPECT_TRUE(edge_->Get("/a/" + first_.hex).body == first_.text());
}

TEST_F(MirrorTest, NeverPassesOnWhatDoesNotVerify) {
  edge_->Start();
  const std::string good = FromEdge("timestamp.json").body;
  ASSERT_FALSE(good.empty());
  std::string forged = good;
  forged.replace(forged.find("\"version\""), 9, "\"Version\"");
  origin_.ReplaceMetadata("timestamp.json", forged);
  EXPECT_EQ(FromEdge("timestamp.json").body, good);
  origin_.ReplaceMetadata("timestamp.json", std::string(1 << 20, '{'));
  EXPECT_EQ(FromEdge("timestamp.json").body, good);
  EXPECT_GE((*edge_)->counters().refreshes_failed, 2U);
}

TEST_F(MirrorTest, AnotherRootOfTrustIsRefused) {
  TestOrigin impostor;
  impostor.Sign({first_});
  edge_->options.origin.url = impostor.url();
  edge_->Start();
  EXPECT_NE(FromEdge("timestamp.json").status, 200);
  EXPECT_EQ((*edge_)->mirror().object_count(), 0U);
}

TEST_F(MirrorTest, WithoutAGivenRootTheOriginsFirstIsBelieved) {
  edge_->options.mirror.trusted_root_file = "";
  edge_->Start();
  EXPECT_EQ(FromEdge("timestamp.json").status, 200);
  EXPECT_TRUE(edge_->Get("/a/" + first_.hex).body == first_.text());
  EXPECT_EQ(FromEdge("1.root.json").body, FromOrigin("1.root.json"));
}

TEST_F(MirrorTest, AnEdgeCanStandBehindAnEdge) {
  edge_->Start();
  TestEdge outer(origin_);
  outer.options.origin.url = edge_->url("");
  outer.Start();
  EXPECT_TRUE(outer.Get("/a/" + first_.hex).body == first_.text());
  EXPECT_EQ(outer.Get("/DEFAULT/tuf/timestamp.json").body, FromOrigin("timestamp.json"));
  EXPECT_EQ(origin_.sent_bytes(first_.hex), first_.identity.size);
}

TEST_F(MirrorTest, AWithdrawnPayloadIsStillServedHarmlessly) {
  edge_->Start();
  ASSERT_TRUE(edge_->Get("/a/" + first_.hex).body == first_.text());
  origin_.Sign({second_});
  EXPECT_EQ(FromEdge("timestamp.json").status, 200);
  EXPECT_TRUE(edge_->Get("/a/" + first_.hex).body == first_.text()) << "its name is its hash: old, never wrong";
}

}  // namespace
}  // namespace till::edge::testing
