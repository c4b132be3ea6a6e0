#include <atomic>

#include "core/http/server.h"
#include "core/text.h"

namespace till::http {
namespace {

std::string ContentRangeOf(const ByteRange& range, uint64_t size) {
  return "bytes " + std::to_string(range.first) + "-" + std::to_string(range.first + range.length - 1) + "/" +
         std::to_string(size);
}

// multipart/byteranges (RFC 9110, 14.6): the parts' heads as bytes, the parts as streams made when their turn comes.
class MultipartStream final : public BodyStream {
 public:
  MultipartStream(RangeBody body, std::vector<ByteRange> ranges, std::string boundary)
      : body_(std::move(body)), ranges_(std::move(ranges)), boundary_(std::move(boundary)) {}

  uint64_t length() const {
    uint64_t total = End().size();
    for (size_t i = 0; i < ranges_.size(); ++i) total += PartHead(i).size() + ranges_[i].length;
    return total;
  }

  Piece Next() override {
    // The server asks for a piece only when it has sent the one before: what the part gave is out by now.
    if (part_ != nullptr && part_given_ == ranges_[index_].length) {
      part_->OnDone(part_given_, true);
      part_.reset();
      ++index_;
    }
    if (part_ != nullptr) return NextOfPart();
    Piece piece;
    piece.kind = Piece::Kind::kBytes;
    if (index_ < ranges_.size()) {
      piece.bytes = PartHead(index_);
      part_ = body_.make_stream(ranges_[index_].first, ranges_[index_].length);
      part_given_ = 0;
      given_ += piece.bytes.size();
      part_start_ = given_;
      return piece;
    }
    if (ended_) return Piece{};
    ended_ = true;
    piece.bytes = End();
    return piece;
  }

  void OnDone(uint64_t sent_bytes, bool complete) override {
    if (part_ == nullptr) return;
    const uint64_t of_part = sent_bytes > part_start_ ? sent_bytes - part_start_ : 0;
    part_->OnDone(std::min(of_part, part_given_), complete);
  }

 private:
  Piece NextOfPart() {
    Piece piece = part_->Next();
    part_given_ += piece.size();
    given_ += piece.size();
    // A part that ends early or runs over would shift every byte behind it.
    if (piece.kind == Piece::Kind::kEnd || part_given_ > ranges_[index_].length) piece.kind = Piece::Kind::kAbort;
    return piece;
  }

  std::string PartHead(size_t index) const {
    return (index == 0 ? "--" : "\r\n--") + boundary_ + "\r\nContent-Type: " + body_.content_type +
           "\r\nContent-Range: " + ContentRangeOf(ranges_[index], body_.size) + "\r\n\r\n";
  }
  std::string End() const { return "\r\n--" + boundary_ + "--\r\n"; }

  RangeBody body_;
  std::vector<ByteRange> ranges_;
  std::string boundary_;
  size_t index_ = 0;
  std::unique_ptr<BodyStream> part_;
  uint64_t part_given_ = 0;
  uint64_t part_start_ = 0;  // of the part, in the bytes of the whole body
  uint64_t given_ = 0;
  bool ended_ = false;
};

// Cannot occur in a part by chance: it is new for each answer, and a client takes the length from Content-Range.
std::string NewBoundary() {
  static std::atomic<uint64_t> counter{0};
  return "tillrace-byteranges-" + std::to_string(counter.fetch_add(1, std::memory_order_relaxed));
}

std::string_view Unquoted(std::string_view tag) {
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
  return tag;
}

// Whether a list of entity tags names ours. Clients of hawkBit send them without quotes too.
bool Names(const Request& request, std::string_view header, std::string_view etag, bool weak) {
  for (const HeaderField& field : request.headers) {
    if (!EqualsIgnoreCase(field.name, header)) continue;
    for (std::string_view tag : Split(field.value, ',')) {
      tag = Trim(tag);
      if (tag == "*") return true;
      if (weak && tag.starts_with("W/")) tag.remove_prefix(2);
      if (!tag.empty() && Unquoted(tag) == Unquoted(etag)) return true;
    }
  }
  return false;
}

// If-Range compares strongly, and a date is no match, for we send none: the whole is the safe answer.
std::string_view EffectiveRange(const Request& request, const RangeBody& body) {
  if (request.method != "GET") return {};
  if (request.has_header("If-Range") && request.header("If-Range") != body.etag) return {};
  std::string_view range;
  for (const HeaderField& field : request.headers) {
    if (!EqualsIgnoreCase(field.name, "Range")) continue;
    if (!range.empty()) return {};  // two of them mean nothing
    range = field.value;
  }
  return range;
}

}  // namespace

Response RangeResponse(const Request& request, RangeBody body) {
  Response response;
  response.headers = {{"ETag", body.etag}, {"Accept-Ranges", "bytes"}};
  if (request.has_header("If-Match") && !Names(request, "If-Match", body.etag, false)) {
    response.status = 412;
    return response;
  }
  if (request.has_header("If-None-Match") && Names(request, "If-None-Match", body.etag, true)) {
    response.status = 304;
    return response;
  }
  RangeSelection selection = SelectRange(EffectiveRange(request, body), body.size, body.strict_syntax);
  if (selection.verdict == RangeVerdict::kUnsatisfiable) {
    response.status = 416;
    response.headers.push_back({"Content-Range", "bytes */" + std::to_string(body.size)});
    return response;
  }
  if (selection.verdict == RangeVerdict::kPartial && selection.ranges.size() > 1) {
    response.status = 206;
    const std::string boundary = NewBoundary();
    response.headers.push_back({"Content-Type", "multipart/byteranges; boundary=" + boundary});
    auto stream = std::make_unique<MultipartStream>(std::move(body), std::move(selection.ranges), boundary);
    response.stream_length = stream->length();
    response.stream = std::move(stream);
    return response;
  }
  ByteRange range{0, body.size};
  response.headers.push_back({"Content-Type", body.content_type});
  if (selection.verdict == RangeVerdict::kPartial) {
    range = selection.ranges.front();
    response.status = 206;
    response.headers.push_back({"Content-Range", ContentRangeOf(range, body.size)});
  }
  response.stream_length = range.length;
  if (request.method != "HEAD") response.stream = body.make_stream(range.first, range.length);
  return response;
}

}  // namespace till::http
