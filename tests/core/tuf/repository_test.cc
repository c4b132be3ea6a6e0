#include "core/tuf/repository.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "core/file.h"

namespace till::tuf {
namespace {

constexpr int64_t kNow = 1'800'000'000;

class TufRepositoryTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/till-repo-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
    folder_ = root_ + "/tuf";
    for (RoleKeys* role : {&roles_.root, &roles_.targets, &roles_.deltas, &roles_.snapshot, &roles_.timestamp}) {
      role->keys = {crypto::PrivateKey::Generate()};
    }
    roles_.root.keys.push_back(crypto::PrivateKey::Generate());
    roles_.root.keys.push_back(crypto::PrivateKey::Generate());
    roles_.root.threshold = 2;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static TargetEntry Entry(const std::string& path, const std::string& role, std::string_view content) {
    TargetEntry entry;
    entry.path = path;
    entry.role = role;
    entry.length = content.size();
    entry.sha256 = crypto::Sha256Of(AsBytes(content));
    entry.custom = json::Value::Object({{"version", "1.5.0"}, {"rollback_index", 3}});
    return entry;
  }
  static TargetEntry Image(std::string_view content) { return Entry("images/pos/1.5.0/rootfs", "targets", content); }
  static TargetEntry Payload(std::string_view content) {
    return Entry("payloads/pos/1.5.0/rootfs/full", "deltas", content);
  }

  Fetch Fetcher() const {
    return [this](const std::string& name, uint64_t max) { return ReadTextFile(folder_ + "/" + name, max); };
  }
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(folder_)) {
      files[file.path().filename()] = *ReadTextFile(file.path());
    }
    return files;
  }
  std::unique_ptr<Client> OpenClient() {
    Client::Options options;
    options.folder = root_ + "/client";
    options.now_unix_s = [this] { return now_; };
    return std::move(*Client::Open(options, *ReadTextFile(folder_ + "/1.root.json")));
  }

  RoleSet roles_;
  Lifetimes lifetimes_;
  int64_t now_ = kNow;
  std::string root_;
  std::string folder_;
};

TEST_F(TufRepositoryTest, PublishesWhatAClientTrusts) {
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  auto client = OpenClient();
  ASSERT_TRUE(client->Refresh(Fetcher()).ok());
  EXPECT_TRUE(client->Entries("targets").empty());
  {
    Result<Repository> repository = Repository::Open(folder_);
    ASSERT_TRUE(repository.ok());
    repository->Put(Image("image"));
    repository->Put(Payload("payload"));
    ASSERT_TRUE(repository->Publish(roles_, lifetimes_, kNow + 1).ok());
  }
  ASSERT_TRUE(client->Refresh(Fetcher()).ok());
  const TargetEntry* image = client->FindByPath("images/pos/1.5.0/rootfs");
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->custom["rollback_index"].AsInteger(), 3);
  ASSERT_NE(client->FindByPath("payloads/pos/1.5.0/rootfs/full"), nullptr);
  EXPECT_EQ(client->NewestSignedUnixS(), kNow + 1);
  EXPECT_EQ(client->Version("timestamp"), 2U);
  EXPECT_EQ(client->Version("targets"), 2U);

  // Only what changed gets a new version, and only its key is needed.
  Result<Repository> repository = Repository::Open(folder_);
  ASSERT_TRUE(repository.ok());
  EXPECT_EQ(repository->entries().size(), 2U);
  repository->Put(Entry("payloads/pos/1.5.0/rootfs/from-00", "deltas", "delta"));
  RoleSet ci;
  ci.deltas = roles_.deltas;
  ci.snapshot = roles_.snapshot;
  ci.timestamp = roles_.timestamp;
  ASSERT_TRUE(repository->Publish(ci, lifetimes_, kNow + 2).ok());
  ASSERT_TRUE(client->Refresh(Fetcher()).ok());
  EXPECT_EQ(client->Version("targets"), 2U);
  EXPECT_EQ(client->Version("deltas"), 3U);
  EXPECT_EQ(client->Entries("deltas").size(), 2U);
  repository->Remove("payloads/pos/1.5.0/rootfs/from-00");
  ASSERT_TRUE(repository->Publish(ci, lifetimes_, kNow + 3).ok());
  ASSERT_TRUE(client->Refresh(Fetcher()).ok());
  EXPECT_EQ(client->Entries("deltas").size(), 1U);
  EXPECT_EQ(*repository->FileNames(), (std::vector<std::string>{"1.root.json", "2.targets.json", "4.deltas.json",
                                                                "4.snapshot.json", "timestamp.json"}));
}

