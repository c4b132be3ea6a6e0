#include "server/auth/credentials.h"

#include <algorithm>
#include <charconv>

#include "core/crypto/hash.h"
#include "core/json/json.h"
#include "core/text.h"
#include "server/store/keys.h"

namespace till::server {
namespace {

constexpr size_t kMaxTokenBytes = 256;
constexpr const char* kEdgeTokensMade = "edge tokens made";

std::string UserKey(std::string_view user) { return Key('U', user); }
std::string_view TokenPrefix(TokenKind kind) { return kind == TokenKind::kOperator ? "till_" : "edge_"; }
char TokenLetter(TokenKind kind) { return kind == TokenKind::kOperator ? 'V' : 'W'; }
std::string TokenKey(TokenKind kind, std::string_view token) {
  return Key(TokenLetter(kind), AsText(crypto::Sha256Of(AsBytes(token))));
}

// "name", or "name\0<ms since 1970>".
std::string Packed(const Credential& credential) {
  return credential.name + '\0' + std::to_string(credential.made_at_ms);
}
Credential Unpacked(std::string_view stored) {
  const size_t end = std::min(stored.find('\0'), stored.size());
  Credential credential{std::string(stored.substr(0, end)), 0};
  if (end < stored.size()) {
    std::from_chars(stored.data() + end + 1, stored.data() + stored.size(), credential.made_at_ms);
  }
  return credential;
}

void SortByName(std::vector<Credential>& list) {
  std::sort(list.begin(), list.end(), [](const Credential& a, const Credential& b) { return a.name < b.name; });
}

}  // namespace

bool IsCredentialName(std::string_view name) {
  return name.size() <= kMaxCredentialNameBytes && NameFitsUrl(name) &&
         name.find_first_of("/: ") == std::string_view::npos;
}

Result<std::optional<std::string>> FindPassword(kv::ReadTxn& txn, std::string_view user) {
  if (user.empty() || user.size() > kMaxCredentialNameBytes) return std::optional<std::string>();
  const auto stored = TILL_TRY(txn.Get(UserKey(user)));
  return stored ? std::optional(std::string(*stored)) : std::nullopt;
}

Status PutPassword(kv::WriteTxn& txn, std::string_view user, std::string_view phc) {
  return txn.Put(UserKey(user), phc);
}

Result<std::vector<Credential>> Users(kv::ReadTxn& txn) {
  std::vector<Credential> users;
  TILL_TRY(txn.Scan("U", "", [&](std::string_view key, std::string_view) {
    users.push_back({std::string(key.substr(1)), 0});
    return true;
  }));
  return users;
}

Status RemoveUser(kv::WriteTxn& txn, std::string_view user) {
  if (!TILL_TRY(FindPassword(txn, user))) return Error{ErrorCode::kNotFound, "no such operator"};
  return txn.Delete(UserKey(user));
}

std::string NewToken(TokenKind kind, std::string_view name) {
  std::string token(TokenPrefix(kind));
  if (kind == TokenKind::kOperator) token += std::string(name) + "_";
  return token + ToHex(crypto::RandomBytes(32));
}

Status PutToken(kv::WriteTxn& txn, TokenKind kind, std::string_view token, const Credential& whose) {
  if (!IsCredentialName(whose.name)) return Error{ErrorCode::kInvalid, "not a name for a token"};
  for (const Credential& known : TILL_TRY(Tokens(txn, kind))) {
    if (known.name == whose.name) return Error{ErrorCode::kConflict, "there is a token of that name already"};
  }
  if (kind == TokenKind::kEdge) TILL_TRY(AddCount(txn, kEdgeTokensMade, 1));
  return txn.Put(TokenKey(kind, token), Packed(whose));
}

Result<std::optional<std::string>> FindToken(kv::ReadTxn& txn, TokenKind kind, std::string_view token) {
  if (token.empty() || token.size() > kMaxTokenBytes) return std::optional<std::string>();
  const auto stored = TILL_TRY(txn.Get(TokenKey(kind, token)));
  return stored ? std::optional(Unpacked(*stored).name) : std::nullopt;
}

Result<std::vector<Credential>> Tokens(kv::ReadTxn& txn, TokenKind kind) {
  std::vector<Credential> tokens;
  TILL_TRY(txn.Scan(std::string(1, TokenLetter(kind)), "", [&](std::string_view, std::string_view stored) {
    tokens.push_back(Unpacked(stored));
    return true;
  }));
  SortByName(tokens);
  return tokens;
}

Status RemoveToken(kv::WriteTxn& txn, TokenKind kind, std::string_view name) {
  std::vector<std::string> keys;
  TILL_TRY(txn.Scan(std::string(1, TokenLetter(kind)), "", [&](std::string_view key, std::string_view stored) {
    if (Unpacked(stored).name == name) keys.emplace_back(key);
    return true;
  }));
  if (keys.empty()) return Error{ErrorCode::kNotFound, "no token of that name"};
  for (const std::string& key : keys) TILL_TRY(txn.Delete(key));
  return Ok();
}

Status TakeOverEdgeToken(kv::WriteTxn& txn) {
  const std::string old_key = Key('C', "till.edge.token");
  const auto stored = TILL_TRY(txn.Get(old_key));
  if (!stored) return Ok();
  const std::string token = TILL_TRY(json::Parse(*stored)).AsString();
  TILL_TRY(txn.Delete(old_key));
  return token.empty() ? Ok() : PutToken(txn, TokenKind::kEdge, token, {kFirstEdgeToken, 0});
}

Result<bool> HadEdgeToken(kv::ReadTxn& txn) { return TILL_TRY(GetCount(txn, kEdgeTokensMade)) > 0; }

Result<bool> AnyOperator(kv::ReadTxn& txn) {
  return !TILL_TRY(Users(txn)).empty() || !TILL_TRY(Tokens(txn, TokenKind::kOperator)).empty();
}

}  // namespace till::server
