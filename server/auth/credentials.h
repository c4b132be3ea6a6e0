// What the store knows of who may come in: operators with a password, operators' tokens, edges' tokens.
//   Passwords are kept as scrypt PHC strings; tokens as SHA-256, which is enough for 256 random bits, so a look-up by
//   it tells nothing by its time. Nothing here is remembered outside the store: what is removed, also by another
//   process
//   (`tillhub token rm`), is gone for the next look.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/kv/kv.h"

namespace till::server {

enum class TokenKind : uint8_t { kOperator, kEdge };

inline constexpr size_t kMaxCredentialNameBytes = 64;
// 1 to 64 bytes that may stand in a log and before the colon of Basic.
bool IsCredentialName(std::string_view name);
inline constexpr size_t kMinPasswordBytes = 8;

struct Credential {
  std::string name;
  int64_t made_at_ms = 0;  // 0: by a version that did not note it
};

// --- operators ---
// The PHC string; nullopt when there is no such operator.
Result<std::optional<std::string>> FindPassword(kv::ReadTxn& txn, std::string_view user);
Status PutPassword(kv::WriteTxn& txn, std::string_view user, std::string_view phc);
Result<std::vector<Credential>> Users(kv::ReadTxn& txn);
// kNotFound.
Status RemoveUser(kv::WriteTxn& txn, std::string_view user);

// --- tokens ---
// A new one: "till_<name>_<64 hex digits>", "edge_<64 hex digits>".
std::string NewToken(TokenKind kind, std::string_view name);
// kInvalid for a bad name, kConflict when one of that kind has it already.
Status PutToken(kv::WriteTxn& txn, TokenKind kind, std::string_view token, const Credential& whose);
// Whose it is; nullopt: nobody's.
Result<std::optional<std::string>> FindToken(kv::ReadTxn& txn, TokenKind kind, std::string_view token);
Result<std::vector<Credential>> Tokens(kv::ReadTxn& txn, TokenKind kind);
// kNotFound.
Status RemoveToken(kv::WriteTxn& txn, TokenKind kind, std::string_view name);

// The token of the first start, and the one of --edge-token-file.
inline constexpr const char* kFirstEdgeToken = "edge.token";
inline constexpr const char* kEdgeTokenOfFile = "edge-token-file";
// Makes a token of the one that older versions kept as a setting.
Status TakeOverEdgeToken(kv::WriteTxn& txn);
// Whether there ever was one, removed or not.
Result<bool> HadEdgeToken(kv::ReadTxn& txn);

// Whether anybody at all could sign in as an operator.
Result<bool> AnyOperator(kv::ReadTxn& txn);

}  // namespace till::server
