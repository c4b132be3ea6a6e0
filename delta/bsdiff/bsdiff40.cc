#include "delta/bsdiff/bsdiff40.h"

#include <algorithm>
#include <cstring>

#include "delta/bsdiff/bzip2.h"
#include "delta/diff/matcher.h"

namespace till::delta {
namespace {

constexpr std::string_view kMagic = "BSDIFF40";
constexpr size_t kPatchHeaderBytes = 32;
constexpr size_t kTripleBytes = 24;
constexpr size_t kPieceBytes = 32 << 10;
constexpr uint64_t kSignBit = uint64_t{1} << 63;

uint64_t Coded(int64_t value) {
  return value < 0 ? kSignBit | static_cast<uint64_t>(-value) : static_cast<uint64_t>(value);
}

int64_t Decoded(uint64_t coded) {
  const auto magnitude = static_cast<int64_t>(coded & ~kSignBit);
  return (coded & kSignBit) != 0 ? -magnitude : magnitude;
}

struct Triple {
  int64_t diff_bytes = 0;
  int64_t extra_bytes = 0;
  int64_t seek = 0;
};

// The three streams, plain.
struct Streams {
  ByteWriter control;
  Bytes diff;
  Bytes extra;

  void Add(const Triple& triple) {
    for (const int64_t value : {triple.diff_bytes, triple.extra_bytes, triple.seek}) control.U64(Coded(value));
  }
};

Streams StreamsOf(ByteView base, ByteView target, std::vector<Match> matches) {
  // bspatch starts at 0 of both; and what stands behind the last match is extra.
  matches.insert(matches.begin(), {0, 0, 0});
  matches.push_back({target.size(), 0, 0});
  Streams streams;
  for (size_t i = 0; i + 1 < matches.size(); ++i) {
    const Match& match = matches[i];
    const Match& next = matches[i + 1];
    for (uint64_t k = 0; k < match.length; ++k) {
      streams.diff.push_back(static_cast<std::byte>(static_cast<uint8_t>(target[match.target_offset + k]) -
                                                    static_cast<uint8_t>(base[match.base_offset + k])));
    }
    const uint64_t end = match.target_offset + match.length;
    const ByteView extra = target.subspan(end, next.target_offset - end);
    streams.extra.insert(streams.extra.end(), extra.begin(), extra.end());
    const bool last = i + 2 == matches.size();
    const int64_t seek =
        last ? 0 : static_cast<int64_t>(next.base_offset) - static_cast<int64_t>(match.base_offset + match.length);
    const Triple triple{static_cast<int64_t>(match.length), static_cast<int64_t>(extra.size()), seek};
    if (triple.diff_bytes != 0 || triple.extra_bytes != 0 || triple.seek != 0) streams.Add(triple);
  }
  return streams;
}

class Patcher {
 public:
  Patcher(Source& base, Source& patch, const Bsdiff40Header& header, Sink& target)
      : base_(base),
        target_(target),
        left_(header.target_bytes),
        control_(patch, kPatchHeaderBytes, kPatchHeaderBytes + header.control_coded_bytes),
        diff_(patch, kPatchHeaderBytes + header.control_coded_bytes, ExtraAt(header)),
        extra_(patch, ExtraAt(header), patch.size()),
        // bsdiff writes at most one triple without bytes for each with some.
        triples_left_(2 * header.target_bytes + 2) {}

  Status Run() {
    while (left_ > 0) {
      if (triples_left_-- == 0) return Error{ErrorCode::kCorrupt, "entries that make nothing", left_};
      const Triple triple = TILL_TRY(ReadTriple());
      TILL_TRY(Make(static_cast<uint64_t>(triple.diff_bytes), true));
      TILL_TRY(Make(static_cast<uint64_t>(triple.extra_bytes), false));
      if (__builtin_add_overflow(position_, triple.seek, &position_)) return Bad("a position");
    }
    for (Bzip2Reader* stream : {&control_, &diff_, &extra_}) TILL_TRY(stream->ExpectEnd());
    return target_.Finish();
  }

 private:
  static uint64_t ExtraAt(const Bsdiff40Header& header) {
    return kPatchHeaderBytes + header.control_coded_bytes + header.diff_coded_bytes;
  }
  static Error Bad(const char* what) { return Error{ErrorCode::kCorrupt, what, 0}; }

