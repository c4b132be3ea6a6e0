// What a man in the middle, or a mirror that keeps old files, may try.
#include <functional>
#include <string>
#include <vector>

#include "tests/core/tuf/client_fixture.h"

namespace till::tuf {
namespace {

using json::Value;

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

Value FileRecordOf(int64_t version) { return Value::Object({{"version", version}}); }

// Replaces one part of what targets delegates.
void Delegate(Value& part, const std::string& name, Value value) {
  Value delegations = part["delegations"];
  delegations.Set(name, std::move(value));
  part.Set("delegations", std::move(delegations));
}

// Replaces the meta of one role, hashes and all.
void ListVersion(Value& part, const std::string& file, int64_t version) {
  Value meta = part["meta"];
  meta.Set(file, FileRecordOf(version));
  part.Set("meta", std::move(meta));
}

std::vector<Attack> Attacks() {
  const auto publish_bent = [](const std::string& bent_role, const std::function<void(Value&)>& bend) {
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
      {"malformed time of signing", publish_bent("timestamp", [](Value& p) { p.Set(kTimeMember, "yesterday"); }),
       "corrupt: metadata with a malformed time of signing", old},
      {"a malformed hash",
       publish_bent("timestamp",
                    [](Value& p) {
                      Value file = FileRecordOf(2);
                      file.Set("hashes", Value::Object({{"sha256", "00"}}));
                      p.Set("meta", Value::Object({{"snapshot.json", std::move(file)}}));
                    }),
       "corrupt: a malformed SHA-256 in the metadata", old},
      {"a key that is no object",
       publish_bent("targets",
                    [](Value& p) {
                      Delegate(p, "keys", Value::Object({{"k", 1}}));
                    }),
       "corrupt: a key that is no object",
       {1, 2, 2, 1, 1}},
      {"a key id that is no text",
       publish_bent("targets",
                    [](Value& p) {
                      Value role = p["delegations"]["roles"].items()[0];
                      role.Set("keyids", Value::Array({7}));
                      Delegate(p, "roles", Value::Array({std::move(role)}));
                    }),
       "corrupt: a key id that is no text",
       {1, 2, 2, 1, 1}},
      {"a role delegated twice",
       publish_bent("targets",
                    [](Value& p) {
                      const Value role = p["delegations"]["roles"].items()[0];
                      Delegate(p, "roles", Value::Array({role, role}));
                    }),
       "corrupt: the role deltas is delegated twice",
       {1, 2, 2, 1, 1}},
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

}  // namespace
}  // namespace till::tuf
