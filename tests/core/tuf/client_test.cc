#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/tuf/metadata.h"
#include "tests/core/tuf/forge.h"

namespace till::tuf {
namespace {

using Versions = std::vector<uint64_t>;  // root, timestamp, snapshot, targets, deltas

class TufClientTest : public testing::Test {
 protected:
  void SetUp() override {
    // In memory where there is such a folder: these tests write some ten thousand files durably.
    char path[64];
    snprintf(path, sizeof path, "%s/till-tuf-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Client::Options Options(const std::string& name = "a") {
    Client::Options options;
    options.folder = root_ + "/" + name;
    options.now_unix_s = [this] { return now_; };
    return options;
  }
  std::unique_ptr<Client> Open(const Client::Options& options, std::string_view trusted_root) {
    Result<std::unique_ptr<Client>> client = Client::Open(options, trusted_root);
    EXPECT_TRUE(client.ok()) << (client.ok() ? "" : client.error().what);
    return client.ok() ? std::move(*client) : nullptr;
  }
  std::unique_ptr<Client> Open(const std::string& name = "a") {
    return Open(Options(name), forge_.files["1.root.json"]);
  }
  std::unique_ptr<Client> OpenAndRefresh(const std::string& name = "a") {
    auto client = Open(name);
    const Status refreshed = client->Refresh(forge_.Fetcher());
    EXPECT_TRUE(refreshed.ok()) << (refreshed.ok() ? "" : refreshed.error().what);
    return client;
  }

  static Versions VersionsOf(const Client& client) {
    return {client.Version("root"), client.Version("timestamp"), client.Version("snapshot"), client.Version("targets"),
            client.Version("deltas")};
  }
  std::map<std::string, std::string> Folder(const std::string& name = "a") {
    std::map<std::string, std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(root_ + "/" + name)) {
      files[file.path().filename()] = *ReadTextFile(file.path());
    }
    return files;
  }
  // What Refresh() answers: "ok", or the code and text of its Error.
  std::string Refresh(Client& client) {
    const Status refreshed = client.Refresh(forge_.Fetcher());
    return refreshed.ok() ? "ok" : std::string(ErrorCodeName(refreshed.error().code)) + ": " + refreshed.error().what;
  }

  Forge forge_;
  int64_t now_ = Forge::kNow;
  std::string root_;
};

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

// covers S01
TEST_F(TufClientTest, RefusesEveryFlippedBitOfATimestampAndChangesNothing) {
  auto client = OpenAndRefresh();
  const auto folder = Folder();
  forge_.PublishAll();
  const std::string good = forge_.files["timestamp.json"];
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bent = good;
    bent[bit / 8] = static_cast<char>(bent[bit / 8] ^ (1 << (bit % 8)));
    forge_.files["timestamp.json"] = bent;
    ASSERT_NE(Refresh(*client), "ok") << bit << " " << bent;
    ASSERT_EQ(VersionsOf(*client), (Versions{1, 1, 1, 1, 1})) << bit;
  }
  EXPECT_EQ(Folder(), folder);
  forge_.files["timestamp.json"] = good;
  EXPECT_EQ(Refresh(*client), "ok");
}

// covers S01 S03
TEST_F(TufClientTest, RefusesEveryFlippedByteOfTheOtherRolesAndEveryTruncation) {
  auto client = OpenAndRefresh();
  forge_.list_hashes = false;  // else the hash, not the signature, would catch them
  forge_.PublishAll();
  for (const char* role : {"snapshot", "targets", "deltas"}) {
    const std::string name = forge_.Name(role);
    const std::string good = forge_.files[name];
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bent = good;
      bent[at] = static_cast<char>(bent[at] ^ 1);
      forge_.files[name] = bent;
      ASSERT_NE(Refresh(*client), "ok") << name << " " << at;
    }
    for (size_t size = 0; size < good.size(); size += 13) {
      forge_.files[name] = good.substr(0, size);
      ASSERT_NE(Refresh(*client), "ok") << name << " " << size;
    }
    EXPECT_EQ(client->Version("targets"), 1U);
    forge_.files[name] = good;
  }
  EXPECT_EQ(Refresh(*client), "ok");
}

struct Attack {
  const char* name;
  std::function<void(Forge&)> prepare;  // after the client trusts version 1 of everything
  std::string verdict;
  Versions versions;  // what is trusted afterwards
};

using json::Value;

Value FileRecordOf(int64_t version) { return Value::Object({{"version", version}}); }

