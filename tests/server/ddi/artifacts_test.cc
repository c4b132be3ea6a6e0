// Downloads over DDI: HEAD, ranges and hawkBit's own ways with ETags (A9).
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/crypto/hash.h"
#include "server/ddi/artifact_range.h"
#include "tests/server/support/world.h"

namespace till::server {
namespace {

class Artifacts : public testing::Test {
 protected:
  Artifacts() {
    for (int i = 0; i < 1000; ++i) bytes_ += static_cast<char>('a' + i % 26);
    world_.AddTarget("pos-1");
    action_ = world_.Assign("pos-1", world_.AddSet("os", "1", {{"root fs.bin", bytes_}}));
    crypto::Hasher sha1(crypto::HashKind::kSha1);
    sha1.Update(AsBytes(bytes_));
    sha1_ = ToHex(sha1.Finish());
  }
  http::Reply Get(std::vector<http::HeaderField> headers = {}, const std::string& method = "GET") {
    return world_.AsTarget("pos-1", method, "softwaremodules/1/artifacts/root%20fs.bin", "", std::move(headers));
  }
  size_t Downloads() {
    size_t count = 0;
    for (const ActionStatus& status : world_.Statuses(action_)) count += status.state == ActionState::kDownload;
    return count;
  }

  World world_;
  std::string bytes_, sha1_;
  ActionId action_{};
};

TEST_F(Artifacts, HeadComesBeforeGet) {
  const http::Reply head = Get({}, "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("Content-Length"), "1000");
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(Downloads(), 0u);
  const http::Reply get = Get();
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.body, bytes_);
  EXPECT_EQ(get.header("ETag"), "\"" + sha1_ + "\"");
  EXPECT_EQ(get.header("Accept-Ranges"), "bytes");
  EXPECT_EQ(get.header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(get.header("Content-Disposition"), "attachment;filename=\"root fs.bin\"");
  EXPECT_EQ(get.header("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(get.header("Last-Modified"), "Thu, 01 Jan 2026 00:00:00 GMT");
  EXPECT_EQ(Downloads(), 1u) << "a whole GET is logged as download";
}

TEST_F(Artifacts, RangesAreServedAndNotLogged) {
  struct Row {
    const char* range;
    int status;
    const char* content_range;
    size_t first, length;
  };
  const Row rows[] = {
      {"bytes=0-99", 206, "bytes 0-99/1000", 0, 100},  {"bytes=990-", 206, "bytes 990-999/1000", 990, 10},
      {"bytes=-5", 206, "bytes 995-999/1000", 995, 5}, {"bytes=0-5000", 206, "bytes 0-999/1000", 0, 1000},
      {"bytes=1000-", 416, "bytes */1000", 0, 0},      {"bytes=5000-6000", 416, "bytes */1000", 0, 0},
      {"bytes=9-5", 416, "bytes */1000", 0, 0},        {"bytes=a-b", 416, "bytes */1000", 0, 0},
      {"lines=1-2", 416, "bytes */1000", 0, 0},        {"bytes=0-99,50-149", 416, "bytes */1000", 0, 0},
  };
  for (const Row& row : rows) {
    const http::Reply reply = Get({{"Range", row.range}});
    EXPECT_EQ(reply.status, row.status) << row.range;
    EXPECT_EQ(reply.header("Content-Range"), row.content_range) << row.range;
    EXPECT_EQ(reply.body, bytes_.substr(row.first, row.length)) << row.range;
  }
  const http::Reply several = Get({{"Range", "bytes=500-509,0-9"}});
  EXPECT_EQ(several.status, 206);
  EXPECT_TRUE(several.header("Content-Type").starts_with("multipart/byteranges")) << several.header("Content-Type");
  EXPECT_EQ(Downloads(), 0u);
}

TEST_F(Artifacts, ConditionsAreReadAsHawkbitReadsThem) {
  const std::string quoted = "\"" + sha1_ + "\"";
  EXPECT_EQ(Get({{"If-Match", quoted}}).status, 200);
  EXPECT_EQ(Get({{"If-Match", sha1_}}).status, 200) << "hawkBit's own, unquoted";
  EXPECT_EQ(Get({{"If-Match", "*"}}).status, 200);
  EXPECT_EQ(Get({{"If-Match", "\"other\""}}).status, 412);
  EXPECT_EQ(Get({{"If-None-Match", quoted}}).status, 200) << "no 304 on downloads";
  EXPECT_EQ(Get({{"Range", "bytes=0-9"}, {"If-Range", quoted}}).status, 206);
  EXPECT_EQ(Get({{"Range", "bytes=0-9"}, {"If-Range", "\"other\""}}).status, 200);
  EXPECT_EQ(Get({{"Range", "bytes=0-9"}, {"If-Range", "Thu, 01 Jan 2026 00:00:00 GMT"}}).status, 206);
  EXPECT_EQ(Get({{"Range", "bytes=0-9"}, {"If-Range", "Wed, 31 Dec 2025 00:00:00 GMT"}}).status, 200);
}

// An edge that is told 404 remembers that there is no such payload.
TEST_F(Artifacts, WithoutADescriptorTheAnswerIsLaterAndNotNever) {
  ASSERT_EQ(Get().status, 200);  // the connection is there from now on
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &none);
  const http::Reply reply = Get();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(reply.status, 503);
  EXPECT_FALSE(reply.header("Retry-After").empty());
  EXPECT_EQ(Get().status, 200);
}

TEST_F(Artifacts, Md5SumIsOneLine) {
  const http::Reply reply = world_.AsTarget("pos-1", "GET", "softwaremodules/1/artifacts/root%20fs.bin.MD5SUM");
  crypto::Hasher md5(crypto::HashKind::kMd5);
  md5.Update(AsBytes(bytes_));
  EXPECT_EQ(reply.body, ToHex(md5.Finish()) + "  root fs.bin");
  EXPECT_TRUE(reply.header("Content-Type").starts_with("text/plain"));
}

TEST_F(Artifacts, AreServedOnlyWhileTheActionRuns) {
  EXPECT_EQ(world_.AsTarget("pos-1", "GET", "softwaremodules/1/artifacts/other.bin").status, 404);
  EXPECT_EQ(world_.AsTarget("pos-1", "GET", "softwaremodules/2/artifacts/root%20fs.bin").status, 404);
  world_.Update([&](kv::WriteTxn& txn) { return RequestCancel(txn, action_, {"tester", 1}); });
  EXPECT_EQ(Get().status, 200) << "still active while canceling";
  EXPECT_EQ(world_.AsTarget("pos-1", "GET", "softwaremodules/1/artifacts").status, 404);
  world_.Feedback("pos-1", action_, "closed", "success");
  EXPECT_EQ(Get().status, 404);
  EXPECT_EQ(world_.AsTarget("pos-1", "GET", "softwaremodules/1/artifacts").status, 200)
      << "the installed one is listed";
}

TEST_F(Artifacts, TheAccessLogAddsUp) {
  EXPECT_EQ(Get({{"Range", "bytes=0-99"}, {"User-Agent", "tilld/1 (pos-1)"}}).status, 206);
  EXPECT_EQ(Get().status, 200);
  world_.server->Stop(1000);
  const std::string log = ReadTextFile(world_.folder.path() + "/access.log").value();
  const size_t end = log.find('\n');
  const json::Value range = json::Parse(log.substr(0, end)).value();
  const json::Value whole = json::Parse(log.substr(end + 1, log.find('\n', end + 1) - end - 1)).value();
  EXPECT_EQ(range["sent"].AsInteger(), 100);
  EXPECT_EQ(range["status"].AsInteger(), 206);
  EXPECT_EQ(range["agent"].AsString(), "tilld/1 (pos-1)");
  EXPECT_EQ(range["object"].AsString(), HexOf(bytes_));
  EXPECT_EQ(whole["sent"].AsInteger(), 1000);
  EXPECT_TRUE(whole["complete"].AsBool());
}

TEST(HttpDate, IsTheImfForm) { EXPECT_EQ(HttpDate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT"); }

}  // namespace
}  // namespace till::server
