#include "core/crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace till::crypto {
namespace {

// Fetched once per process: OpenSSL 3 otherwise looks the algorithm up at every Init, which costs more than hashing a
// short text. Never freed, so that hashing works until the last destructor.
const EVP_MD* Algorithm(HashKind kind) {
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static const EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  switch (kind) {
    case HashKind::kSha256:
      return sha256;
    case HashKind::kSha1:
      return sha1;
    case HashKind::kMd5:
      return md5;
  }
  return nullptr;
}

void MustBeOne(int answer) {
  if (answer != 1) abort();
}

}  // namespace

Hasher::Hasher(HashKind kind) : kind_(kind), context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) abort();
  MustBeOne(EVP_DigestInit_ex(context_, Algorithm(kind_), nullptr));
}

Hasher::Hasher(Hasher&& other) noexcept : kind_(other.kind_), context_(std::exchange(other.context_, nullptr)) {}

Hasher& Hasher::operator=(Hasher&& other) noexcept {
  std::swap(kind_, other.kind_);
  std::swap(context_, other.context_);
  return *this;
}

Hasher::~Hasher() { EVP_MD_CTX_free(context_); }

void Hasher::Update(ByteView bytes) { MustBeOne(EVP_DigestUpdate(context_, bytes.data(), bytes.size())); }

Bytes Hasher::Finish() {
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  MustBeOne(EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(digest.data()), &size));
  digest.resize(size);
  MustBeOne(EVP_DigestInit_ex(context_, Algorithm(kind_), nullptr));
  return digest;
}

Sha256Digest Sha256::Finish() {
  const Bytes bytes = hasher_.Finish();
  Sha256Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

Sha256Digest Sha256Of(ByteView bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

Result<Sha256Digest> Sha256OfSource(Source& source) {
  Sha256 hash;
  Bytes buffer(64 * 1024);
  for (uint64_t offset = 0;;) {
    const size_t got = TILL_TRY(source.ReadAt(offset, buffer));
    if (got == 0) return hash.Finish();
    hash.Update(ByteView(buffer).first(got));
    offset += got;
  }
}

Result<Sha256Digest> ParseSha256(std::string_view hex) {
  if (hex.size() != 64) return Error{ErrorCode::kInvalid, "a SHA-256 has 64 hexadecimal digits", hex.size()};
  const Bytes bytes = TILL_TRY(FromHex(hex));
  Sha256Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

Status HashingSink::Write(ByteView bytes) {
  TILL_TRY(next_->Write(bytes));
  hash_.Update(bytes);
  return Ok();
}

Bytes HmacSha256(ByteView key, ByteView message) {
  Bytes mac(32);
  unsigned size = 0;
  // HMAC() takes a null key for "the key of last time", so an empty view is given an address.
  static constexpr unsigned char kNothing = 0;
  const void* key_data = key.empty() ? static_cast<const void*>(&kNothing) : key.data();
  const unsigned char* made = HMAC(Algorithm(HashKind::kSha256), key_data, static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                                   reinterpret_cast<unsigned char*>(mac.data()), &size);
  if (made == nullptr || size != mac.size()) abort();
  return mac;
}

bool EqualSecret(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

Bytes RandomBytes(size_t count) {
  Bytes bytes(count);
  if (count != 0) MustBeOne(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)));
  return bytes;
}

}  // namespace till::crypto
