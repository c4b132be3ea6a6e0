// Root chains, rotations, thresholds and algorithms.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/core/tuf/client_fixture.h"

namespace till::tuf {
namespace {

using json::Value;

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

}  // namespace
}  // namespace till::tuf
