// A base image that was hashed whole and is the one a payload was made from. An Applier takes nothing else, so the
// check cannot be forgotten.
//   The Source is not owned and must outlive the value. Memory: 32 KiB of stack.
#pragma once

#include "core/io.h"
#include "delta/format/format.h"

namespace till::delta {

class VerifiedBase {
 public:
  // One pass over the base. kRefused: another image (size or digest); kIo from the source. A full payload needs no
  // base: then nothing is read and `base` may be null.
  static Result<VerifiedBase> Check(Source* base, const PayloadHeader& header);

  Source* source() const { return source_; }  // null for a full payload
  const crypto::Sha256Digest& sha256() const { return sha256_; }

 private:
  VerifiedBase(Source* source, const crypto::Sha256Digest& sha256) : source_(source), sha256_(sha256) {}
  Source* source_;
  crypto::Sha256Digest sha256_;
};

}  // namespace till::delta
