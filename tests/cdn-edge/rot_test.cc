// What may happen to a stored object's file while the edge runs: no wrong byte leaves. covers W08 W13
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "cdn-edge/object_index.h"
#include "core/file.h"
#include "tests/cdn-edge/test_origin.h"

namespace till::edge::testing {
namespace {

class RotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    origin_.Sign({payload_, other_});
    origin_.Add(plain_);
    edge_ = std::make_unique<TestEdge>(origin_);
    edge_->options.catalog.memory_bytes = 1 << 20;  // less than any object: what is asked for comes from the disk
    edge_->options.scrub_bytes_per_s = 1;           // it will not come by in time
  }
  static std::string PathOf(const Payload& payload) { return "/a/" + payload.hex; }
  std::string FileOf(const Payload& payload) const {
    return edge_->data() + "/objects/" + payload.hex.substr(0, 2) + "/" + payload.hex;
  }
  // Changes bytes and leaves no trace of it but them, as a medium would.
  void Rot(const Payload& payload, std::initializer_list<uint64_t> offsets) const {
    const UniqueFd file = OpenFile(FileOf(payload), O_RDWR).value();
    struct stat before {};
    ASSERT_EQ(fstat(file.get(), &before), 0);
    for (const uint64_t offset : offsets) {
      const std::byte wrong = payload.bytes[offset] ^ std::byte{0x40};
      ASSERT_TRUE(WriteAllAt(file.get(), offset, ByteView(&wrong, 1)).ok());
    }
    const timespec times[] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(futimens(file.get(), times), 0);
  }
  bool Serves(const Payload& payload) { return edge_->Get(PathOf(payload)).body == payload.text(); }
  // Looks at the edge, over and over, until it is so.
  bool Await(const std::function<bool()>& so) {
    for (int i = 0; i < 20'000; ++i) {
      if (so()) return true;
      edge_->Get("/healthz");
    }
    return false;
  }

  TestOrigin origin_;
  Payload payload_ = MakePayload(3'000'000, 1);
  Payload other_ = MakePayload(3'000'000, 2);
  Payload plain_ = MakePlain(3'000'000, 3);
  std::unique_ptr<TestEdge> edge_;
};

TEST_F(RotTest, RottenChunksAreFetchedAgainAndNeverSeen) {
  edge_->Start();
  ASSERT_TRUE(Serves(payload_));
  ASSERT_TRUE(Serves(other_));  // nothing of the first is left in memory
  Rot(payload_, {1'000, 40'000, 1'500'000});
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Serves(payload_));
  EXPECT_EQ((*edge_)->counters().chunks_found_bad, 3U);
  EXPECT_LT(origin_.sent_bytes(payload_.hex), payload_.identity.size + 3 * 65'536) << "those chunks, not all";
}

