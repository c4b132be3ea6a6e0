// OpenSSL's EVP does not give away what a digest knows; its older calls do. They are deprecated because no provider can
// stand behind them, which is not wanted here.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/crypto/sha256_state.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

namespace till::crypto {
namespace {

SHA256_CTX After(const Sha256State& state, uint64_t count, ByteView bytes) {
  SHA256_CTX context;
  SHA256_Init(&context);
  if (count > 0) {
    std::copy(state.chain.begin(), state.chain.end(), context.h);
    context.Nl = static_cast<SHA_LONG>(count << 3);
    context.Nh = static_cast<SHA_LONG>(count >> 29);
    context.num = static_cast<unsigned>(count % Sha256State::kBlockBytes);
    memcpy(context.data, state.tail.data(), context.num);
  }
  SHA256_Update(&context, bytes.data(), bytes.size());
  return context;
}

}  // namespace

Sha256State Sha256Continue(const Sha256State& state, uint64_t count, ByteView bytes) {
  const SHA256_CTX context = After(state, count, bytes);
  Sha256State next;
  std::copy_n(context.h, next.chain.size(), next.chain.begin());
  memcpy(next.tail.data(), context.data, context.num);
  return next;
}

Sha256Digest Sha256Complete(const Sha256State& state, uint64_t count, ByteView bytes) {
  SHA256_CTX context = After(state, count, bytes);
  Sha256Digest digest;
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context);
  return digest;
}

}  // namespace till::crypto
