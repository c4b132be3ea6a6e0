#include "core/crypto/password.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <memory>
#include <vector>

#include "core/crypto/hash.h"
#include "core/text.h"

namespace till::crypto {
namespace {

struct Costs {
  uint64_t log_n = 15, r = 8, p = 1;  // OWASP's second choice of 2023 with p = 1: 32 MiB
};
constexpr size_t kHashBytes = 32;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct FreeKdf {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

Result<Bytes> Scrypt(std::string_view password, std::string_view salt, const Costs& costs) {
  const std::unique_ptr<EVP_KDF, FreeKdf> kdf(EVP_KDF_fetch(nullptr, "SCRYPT", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, FreeKdf> context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) return Error{ErrorCode::kUnsupported, "no scrypt in this OpenSSL"};
  uint64_t n = uint64_t{1} << costs.log_n, r = costs.r, p = costs.p, max_memory = uint64_t{512} << 20;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, const_cast<char*>(password.data()), password.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<char*>(salt.data()), salt.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &max_memory),
      OSSL_PARAM_construct_end()};
  Bytes hash(kHashBytes);
  if (EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(hash.data()), hash.size(), parameters) != 1) {
    return Error{ErrorCode::kLimit, "scrypt has no memory", max_memory};
  }
  return hash;
}

constexpr Error kNoPhc{ErrorCode::kCorrupt, "not a scrypt string"};

Result<uint64_t> Cost(std::string_view field, std::string_view name, uint64_t highest) {
  if (!field.starts_with(name)) return kNoPhc;
  const uint64_t cost = TILL_TRY(ParseUint(field.substr(name.size())));
  if (cost == 0 || cost > highest) return kNoPhc;
  return cost;
}

}  // namespace

Result<std::string> ScryptHash(std::string_view password) {
  const Bytes salt = RandomBytes(16);
  const Bytes hash = TILL_TRY(Scrypt(password, AsText(salt), Costs{}));
  return "$scrypt$ln=15,r=8,p=1$" + ToBase64(AsText(salt), false) + "$" + ToBase64(AsText(hash), false);
}

Status ScryptVerify(std::string_view password, std::string_view phc) {
  const std::vector<std::string_view> parts = Split(phc, '$');
  if (parts.size() != 5 || !parts[0].empty() || parts[1] != "scrypt") return kNoPhc;
  const std::vector<std::string_view> costs = Split(parts[2], ',');
  if (costs.size() != 3) return kNoPhc;
  const Costs wanted{TILL_TRY(Cost(costs[0], "ln=", 17)), TILL_TRY(Cost(costs[1], "r=", 16)),
                     TILL_TRY(Cost(costs[2], "p=", 4))};
  const std::string salt = TILL_TRY(FromBase64(parts[3]));
  const std::string expected = TILL_TRY(FromBase64(parts[4]));
  const Bytes hash = TILL_TRY(Scrypt(password, salt, wanted));
  if (!EqualSecret(hash, AsBytes(expected))) return Error{ErrorCode::kRefused, "another password"};
  return Ok();
}

std::string ToBase64(std::string_view bytes, bool pad) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = bytes.size() - i < 3 ? bytes.size() - i : 3;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j <= count; ++j) text += kAlphabet[group >> (18 - 6 * j) & 63];
    if (pad) text.append(3 - count, '=');
  }
  return text;
}

Result<std::string> FromBase64(std::string_view text) {
  constexpr Error kNoBase64{ErrorCode::kCorrupt, "not base64"};
  if (text.size() % 4 == 0 && text.ends_with('=')) {
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  if (text.size() % 4 == 1) return kNoBase64;
  std::string bytes;
  uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return kNoBase64;
    group = (group << 6 | static_cast<uint32_t>(value)) & 0xFFFF;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(group >> bits & 0xFF);
  }
  if ((group & ((1u << bits) - 1)) != 0) return kNoBase64;  // one canonical text per value
  return bytes;
}

}  // namespace till::crypto
