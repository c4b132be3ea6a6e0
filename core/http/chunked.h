// Decoder of a chunked request body (RFC 9112, section 7.1), strict: CRLF only, no chunk extensions, at most 15 hex
// digits, trailers of at most 4 KiB, which are read and dropped. One per body; one thread; no memory but itself.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.h"

namespace till::http {

class ChunkedDecoder {
 public:
  struct Step {
    size_t used = 0;        // input bytes taken
    std::string_view data;  // body bytes among them: a part of the input, may be empty
  };

  // Takes input up to and including one run of body bytes. kInvalid for anything that is not a chunked body.
  // Any cutting of the input gives the same body. With done() nothing more is taken.
  Result<Step> Feed(std::string_view input);
  bool done() const { return state_ == State::kDone; }
  uint64_t announced() const { return left_; }  // of the chunk under way: what is still to come

 private:
  enum class State : uint8_t {
    kSizeFirst,
    kSize,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kLineStart,
    kTrailer,
    kTrailerLf,
    kLastLf,
    kDone
  };
  Status Take(char c);

  State state_ = State::kSizeFirst;
  uint8_t digits_ = 0;
  uint16_t trailer_bytes_ = 0;
  uint64_t left_ = 0;  // of this chunk
};

}  // namespace till::http
