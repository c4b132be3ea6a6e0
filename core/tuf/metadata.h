// TUF metadata as values: parsing of the four roles, key rings, and the one place where signatures are counted.
//   Internal to core/tuf. Formats: specification section 4 with POUF-1 (canonical JSON, hexadecimal signatures).
//   A Document is believed only after VerifySignatures(); the Parse… functions then read its signed part.
//   Unknown members are allowed and, inside `signed`, covered by the signature. Keys of kinds we do not know, or that
//   cannot be used (small order), are left out of the ring: they never count towards a threshold.
//   Errors: kCorrupt (not what the role must look like), kRefused (signatures, type), kUnsupported.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/crypto/sign.h"
#include "core/tuf/tuf.h"

namespace till::tuf {

inline constexpr char kTimeMember[] = "x-tillrace-time";
inline constexpr char kDeltasRole[] = "deltas";
inline constexpr char kPayloadPrefix[] = "payloads/";

struct Signature {
  std::string keyid;
  Bytes bytes;  // empty when it was no lower-case hexadecimal text: it then verifies under no key
};

struct Document {
  json::Value signed_part;
  std::string canonical;  // of signed_part: what the signatures are over
  std::vector<Signature> signatures;
};

// kLimit above `max_bytes`.
Result<Document> ParseDocument(std::string_view bytes, uint64_t max_bytes);

using KeyRing = std::map<std::string, crypto::PublicKey, std::less<>>;

struct RoleRule {
  std::vector<std::string> keyids;
  uint64_t threshold = 1;
};

// kRefused unless `threshold` different keys of the rule signed the document. Keys are told apart by their content.
Status VerifySignatures(const Document& document, const KeyRing& keys, const RoleRule& rule);

// What every role has.
struct Common {
  uint64_t version = 0;
  int64_t expires_unix_s = 0;
  int64_t signed_unix_s = 0;  // kTimeMember, 0 when there is none
};

struct Root : Common {
  KeyRing keys;
  std::map<std::string, RoleRule, std::less<>> roles;  // the four are there
  const RoleRule& rule(std::string_view role) const { return roles.find(role)->second; }
};

struct FileMeta {
  uint64_t version = 0;
  std::optional<uint64_t> length;
  std::optional<crypto::Sha256Digest> sha256;
};

struct Timestamp : Common {
  FileMeta snapshot;
};

struct Snapshot : Common {
  std::map<std::string, FileMeta, std::less<>> files;  // by name, "targets.json"
};

struct Delegation {
  KeyRing keys;
  RoleRule rule;
  std::vector<std::string> paths;
};

struct Targets : Common {
  std::vector<TargetEntry> entries;  // role is left empty
  std::optional<Delegation> deltas;
};

Result<Root> ParseRoot(const Document& document);
Result<Timestamp> ParseTimestamp(const Document& document);
Result<Snapshot> ParseSnapshot(const Document& document);
Result<Targets> ParseTargets(const Document& document);

// kCorrupt or kRefused when the bytes are not those that `meta` names.
Status CheckFile(std::string_view bytes, const FileMeta& meta);

// TUF's path patterns: segment by segment, `*` and `?` never match a '/'.
bool PathMatches(std::string_view pattern, std::string_view path);

}  // namespace till::tuf