// Replaces the meta of one role, hashes and all.
void ListVersion(Value& part, const std::string& file, int64_t version) {
  Value meta = part["meta"];
  meta.Set(file, FileRecordOf(version));
  part.Set("meta", std::move(meta));
}

std::vector<Attack> Attacks() {
  const auto publish_bent = [](const std::string& bent_role, std::function<void(Value&)> bend) {
    return [=](Forge& forge) {
      forge.bend_part = [=](const std::string& role, Value& part) {
        if (role == bent_role) bend(part);
      };
      forge.PublishAll();
    };
  };
  const Versions old{1, 1, 1, 1, 1};
  return {
      {"the same version with another content",
       [](Forge& f) {
         f.PublishAll();
         f.versions["timestamp"] = 0;
         f.PublishTimestamp();
       },
       "ok", old},  // no news, whatever it says
      {"version 0", publish_bent("timestamp", [](Value& p) { p.Set("version", 0); }),
       "corrupt: a number in the metadata is out of range", old},
      {"a version beyond 2^53", publish_bent("timestamp", [](Value& p) { p.Set("version", int64_t{1} << 53); }),
       "corrupt: a number in the metadata is out of range", old},
      {"an unknown member", publish_bent("timestamp", [](Value& p) { p.Set("extra", "x"); }), "ok", {1, 2, 2, 2, 2}},
      {"timestamp of the wrong type", publish_bent("timestamp", [](Value& p) { p.Set("_type", "snapshot"); }),
       "refused: metadata of another role", old},
      {"snapshot of the wrong type",
       publish_bent("snapshot", [](Value& p) { p.Set("_type", "targets"); }),
       "refused: metadata of another role",
       {1, 2, 1, 1, 1}},
      {"targets of the wrong type",
       publish_bent("targets", [](Value& p) { p.Set("_type", "root"); }),
       "refused: metadata of another role",
       {1, 2, 2, 1, 1}},
      {"deltas of the wrong type",
       publish_bent("deltas", [](Value& p) { p.Set("_type", "deltas"); }),
       "refused: metadata of another role",
       {1, 2, 2, 1, 1}},
      {"TUF 2", publish_bent("timestamp", [](Value& p) { p.Set("spec_version", "2.0.0"); }),
       "unsupported: metadata of another major version of TUF", old},
      {"no expiry", publish_bent("timestamp", [](Value& p) { p.Remove("expires"); }),
       "corrupt: a member is missing or is no string", old},
      {"malformed expiry", publish_bent("timestamp", [](Value& p) { p.Set("expires", "2090-01-01"); }),
       "corrupt: metadata with a malformed expiry", old},
      {"signed after its expiry",
       publish_bent("timestamp", [](Value& p) { p.Set(kTimeMember, "2099-01-01T00:00:00Z"); }),
       "corrupt: metadata with a malformed time of signing", old},
      {"expired timestamp",
       [](Forge& f) {
         f.expires["timestamp"] = Forge::kNow;
         f.PublishAll();
       },
       "refused: the timestamp metadata has expired", old},
      {"expired snapshot",
       [](Forge& f) {
         f.expires["snapshot"] = Forge::kNow - 1;
         f.PublishAll();
       },
       "refused: the snapshot metadata has expired",
       {1, 2, 1, 1, 1}},
      {"expired targets",
       [](Forge& f) {
         f.expires["targets"] = Forge::kNow - 1;
         f.PublishAll();
       },
       "refused: the targets metadata has expired",
       {1, 2, 2, 1, 1}},
      {"expired deltas",
       [](Forge& f) {
         f.expires["deltas"] = Forge::kNow - 1;
         f.PublishAll();
       },
       "refused: the deltas metadata has expired",
       {1, 2, 2, 1, 1}},
      {"snapshot taken back", publish_bent("timestamp", [](Value& p) { ListVersion(p, "snapshot.json", 0); }),
       "corrupt: a number in the metadata is out of range", old},
      {"snapshot of another version than stamped",
       publish_bent("snapshot", [](Value& p) { p.Set("version", 7); }),
       "refused: not the snapshot that the timestamp names",
       {1, 2, 1, 1, 1}},
      {"targets of another version than listed",
       publish_bent("targets", [](Value& p) { p.Set("version", 7); }),
       "refused: not the version that the snapshot lists",
       {1, 2, 2, 1, 1}},
      {"deltas of another version than listed",
       publish_bent("deltas", [](Value& p) { p.Set("version", 7); }),
       "refused: not the version that the snapshot lists",
       {1, 2, 2, 1, 1}},
      {"a snapshot that forgets the deltas",
       publish_bent("snapshot",
                    [](Value& p) {
                      p.Set("meta", Value::Object({{"targets.json", FileRecordOf(2)}}));
                    }),
       "refused: a snapshot that forgets a role",
       {1, 2, 1, 1, 1}},
      {"a snapshot without targets",
       publish_bent("snapshot",
                    [](Value& p) {
                      p.Set("meta", Value::Object({{"deltas.json", FileRecordOf(2)}}));
                    }),
       "corrupt: a snapshot without targets",
       {1, 2, 1, 1, 1}},
      {"a listing with SHA-512 only",
       publish_bent("timestamp",
                    [](Value& p) {
                      p.Set("meta",
                            Value::Object(
                                {{"snapshot.json",
                                  Value::Object({{"version", 2}, {"hashes", Value::Object({{"sha512", "00"}})}})}}));
                    }),
       "unsupported: metadata with hashes but no SHA-256", old},
      {"wrong length",
       [](Forge& f) {
         f.PublishAll();
         f.files["2.snapshot.json"] = f.files["2.snapshot.json"].substr(1);
       },
       "refused: metadata of another length than was signed",
       {1, 2, 1, 1, 1}},
      {"trailing byte",
       [](Forge& f) {
         f.PublishAll();
         f.files["2.targets.json"] += "\n";
       },
       "limit: metadata longer than allowed",
       {1, 2, 2, 1, 1}},
      {"wrong hash, valid signature",
       [](Forge& f) {
         f.PublishAll();
         std::string& file = f.files["2.targets.json"];  // same meaning, same signature, same length, other bytes
         Value document = *json::Parse(file);
         file = json::Write(Value::Object({{"signed", document["signed"]}, {"signatures", document["signatures"]}}));
       },
       "refused: metadata with another hash than was signed",
       {1, 2, 2, 1, 1}},
      {"missing timestamp", [](Forge& f) { f.files.erase("timestamp.json"); },
       "unavailable: metadata that must be there is missing", old},
      {"missing snapshot",
       [](Forge& f) {
         f.PublishAll();
         f.files.erase("2.snapshot.json");
       },
       "unavailable: metadata that must be there is missing",
       {1, 2, 1, 1, 1}},
      {"missing deltas",
       [](Forge& f) {
         f.PublishAll();
         f.files.erase("2.deltas.json");
       },
       "unavailable: metadata that must be there is missing",
       {1, 2, 2, 1, 1}},
      {"oversized timestamp", [](Forge& f) { f.files["timestamp.json"].append(20'000, ' '); },
       "limit: metadata longer than allowed", old},
      {"endless root", [](Forge& f) { f.files["2.root.json"] = std::string(1 << 20, ' '); },
       "limit: metadata longer than allowed", old},
      {"no JSON", [](Forge& f) { f.files["timestamp.json"] = "<html>captive portal</html>"; }, "corrupt: not JSON",
       old},
      {"duplicate member",
       [](Forge& f) {
         std::string& file = f.files["timestamp.json"];
         file.insert(file.size() - 1, ",\"signed\":{}");
       },
       "corrupt: an object has a key twice", old},
      {"no signatures",
       [](Forge& f) {
         f.bend_document = [](const std::string&, Value& d) { d.Set("signatures", Value::Array()); };
         f.PublishAll();
       },
       "refused: metadata without enough good signatures", old},
      {"one signature twice",
       [](Forge& f) {
         f.bend_document = [](const std::string& role, Value& d) {
           Value list = d["signatures"];
           if (role == "timestamp") list.Append(Value(list.items()[0]));
           d.Set("signatures", std::move(list));
         };
         f.PublishAll();
       },
       "refused: two signatures of one key id", old},
      {"too many signatures",
       [](Forge& f) {
         f.list_hashes = false;
         f.bend_document = [](const std::string& role, Value& d) {
           Value list = d["signatures"];
           for (int i = 0; i < 300 && role == "targets"; ++i) {
             list.Append(Value::Object({{"keyid", std::to_string(i)}, {"sig", "00"}}));
           }
           d.Set("signatures", std::move(list));
         };
         f.PublishAll();
       },
       "limit: metadata with too many signatures",
       {1, 2, 2, 1, 1}},
      {"a stranger's key",
       [](Forge& f) {
         f.keys["timestamp"] = {crypto::PrivateKey::Generate()};
         f.PublishAll();
       },
       "refused: metadata without enough good signatures", old},
      {"the snapshot's key signs the timestamp",
       [](Forge& f) {
         f.keys["timestamp"] = f.keys["snapshot"];
         f.PublishAll();
       },
       "refused: metadata without enough good signatures", old},
      {"the targets key signs the deltas",
       [](Forge& f) {
         f.PublishTargets();
         f.keys["deltas"] = f.keys["targets"];
         f.PublishDeltas();
         f.PublishOnline();
       },
       "refused: metadata without enough good signatures",
       {1, 2, 2, 1, 1}},
  };
}

// covers S02 S06 S08 S11
TEST_F(TufClientTest, RefusesEveryAttackOfTheTableAndKeepsWhatItTrusted) {
  int number = 0;
  for (const Attack& attack : Attacks()) {
    forge_ = Forge();
    const std::string name = std::to_string(number++);
    auto client = OpenAndRefresh(name);
    attack.prepare(forge_);
    EXPECT_EQ(Refresh(*client), attack.verdict) << attack.name;
    EXPECT_EQ(VersionsOf(*client), attack.versions) << attack.name;
    EXPECT_NE(client->FindByPath("images/pos/1/rootfs"), nullptr) << attack.name;
    EXPECT_NE(client->FindByPath("payloads/pos/1/rootfs/full"), nullptr) << attack.name;
    client.reset();
    EXPECT_EQ(VersionsOf(*Open(Options(name), "")), attack.versions) << attack.name << " after a restart";
    EXPECT_NE(Open(Options(name), "")->FindByPath("payloads/pos/1/rootfs/full"), nullptr) << attack.name;
  }
}

// covers S06
TEST_F(TufClientTest, RefusesEveryRollback) {
  forge_.PublishAll();
  forge_.PublishAll();  // version 3 of all
  auto client = OpenAndRefresh();
  ASSERT_EQ(VersionsOf(*client), (Versions{1, 3, 3, 3, 3}));
  const auto files = forge_.files;

  forge_.versions["timestamp"] = 1;
  forge_.PublishTimestamp();  // 2
  EXPECT_EQ(Refresh(*client), "refused: a timestamp older than the one trusted");

  forge_.versions["timestamp"] = 3;
  forge_.versions["snapshot"] = 2;
  forge_.PublishTimestamp();  // 4, of snapshot 2
  EXPECT_EQ(Refresh(*client), "refused: a timestamp that takes the snapshot back");

  int64_t timestamp = 3;
  for (const char* role : {"targets", "deltas"}) {
    forge_.files = files;
    forge_.versions = {{"root", 1}, {"timestamp", ++timestamp}, {"snapshot", 3}, {"targets", 3}, {"deltas", 3}};
    forge_.versions[role] = 2;
    forge_.PublishOnline();
    EXPECT_EQ(Refresh(*client), "refused: a snapshot that takes a role back") << role;
    EXPECT_EQ(client->Version("snapshot"), 3U);
    client = Open(Options(), "");  // and the next process knows as much
    EXPECT_EQ(Refresh(*client), "refused: a snapshot that takes a role back") << role;
  }
  EXPECT_EQ(client->Version("targets"), 3U);
}

// covers S08
TEST_F(TufClientTest, NoticesAFreezeByTheClock) {
  auto client = OpenAndRefresh();
  now_ = forge_.expires["timestamp"] - 1;
  EXPECT_EQ(Refresh(*client), "ok");
  now_ = forge_.expires["timestamp"];
  EXPECT_EQ(Refresh(*client), "refused: the root metadata has expired");
  Client::Options options = Options();
  options.tolerate_expired_root = true;
  client = Open(options, "");
  EXPECT_EQ(Refresh(*client), "refused: the timestamp metadata has expired");
  forge_.expires["timestamp"] = now_ + 1;
  forge_.PublishTimestamp();
  EXPECT_EQ(Refresh(*client), "refused: the snapshot metadata has expired");
  forge_.expires["snapshot"] = now_ + 1;
  forge_.PublishOnline();
  EXPECT_EQ(Refresh(*client), "refused: the targets metadata has expired");
  forge_.expires["targets"] = now_ + 1;
  forge_.PublishTargets();
  forge_.PublishOnline();
  EXPECT_EQ(Refresh(*client), "refused: the deltas metadata has expired");
  forge_.expires["deltas"] = now_ + 1;
  forge_.PublishDeltas();
  forge_.PublishOnline();
  EXPECT_EQ(Refresh(*client), "ok");
}

// covers S08 S15
TEST_F(TufClientTest, LetsANewerRootInWhenTheOldOneHasExpired) {
  auto client = OpenAndRefresh();
  now_ = forge_.expires["root"] + 1;
  for (auto& [role, when] : forge_.expires) when = now_ + Forge::kDay;
  forge_.PublishRoot();
  forge_.PublishAll();
  EXPECT_EQ(Refresh(*client), "ok");
  EXPECT_EQ(client->Version("root"), 2U);
}

// covers S09
TEST_F(TufClientTest, TakesOnlyTheFilesOfOneReleaseTogether) {
  for (const bool hashes : {true, false}) {
    forge_ = Forge();
    forge_.list_hashes = hashes;
    constexpr size_t kReleases = 5;
    std::vector<std::map<std::string, std::string>> releases;
    for (size_t i = 0; i < kReleases; ++i) {
      forge_.targets[0].second[0] = static_cast<std::byte>(i);
      forge_.PublishAll();
      std::map<std::string, std::string> files;
      for (const char* role : {"snapshot", "targets", "deltas"}) files[role] = forge_.files[forge_.Name(role)];
      files["timestamp"] = forge_.files["timestamp.json"];
      releases.push_back(std::move(files));
    }
    int accepted = 0;
    for (size_t combination = 0; combination < 625; ++combination) {
      const size_t pick[] = {combination % 5, combination / 5 % 5, combination / 25 % 5, combination / 125};
      const Fetch mixed = [&](const std::string& name, uint64_t) -> Result<std::string> {
        if (name == "timestamp.json") return releases[pick[0]]["timestamp"];
        if (name.ends_with(".snapshot.json")) return releases[pick[1]]["snapshot"];
        if (name.ends_with(".targets.json")) return releases[pick[2]]["targets"];
        if (name.ends_with(".deltas.json")) return releases[pick[3]]["deltas"];
        return Error{ErrorCode::kNotFound, "none", 404};
      };
      std::filesystem::remove_all(root_ + "/mix");
      auto client = Open("mix");
      const bool ok = client->Refresh(mixed).ok();
      const bool consistent = pick[0] == pick[1] && pick[1] == pick[2] && pick[2] == pick[3];
      ASSERT_EQ(ok, consistent) << combination << (hashes ? " with hashes" : " by versions");
      ASSERT_EQ(client->FindByPath("images/pos/1/rootfs") != nullptr, consistent);
      accepted += ok ? 1 : 0;
    }
    EXPECT_EQ(accepted, 5);
  }
}

// covers S13
TEST_F(TufClientTest, FollowsTenRootRotationsInOneJump) {
  auto client = OpenAndRefresh();
  for (int i = 0; i < 10; ++i) {
    for (const char* role : {"root", "timestamp", "snapshot", "targets", "deltas"}) {
      forge_.keys[role] = {crypto::PrivateKey::Generate()};
    }
    forge_.PublishRoot();
  }
  forge_.PublishAll();
  ASSERT_EQ(Refresh(*client), "ok");
  EXPECT_EQ(client->Version("root"), 11U);
  EXPECT_EQ(VersionsOf(*Open(Options(), "")), VersionsOf(*client));
}

// covers S13
TEST_F(TufClientTest, RefusesRootsThatBreakTheChain) {
  struct Break {
    const char* name;
    std::function<void(Forge&)> publish;  // makes 2.root.json
    const char* verdict;
  };
  const Break kTable[] = {
      {"not signed by the old key",
       [](Forge& f) {
         f.keys["root"] = {crypto::PrivateKey::Generate()};
         f.old_root_keys.clear();
         f.PublishRoot();
       },
       "refused: metadata without enough good signatures"},
      {"not signed by the new key",
       [](Forge& f) {
         const auto stranger = crypto::PrivateKey::Generate();
         f.keys["root"].push_back(stranger);
         f.thresholds["root"] = 2;
         f.bend_document = [=](const std::string&, Value& d) {
           Value kept = Value::Array();
           for (const Value& item : d["signatures"].items()) {
             if (item["keyid"].AsString() != KeyId(stranger)) kept.Append(item);
           }
           d.Set("signatures", std::move(kept));
         };
         f.PublishRoot();
       },
       "refused: metadata without enough good signatures"},
      {"a gap",
       [](Forge& f) {
         f.versions["root"] = 2;
         f.PublishRoot();
         f.files["2.root.json"] = f.files["3.root.json"];
       },
       "refused: a root that is not the next"},
      {"the same again", [](Forge& f) { f.files["2.root.json"] = f.files["1.root.json"]; },
       "refused: a root that is not the next"},
      {"another role's file", [](Forge& f) { f.files["2.root.json"] = f.files["1.targets.json"]; },
       "refused: metadata without enough good signatures"},
      {"no consistent snapshots",
       [](Forge& f) {
         f.bend_part = [](const std::string&, Value& p) { p.Set("consistent_snapshot", false); };
         f.PublishRoot();
       },
       "unsupported: a repository without consistent snapshots"},
      {"threshold zero",
       [](Forge& f) {
         f.thresholds["timestamp"] = 0;
         f.PublishRoot();
       },
       "corrupt: a number in the metadata is out of range"},
      {"a role missing",
       [](Forge& f) {
         f.bend_part = [](const std::string&, Value& p) {
           Value roles = p["roles"];
           roles.Remove("snapshot");
           p.Set("roles", std::move(roles));
         };
         f.PublishRoot();
       },
       "corrupt: a member is missing or is no object"},
  };
  int number = 0;
  for (const Break& broken : kTable) {
    forge_ = Forge();
    auto client = OpenAndRefresh(std::to_string(number++));
    broken.publish(forge_);
    EXPECT_EQ(Refresh(*client), broken.verdict) << broken.name;
    EXPECT_EQ(VersionsOf(*client), (Versions{1, 1, 1, 1, 1})) << broken.name;
  }
}

// covers S13
TEST_F(TufClientTest, EndsAnEndlessRootChainAndGoesOnNextTime) {
  Client::Options options = Options();
  options.caps.root_chain = 5;
  auto client = Open(options, forge_.files["1.root.json"]);
  for (int i = 0; i < 8; ++i) forge_.PublishRoot();
  EXPECT_EQ(Refresh(*client), "limit: more new roots than allowed in one refresh");
  EXPECT_EQ(client->Version("root"), 6U);
  EXPECT_EQ(client->Version("timestamp"), 0U);
  EXPECT_EQ(Refresh(*client), "ok");
  EXPECT_EQ(client->Version("root"), 9U);
}

// covers S13
TEST_F(TufClientTest, RecoversFromAFastForwardWhenKeysAreRotated) {
  forge_.versions = {{"root", 1}, {"timestamp", 1000}, {"snapshot", 1000}, {"targets", 1000}, {"deltas", 1000}};
  forge_.PublishAll();
  auto client = OpenAndRefresh();
  ASSERT_EQ(VersionsOf(*client), (Versions{1, 1001, 1001, 1001, 1001}));
  forge_.versions = {{"root", 1}, {"timestamp", 1}, {"snapshot", 1}, {"targets", 1}, {"deltas", 1}};
  forge_.PublishAll();
  EXPECT_EQ(Refresh(*client), "refused: a timestamp older than the one trusted");
  // The old key stays in the new root's list beside others: that is no rotation, and frees nobody.
  forge_.keys["timestamp"].push_back(crypto::PrivateKey::Generate());
  forge_.PublishRoot();
  EXPECT_EQ(Refresh(*client), "refused: a timestamp older than the one trusted");
  forge_.keys["timestamp"] = {crypto::PrivateKey::Generate()};
  forge_.keys["snapshot"] = {crypto::PrivateKey::Generate()};
  forge_.PublishRoot();
  forge_.PublishAll();
  const auto files = forge_.files;
  forge_.files.erase("timestamp.json");
  EXPECT_NE(Refresh(*client), "ok");  // the network goes, in the middle of it
  EXPECT_NE(client->FindByPath("images/pos/1/rootfs"), nullptr);
  forge_.files = files;
  client = Open(Options(), "");
  EXPECT_EQ(client->Version("timestamp"), 0U);
  EXPECT_NE(client->FindByPath("images/pos/1/rootfs"), nullptr);  // images stay known
  EXPECT_EQ(Refresh(*client), "ok");
  EXPECT_EQ(VersionsOf(*client), (Versions{3, 3, 3, 3, 3}));
}

// covers S13
TEST_F(TufClientTest, RecoversFromAFastForwardThatARemainingKeySignedToo) {
  const auto stolen = crypto::PrivateKey::Generate();
  const auto sound = crypto::PrivateKey::Generate();
  forge_.keys["timestamp"] = {stolen, sound};
  forge_.PublishRoot();
  forge_.versions["timestamp"] = 1000;
  forge_.PublishTimestamp();
  auto client = OpenAndRefresh();
  ASSERT_EQ(client->Version("timestamp"), 1001U);
  forge_.keys["timestamp"] = {sound};  // the old timestamp still verifies, and must be dropped all the same
  forge_.PublishRoot();
  forge_.versions["timestamp"] = 1;
  forge_.PublishTimestamp();
  EXPECT_EQ(Refresh(*client), "ok");
  EXPECT_EQ(client->Version("timestamp"), 2U);
}

// covers S13
TEST_F(TufClientTest, ForgetsEntriesWhoseKeyARootTookBack) {
  auto client = OpenAndRefresh();
  const auto old_key = forge_.keys["targets"];
  forge_.keys["targets"] = {crypto::PrivateKey::Generate()};
  forge_.PublishRoot();
  forge_.keys["targets"] = old_key;  // the thief signs a newer version with the key he stole
  forge_.PublishAll();
  EXPECT_EQ(Refresh(*client), "refused: metadata without enough good signatures");
  EXPECT_EQ(client->Version("root"), 2U);
  EXPECT_EQ(client->FindByPath("images/pos/1/rootfs"), nullptr);
  EXPECT_EQ(client->FindByPath("payloads/pos/1/rootfs/full"), nullptr);
}

// covers S13 S11
TEST_F(TufClientTest, CountsKeysAndNotSignatures) {
  // Threshold 2 of two keys; the attacker holds one of them.
  const auto second = crypto::PrivateKey::Generate();
  forge_.keys["timestamp"].push_back(second);
  forge_.thresholds["timestamp"] = 2;
  const auto first = forge_.keys["timestamp"][0];
  // One key under two ids: the record is repeated under an id of its own.
  forge_.bend_part = [&](const std::string& role, Value& part) {
    if (role != "root") return;
    Value keys = part["keys"];
    keys.Set("alias", Ed25519Record(first.public_raw()));
    part.Set("keys", std::move(keys));
    Value roles = part["roles"];
    Value rule = roles["timestamp"];
    Value keyids = rule["keyids"];
    keyids.Append("alias");
    keyids.Append(KeyId(first));
    rule.Set("keyids", std::move(keyids));
    roles.Set("timestamp", std::move(rule));
    part.Set("roles", std::move(roles));
  };
  forge_.PublishRoot();
  forge_.PublishAll();
  auto client = OpenAndRefresh();
  ASSERT_EQ(client->Version("timestamp"), 2U);
  forge_.keys["timestamp"] = {first};
  forge_.PublishAll();
  EXPECT_EQ(Refresh(*client), "refused: metadata without enough good signatures");
  forge_.bend_document = [&](const std::string& role, Value& document) {
    if (role != "timestamp") return;
    Value list = document["signatures"];
    list.Append(Value::Object({{"keyid", "alias"}, {"sig", list.items()[0]["sig"]}}));
    document.Set("signatures", std::move(list));
  };
  forge_.PublishTimestamp();
  EXPECT_EQ(Refresh(*client), "refused: metadata without enough good signatures");
  forge_.bend_document = nullptr;
  forge_.keys["timestamp"] = {first, second};
  forge_.PublishTimestamp();
  EXPECT_EQ(Refresh(*client), "ok");
}

// covers S06
TEST_F(TufClientTest, AcceptsABadSignatureBesideEnoughGoodOnes) {
  forge_.keys["timestamp"].push_back(crypto::PrivateKey::Generate());
  forge_.PublishRoot();
  auto client = Open();
  for (const char* sig : {"", "00", "zz", "not hex"}) {
    forge_.bend_document = [&](const std::string& role, Value& document) {
      if (role != "timestamp") return;
      std::vector<Value> list = document["signatures"].items();
      list[0].Set("sig", sig);
      document.Set("signatures", Value::Array(std::move(list)));
    };
    forge_.PublishTimestamp();
    EXPECT_EQ(Refresh(*client), "ok") << sig;
  }
}

struct OpensslKey {
  explicit OpensslKey(EVP_PKEY* key) : handle(key, EVP_PKEY_free) {}
  std::string Pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, handle.get());
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio, &text);
    std::string pem(text, static_cast<size_t>(length));
    BIO_free(bio);
    return pem;
  }
  std::string Sign(const std::string& message) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* key_context = nullptr;
    EVP_DigestSignInit(context, &key_context, EVP_sha256(), nullptr, handle.get());
    if (EVP_PKEY_get_base_id(handle.get()) == EVP_PKEY_RSA) {
      EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST);
    }
    Bytes signature(1024);
    size_t size = signature.size();
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(message.data()), message.size());
    EVP_MD_CTX_free(context);
    return ToHex(ByteView(signature).first(size));
  }
  std::shared_ptr<EVP_PKEY> handle;
};