TEST_F(TufRepositoryTest, WritesNothingWhenNothingChanged) {
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  Result<Repository> repository = Repository::Open(folder_);
  repository->Put(Image("image"));
  ASSERT_TRUE(repository->Publish(roles_, lifetimes_, kNow).ok());
  const auto files = Files();
  repository->Put(Image("image"));
  ASSERT_TRUE(repository->Publish(roles_, lifetimes_, kNow + 9).ok());
  EXPECT_EQ(Files(), files);
}

TEST_F(TufRepositoryTest, GivesTheSameBytesForTheSameInput) {
  const std::string first = folder_;
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  const auto files = Files();
  folder_ = root_ + "/again";
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  EXPECT_EQ(Files(), files);
}

TEST_F(TufRepositoryTest, IsNotMadeTwice) {
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  const auto files = Files();
  EXPECT_EQ(Repository::Create(folder_, roles_, lifetimes_, kNow).error().code, ErrorCode::kConflict);
  EXPECT_EQ(Files(), files);
}

TEST_F(TufRepositoryTest, RefusesThresholdsItCannotMeet) {
  roles_.root.keys = {roles_.root.keys[0], roles_.root.keys[0]};  // one key twice is one key
  EXPECT_EQ(Repository::Create(folder_, roles_, lifetimes_, kNow).error().code, ErrorCode::kInvalid);
  roles_.root.threshold = 0;
  EXPECT_EQ(Repository::Create(folder_, roles_, lifetimes_, kNow).error().code, ErrorCode::kInvalid);
}

