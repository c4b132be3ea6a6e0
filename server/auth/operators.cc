#include "server/auth/operators.h"

#include "core/crypto/hash.h"
#include "core/crypto/password.h"
#include "core/file.h"
#include "core/text.h"
#include "server/store/keys.h"

namespace till::server {
namespace {

constexpr Error kNobody{ErrorCode::kRefused, "no such user, or another password"};
constexpr Error kTooManyTries{ErrorCode::kUnavailable, "too many failed sign-ins, try again in a minute"};
constexpr size_t kMaxRemembered = 1024;
constexpr size_t kMaxUserBytes = 64;
// Failed sign-ins of all users together that are looked at in a minute; each costs some 80 ms of scrypt.
constexpr unsigned kMaxFailures = 20;
constexpr int64_t kFailureWindowMs = 60'000;
constexpr std::string_view kTokenPrefix = "till_";

std::string UserKey(std::string_view user) { return Key('U', user); }
std::string TokenKey(std::string_view token) { return Key('V', AsText(crypto::Sha256Of(AsBytes(token)))); }

}  // namespace

Operators::Operators(kv::Store& store, Clock& clock)
    : store_(store), clock_(clock), process_key_(crypto::RandomBytes(32)) {}

Result<bool> Operators::Bootstrap(std::string_view bootstrap, const std::string& token_path) {
  if (!bootstrap.empty()) {
    const size_t colon = bootstrap.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon > kMaxUserBytes || bootstrap.size() - colon < 9) {
      return Error{ErrorCode::kInvalid, "wants user:password, the password of at least 8 characters"};
    }
    const std::string phc = TILL_TRY(crypto::ScryptHash(bootstrap.substr(colon + 1)));
    TILL_TRY(store_.Update([&](kv::WriteTxn& txn) { return txn.Put(UserKey(bootstrap.substr(0, colon)), phc); }));
    const std::lock_guard lock(mutex_);
    verified_.clear();
    return false;
  }
  bool anybody = false;
  const auto note = [&](std::string_view, std::string_view) {
    anybody = true;
    return false;
  };
  TILL_TRY(store_.View([&](kv::ReadTxn& txn) -> Status {
    TILL_TRY(txn.Scan("U", "", note));
    return txn.Scan("V", "", note);
  }));
  if (anybody) return false;
  const std::string token = std::string(kTokenPrefix) + "admin_" + ToHex(crypto::RandomBytes(32));
  TILL_TRY(WriteFileAtomically(token_path, AsBytes(token + "\n"), 0600));
  TILL_TRY(store_.Update([&](kv::WriteTxn& txn) { return txn.Put(TokenKey(token), "admin"); }));
  return true;
}

Result<Operator> Operators::Check(std::string_view authorization) {
  if (auto known = CheckCached(authorization)) return *known;
  if (!authorization.starts_with("Basic ")) return kNobody;
  auto decoded = crypto::FromBase64(Trim(authorization.substr(6)));
  if (!decoded.ok()) return kNobody;
  const size_t colon = decoded->find(':');
  if (colon > kMaxUserBytes) return kNobody;  // npos too
  const std::string_view pair = *decoded;
  if (!MayTry()) return kTooManyTries;
  auto found = CheckBasic(pair.substr(0, colon), pair.substr(colon + 1));
  if (!found.ok()) {
    NoteFailure();
    return found;
  }
  const std::lock_guard lock(mutex_);
  if (verified_.size() >= kMaxRemembered) verified_.clear();
  verified_[CacheKey(authorization)] = found->name;
  return found;
}

std::optional<Operator> Operators::CheckCached(std::string_view authorization) {
  if (authorization.starts_with("Bearer ")) {
    auto found = CheckToken(Trim(authorization.substr(7)));
    if (found.ok()) return *found;
    return std::nullopt;
  }
  const std::lock_guard lock(mutex_);
  const auto known = verified_.find(CacheKey(authorization));
  if (known == verified_.end()) return std::nullopt;
  return Operator{known->second};
}

Result<Operator> Operators::CheckBasic(std::string_view user, std::string_view password) {
  std::string phc;
  TILL_TRY(store_.View([&](kv::ReadTxn& txn) -> Status {
    if (user.empty()) return Ok();
    const auto stored = TILL_TRY(txn.Get(UserKey(user)));
    if (stored) phc = *stored;
    return Ok();
  }));
  // An unknown user takes as long as a known one.
  static const std::string decoy = *crypto::ScryptHash("no one's password");
  const std::lock_guard turn(scrypt_mutex_[next_scrypt_++ % 2]);  // at most two at a time: 32 MiB each
  const Status verdict = crypto::ScryptVerify(password, phc.empty() ? decoy : phc);
  if (phc.empty() || !verdict.ok()) return kNobody;
  return Operator{std::string(user)};
}

// The look-up is by the token's SHA-256, so its time tells nothing about the token.
Result<Operator> Operators::CheckToken(std::string_view token) {
  if (token.size() > 256 || !token.starts_with(kTokenPrefix)) return kNobody;
  std::string name;
  TILL_TRY(store_.View([&](kv::ReadTxn& txn) -> Status {
    const auto stored = TILL_TRY(txn.Get(TokenKey(token)));
    if (stored) name = *stored;
    return Ok();
  }));
  if (name.empty()) return kNobody;
  return Operator{name};
}

bool Operators::MayTry() {
  const std::lock_guard lock(mutex_);
  if (clock_.MonotonicMs() - failures_since_ms_ > kFailureWindowMs) {
    failures_since_ms_ = clock_.MonotonicMs();
    failures_ = 0;
  }
  return failures_ < kMaxFailures;
}

void Operators::NoteFailure() {
  const std::lock_guard lock(mutex_);
  ++failures_;
}

Bytes Operators::CacheKey(std::string_view authorization) const {
  return crypto::HmacSha256(process_key_, AsBytes(authorization));
}

}  // namespace till::server