Value PemRecord(const std::string& type, const std::string& scheme, const std::string& text) {
  return Value::Object({{"keytype", type}, {"keyval", Value::Object({{"public", text}})}, {"scheme", scheme}});
}

// Makes `record` the timestamp's only key, under the id "k".
void UseAsTimestampKey(Value& root, const Value& record) {
  Value keys = root["keys"];
  keys.Set("k", record);
  root.Set("keys", std::move(keys));
  Value roles = root["roles"];
  roles.Set("timestamp", Value::Object({{"keyids", Value::Array({"k"})}, {"threshold", 1}}));
  root.Set("roles", std::move(roles));
}

// covers S11 S12
TEST_F(TufClientTest, TakesTheAlgorithmFromTheKeysRecordAlone) {
  const OpensslKey ec(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const OpensslKey rsa(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048}));
  const crypto::PrivateKey ed = crypto::PrivateKey::Generate();
  const auto sign_ed = [&](const std::string& message) { return ToHex(ed.Sign(AsBytes(message))); };
  const auto sign_ec = [&](const std::string& message) { return ec.Sign(message); };
  const auto sign_rsa = [&](const std::string& message) { return rsa.Sign(message); };
  const std::string ed_hex = ToHex(ed.public_raw());
  const std::string identity = "01" + std::string(62, '0');
  struct Case {
    const char* name;
    Value record;
    std::function<std::string(const std::string& message)> sign;
    bool good;
  };
  const Case kTable[] = {
      {"Ed25519", PemRecord("ed25519", "ed25519", ed_hex), sign_ed, true},
      {"ECDSA", PemRecord("ecdsa", "ecdsa-sha2-nistp256", ec.Pem()), sign_ec, true},
      {"ECDSA, older word", PemRecord("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", ec.Pem()), sign_ec, true},
      {"RSA", PemRecord("rsa", "rsassa-pss-sha256", rsa.Pem()), sign_rsa, true},
      {"ECDSA named RSA", PemRecord("rsa", "rsassa-pss-sha256", ec.Pem()), sign_ec, false},
      {"RSA named ECDSA", PemRecord("ecdsa", "ecdsa-sha2-nistp256", rsa.Pem()), sign_rsa, false},
      {"type and scheme disagree", PemRecord("ed25519", "rsassa-pss-sha256", ed_hex), sign_ed, false},
      {"none", PemRecord("none", "none", ""), [](const std::string&) { return std::string(); }, false},
      {"HMAC with the public key", PemRecord("ed25519", "hmac-sha256", ed_hex),
       [&](const std::string& m) { return ToHex(crypto::HmacSha256(ed.public_raw(), AsBytes(m))); }, false},
      {"RSA PKCS#1 v1.5", PemRecord("rsa", "rsa-pkcs1v15-sha256", rsa.Pem()), sign_rsa, false},
      {"small order", PemRecord("ed25519", "ed25519", identity),
       [&](const std::string&) { return identity + std::string(64, '0'); }, false},
      {"malformed ECDSA", PemRecord("ecdsa", "ecdsa-sha2-nistp256", ec.Pem()),
       [](const std::string&) { return std::string("3006020100020100"); }, false},
      {"empty ECDSA", PemRecord("ecdsa", "ecdsa-sha2-nistp256", ec.Pem()),
       [](const std::string&) { return std::string(); }, false},
      {"upper-case signature", PemRecord("ed25519", "ed25519", ed_hex),
       [&](const std::string& m) {
         std::string upper = sign_ed(m);
         for (char& c : upper) c = static_cast<char>(toupper(c));
         return upper;
       },
       false},
  };
  int number = 0;
  for (const Case& row : kTable) {
    forge_ = Forge();
    forge_.bend_part = [&](const std::string& role, Value& part) {
      if (role == "root") UseAsTimestampKey(part, row.record);
    };
    forge_.PublishRoot();
    forge_.bend_document = [&](const std::string& role, Value& document) {
      if (role != "timestamp") return;
      const std::string sig = row.sign(*json::WriteCanonical(document["signed"]));
      // What the message says about its algorithm is nothing to us.
      document.Set("signatures", Value::Array({Value::Object({{"keyid", "k"}, {"sig", sig}, {"method", "none"}})}));
    };
    forge_.PublishAll();
    auto client = Open(std::to_string(number++));
    EXPECT_EQ(Refresh(*client), row.good ? "ok" : "refused: metadata without enough good signatures") << row.name;
  }
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
