#include "core/crypto/sign.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

namespace till::crypto {
namespace {

constexpr size_t kEd25519KeyBytes = 32;
constexpr size_t kMaxPemBytes = 16 * 1024;
// Below 2048 bits RSA is breakable; above 8192 one verification would cost a terminal seconds.
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;

std::shared_ptr<EVP_PKEY> Own(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

const unsigned char* Raw(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

// The y coordinates of the points of order 1, 2, 4 and 8, little endian, sign bit clear (RFC 8032; the list is that of
// "Taming the many EdDSAs", Chalkias and others 2020, table 1). Under such a key anybody can make signatures.
// Encodings with y >= p are refused as a whole, which covers the others of that table.
constexpr std::array<std::array<unsigned char, kEd25519KeyBytes>, 5> kSmallOrderY = {{
    {0x00},
    {0x01},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
}};

bool IsSmallOrderOrNotCanonical(ByteView raw) {
  std::array<unsigned char, kEd25519KeyBytes> y;
  std::memcpy(y.data(), raw.data(), y.size());
  y.back() &= 0x7f;
  for (const auto& bad : kSmallOrderY) {
    if (y == bad) return true;
  }
  // p = 2^255 - 19: ed ff .. ff 7f in little endian.
  const bool top_is_full =
      y.back() == 0x7f && std::all_of(y.begin() + 1, y.end() - 1, [](auto b) { return b == 0xff; });
  return top_is_full && y.front() >= 0xed;
}

// Never asks for a pass phrase on the terminal.
int NoPassword(char*, int, int, void*) { return 0; }

bool IsP256(const EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
  char group[32] = "";
  size_t length = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &length) != 1) return false;
  return std::string_view(group) == "prime256v1";
}

bool IsAllowedRsa(const EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return false;
  const int bits = EVP_PKEY_get_bits(key);
  return bits >= kMinRsaBits && bits <= kMaxRsaBits;
}

bool UsePss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool VerifyWith(KeyKind kind, EVP_PKEY* key, ByteView message, ByteView signature) {
  const DigestContext context(EVP_MD_CTX_new());
  if (context == nullptr) abort();
  EVP_PKEY_CTX* key_context = nullptr;  // owned by `context`
  const EVP_MD* digest = kind == KeyKind::kEd25519 ? nullptr : EVP_sha256();
  if (EVP_DigestVerifyInit(context.get(), &key_context, digest, nullptr, key) != 1) return false;
  if (kind == KeyKind::kRsaPss && !UsePss(key_context)) return false;
  // Exactly 1: a malformed ECDSA signature answers -1, which "!= 0" would take for a yes.
  return EVP_DigestVerify(context.get(), Raw(signature), signature.size(), Raw(message), message.size()) == 1;
}

}  // namespace

Result<PublicKey> PublicKey::FromEd25519(ByteView raw32) {
  if (raw32.size() != kEd25519KeyBytes) return Error{ErrorCode::kInvalid, "an Ed25519 key has 32 bytes", raw32.size()};
  if (IsSmallOrderOrNotCanonical(raw32)) {
    return Error{ErrorCode::kRefused, "Ed25519 key of small order or not in its one encoding"};
  }
  EVP_PKEY* key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Raw(raw32), raw32.size());
  if (key == nullptr) {
    ERR_clear_error();
    return Error{ErrorCode::kInvalid, "not an Ed25519 key"};
  }
  return PublicKey(KeyKind::kEd25519, Own(key));
}

Result<PublicKey> PublicKey::FromPem(KeyKind kind, std::string_view pem) {
  if (pem.size() > kMaxPemBytes) return Error{ErrorCode::kLimit, "public key is too long", kMaxPemBytes};
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio == nullptr) abort();
  const std::shared_ptr<EVP_PKEY> key = Own(PEM_read_bio_PUBKEY(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key == nullptr) return Error{ErrorCode::kInvalid, "not a public key in PEM"};
  switch (kind) {
    case KeyKind::kEd25519: {
      if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) break;
      Bytes raw(kEd25519KeyBytes);
      size_t size = raw.size();
      if (EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()), &size) != 1) break;
      return FromEd25519(raw);  // there the small orders are refused
    }
    case KeyKind::kEcdsaP256:
      if (!IsP256(key.get())) break;
      return PublicKey(kind, key);
    case KeyKind::kRsaPss:
      if (!IsAllowedRsa(key.get())) break;
      return PublicKey(kind, key);
  }
  return Error{ErrorCode::kRefused, "the public key is not of the kind or size it must be"};
}

Status PublicKey::Verify(ByteView message, ByteView signature) const {
  const bool good = VerifyWith(kind_, key_.get(), message, signature);
  ERR_clear_error();
  if (!good) return Error{ErrorCode::kRefused, "the signature is not this key's"};
  return Ok();
}

bool PublicKey::SameAs(const PublicKey& other) const {
  const bool same = kind_ == other.kind_ && EVP_PKEY_eq(key_.get(), other.key_.get()) == 1;
  ERR_clear_error();
  return same;
}

PrivateKey PrivateKey::Generate() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (key == nullptr) abort();
  return PrivateKey(Own(key));
}

Result<PrivateKey> PrivateKey::FromPem(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) return Error{ErrorCode::kLimit, "private key is too long", kMaxPemBytes};
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio == nullptr) abort();
  const std::shared_ptr<EVP_PKEY> key = Own(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    return Error{ErrorCode::kInvalid, "not an Ed25519 private key in unencrypted PEM"};
  }
  return PrivateKey(key);
}

std::string PrivateKey::ToPem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    abort();
  }
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(length));
}

Bytes PrivateKey::public_raw() const {
  Bytes raw(kEd25519KeyBytes);
  size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size) != 1) abort();
  return raw;
}

Bytes PrivateKey::Sign(ByteView message) const {
  const DigestContext context(EVP_MD_CTX_new());
  Bytes signature(64);
  size_t size = signature.size();
  if (context == nullptr || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, Raw(message),
                     message.size()) != 1) {
    abort();
  }
  signature.resize(size);
  return signature;
}

}  // namespace till::crypto
