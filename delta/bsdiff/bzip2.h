// bzip2 streams: whole ones made, and one in a file read piece by piece.
#pragma once

#include <bzlib.h>

#include "core/io.h"

namespace till::delta {

// kLimit: no memory, or 4 GiB and more.
Result<Bytes> EncodeBzip2(ByteView plain);

class Bzip2Reader {
 public:
  // Reads [begin, end) of `source`, which outlives it.
  Bzip2Reader(Source& source, uint64_t begin, uint64_t end);
  ~Bzip2Reader();
  Bzip2Reader(const Bzip2Reader&) = delete;
  Bzip2Reader& operator=(const Bzip2Reader&) = delete;

  // Fills `out`; kCorrupt when the stream is broken or ends before.
  Status Read(MutableByteView out);
  // kCorrupt unless the stream ends here and its checksums are right.
  Status ExpectEnd();

 private:
  Source& source_;
  uint64_t at_;
  uint64_t end_;
  Bytes coded_;
  bz_stream stream_{};
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace till::delta