  Result<Triple> ReadTriple() {
    std::byte bytes[kTripleBytes];
    TILL_TRY(control_.Read(bytes));
    ByteReader in(bytes);
    Triple triple;
    for (int64_t* value : {&triple.diff_bytes, &triple.extra_bytes, &triple.seek}) *value = Decoded(TILL_TRY(in.U64()));
    if (triple.diff_bytes < 0 || triple.extra_bytes < 0) return Bad("a negative length");
    const auto diff = static_cast<uint64_t>(triple.diff_bytes);
    const auto extra = static_cast<uint64_t>(triple.extra_bytes);
    if (diff > left_ || extra > left_ - diff) return Bad("more bytes than the target has");
    return triple;
  }

  Status Make(uint64_t bytes, bool from_base) {
    while (bytes > 0) {
      const MutableByteView part = MutableByteView(piece_).first(std::min<uint64_t>(bytes, piece_.size()));
      TILL_TRY((from_base ? diff_ : extra_).Read(part));
      if (from_base) TILL_TRY(AddBase(part));
      TILL_TRY(target_.Write(part));
      bytes -= part.size();
      left_ -= part.size();
    }
    return Ok();
  }

  // Where there is no base, nothing is added: bspatch's rule.
  Status AddBase(MutableByteView part) {
    const int64_t begin = position_;
    if (__builtin_add_overflow(position_, static_cast<int64_t>(part.size()), &position_)) return Bad("a position");
    const auto size = static_cast<int64_t>(base_.size());
    const int64_t from = std::clamp<int64_t>(begin, 0, size);
    const int64_t to = std::clamp<int64_t>(position_, 0, size);
    if (from >= to) return Ok();
    const MutableByteView old_bytes = MutableByteView(old_).first(static_cast<size_t>(to - from));
    TILL_TRY(ReadFully(base_, static_cast<uint64_t>(from), old_bytes));
    for (size_t i = 0; i < old_bytes.size(); ++i) {
      std::byte& made = part[static_cast<size_t>(from - begin) + i];
      made = static_cast<std::byte>(static_cast<uint8_t>(made) + static_cast<uint8_t>(old_bytes[i]));
    }
    return Ok();
  }

  Source& base_;
  Sink& target_;
  uint64_t left_;
  Bzip2Reader control_;
  Bzip2Reader diff_;
  Bzip2Reader extra_;
  uint64_t triples_left_;
  int64_t position_ = 0;
  Bytes piece_ = Bytes(kPieceBytes);
  Bytes old_ = Bytes(kPieceBytes);
};

}  // namespace

Result<Bytes> MakeBsdiff40(ByteView base, ByteView target, const DiffOptions& options) {
  Streams streams = StreamsOf(base, target, TILL_TRY(FindMatches(base, target, options)));
  const Bytes control = TILL_TRY(EncodeBzip2(std::move(streams.control).Take()));
  const Bytes diff = TILL_TRY(EncodeBzip2(streams.diff));
  const Bytes extra = TILL_TRY(EncodeBzip2(streams.extra));
  ByteWriter out;
  out.Append(AsBytes(kMagic));
  for (const uint64_t value : {uint64_t{control.size()}, uint64_t{diff.size()}, uint64_t{target.size()}})
    out.U64(value);
  for (const Bytes* stream : {&control, &diff, &extra}) out.Append(*stream);
  return std::move(out).Take();
}

Result<Bsdiff40Header> ReadBsdiff40Header(Source& patch) {
  std::byte bytes[kPatchHeaderBytes];
  if (patch.size() < kPatchHeaderBytes) return Error{ErrorCode::kUnsupported, "no bsdiff patch"};
  TILL_TRY(ReadFully(patch, 0, bytes));
  if (AsText(ByteView(bytes).first(kMagic.size())) != kMagic) return Error{ErrorCode::kUnsupported, "no bsdiff patch"};
  ByteReader in(ByteView(bytes).subspan(kMagic.size()));
  Bsdiff40Header header;
  for (uint64_t* value : {&header.control_coded_bytes, &header.diff_coded_bytes, &header.target_bytes}) {
    *value = TILL_TRY(in.U64());
    if ((*value & kSignBit) != 0) return Error{ErrorCode::kCorrupt, "a negative length", in.offset()};
  }
  const uint64_t rest = patch.size() - kPatchHeaderBytes;
  if (header.control_coded_bytes > rest || header.diff_coded_bytes > rest - header.control_coded_bytes) {
    return Error{ErrorCode::kCorrupt, "the patch ends early", patch.size()};
  }
  return header;
}

Status ApplyBsdiff40(Source& base, Source& patch, uint64_t max_target_bytes, Sink& target) {
  const Bsdiff40Header header = TILL_TRY(ReadBsdiff40Header(patch));
  if (header.target_bytes > max_target_bytes) {
    return Error{ErrorCode::kLimit, "the target is longer than allowed", header.target_bytes};
  }
  return Patcher(base, patch, header, target).Run();
}

}  // namespace till::delta
