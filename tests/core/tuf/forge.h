// A repository in memory that can be bent in any way, for tests of the client: honest until told otherwise.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/crypto/sign.h"
#include "core/tuf/repository.h"
#include "core/tuf/tuf.h"

namespace till::tuf {

inline json::Value Ed25519Record(ByteView raw) {
  return json::Value::Object(
      {{"keytype", "ed25519"}, {"keyval", json::Value::Object({{"public", ToHex(raw)}})}, {"scheme", "ed25519"}});
}

class Forge {
 public:
  static constexpr int64_t kNow = 1'800'000'000;
  static constexpr int64_t kDay = 86400;

  Forge() {
    for (const char* role : {"root", "targets", "deltas", "snapshot", "timestamp"}) {
      keys[role] = {crypto::PrivateKey::Generate()};
      thresholds[role] = 1;
      expires[role] = kNow + 10 * kDay;
    }
    targets = {{"images/pos/1/rootfs", crypto::Sha256Of(AsBytes("image"))}};
    deltas = {{"payloads/pos/1/rootfs/full", crypto::Sha256Of(AsBytes("payload"))}};
    PublishRoot();
    PublishAll();
  }

  // The next root; earlier keys sign too, as a rotation asks for.
  void PublishRoot() {
    ++versions["root"];
    json::Value part = Part("root");
    part.Set("consistent_snapshot", true);
    json::Value records = json::Value::Object();
    json::Value roles = json::Value::Object();
    for (const char* role : {"root", "targets", "snapshot", "timestamp"}) {
      for (const crypto::PrivateKey& key : keys[role]) records.Set(KeyId(key), Ed25519Record(key.public_raw()));
      roles.Set(role, Rule(role));
    }
    part.Set("keys", std::move(records));
    part.Set("roles", std::move(roles));
    std::vector<crypto::PrivateKey> signers = keys["root"];
    signers.insert(signers.end(), old_root_keys.begin(), old_root_keys.end());
    old_root_keys = keys["root"];
    Sign("root", std::move(part), signers, Name("root"));
  }

  void PublishTargets() {
    ++versions["targets"];
    json::Value part = Part("targets");
    part.Set("targets", Entries(targets));
    json::Value records = json::Value::Object();
    for (const crypto::PrivateKey& key : keys["deltas"]) records.Set(KeyId(key), Ed25519Record(key.public_raw()));
    json::Value role = Rule("deltas");
    role.Set("name", "deltas");
    role.Set("paths", json::Value::Array({"payloads/*/*/*/*"}));
    role.Set("terminating", true);
    part.Set("delegations",
             json::Value::Object({{"keys", std::move(records)}, {"roles", json::Value::Array({std::move(role)})}}));
    Sign("targets", std::move(part), keys["targets"], Name("targets"));
  }

  void PublishDeltas() {
    ++versions["deltas"];
    json::Value part = Part("targets", "deltas");
    part.Set("targets", Entries(deltas));
    Sign("deltas", std::move(part), keys["deltas"], Name("deltas"));
  }

  void PublishSnapshot() {
    ++versions["snapshot"];
    json::Value part = Part("snapshot");
    part.Set("meta",
             json::Value::Object({{"deltas.json", FileRecord("deltas")}, {"targets.json", FileRecord("targets")}}));
    Sign("snapshot", std::move(part), keys["snapshot"], Name("snapshot"));
  }

  void PublishTimestamp() {
    ++versions["timestamp"];
    json::Value part = Part("timestamp");
    part.Set("meta", json::Value::Object({{"snapshot.json", FileRecord("snapshot")}}));
    Sign("timestamp", std::move(part), keys["timestamp"], "timestamp.json");
  }

  void PublishAll() {
    PublishTargets();
    PublishDeltas();
    PublishOnline();
  }

  void PublishOnline() {
    PublishSnapshot();
    PublishTimestamp();
  }

  std::string Name(const std::string& role) { return std::to_string(versions[role]) + "." + role + ".json"; }

  Fetch Fetcher() {
    return [this](const std::string& name, uint64_t) -> Result<std::string> {
      asked.push_back(name);
      const auto found = files.find(name);
      if (found == files.end()) return Error{ErrorCode::kNotFound, "no such file", 404};
      return found->second;
    };
  }

  std::map<std::string, std::vector<crypto::PrivateKey>> keys;
  std::vector<crypto::PrivateKey> old_root_keys;
  std::map<std::string, int> thresholds;
  std::map<std::string, int64_t> versions, expires;
  std::vector<std::pair<std::string, crypto::Sha256Digest>> targets, deltas;
  bool list_hashes = true;
  std::map<std::string, std::string> files;
  std::vector<std::string> asked;
  // Called for every role: with the signed part before it is signed, and with the document after.
  std::function<void(const std::string& role, json::Value& part)> bend_part;
  std::function<void(const std::string& role, json::Value& document)> bend_document;

 private:
  json::Value Part(const std::string& type, const std::string& role_or_type = "") {
    const std::string role = role_or_type.empty() ? type : role_or_type;
    return json::Value::Object({{"_type", type},
                                {"spec_version", "1.0.31"},
                                {"version", versions[role]},
                                {"expires", FormatUtc(expires[role])}});
  }

  json::Value Rule(const std::string& role) {
    json::Value keyids = json::Value::Array();
    for (const crypto::PrivateKey& key : keys[role]) keyids.Append(KeyId(key));
    return json::Value::Object({{"keyids", std::move(keyids)}, {"threshold", thresholds[role]}});
  }

  json::Value FileRecord(const std::string& role) {
    json::Value record = json::Value::Object({{"version", versions[role]}});
    const std::string& bytes = files[Name(role)];
    if (list_hashes) {
      record.Set("length", static_cast<uint64_t>(bytes.size()));
      record.Set("hashes", json::Value::Object({{"sha256", ToHex(crypto::Sha256Of(AsBytes(bytes)))}}));
    }
    return record;
  }

  static json::Value Entries(const std::vector<std::pair<std::string, crypto::Sha256Digest>>& list) {
    json::Value entries = json::Value::Object();
    for (const auto& [path, digest] : list) {
      entries.Set(path, json::Value::Object({{"length", 7},
                                             {"hashes", json::Value::Object({{"sha256", ToHex(digest)}})},
                                             {"custom", json::Value::Object({{"kind", "x"}})}}));
    }
    return entries;
  }

  void Sign(const std::string& role, json::Value part, const std::vector<crypto::PrivateKey>& signers,
            const std::string& name) {
    if (bend_part) bend_part(role, part);
    const Result<std::string> canonical = json::WriteCanonical(part);
    json::Value signatures = json::Value::Array();
    std::map<std::string, bool> done;
    for (const crypto::PrivateKey& key : signers) {
      if (std::exchange(done[KeyId(key)], true)) continue;
      signatures.Append(json::Value::Object({{"keyid", KeyId(key)}, {"sig", ToHex(key.Sign(AsBytes(*canonical)))}}));
    }
    json::Value document = json::Value::Object({{"signatures", std::move(signatures)}, {"signed", std::move(part)}});
    if (bend_document) bend_document(role, document);
    files[name] = json::Write(document);
  }
};

}  // namespace till::tuf
