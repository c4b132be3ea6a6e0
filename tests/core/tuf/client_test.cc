#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "core/tuf/trusted_set.h"
#include "tests/core/tuf/client_fixture.h"

namespace till::tuf {
namespace {

using json::Value;

TEST_F(TufClientTest, TrustsAnHonestRepositoryAndKeepsItAcrossARestart) {
  {
    auto client = Open();
    EXPECT_EQ(VersionsOf(*client), (Versions{1, 0, 0, 0, 0}));
    EXPECT_EQ(client->FindByPath("images/pos/1/rootfs"), nullptr);
    ASSERT_EQ(Refresh(*client), "ok");
    EXPECT_EQ(VersionsOf(*client), (Versions{1, 1, 1, 1, 1}));
    EXPECT_EQ(forge_.asked, (std::vector<std::string>{"2.root.json", "timestamp.json", "1.snapshot.json",
                                                      "1.targets.json", "1.deltas.json"}));
  }
  auto client = Open(Options(), "");
  EXPECT_EQ(VersionsOf(*client), (Versions{1, 1, 1, 1, 1}));
  const TargetEntry* image = client->FindByPath("images/pos/1/rootfs");
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->role, "targets");
  EXPECT_EQ(image->length, 7U);
  EXPECT_EQ(image->custom["kind"].AsString(), "x");
  const crypto::Sha256Digest payload = crypto::Sha256Of(AsBytes("payload"));
  ASSERT_NE(client->FindBySha256(payload, "deltas"), nullptr);
  EXPECT_EQ(client->FindBySha256(payload, "deltas")->path, "payloads/pos/1/rootfs/full");
  EXPECT_EQ(client->FindBySha256(payload, "targets"), nullptr);
  EXPECT_EQ(client->FindBySha256(image->sha256, "targets"), image);
  EXPECT_EQ(client->Entries("targets").size(), 1U);
  EXPECT_EQ(client->Entries("deltas").size(), 1U);
  forge_.asked.clear();
  ASSERT_EQ(Refresh(*client), "ok");
  EXPECT_EQ(forge_.asked, (std::vector<std::string>{"2.root.json", "timestamp.json"}));  // nothing twice
  EXPECT_EQ(Folder()["timestamp.json"], forge_.files["timestamp.json"]);                 // byte for byte
}

TEST_F(TufClientTest, FetchesOnlyTheRoleThatChanged) {
  auto client = OpenAndRefresh();
  forge_.deltas.push_back({"payloads/pos/1/rootfs/from-0123456789abcdef", crypto::Sha256Of(AsBytes("delta"))});
  forge_.PublishDeltas();
  forge_.PublishOnline();
  forge_.asked.clear();
  ASSERT_EQ(Refresh(*client), "ok");
  EXPECT_EQ(forge_.asked,
            (std::vector<std::string>{"2.root.json", "timestamp.json", "2.snapshot.json", "2.deltas.json"}));
  EXPECT_EQ(client->Entries("deltas").size(), 2U);
  EXPECT_EQ(VersionsOf(*client), (Versions{1, 2, 2, 1, 2}));
}

TEST_F(TufClientTest, LeavesOutDelegatedEntriesThatAreNotTheDelegatesToMake) {
  const crypto::Sha256Digest evil = crypto::Sha256Of(AsBytes("evil"));
  forge_.targets.push_back({"payloads/pos/1/rootfs/vouched", crypto::Sha256Of(AsBytes("vouched"))});
  forge_.deltas = {
      {"images/pos/1/rootfs", evil},           {"images/pos/9/rootfs", evil},
      {"payloads/pos/1/rootfs", evil},         {"payloads/pos/1/rootfs/x/y", evil},
      {"payloads/pos/1/rootfs/vouched", evil}, {"payloads/pos/1/rootfs/full", crypto::Sha256Of(AsBytes("p"))}};
  forge_.PublishAll();
  auto client = OpenAndRefresh();
  EXPECT_EQ(client->Entries("deltas").size(), 1U);
  EXPECT_EQ(client->FindBySha256(evil, "deltas"), nullptr);
  EXPECT_EQ(client->FindByPath("images/pos/9/rootfs"), nullptr);
  EXPECT_EQ(client->FindByPath("images/pos/1/rootfs")->sha256, crypto::Sha256Of(AsBytes("image")));
  EXPECT_EQ(client->FindByPath("payloads/pos/1/rootfs/vouched")->role, "targets");
}

TEST_F(TufClientTest, LeavesOutImagesEvenWhenTheDelegationNamesThem) {
  forge_.deltas.push_back({"images/pos/9/rootfs", crypto::Sha256Of(AsBytes("evil"))});
  forge_.bend_part = [](const std::string& role, Value& part) {
    if (role != "targets") return;
    Value delegations = part["delegations"];
    std::vector<Value> roles = delegations["roles"].items();
    roles[0].Set("paths", Value::Array({"*/*/*/*", "payloads/*/*/*/*"}));
    delegations.Set("roles", Value::Array(std::move(roles)));
    part.Set("delegations", std::move(delegations));
  };
  forge_.PublishAll();
  auto client = OpenAndRefresh();
  EXPECT_EQ(client->FindByPath("images/pos/9/rootfs"), nullptr);
  EXPECT_NE(client->FindByPath("payloads/pos/1/rootfs/full"), nullptr);
}

TEST_F(TufClientTest, WorksWithoutADelegation) {
  forge_.bend_part = [](const std::string& role, Value& part) {
    if (role == "targets") part.Remove("delegations");
    if (role == "snapshot") {
      Value meta = part["meta"];
      meta.Remove("deltas.json");
      part.Set("meta", std::move(meta));
    }
  };
  forge_.PublishAll();
  auto client = OpenAndRefresh();
  EXPECT_EQ(VersionsOf(*client), (Versions{1, 2, 2, 2, 0}));
  EXPECT_TRUE(client->Entries("deltas").empty());
  EXPECT_EQ(Refresh(*client), "ok");
}

TEST_F(TufClientTest, LooksOnlyAtItsOwnOfManyDelegations) {
  forge_.bend_part = [](const std::string& role, Value& part) {
    if (role != "targets") return;
    Value delegations = part["delegations"];
    const Value ours = delegations["roles"].items()[0];
    Value other = ours;
    other.Set("name", "translations");
    other.Set("keyids", Value::Array());
    delegations.Set("roles", Value::Array({std::move(other), ours}));
    part.Set("delegations", std::move(delegations));
  };
  forge_.PublishAll();
  auto client = OpenAndRefresh();
  EXPECT_NE(client->FindByPath("payloads/pos/1/rootfs/full"), nullptr);
}

// The same version with other bytes is another file: what the newer timestamp names is fetched, not what is held. Each
// of hash and length shows it alone.
TEST_F(TufClientTest, FetchesASnapshotThatChangedUnderItsVersion) {
  for (const char* unlisted : {"length", "hashes"}) {
    forge_ = Forge();
    auto client = OpenAndRefresh(unlisted);
    --forge_.versions["snapshot"];
    forge_.bend_part = [&](const std::string& role, Value& part) {
      if (role == "snapshot") part.Set("note", "longer");
      if (role != "timestamp") return;
      Value file = part["meta"]["snapshot.json"];
      file.Remove(unlisted);
      part.Set("meta", Value::Object({{"snapshot.json", std::move(file)}}));
    };
    forge_.PublishOnline();
    forge_.asked.clear();
    EXPECT_EQ(Refresh(*client), "ok");
    EXPECT_EQ(std::count(forge_.asked.begin(), forge_.asked.end(), forge_.Name("snapshot")), 1) << unlisted;
  }
}

TEST_F(TufClientTest, TakesNothingOutOfTurn) {
  Result<TrustedSet> trusted = TrustedSet::FromRoot(forge_.files["1.root.json"], {});
  ASSERT_TRUE(trusted.ok());
  EXPECT_FALSE(trusted->SnapshotIsCurrent());
  EXPECT_FALSE(trusted->TargetsAreCurrent("targets"));
  EXPECT_STREQ(trusted->UpdateSnapshot(forge_.files["1.snapshot.json"], Forge::kNow, Origin::kFetched).error().what,
               "a snapshot without a timestamp");
  EXPECT_EQ(
      trusted
          ->UpdateTargets(forge_.files["1.targets.json"], forge_.files["1.deltas.json"], Forge::kNow, Origin::kFetched)
          .error()
          .code,
      ErrorCode::kRefused);
  ASSERT_TRUE(trusted->UpdateTimestamp(forge_.files["timestamp.json"], Forge::kNow, Origin::kFetched).ok());
  EXPECT_FALSE(trusted->SnapshotIsCurrent());
  EXPECT_FALSE(trusted->HasSignedRoot("{}"));
  EXPECT_FALSE(trusted->HasSignedRoot(forge_.files["timestamp.json"]));
  EXPECT_TRUE(trusted->HasSignedRoot(forge_.files["1.root.json"]));
}

TEST_F(TufClientTest, ChecksTheRootItStartsFrom) {
  const auto verdict = [&](const std::string& root) {
    const Result<std::unique_ptr<Client>> client = Client::Open(Options("x"), root);
    return client.ok() ? "ok" : ErrorCodeName(client.error().code);
  };
  EXPECT_STREQ(verdict(""), "not found");
  EXPECT_STREQ(verdict("{}"), "corrupt");
  std::string bent = forge_.files["1.root.json"];
  bent[bent.find("\"expires\"") + 11] = '9';
  EXPECT_STREQ(verdict(bent), "refused");
  EXPECT_STREQ(verdict(forge_.files["timestamp.json"]), "refused");
  EXPECT_STREQ(verdict(forge_.files["1.root.json"]), "ok");
}

TEST_F(TufClientTest, StartsAnewFromItsBuiltInRootWhenTheKeptOneHasDecayed) {
  { OpenAndRefresh(); }
  ASSERT_TRUE(WriteFileAtomically(root_ + "/a/root.json", AsBytes("{decayed")).ok());
  EXPECT_FALSE(Client::Open(Options(), "").ok());
  auto client = Open();
  EXPECT_EQ(Refresh(*client), "ok");
}

// covers F06
TEST_F(TufClientTest, MendsAnyLostOrDecayedFileAtTheNextRefresh) {
  for (const char* name : {"timestamp", "snapshot", "targets", "deltas"}) {
    for (const bool lost : {true, false}) {
      { OpenAndRefresh(); }
      const std::string path = root_ + "/a/" + name + ".json";
      if (lost) {
        ASSERT_EQ(unlink(path.c_str()), 0);
      } else {
        std::string bytes = *ReadTextFile(path);
        bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
        ASSERT_TRUE(WriteFileAtomically(path, AsBytes(bytes)).ok());
      }
      auto client = Open(Options(), "");
      EXPECT_EQ(Refresh(*client), "ok") << name << lost;
      EXPECT_EQ(VersionsOf(*client), (Versions{1, 1, 1, 1, 1})) << name << lost;
      EXPECT_EQ(VersionsOf(*Open(Options(), "")), (Versions{1, 1, 1, 1, 1})) << name << lost;
    }
  }
}

// covers F03 F09
TEST_F(TufClientTest, IsLoadableWhereverTheNetworkOrTheProcessStops) {
  { OpenAndRefresh(); }
  forge_.PublishRoot();
  forge_.PublishAll();
  for (int cut = 0; cut < 6; ++cut) {
    std::filesystem::remove_all(root_ + "/b");
    std::filesystem::copy(root_ + "/a", root_ + "/b");
    {
      auto client = Open(Options("b"), "");
      int calls = 0;
      const Fetch honest = forge_.Fetcher();
      const Status refreshed = client->Refresh([&](const std::string& name, uint64_t max) -> Result<std::string> {
        if (calls++ == cut) return Error{ErrorCode::kUnavailable, "the line is dead", 28};
        return honest(name, max);
      });
      EXPECT_EQ(refreshed.error().code, ErrorCode::kUnavailable) << cut;
      EXPECT_NE(client->FindByPath("payloads/pos/1/rootfs/full"), nullptr) << cut;
    }
    auto client = Open(Options("b"), "");
    EXPECT_NE(client->FindByPath("images/pos/1/rootfs"), nullptr) << cut;
    EXPECT_NE(client->FindByPath("payloads/pos/1/rootfs/full"), nullptr) << cut;
    EXPECT_EQ(Refresh(*client), "ok") << cut;
    EXPECT_EQ(VersionsOf(*client), (Versions{2, 2, 2, 2, 2})) << cut;
  }
}

TEST_F(TufClientTest, TellsTheNewestTimeThatWasSigned) {
  auto client = OpenAndRefresh();
  EXPECT_EQ(client->NewestSignedUnixS(), 0);
  forge_.bend_part = [](const std::string& role, Value& part) {
    part.Set(kTimeMember, FormatUtc(Forge::kNow + (role == "timestamp" ? 5 : 3)));
  };
  forge_.PublishAll();
  ASSERT_EQ(Refresh(*client), "ok");
  EXPECT_EQ(client->NewestSignedUnixS(), Forge::kNow + 5);
  EXPECT_EQ(Open(Options(), "")->NewestSignedUnixS(), Forge::kNow + 5);
}

TEST(PathMatches, KeepsAStarWithinItsSegment) {
  struct Row {
    const char* pattern;
    const char* path;
    bool matches;
  };
  const Row kTable[] = {
      {"payloads/*", "payloads/a", true},
      {"payloads/*", "payloads/a/b", false},
      {"payloads/*", "payloads", false},
      {"payloads/*", "payloads/", true},
      {"payloads/*/*/*/*", "payloads/a/1.2/c/from-00", true},
      {"payloads/*/*/*/*", "payloads/a/1.2/c", false},
      {"*", "a", true},
      {"*", "a/b", false},
      {"a*b*c", "abbc", true},
      {"a*b*c", "abcb", false},
      {"a?c", "abc", true},
      {"a?c", "a/c", false},
      {"a?c", "ac", false},
      {"**a", "bba", true},
      {"", "", true},
      {"a", "", false},
      {"[a]", "a", false},
  };
  for (const Row& row : kTable)
    EXPECT_EQ(PathMatches(row.pattern, row.path), row.matches) << row.pattern << " " << row.path;
}

}  // namespace
}  // namespace till::tuf
