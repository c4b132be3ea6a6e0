#include "core/tuf/metadata.h"

#include <algorithm>

#include "core/text.h"

namespace till::tuf {
namespace {

// JSON numbers beyond this lose their meaning in other implementations; versions and lengths stay far below.
constexpr int64_t kMaxNumber = (int64_t{1} << 53) - 1;
constexpr size_t kMaxSignatureBytes = 1024;  // an RSA key of 8192 bits
constexpr size_t kMaxSignatures = 256;

Error Corrupt(const char* what) { return Error{ErrorCode::kCorrupt, what}; }

// Lower case only: two spellings of one signature would be two files with one meaning.
Bytes ParseSignature(const std::string& hex) {
  if (hex.size() > kMaxSignatureBytes * 2 || ToLower(hex) != hex) return {};
  Result<Bytes> bytes = FromHex(hex);
  return bytes.ok() ? std::move(*bytes) : Bytes{};
}

Result<uint64_t> RequireNumber(const json::Value& object, std::string_view key, int64_t least) {
  const int64_t number = TILL_TRY(object.RequireInteger(key));
  if (number < least || number > kMaxNumber) return Corrupt("a number in the metadata is out of range");
  return static_cast<uint64_t>(number);
}

Result<Common> ParseCommon(const Document& document, std::string_view type) {
  const json::Value& part = document.signed_part;
  if (TILL_TRY(part.RequireString("_type")) != type) return Error{ErrorCode::kRefused, "metadata of another role"};
  // Same major version, any minor: section 4.2 of the specification.
  if (!TILL_TRY(part.RequireString("spec_version")).starts_with("1.")) {
    return Error{ErrorCode::kUnsupported, "metadata of another major version of TUF"};
  }
  Common common;
  common.version = TILL_TRY(RequireNumber(part, "version", 1));
  common.expires_unix_s = ParseUtc(TILL_TRY(part.RequireString("expires")));
  if (common.expires_unix_s < 0) return Corrupt("metadata with a malformed expiry");
  if (part.Has(kTimeMember)) {
    common.signed_unix_s = ParseUtc(TILL_TRY(part.RequireString(kTimeMember)));
    if (common.signed_unix_s < 0 || common.signed_unix_s > common.expires_unix_s) {
      return Corrupt("metadata with a malformed time of signing");
    }
  }
  return common;
}

// The algorithm is what the key's record says; a record whose type and scheme disagree is of no known kind.
Result<crypto::PublicKey> ParseKey(const json::Value& key) {
  const std::string& type = key["keytype"].AsString();
  const std::string& scheme = key["scheme"].AsString();
  const std::string& text = key["keyval"]["public"].AsString();
  if (type == "ed25519" && scheme == "ed25519") {
    const Bytes raw = TILL_TRY(FromHex(text));
    return crypto::PublicKey::FromEd25519(raw);
  }
  const bool is_ecdsa = type == "ecdsa" || type == "ecdsa-sha2-nistp256";  // the second: securesystemslib's older word
  if (is_ecdsa && scheme == "ecdsa-sha2-nistp256") {
    return crypto::PublicKey::FromPem(crypto::KeyKind::kEcdsaP256, text);
  }
  if (type == "rsa" && scheme == "rsassa-pss-sha256") {
    return crypto::PublicKey::FromPem(crypto::KeyKind::kRsaPss, text);
  }
  return Error{ErrorCode::kUnsupported, "a key of a kind that is not known"};
}

Result<KeyRing> ParseKeys(const json::Value& parent) {
  const json::Value& keys = *TILL_TRY(parent.RequireObject("keys"));
  KeyRing ring;
  for (const auto& [keyid, record] : keys.members()) {
    if (!record.is_object()) return Corrupt("a key that is no object");
    if (Result<crypto::PublicKey> key = ParseKey(record); key.ok()) ring.emplace(keyid, std::move(*key));
  }
  return ring;
}

Result<RoleRule> ParseRule(const json::Value& role) {
  RoleRule rule;
  rule.threshold = TILL_TRY(RequireNumber(role, "threshold", 1));
  const json::Value& keyids = *TILL_TRY(role.RequireArray("keyids"));
  for (const json::Value& keyid : keyids.items()) {
    if (!keyid.is_string()) return Corrupt("a key id that is no text");
    rule.keyids.push_back(keyid.AsString());
  }
  return rule;
}

Result<std::optional<crypto::Sha256Digest>> ParseHashes(const json::Value& object) {
  const json::Value& hashes = *TILL_TRY(object.RequireObject("hashes"));
  if (!hashes.Has("sha256")) return Error{ErrorCode::kUnsupported, "metadata with hashes but no SHA-256"};
  Result<crypto::Sha256Digest> digest = crypto::ParseSha256(TILL_TRY(hashes.RequireString("sha256")));
  if (!digest.ok()) return Corrupt("a malformed SHA-256 in the metadata");
  return std::optional<crypto::Sha256Digest>(*digest);
}

Result<FileMeta> ParseFileMeta(const json::Value& object) {
  FileMeta meta;
  meta.version = TILL_TRY(RequireNumber(object, "version", 1));
  if (object.Has("length")) meta.length = TILL_TRY(RequireNumber(object, "length", 0));
  if (object.Has("hashes")) meta.sha256 = TILL_TRY(ParseHashes(object));
  return meta;
}

// Of all delegations ours is the one named "deltas".
Result<std::optional<Delegation>> ParseDelegations(const json::Value& delegations) {
  std::optional<Delegation> deltas;
  const json::Value& roles = *TILL_TRY(delegations.RequireArray("roles"));
  for (const json::Value& role : roles.items()) {
    if (TILL_TRY(role.RequireString("name")) != kDeltasRole) continue;
    if (deltas) return Corrupt("the role deltas is delegated twice");
    deltas.emplace();
    deltas->keys = TILL_TRY(ParseKeys(delegations));
    deltas->rule = TILL_TRY(ParseRule(role));
    for (const json::Value& path : role["paths"].items()) deltas->paths.push_back(path.AsString());
  }
  return deltas;
}

Result<TargetEntry> ParseEntry(const std::string& path, const json::Value& value) {
  TargetEntry entry;
  entry.path = path;
  entry.length = TILL_TRY(RequireNumber(value, "length", 0));
  entry.sha256 = *TILL_TRY(ParseHashes(value));
  if (value.Has("custom")) entry.custom = *TILL_TRY(value.RequireObject("custom"));
  return entry;
}

bool SegmentMatches(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;  // where to go on when what followed the last star did not fit
  size_t star_t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_t = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_t;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace

Result<Document> ParseDocument(std::string_view bytes, uint64_t max_bytes) {
  json::Limits limits;
  limits.max_depth = 16;
  limits.max_bytes = max_bytes;
  limits.max_values = 64 + max_bytes / 16;  // an entry of targets takes about 20 bytes a value
  limits.allow_fractions = false;
  const json::Value tree = TILL_TRY(json::Parse(bytes, limits));
  Document document;
  document.signed_part = *TILL_TRY(tree.RequireObject("signed"));
  document.canonical = TILL_TRY(json::WriteCanonical(document.signed_part));
  const json::Value& signatures = *TILL_TRY(tree.RequireArray("signatures"));
  if (signatures.items().size() > kMaxSignatures) {
    return Error{ErrorCode::kLimit, "metadata with too many signatures", kMaxSignatures};
  }
  for (const json::Value& item : signatures.items()) {
    Signature signature;
    signature.keyid = TILL_TRY(item.RequireString("keyid"));
    signature.bytes = ParseSignature(TILL_TRY(item.RequireString("sig")));
    const bool twice = std::any_of(document.signatures.begin(), document.signatures.end(),
                                   [&](const Signature& other) { return other.keyid == signature.keyid; });
    if (twice) return Error{ErrorCode::kRefused, "two signatures of one key id"};  // section 4.2: ids must be unique
    document.signatures.push_back(std::move(signature));
  }
  return document;
}

Status VerifySignatures(const Document& document, const KeyRing& keys, const RoleRule& rule) {
  std::vector<const crypto::PublicKey*> signers;
  for (const Signature& signature : document.signatures) {
    if (std::find(rule.keyids.begin(), rule.keyids.end(), signature.keyid) == rule.keyids.end()) continue;
    const auto key = keys.find(signature.keyid);
    if (key == keys.end()) continue;
    const bool counted = std::any_of(signers.begin(), signers.end(),
                                     [&](const crypto::PublicKey* other) { return other->SameAs(key->second); });
    if (counted || !key->second.Verify(AsBytes(document.canonical), signature.bytes).ok()) continue;
    signers.push_back(&key->second);
  }
  if (signers.size() < rule.threshold) {
    return Error{ErrorCode::kRefused, "metadata without enough good signatures", signers.size()};
  }
  return Ok();
}

Result<Root> ParseRoot(const Document& document) {
  Root root;
  static_cast<Common&>(root) = TILL_TRY(ParseCommon(document, "root"));
  const json::Value& part = document.signed_part;
  if (!part["consistent_snapshot"].AsBool()) {
    return Error{ErrorCode::kUnsupported, "a repository without consistent snapshots"};
  }
  root.keys = TILL_TRY(ParseKeys(part));
  const json::Value& roles = *TILL_TRY(part.RequireObject("roles"));
  for (const char* name : {"root", "targets", "snapshot", "timestamp"}) {
    root.roles.emplace(name, TILL_TRY(ParseRule(*TILL_TRY(roles.RequireObject(name)))));
  }
  return root;
}

Result<Timestamp> ParseTimestamp(const Document& document) {
  Timestamp timestamp;
  static_cast<Common&>(timestamp) = TILL_TRY(ParseCommon(document, "timestamp"));
  const json::Value& meta = *TILL_TRY(document.signed_part.RequireObject("meta"));
  timestamp.snapshot = TILL_TRY(ParseFileMeta(*TILL_TRY(meta.RequireObject("snapshot.json"))));
  return timestamp;
}

Result<Snapshot> ParseSnapshot(const Document& document) {
  Snapshot snapshot;
  static_cast<Common&>(snapshot) = TILL_TRY(ParseCommon(document, "snapshot"));
  const json::Value& meta = *TILL_TRY(document.signed_part.RequireObject("meta"));
  for (const auto& [name, value] : meta.members()) snapshot.files.emplace(name, TILL_TRY(ParseFileMeta(value)));
  if (!snapshot.files.contains("targets.json")) return Corrupt("a snapshot without targets");
  return snapshot;
}

Result<Targets> ParseTargets(const Document& document) {
  Targets targets;
  static_cast<Common&>(targets) = TILL_TRY(ParseCommon(document, "targets"));
  const json::Value& entries = *TILL_TRY(document.signed_part.RequireObject("targets"));
  for (const auto& [path, value] : entries.members()) targets.entries.push_back(TILL_TRY(ParseEntry(path, value)));
  if (document.signed_part.Has("delegations")) {
    targets.deltas = TILL_TRY(ParseDelegations(document.signed_part["delegations"]));
  }
  return targets;
}

Status CheckFile(std::string_view bytes, const FileMeta& meta) {
  if (meta.length && *meta.length != bytes.size()) {
    return Error{ErrorCode::kRefused, "metadata of another length than was signed", *meta.length};
  }
  if (meta.sha256 && *meta.sha256 != crypto::Sha256Of(AsBytes(bytes))) {
    return Error{ErrorCode::kRefused, "metadata with another hash than was signed"};
  }
  return Ok();
}

bool PathMatches(std::string_view pattern, std::string_view path) {
  const std::vector<std::string_view> patterns = Split(pattern, '/');
  const std::vector<std::string_view> segments = Split(path, '/');
  return std::equal(patterns.begin(), patterns.end(), segments.begin(), segments.end(), SegmentMatches);
}

}  // namespace till::tuf
