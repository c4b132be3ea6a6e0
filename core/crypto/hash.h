// Digests over OpenSSL's EVP. SHA-256 names everything in the product; SHA-1 and MD5 exist only because hawkBit's
// DDI answers carry all three.
//   Errors: none after construction (OpenSSL cannot fail on memory input; allocation failure aborts).
#pragma once

#include <array>
#include <memory>
#include <string>

#include "core/bytes.h"
#include "core/io.h"

struct evp_md_ctx_st;

namespace till::crypto {

template <size_t kSize>
using Digest = std::array<std::byte, kSize>;
using Sha256Digest = Digest<32>;

enum class HashKind : uint8_t { kSha256, kSha1, kMd5 };

// Incremental hash. Finish() answers the digest and starts afresh. One thread at a time; movable.
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  void Update(ByteView bytes);
  Bytes Finish();

 private:
  HashKind kind_;
  evp_md_ctx_st* context_;
};

class Sha256 {
 public:
  Sha256() : hasher_(HashKind::kSha256) {}
  void Update(ByteView bytes) { hasher_.Update(bytes); }
  Sha256Digest Finish();

 private:
  Hasher hasher_;
};

Sha256Digest Sha256Of(ByteView bytes);
Result<Sha256Digest> Sha256OfSource(Source& source);
Result<Sha256Digest> ParseSha256(std::string_view hex);  // exactly 64 lower- or upper-case digits

// A Sink that hashes what passes on to `next` (which it owns).
class HashingSink : public Sink {
 public:
  explicit HashingSink(std::unique_ptr<Sink> next) : next_(std::move(next)) {}
  Status Write(ByteView bytes) override;
  Status Finish() override { return next_->Finish(); }
  Sha256Digest digest() { return hash_.Finish(); }  // call once, after the last Write

 private:
  std::unique_ptr<Sink> next_;
  Sha256 hash_;
};

Bytes HmacSha256(ByteView key, ByteView message);
// Compares in time that depends on the sizes only (CRYPTO_memcmp).
bool EqualSecret(ByteView a, ByteView b);
// From the system's generator; aborts if there is none.
Bytes RandomBytes(size_t count);

}  // namespace till::crypto
