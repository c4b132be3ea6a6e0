#include "server/auth/operators.h"

#include "core/crypto/hash.h"
#include "core/crypto/password.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "server/auth/credentials.h"

namespace till::server {
namespace {

constexpr Error kNobody{ErrorCode::kRefused, "no such user, or another password"};
constexpr Error kBusy{ErrorCode::kUnavailable, "too many sign-ins at once", 2};
constexpr unsigned kThreads = 2;
constexpr size_t kMaxRemembered = 1024;
constexpr size_t kMaxPairs = 4096;

}  // namespace

Operators::Operators(kv::Store& store, Clock& clock)
    : store_(store),
      clock_(clock),
      process_key_(crypto::RandomBytes(32)),
      back_off_(kMaxPairs),
      pool_(std::make_unique<http::WorkerPool>(kThreads, kMaxWaiting)) {}

void Operators::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  pool_.reset();
}

Result<bool> Operators::Bootstrap(std::string_view bootstrap, const std::string& token_path) {
  if (!bootstrap.empty()) {
    const size_t colon = std::min(bootstrap.find(':'), bootstrap.size());
    const std::string_view user = bootstrap.substr(0, colon);
    if (!IsCredentialName(user) || bootstrap.size() < colon + 1 + kMinPasswordBytes) {
      return Error{ErrorCode::kInvalid, "wants user:password, the password of at least 8 characters"};
    }
    const std::string phc = TILL_TRY(crypto::ScryptHash(bootstrap.substr(colon + 1)));
    TILL_TRY(store_.Update([&](kv::WriteTxn& txn) { return PutPassword(txn, user, phc); }));
    return false;
  }
  bool anybody = false;
  TILL_TRY(store_.View([&](kv::ReadTxn& txn) -> Status {
    anybody = TILL_TRY(AnyOperator(txn));
    return Ok();
  }));
  if (anybody) return false;
  const std::string token = NewToken(TokenKind::kOperator, "admin");
  TILL_TRY(WriteFileAtomically(token_path, AsBytes(token + "\n"), 0600));
  TILL_TRY(store_.Update([&](kv::WriteTxn& txn) {
    return PutToken(txn, TokenKind::kOperator, token, {"admin", clock_.UnixMs()});
  }));
  return true;
}

std::optional<Operator> Operators::Known(std::string_view authorization) {
  if (authorization.starts_with("Bearer ")) return KnownToken(Trim(authorization.substr(7)));
  if (!authorization.starts_with("Basic ")) return std::nullopt;
  Verified verified;
  {
    const std::lock_guard lock(mutex_);
    const auto found = verified_.find(CacheKey(authorization));
    if (found == verified_.end()) return std::nullopt;
    verified = found->second;
  }
  bool still = false;
  const Status read = store_.View([&](kv::ReadTxn& txn) -> Status {
    still = TILL_TRY(FindPassword(txn, verified.user)) == verified.phc;
    return Ok();
  });
  if (!read.ok()) log::Warn("an operator could not be looked up", {{"error", read.error()}});
  if (!read.ok() || !still) return std::nullopt;
  return Operator{verified.user};
}

std::optional<Operator> Operators::KnownToken(std::string_view token) {
  std::optional<std::string> name;
  const Status read = store_.View([&](kv::ReadTxn& txn) -> Status {
    name = TILL_TRY(FindToken(txn, TokenKind::kOperator, token));
    return Ok();
  });
  if (!read.ok()) log::Warn("a token could not be looked up", {{"error", read.error()}});
  return name ? std::optional(Operator{*name}) : std::nullopt;
}

void Operators::SignIn(std::string_view authorization, std::string_view address,
                       std::function<void(Result<Operator>)> done) {
  if (auto known = Known(authorization)) return done(*known);
  if (!authorization.starts_with("Basic ")) return done(kNobody);
  const auto decoded = crypto::FromBase64(Trim(authorization.substr(6)));
  const size_t colon = decoded.ok() ? decoded->find(':') : std::string::npos;
  if (colon > kMaxCredentialNameBytes) return done(kNobody);  // npos too
  Try asked;
  asked.user = decoded->substr(0, colon);
  asked.password = decoded->substr(colon + 1);
  asked.pair = {asked.user, std::string(address)};
  asked.cache_key = CacheKey(authorization);
  asked.done = done;
  if (const Status queued = Queue(std::move(asked)); !queued.ok()) done(queued.error());
}

Status Operators::Queue(Try asked) {
  const BackOff::Pair pair = asked.pair;
  const std::lock_guard lock(mutex_);
  if (stopping_) return kBusy;
  const int64_t wait_s = back_off_.Begin(pair, clock_.MonotonicMs());
  if (wait_s > 0) {
    return Error{ErrorCode::kUnavailable, "too many sign-ins of this user from there", static_cast<uint64_t>(wait_s)};
  }
  if (pool_->Post([this, asked = std::move(asked)] { Verify(asked); })) return Ok();
  back_off_.End(pair, BackOff::Outcome::kNotTried, clock_.MonotonicMs());
  return kBusy;
}

void Operators::Verify(const Try& asked) {
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    stopping = stopping_;
  }
  const Result<Operator> found = stopping ? Result<Operator>(kBusy) : CheckPassword(asked);
  const bool wrong = !found.ok() && found.error().code == ErrorCode::kRefused;
  const BackOff::Outcome outcome = found.ok() ? BackOff::Outcome::kRight
                                   : wrong    ? BackOff::Outcome::kWrong
                                              : BackOff::Outcome::kNotTried;
  {
    const std::lock_guard lock(mutex_);
    back_off_.End(asked.pair, outcome, clock_.MonotonicMs());
  }
  asked.done(found);
}

Result<Operator> Operators::CheckPassword(const Try& asked) {
  std::optional<std::string> phc;
  TILL_TRY(store_.View([&](kv::ReadTxn& txn) -> Status {
    phc = TILL_TRY(FindPassword(txn, asked.user));
    return Ok();
  }));
  // An unknown user takes as long as a known one.
  static const std::string decoy = *crypto::ScryptHash("no one's password");
  const Status verdict = crypto::ScryptVerify(asked.password, phc ? *phc : decoy);
  if (!phc || !verdict.ok()) return kNobody;
  const std::lock_guard lock(mutex_);
  if (verified_.size() >= kMaxRemembered) verified_.erase(verified_.begin());  // in no order: keys are HMACs
  verified_[asked.cache_key] = {asked.user, *phc};
  return Operator{asked.user};
}

Bytes Operators::CacheKey(std::string_view authorization) const {
  return crypto::HmacSha256(process_key_, AsBytes(authorization));
}

}  // namespace till::server
