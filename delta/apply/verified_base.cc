#include "delta/apply/verified_base.h"

#include "core/crypto/hash.h"

namespace till::delta {

Result<VerifiedBase> VerifiedBase::Check(Source* base, const PayloadHeader& header) {
  if (header.kind == PayloadKind::kFull) return VerifiedBase(nullptr, header.base_sha256);
  if (base == nullptr) return Error{ErrorCode::kRefused, "a delta needs its base"};
  if (base->size() < header.base_size)
    return Error{ErrorCode::kRefused, "the base is shorter than the delta's", base->size()};
  // A slot is longer than its image: only the image's own length counts.
  crypto::Sha256 hash;
  std::byte buffer[32 << 10];
  for (uint64_t offset = 0; offset < header.base_size;) {
    const uint64_t left = header.base_size - offset;
    const MutableByteView part(buffer, left < sizeof buffer ? static_cast<size_t>(left) : sizeof buffer);
    TILL_TRY(ReadFully(*base, offset, part));
    hash.Update(part);
    offset += part.size();
  }
  if (hash.Finish() != header.base_sha256) return Error{ErrorCode::kRefused, "the base is another image"};
  return VerifiedBase(base, header.base_sha256);
}

}  // namespace till::delta
