// What clients are told, over the real server with a real origin behind. covers W08 W09
#include <gtest/gtest.h>

#include "core/json/json.h"
#include "core/text.h"
#include "tests/cdn-edge/test_origin.h"

namespace till::edge::testing {
namespace {

class ServeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    origin_.Sign({payload_});
    origin_.Add(plain_);
    edge_ = std::make_unique<TestEdge>(origin_);
    edge_->options.access_log = log_.path() + "/access.log";
    edge_->Start();
  }
  std::string path() const { return "/a/" + payload_.hex; }
  std::string_view Part(uint64_t first, uint64_t length) const { return payload_.text().substr(first, length); }
  std::vector<json::Value> LogLines() {
    std::vector<json::Value> lines;
    const std::string text = ReadTextFile(log_.path() + "/access.log").value();
    for (const std::string_view line : Split(text, '\n')) {
      if (!line.empty()) lines.push_back(json::Parse(line).value());
    }
    return lines;
  }

  // What was served by now. An answer is counted when it has left, which may be a moment after its client has it: asks
  // on, within bounds, while less than `expected` is counted.
  uint64_t Served(uint64_t expected) {
    for (int i = 0; i < 1000 && (*edge_)->counters().bytes_served < expected; ++i) edge_->Get("/healthz");
    return (*edge_)->counters().bytes_served;
  }

