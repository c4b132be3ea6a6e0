// Signatures as TUF names them. Ed25519 signs and verifies; ECDSA P-256 (DER signatures) and RSA-PSS (SHA-256) verify.
//   The algorithm is a property of the key record, never of the message or its signature.
//   Traps held shut here: EVP_DigestVerify must answer exactly 1; the 8 small-order Ed25519 public keys are refused.
#pragma once

#include <memory>
#include <string>

#include "core/bytes.h"

struct evp_pkey_st;

namespace till::crypto {

enum class KeyKind : uint8_t { kEd25519, kEcdsaP256, kRsaPss };

class PublicKey {
 public:
  static Result<PublicKey> FromEd25519(ByteView raw32);  // kRefused for small-order points
  static Result<PublicKey> FromPem(KeyKind kind, std::string_view pem);
  // kRefused when the signature is not this key's over this message, however malformed it is.
  Status Verify(ByteView message, ByteView signature) const;
  KeyKind kind() const { return kind_; }
  // The same key, however it was written (a PEM has many forms): who counts signatures counts keys by this.
  bool SameAs(const PublicKey& other) const;

 private:
  PublicKey(KeyKind kind, std::shared_ptr<evp_pkey_st> key) : kind_(kind), key_(std::move(key)) {}
  KeyKind kind_;
  std::shared_ptr<evp_pkey_st> key_;  // immutable, shared by copies of this value
};

// An Ed25519 private key. Files are PKCS#8 PEM, mode 0600.
class PrivateKey {
 public:
  static PrivateKey Generate();
  static Result<PrivateKey> FromPem(std::string_view pem);
  std::string ToPem() const;
  Bytes public_raw() const;  // 32 bytes
  Bytes Sign(ByteView message) const;

 private:
  explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;  // immutable, shared by copies of this value
};

}  // namespace till::crypto