TEST_F(RotTest, NothingRottenIsSentWhenTheOriginIsGone) {
  edge_->options.handler.wait_ms = 200;
  edge_->Start();
  ASSERT_TRUE(Serves(payload_));
  ASSERT_TRUE(Serves(other_));
  origin_.Stop();
  Rot(payload_, {40'000});
  EXPECT_EQ(edge_->Get(PathOf(payload_), {{"Range", "bytes=39990-40010"}}).status, 503);
  EXPECT_FALSE(edge_->TryGet(PathOf(payload_)).ok()) << "cut where the rotten chunk begins";
  EXPECT_TRUE(edge_->Get(PathOf(payload_), {{"Range", "bytes=2000000-2100000"}}).body ==
              payload_.text().substr(2'000'000, 100'001));
}

TEST_F(RotTest, AFileThatWasCutReplacedOrRemovedIsNotNoticedByClients) {
  struct Row {
    const char* name;
    std::function<void(const std::string& file)> harm;
  };
  const Row rows[] = {
      {"cut to nothing", [](const std::string& file) { ASSERT_EQ(truncate(file.c_str(), 0), 0); }},
      {"cut in a chunk", [](const std::string& file) { ASSERT_EQ(truncate(file.c_str(), 1'000'001), 0); }},
      {"overwritten with noise",
       [](const std::string& file) {
         ASSERT_TRUE(WriteAllAt(OpenFile(file, O_WRONLY).value().get(), 0, Noise(3'000'000, 9)).ok());
       }},
      {"replaced", [](const std::string& file) { ASSERT_TRUE(WriteFileAtomically(file, Noise(3'000'000, 8)).ok()); }},
      {"removed", [](const std::string& file) { ASSERT_EQ(unlink(file.c_str()), 0); }},
  };
  for (const Row& row : rows) {
    TestEdge edge(origin_);
    edge.options = edge_->options;
    edge.options.data = edge.data();
    edge.Start();
    const auto serves = [&](const Payload& payload) { return edge.Get(PathOf(payload)).body == payload.text(); };
    const std::string file = edge.data() + "/objects/" + payload_.hex.substr(0, 2) + "/" + payload_.hex;
    ASSERT_TRUE(serves(payload_)) << row.name;
    ASSERT_TRUE(serves(other_)) << row.name;
    row.harm(file);
    EXPECT_TRUE(serves(payload_)) << row.name;
    edge.Stop();
    edge.Start();
    EXPECT_TRUE(serves(payload_)) << row.name << ", after a restart";
  }
}

TEST_F(RotTest, AChangedFileIsNoticedWhileItsBytesAreInMemoryAndWrittenAgainFromThere) {
  edge_->options.catalog.memory_bytes = 64 << 20;
  edge_->Start();
  ASSERT_TRUE(Serves(payload_));
  const UniqueFd file = OpenFile(FileOf(payload_), O_RDWR).value();
  Bytes stored(payload_.identity.size);
  const auto whole_on_disk = [&] {
    const auto got = ReadSomeAt(file.get(), 0, stored);
    return got.ok() && stored == payload_.bytes;
  };
  // The watch compares two looks: damage what it must have seen before.
  const auto harm = [&] {
    const std::byte wrong = payload_.bytes[2'000'000] ^ std::byte{1};
    return WriteAllAt(file.get(), 2'000'000, ByteView(&wrong, 1)).ok() && (*edge_)->counters().chunks_found_bad > 0;
  };
  ASSERT_TRUE(Await(harm));
  EXPECT_TRUE(Await([&] { return Serves(payload_) && whole_on_disk(); }));
  EXPECT_EQ(origin_.sent_bytes(payload_.hex), payload_.identity.size) << "it was right in memory";
}

TEST_F(RotTest, AFileThatWasRemovedIsForgottenAndFetchedAnew) {
  edge_->Start();
  ASSERT_TRUE(Serves(payload_));
  ASSERT_EQ(unlink(FileOf(payload_).c_str()), 0);
  EXPECT_TRUE(Await([&] { return (*edge_)->catalog().object_count() == 0; }));
  EXPECT_TRUE(Serves(payload_));
  EXPECT_TRUE(FileExists(FileOf(payload_)));
}

TEST_F(RotTest, APlainObjectsRottenChunkIsFetchedAgainByTheHashTakenOnTheWay) {
  edge_->Start();
  ASSERT_TRUE(Serves(plain_));
  ASSERT_TRUE(Serves(other_));
  Rot(plain_, {1'000, 1'500'000});
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Serves(plain_));
  EXPECT_EQ((*edge_)->counters().chunks_found_bad, 2U);
}

TEST_F(RotTest, APlainObjectThatRottedWhileNobodyRanIsFetchedAnewForThoseWhoWait) {
  edge_->Start();
  ASSERT_TRUE(Serves(plain_));
  edge_->Stop();
  Rot(plain_, {1'500'000});
  edge_->Start();
  EXPECT_TRUE(Serves(plain_));
  EXPECT_EQ((*edge_)->counters().chunks_found_bad, 1U);
}

TEST_F(RotTest, APlainObjectHasNoTagNoDigestAndNoRangesUntilAllOfItMatched) {
  origin_.HoldAt(2'000'000);
  edge_->options.catalog.memory_bytes = 64 << 20;
  edge_->Start();
  const http::Reply cold = edge_->Get(PathOf(plain_), {}, "HEAD");
  EXPECT_EQ(cold.status, 200);
  for (const char* header : {"ETag", "Repr-Digest", "Accept-Ranges"}) EXPECT_EQ(cold.header(header), "") << header;
  origin_.Release();
  const http::Reply whole = edge_->Get(PathOf(plain_), {{"Range", "bytes=10-19"}});
  EXPECT_EQ(whole.status, 200);
  EXPECT_TRUE(whole.body == plain_.text());
  EXPECT_EQ(whole.header("ETag"), "");
  const http::Reply part = edge_->Get(PathOf(plain_), {{"Range", "bytes=10-19"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.header("ETag"), "\"" + plain_.hex + "\"");
  EXPECT_EQ(part.body, plain_.text().substr(10, 10));
}

TEST_F(RotTest, ARangeOfAWrongPlainObjectNeverGoesOutWhole) {
  origin_.FlipAt(plain_.hex, 15);
  edge_->Start();
  EXPECT_FALSE(edge_->TryGet(PathOf(plain_), {{"Range", "bytes=10-19"}}).ok()) << "the answer must break off";
}

TEST_F(RotTest, WhatSignedMetadataSaysGoesBeforeADamagedIndex) {
  edge_->Start();
  ASSERT_TRUE(Serves(payload_));
  edge_->Stop();
  {
    ObjectIndex index = ObjectIndex::Open(edge_->data() + "/index").value();
    IndexRecord record = index.All().value().at(0);
    record.identity.list_sha256[3] ^= std::byte{1};
    ASSERT_TRUE(index.PutRecord(record).ok());
  }
  edge_->Start();
  EXPECT_TRUE(Serves(payload_));
}

// Nothing can be opened: not the number of descriptors that the process holds, but the next one is too many.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd next(dup(0));
    const rlimit none{static_cast<rlim_t>(next.get()), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(RotTest, WithoutDescriptorsAStoredObjectIsNotAbsentButNotNow) {
  // The scrub opens them in the order of their names, and stays with the first: here it is the other that is asked for.
  const auto& [first, second] = std::minmax(payload_, other_, [](auto& a, auto& b) { return a.hex < b.hex; });
  edge_->options.handler.wait_ms = 200;
  edge_->Start();
  ASSERT_TRUE(Serves(second));
  ASSERT_TRUE(Serves(first));
  edge_->Stop();
  edge_->Start();
  origin_.Stop();  // nobody to fetch from: what is there now must come from the store
  http::Client client{http::ClientOptions{}};
  http::Call call;
  call.url = edge_->url("/healthz");
  ASSERT_EQ(client.Send(call)->status, 200);  // and its connection stays open
  call.url = edge_->url(PathOf(second));
  call.max_reply_bytes = 64 << 20;
  {
    const NoDescriptors none;
    const auto reply = client.Send(call);
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->status, 503);
    EXPECT_FALSE(reply->header("Retry-After").empty());
  }
  const auto reply = client.Send(call);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->status, 200) << "neither forgotten nor remembered as absent";
  EXPECT_TRUE(reply->body == second.text());
}

}  // namespace
}  // namespace till::edge::testing