  TestOrigin origin_;
  TempFolder log_;
  Payload payload_ = MakePayload(2'000'000, 1);
  Payload plain_ = MakePlain(700'000, 2);
  std::unique_ptr<TestEdge> edge_;
};

TEST_F(ServeTest, GivesTheWholeObjectAndFetchesItOnce) {
  for (int i = 0; i < 3; ++i) {
    const http::Reply reply = edge_->Get(path());
    EXPECT_EQ(reply.status, 200);
    ASSERT_TRUE(reply.body == payload_.text());
  }
  EXPECT_EQ(origin_.sent_bytes(payload_.hex), payload_.identity.size);
  EXPECT_EQ((*edge_)->counters().bytes_filled, payload_.identity.size);
  EXPECT_EQ(Served(3 * payload_.identity.size), 3 * payload_.identity.size);
}

TEST_F(ServeTest, GivesAnyRangeOfAColdObject) {
  const uint64_t size = payload_.identity.size;
  struct Row {
    const char* name;
    std::string range;
    uint64_t first;
    uint64_t length;
  };
  const Row rows[] = {
      {"in the middle", "bytes=1000000-1000099", 1'000'000, 100},
      {"across chunks", "bytes=900000-1200000", 900'000, 300'001},
      {"the list", "bytes=0-15", 0, 16},
      {"from the list into the body", "bytes=1000-40000", 1000, 39'001},
      {"a suffix", "bytes=-77", size - 77, 77},
      {"to the end", "bytes=1999000-", 1'999'000, size - 1'999'000},
      {"past the end is cut", "bytes=1999000-99999999", 1'999'000, size - 1'999'000},
      {"the last byte", "bytes=" + std::to_string(size - 1) + "-", size - 1, 1},
  };
  for (const Row& row : rows) {
    const http::Reply reply = edge_->Get(path(), {{"Range", row.range}});
    EXPECT_EQ(reply.status, 206) << row.name;
    EXPECT_TRUE(reply.body == Part(row.first, row.length)) << row.name;
    EXPECT_EQ(reply.header("Content-Range"), "bytes " + std::to_string(row.first) + "-" +
                                                 std::to_string(row.first + row.length - 1) + "/" +
                                                 std::to_string(size))
        << row.name;
  }
}

TEST_F(ServeTest, GivesSeveralRangesInOneAnswer) {
  const http::Reply reply = edge_->Get(path(), {{"Range", "bytes=0-9,500000-500009,-10"}});
  EXPECT_EQ(reply.status, 206);
  EXPECT_TRUE(reply.header("Content-Type").starts_with("multipart/byteranges"));
  for (const auto& [first, length] :
       {std::pair<uint64_t, uint64_t>{0, 10}, {500'000, 10}, {payload_.identity.size - 10, 10}}) {
    EXPECT_NE(reply.body.find("\r\n\r\n" + std::string(Part(first, length)) + "\r\n--"), std::string::npos) << first;
  }
  EXPECT_EQ(Served(30), 30U) << "framing is no payload";
}

TEST_F(ServeTest, SaysWhatCachesAndClientsNeed) {
  const http::Reply cold = edge_->Get(path());
  const http::Reply warm = edge_->Get(path());
  EXPECT_EQ(warm.header("ETag"), "\"" + payload_.hex + "\"");
  EXPECT_EQ(warm.header("Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(warm.header("Accept-Ranges"), "bytes");
  EXPECT_EQ(warm.header("Via"), "1.1 tilledge");
  EXPECT_TRUE(ParseUint(warm.header("Age")).ok());
  EXPECT_TRUE(warm.header("Repr-Digest").starts_with("sha-256=:"));
  EXPECT_EQ(cold.header("Cache-Status"), "tilledge; fwd=uri-miss; stored");
  EXPECT_EQ(warm.header("Cache-Status"), "tilledge; hit");
}

TEST_F(ServeTest, AnswersConditions) {
  const std::string etag = "\"" + payload_.hex + "\"";
  EXPECT_EQ(edge_->Get(path(), {{"If-None-Match", etag}}).status, 304);
  EXPECT_EQ(edge_->Get(path(), {{"Range", "bytes=0-3"}, {"If-Range", etag}}).status, 206);
  const http::Reply whole = edge_->Get(path(), {{"Range", "bytes=0-3"}, {"If-Range", "\"other\""}});
  EXPECT_EQ(whole.status, 200);
  EXPECT_TRUE(whole.body == payload_.text());
  const http::Reply beyond = edge_->Get(path(), {{"Range", "bytes=99999999-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.header("Content-Range"), "bytes */" + std::to_string(payload_.identity.size));
}

TEST_F(ServeTest, HeadOfASignedObjectTouchesNoByteOfIt) {
  const http::Reply head = edge_->Get(path(), {}, "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("Content-Length"), std::to_string(payload_.identity.size));
  EXPECT_EQ(origin_.requests(payload_.hex), 0U);
}

TEST_F(ServeTest, KnowsOneSpellingOfANameAndNoOther) {
  std::string upper = payload_.hex;
  for (char& c : upper) c = static_cast<char>(toupper(c));
  struct Row {
    const char* name;
    std::string path;
    int status;
  };
  const Row rows[] = {
      {"upper case", "/a/" + upper, 400},
      {"too short", "/a/" + payload_.hex.substr(1), 400},
      {"too long", "/a/" + payload_.hex + "0", 400},
      {"no hex", "/a/" + std::string(64, 'g'), 400},
      {"empty", "/a/", 404},
      {"below it", "/a/" + payload_.hex + "/x", 404},
      {"nobody knows it", "/a/" + std::string(64, '0'), 404},
      {"another tenant's metadata", "/OTHER/tuf/timestamp.json", 404},
      {"no such page", "/admin", 404},
  };
  for (const Row& row : rows) EXPECT_EQ(edge_->Get(row.path).status, row.status) << row.name;
  EXPECT_EQ(edge_->Get(path(), {}, "DELETE").status, 405);
  EXPECT_EQ(edge_->Get("/healthz").body, "{\"status\":\"ok\"}\n");
}

TEST_F(ServeTest, NoQueryAndNoHeaderEntersTheCacheKey) {
  EXPECT_TRUE(edge_->Get(path() + "?e=1&d=2").body == payload_.text());
  EXPECT_TRUE(edge_->Get(path() + "?d=2&e=1", {{"X-Forwarded-Host", "evil.example"}}).body == payload_.text());
  EXPECT_TRUE(edge_->Get(path(), {{"Accept-Encoding", "gzip"}, {"Cookie", "a=b"}}).body == payload_.text());
  EXPECT_EQ(origin_.sent_bytes(payload_.hex), payload_.identity.size);
}

TEST_F(ServeTest, APlainObjectIsKeptOnceItsWholeHashMatched) {
  const http::Reply cold = edge_->Get("/a/" + plain_.hex);
  EXPECT_EQ(cold.status, 200);
  ASSERT_TRUE(cold.body == plain_.text());
  origin_.Stop();
  EXPECT_TRUE(edge_->Get("/a/" + plain_.hex, {{"Range", "bytes=100000-200000"}}).body ==
              plain_.text().substr(100'000, 100'001));
  EXPECT_EQ((*edge_)->counters().bytes_filled, plain_.identity.size);
}

TEST_F(ServeTest, ServesOnAfterARestartWithTheOriginGone) {
  ASSERT_TRUE(edge_->Get(path()).body == payload_.text());
  ASSERT_TRUE(edge_->Get("/a/" + plain_.hex).body == plain_.text());
  edge_->Stop();
  origin_.Stop();
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
  EXPECT_TRUE(edge_->Get("/a/" + plain_.hex).body == plain_.text());
  const uint64_t both = payload_.identity.size + plain_.identity.size;
  EXPECT_EQ((*edge_)->counters().bytes_filled, both) << "counted on, and nothing was fetched again";
  EXPECT_EQ(Served(2 * both), 2 * both);
}

TEST_F(ServeTest, WritesOneLinePerAnsweredRange) {
  edge_->Get(path(), {{"Range", "bytes=5-14,100-109"}, {"User-Agent", "tilld/1 (\"pos\\-7)"}});
  edge_->Get(path(), {}, "HEAD");
  edge_->Get("/a/nonsense");
  const auto lines = LogLines();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0]["object"].AsString(), payload_.hex);
  EXPECT_EQ(lines[0]["status"].AsInteger(), 206);
  EXPECT_EQ(lines[0]["first"].AsInteger(), 5);
  EXPECT_EQ(lines[0]["sent"].AsInteger(), 10);
  EXPECT_TRUE(lines[0]["complete"].AsBool());
  EXPECT_EQ(lines[0]["cache"].AsString(), "miss");
  EXPECT_EQ(lines[1]["first"].AsInteger(), 100);
  EXPECT_EQ(lines[2]["method"].AsString(), "HEAD");
  EXPECT_EQ(lines[2]["sent"].AsInteger(), 0);
  EXPECT_EQ(lines[3]["status"].AsInteger(), 400);
}

TEST_F(ServeTest, CountsForStatus) {
  edge_->Get(path());
  edge_->Get(path());
  Served(2 * payload_.identity.size);
  const json::Value status = json::Parse(edge_->Get("/status").body).value();
  EXPECT_EQ(status["bytes_served"].AsInteger(), static_cast<int64_t>(2 * payload_.identity.size));
  EXPECT_EQ(status["bytes_filled"].AsInteger(), static_cast<int64_t>(payload_.identity.size));
  EXPECT_EQ(status["hits"].AsInteger(), 1);
  EXPECT_EQ(status["objects"].AsInteger(), 1);
  EXPECT_EQ(status["origin"].AsString(), "ok");
  EXPECT_EQ(status["metadata"]["objects"].AsInteger(), 1);
}

TEST_F(ServeTest, EvictsUnderItsCapAndFetchesAgain) {
  const Payload second = MakePayload(2'000'000, 9);
  const std::string second_path = "/a/" + second.hex;
  origin_.Sign({second});
  edge_->Stop();
  edge_->options.catalog.max_bytes = 3'000'000;
  edge_->Start();
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
  {
    // What is being handed out cannot go: the other passes through, part of it from memory.
    const Catalog::Object held = (*edge_)->catalog().Find(payload_.identity.name, Catalog::Use::kClient).value();
    EXPECT_TRUE(edge_->Get(second_path).body == second.text());
    EXPECT_EQ((*edge_)->counters().objects_evicted, 0U);
    EXPECT_LE((*edge_)->catalog().used_bytes(), 3'000'000U);
  }
  // A later request finds room, although nothing of it has to be fetched.
  const uint64_t filled = (*edge_)->counters().bytes_filled;
  edge_->clock.ahead_ms += CacheObject::kPassThroughMs;
  while ((*edge_)->catalog().used_bytes() != second.identity.size) {
    EXPECT_TRUE(edge_->Get(second_path).body == second.text());
    edge_->clock.ahead_ms += CacheObject::kPassThroughMs;  // the store may still have been busy with the first
  }
  EXPECT_EQ((*edge_)->counters().bytes_filled, filled);
  EXPECT_EQ((*edge_)->counters().objects_evicted, 1U);
  EXPECT_TRUE(edge_->Get(path()).body == payload_.text());
  EXPECT_LE((*edge_)->catalog().used_bytes(), 3'000'000U);
}

}  // namespace
}  // namespace till::edge::testing