TEST_F(TufRepositoryTest, PublishesNothingThatAClientWouldRefuse) {
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  const auto files = Files();
  Result<Repository> repository = Repository::Open(folder_);
  for (RoleKeys RoleSet::*role : {&RoleSet::targets, &RoleSet::deltas, &RoleSet::snapshot, &RoleSet::timestamp}) {
    for (const bool missing : {true, false}) {
      RoleSet wrong = roles_;
      (wrong.*role).keys.clear();
      if (!missing) (wrong.*role).keys.push_back(crypto::PrivateKey::Generate());
      repository->Put(Image("image"));
      repository->Put(Payload("payload"));
      EXPECT_EQ(repository->Publish(wrong, lifetimes_, kNow).error().code, ErrorCode::kInvalid);
      EXPECT_EQ(Files(), files);
    }
  }
  TargetEntry outside = Entry("images/pos/1.5.0/kernel", "deltas", "x");
  repository->Put(outside);
  EXPECT_EQ(repository->Publish(roles_, lifetimes_, kNow).error().code, ErrorCode::kInvalid);
  repository->Remove(outside.path);
  TargetEntry fraction = Image("image");
  fraction.custom.Set("speed", 1.5);
  repository->Put(fraction);
  EXPECT_EQ(repository->Publish(roles_, lifetimes_, kNow).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(Files(), files);
  repository->Put(Image("image"));
  EXPECT_TRUE(repository->Publish(roles_, lifetimes_, kNow).ok());  // and the object is still good
}

TEST_F(TufRepositoryTest, NoticesAnotherWriter) {
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  Result<Repository> first = Repository::Open(folder_);
  Result<Repository> second = Repository::Open(folder_);
  first->Put(Image("one"));
  second->Put(Image("two"));
  ASSERT_TRUE(first->Publish(roles_, lifetimes_, kNow).ok());
  EXPECT_EQ(second->Publish(roles_, lifetimes_, kNow).error().code, ErrorCode::kConflict);
  EXPECT_EQ(second->Renew(roles_, lifetimes_, kNow).error().code, ErrorCode::kConflict);
}

TEST_F(TufRepositoryTest, RenewsBeforeAndAfterExpiry) {
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  auto client = OpenClient();
  now_ = kNow + 2 * 86400;
  EXPECT_EQ(client->Refresh(Fetcher()).error().code, ErrorCode::kRefused);
  Result<Repository> repository = Repository::Open(folder_);
  ASSERT_TRUE(repository.ok());
  RoleSet online;
  online.snapshot = roles_.snapshot;
  online.timestamp = roles_.timestamp;
  ASSERT_TRUE(repository->Renew(online, lifetimes_, now_).ok());
  EXPECT_TRUE(client->Refresh(Fetcher()).ok());
  // The deltas have run out: their key is needed, and Publish signs them anew.
  now_ = kNow + 100 * 86400;
  EXPECT_EQ(repository->Renew(online, lifetimes_, now_).error().code, ErrorCode::kInvalid);
  online.deltas = roles_.deltas;
  ASSERT_TRUE(repository->Publish(online, lifetimes_, now_).ok());
  EXPECT_TRUE(client->Refresh(Fetcher()).ok());
  EXPECT_EQ(client->Version("deltas"), 2U);
  EXPECT_EQ(client->Version("targets"), 1U);
}

// covers S01
TEST_F(TufRepositoryTest, RefusesToOpenWhatHasBeenBent) {
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  EXPECT_EQ(Repository::Open(root_ + "/none").error().code, ErrorCode::kNotFound);
  for (const auto& [name, bytes] : Files()) {
    std::string bent = bytes;
    bent[bent.size() - 20] = static_cast<char>(bent[bent.size() - 20] ^ 1);
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/" + name, AsBytes(bent)).ok());
    EXPECT_FALSE(Repository::Open(folder_).ok()) << name;
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/" + name, AsBytes(bytes)).ok());
    EXPECT_TRUE(Repository::Open(folder_).ok()) << name;
  }
}

TEST_F(TufRepositoryTest, PublishesOverTheLeftoversOfACut) {
  ASSERT_TRUE(Repository::Create(folder_, roles_, lifetimes_, kNow).ok());
  const std::string timestamp = *ReadTextFile(folder_ + "/timestamp.json");
  Result<Repository> repository = Repository::Open(folder_);
  repository->Put(Image("one"));
  ASSERT_TRUE(repository->Publish(roles_, lifetimes_, kNow).ok());
  // The power went before timestamp.json was replaced.
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/timestamp.json", AsBytes(timestamp)).ok());
  auto client = OpenClient();
  ASSERT_TRUE(client->Refresh(Fetcher()).ok());
  EXPECT_EQ(client->Version("targets"), 1U);
  repository = Repository::Open(folder_);
  ASSERT_TRUE(repository.ok());
  repository->Put(Image("two"));
  ASSERT_TRUE(repository->Publish(roles_, lifetimes_, kNow).ok());
  ASSERT_TRUE(client->Refresh(Fetcher()).ok());
  EXPECT_EQ(client->FindByPath("images/pos/1.5.0/rootfs")->sha256, crypto::Sha256Of(AsBytes("two")));
}

TEST(KeyId, IsTheHashOfTheKeysCanonicalRecord) {
  // RFC 8032 7.1 test 1; the id as securesystemslib computes it.
  const Result<crypto::PrivateKey> key = crypto::PrivateKey::FromPem(
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
      "-----END PRIVATE KEY-----\n");
  const std::string canonical =
      R"({"keytype":"ed25519","keyval":{"public":"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},)"
      R"("scheme":"ed25519"})";
  EXPECT_EQ(KeyId(*key), ToHex(crypto::Sha256Of(AsBytes(canonical))));
}

}  // namespace
}  // namespace till::tuf
