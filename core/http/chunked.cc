#include "core/http/chunked.h"

#include <algorithm>

namespace till::http {
namespace {

constexpr int kMaxSizeDigits = 15;
constexpr uint16_t kMaxTrailerBytes = 4 << 10;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Status ChunkedDecoder::Take(char c) {
  const Error bad{ErrorCode::kInvalid, "not a chunked body"};
  switch (state_) {
    case State::kSizeFirst:
    case State::kSize: {
      if (c == '\r' && state_ == State::kSize) {
        state_ = State::kSizeLf;
        return Ok();
      }
      const int digit = HexValue(c);
      if (digit < 0 || digits_ == kMaxSizeDigits) return bad;
      ++digits_;
      left_ = left_ * 16 + static_cast<uint64_t>(digit);
      state_ = State::kSize;
      return Ok();
    }
    case State::kSizeLf:
      if (c != '\n') return bad;
      state_ = left_ == 0 ? State::kLineStart : State::kData;
      return Ok();
    case State::kDataCr:
      if (c != '\r') return bad;
      state_ = State::kDataLf;
      return Ok();
    case State::kDataLf:
      if (c != '\n') return bad;
      state_ = State::kSizeFirst;
      digits_ = 0;
      return Ok();
    case State::kLineStart:
    case State::kTrailer:
      if (++trailer_bytes_ > kMaxTrailerBytes) return bad;
      if (c == '\r') {
        state_ = state_ == State::kLineStart ? State::kLastLf : State::kTrailerLf;
        return Ok();
      }
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return bad;
      if (state_ == State::kLineStart && (c == ' ' || c == '\t' || c == ':')) return bad;
      state_ = State::kTrailer;
      return Ok();
    case State::kTrailerLf:
      if (c != '\n') return bad;
      state_ = State::kLineStart;
      return Ok();
    case State::kLastLf:
      if (c != '\n') return bad;
      state_ = State::kDone;
      return Ok();
    case State::kData:
    case State::kDone:
      break;
  }
  return bad;
}

Result<ChunkedDecoder::Step> ChunkedDecoder::Feed(std::string_view input) {
  Step step;
  while (step.used < input.size() && !done()) {
    if (state_ == State::kData) {
      step.data = input.substr(step.used, std::min<uint64_t>(left_, input.size() - step.used));
      step.used += step.data.size();
      left_ -= step.data.size();
      if (left_ == 0) state_ = State::kDataCr;
      return step;
    }
    TILL_TRY(Take(input[step.used]));
    ++step.used;
  }
  return step;
}

}  // namespace till::http
