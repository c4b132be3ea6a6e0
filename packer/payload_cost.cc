#include "packer/payload_cost.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "delta/apply/payload_file.h"
#include "delta/apply/stream_decoder.h"
#include "delta/container/expanded_image.h"
#include "delta/format/ops.h"

namespace till::packer {
namespace {

constexpr size_t kDecoderBytes = 4 << 20;
constexpr const char* kBetween = "(between files)";
constexpr const char* kAround = "(header, hashes, map)";
constexpr uint32_t kNoBlock = ~uint32_t{0};

// Which file a byte of the target belongs to: by image offset, or by a block's plain offset.
class FileMap {
 public:
  explicit FileMap(const delta::ExpandedImage& image) : files_(image.files()) {
    for (size_t file = 0; file < files_.size(); ++file) {
      for (const delta::Extent& extent : files_[file].extents) {
        if (extent.kind == delta::Extent::Kind::kHole || extent.length == 0) continue;
        const uint32_t block = extent.kind == delta::Extent::Kind::kBlock ? extent.block : kNoBlock;
        pieces_[{block, extent.offset}] = {extent.length, file};
      }
    }
  }
  struct Found {
    uint64_t length = 0;  // that it goes on for
    const delta::ContainedFile* file = nullptr;
  };
  Found At(uint32_t block, uint64_t offset, uint64_t length) const {
    auto next = pieces_.upper_bound({block, offset});
    const bool bounded = next != pieces_.end() && next->first.first == block;
    const uint64_t rest = bounded ? std::min(length, next->first.second - offset) : length;
    if (next == pieces_.begin()) return {rest, nullptr};
    const auto& [key, piece] = *std::prev(next);
    if (key.first != block || key.second + piece.first <= offset) return {rest, nullptr};
    return {std::min(rest, key.second + piece.first - offset), &files_[piece.second]};
  }

 private:
  const std::vector<delta::ContainedFile>& files_;
  std::map<std::pair<uint32_t, uint64_t>, std::pair<uint64_t, size_t>> pieces_;
};

// One file's part of one frame, in what the streams are shared by.
struct Weight {
  double control = 0;
  double diff = 0;
  double literal = 0;
  uint64_t changed = 0;
};
using Key = std::pair<std::string, Cause>;

class CostReader {
 public:
  CostReader(ByteView base, ByteView target)
      : base_(delta::ExpandedImage::Open(base)),
        target_(delta::ExpandedImage::Open(target)),
        map_(target_),
        memory_(kDecoderBytes) {
    for (const delta::ContainedFile& file : base_.files()) base_paths_.insert(file.path);
    for (uint32_t i = 0; i < base_.blocks().size(); ++i) base_blocks_[base_.blocks()[i].offset] = i;
    for (uint32_t i = 0; i < target_.blocks().size(); ++i) target_blocks_[target_.blocks()[i].offset] = i;
  }

  Status ReadFrame(const delta::PayloadHeader& header, ByteView bytes, uint64_t& used) {
    const delta::FrameHeader frame = TILL_TRY(delta::DecodeFrameHeader(bytes, header));
    used = delta::kFrameHeaderBytes + frame.coded_bytes();
    if (bytes.size() < used) return Error{ErrorCode::kCorrupt, "a frame ends early", bytes.size()};
    weights_.clear();
    TILL_TRY(ReadOps(header, frame, bytes.subspan(delta::kFrameHeaderBytes)));
    ShareOut(frame);
    return Ok();
  }
  void Add(const Key& key, double bytes, uint64_t changed) {
    auto& [total, corrected] = totals_[key];
    total += bytes;
    corrected += changed;
  }
  const std::map<Key, std::pair<double, uint64_t>>& totals() const { return totals_; }

 private:
  Status ReadOps(const delta::PayloadHeader& header, const delta::FrameHeader& frame, ByteView coded) {
    const delta::StreamInfo& info = frame.streams[delta::kControl];
    delta::StreamDecoder decoder{MutableByteView(memory_)};
    TILL_TRY(decoder.Begin(
        {info.codec, coded.first(info.coded_bytes), info.plain_bytes, header.WindowLogOf(delta::kControl)}));
    delta::ControlReader control(decoder, info.plain_bytes);
    segments_ = {};
    uint64_t address_space = header.base_size;
    if (frame.kind == delta::FrameKind::kSegments) {
      segments_ = TILL_TRY(delta::ReadSegments(control, header, room_));
      for (const delta::Segment& segment : segments_) address_space += segment.plain_bytes;
    }
    base_size_ = header.base_size;
    delta::OpReader ops(control, frame, header, address_space);
    image_at_ = frame.target_offset;
    block_ = kNoBlock;
    while (!ops.at_end()) {
      const uint64_t before = control.offset();
      const delta::Op op = TILL_TRY(ops.Next());
      TILL_TRY(Play(op, static_cast<double>(control.offset() - before)));
      if (!ops.block_is_full()) continue;
      for (uint64_t fixes = TILL_TRY(ops.BeginFixes()); fixes > 0; --fixes) {
        const delta::Fix fix = TILL_TRY(ops.NextFix());
        Bytes ignored(fix.length);
        TILL_TRY(ops.FixBytes(ignored));
      }
      block_ = kNoBlock;
    }
    return Ok();
  }

  Status Play(const delta::Op& op, double control_bytes) {
    if (op.kind == delta::OpKind::kPredict) return Ok();
    if (op.kind == delta::OpKind::kBlock) {
      const auto found = target_blocks_.find(image_at_);
      block_ = found == target_blocks_.end() ? kNoBlock - 1 : found->second;
      plain_at_ = 0;
      image_at_ += op.length;
      return Ok();
    }
    const bool in_block = block_ != kNoBlock;
    uint64_t& at = in_block ? plain_at_ : image_at_;
    for (uint64_t done = 0; done < op.length;) {
      const FileMap::Found found = map_.At(block_, at, op.length - done);
      const uint64_t part = std::max<uint64_t>(1, found.length);
      Weigh(op, done, at, part, found.file, control_bytes * static_cast<double>(part) / static_cast<double>(op.length));
      at += part;
      done += part;
    }
    return Ok();
  }

  void Weigh(const delta::Op& op, uint64_t done, uint64_t at, uint64_t length, const delta::ContainedFile* file,
             double control_bytes) {
    const bool inside_coded = block_ == kNoBlock && InsideBlock(at);
    uint64_t changed = 0;
    if (op.kind == delta::OpKind::kDiff) changed = Differing(op.base_offset + done, at, length);
    if (op.kind == delta::OpKind::kData) changed = length;
    const std::string path = file == nullptr ? BlockPath(at, inside_coded) : file->path;
    Weight& weight = weights_[{path, CauseOf(op.kind, file, inside_coded)}];
    weight.control += control_bytes;
    if (op.kind == delta::OpKind::kDiff)
      weight.diff += static_cast<double>(changed) + static_cast<double>(length) / 4096;
    if (op.kind == delta::OpKind::kData) weight.literal += static_cast<double>(length);
    weight.changed += changed;
  }

  Cause CauseOf(delta::OpKind kind, const delta::ContainedFile* file, bool inside_coded) {
    if (kind == delta::OpKind::kCopy) return Cause::kMoved;
    if (inside_coded) return Cause::kSentAsIs;
    if (file == nullptr) return Cause::kData;
    if (file->path.starts_with(":")) return Cause::kTables;
    if (!base_paths_.contains(file->path)) return Cause::kNew;
    return IsElf(*file) ? Cause::kCode : Cause::kData;
  }

  bool IsElf(const delta::ContainedFile& file) {
    const auto [known, is_new] = elf_.emplace(file.path, false);
    if (!is_new || file.extents.empty()) return known->second;
    const delta::Extent& first = file.extents.front();
    const ByteView bytes = first.kind == delta::Extent::Kind::kBlock ? target_.Plain(first.block) : target_.image();
    if (first.offset + 4 <= bytes.size())
      known->second = AsText(bytes.subspan(first.offset, 4)) ==
                      "\x7f"
                      "ELF";
    return known->second;
  }

  // A coded block that travels as it is: named by the first file in it.
  std::string BlockPath(uint64_t at, bool inside_coded) const {
    if (!inside_coded) return kBetween;
    const auto block = std::prev(target_blocks_.upper_bound(at));
    const FileMap::Found found = map_.At(block->second, 0, 1);
    return found.file == nullptr ? kBetween : found.file->path;
  }

  bool InsideBlock(uint64_t at) const {
    const auto next = target_blocks_.upper_bound(at);
    if (next == target_blocks_.begin()) return false;
    const delta::CodedBlock& block = target_.blocks()[std::prev(next)->second];
    return at < block.offset + block.coded_bytes;
  }

  // Bytes that the diff stream must correct; without prediction of addresses, so an upper bound for kernels.
  uint64_t Differing(uint64_t address, uint64_t at, uint64_t length) {
    const ByteView old_bytes = BaseBytes(address, length);
    const ByteView new_all = block_ == kNoBlock                 ? target_.image()
                             : block_ < target_.blocks().size() ? target_.Plain(block_)
                                                                : ByteView();
    if (at + length > new_all.size() || old_bytes.size() != length) return length;
    const ByteView new_bytes = new_all.subspan(at, length);
    uint64_t count = 0;
    for (size_t i = 0; i < length; ++i) count += old_bytes[i] != new_bytes[i] ? 1 : 0;
    return count;
  }

  // Of the frame's address space. An op may run over several segments: then they are put together.
  ByteView BaseBytes(uint64_t address, uint64_t length) {
    if (address < base_size_) return base_.image().subspan(address, std::min(length, base_size_ - address));
    joined_.clear();
    for (const delta::Segment& segment : segments_) {
      if (segment.address + segment.plain_bytes <= address || joined_.size() == length) continue;
      const auto block = base_blocks_.find(segment.offset);
      const ByteView plain = block == base_blocks_.end() ? ByteView() : base_.Plain(block->second);
      const uint64_t start = address + joined_.size() - segment.address;
      if (start >= plain.size()) break;
      const ByteView part = plain.subspan(start, std::min<uint64_t>(plain.size() - start, length - joined_.size()));
      joined_.insert(joined_.end(), part.begin(), part.end());
    }
    return joined_;
  }

  void ShareOut(const delta::FrameHeader& frame) {
    const auto& streams = frame.streams;
    const bool one_stream = streams[delta::kDiff].codec == delta::Codec::kModel;
    Weight sum;
    for (auto& [key, weight] : weights_) {
      if (one_stream) weight.diff += weight.literal;  // the model codes both in one stream
      sum.control += weight.control;
      sum.diff += weight.diff;
      sum.literal += weight.literal;
    }
    const double control_bytes = static_cast<double>(streams[delta::kControl].coded_bytes + delta::kFrameHeaderBytes);
    double shared = 0;
    for (const auto& [key, weight] : weights_) {
      double bytes = sum.control > 0 ? control_bytes * weight.control / sum.control : 0;
      if (sum.diff > 0) bytes += streams[delta::kDiff].coded_bytes * weight.diff / sum.diff;
      if (sum.literal > 0) bytes += streams[delta::kLiteral].coded_bytes * weight.literal / sum.literal;
      Add(key, bytes, weight.changed);
      shared += bytes;
    }
    Add({kAround, Cause::kFrame}, static_cast<double>(delta::kFrameHeaderBytes + frame.coded_bytes()) - shared, 0);
  }

  delta::ExpandedImage base_, target_;
  FileMap map_;
  Bytes memory_, joined_;
  std::set<std::string> base_paths_;
  std::map<uint64_t, uint32_t> base_blocks_, target_blocks_;  // by offset in the image
  std::map<std::string, bool> elf_;
  std::array<delta::Segment, delta::kMaxFrameSegments> room_;
  std::span<const delta::Segment> segments_;
  uint64_t base_size_ = 0;
  uint64_t image_at_ = 0;
  uint64_t plain_at_ = 0;
  uint32_t block_ = kNoBlock;  // the one that ops make now; kNoBlock - 1: one that the target's reader does not know
  std::map<Key, Weight> weights_;
  std::map<Key, std::pair<double, uint64_t>> totals_;
};

Status CheckImages(const delta::PayloadHeader& header, ByteView base, ByteView target) {
  const bool fits = base.size() == header.base_size && crypto::Sha256Of(base) == header.base_sha256;
  if (!fits) return Error{ErrorCode::kRefused, "the old image is not the payload's base"};
  if (target.size() != header.target_size || crypto::Sha256Of(target) != header.target_sha256)
    return Error{ErrorCode::kRefused, "the new image is not the payload's target"};
  return Ok();
}

}  // namespace

const char* CauseName(Cause cause) {
  constexpr const char* kNames[kCauseCount] = {"code changed", "data changed",   "new file", "tables and timestamps",
                                               "only moved",   "sent as packed", "frame"};
  return kNames[static_cast<size_t>(cause)];
}

Result<PayloadCost> CostOf(ByteView payload, ByteView base, ByteView target) {
  MemorySource source(payload);
  const delta::PayloadFile file = TILL_TRY(delta::OpenPayload(source));
  if (file.header.kind != delta::PayloadKind::kDelta)
    return Error{ErrorCode::kRefused, "a full payload has nothing to explain"};
  TILL_TRY(CheckImages(file.header, base, target));
  CostReader reader(base, target);
  const ByteView body = payload.subspan(file.body_offset);
  uint64_t at = file.header.first_frame_offset();
  for (uint32_t frame = 0; frame < file.header.frame_count; ++frame) {
    uint64_t used = 0;
    TILL_TRY(reader.ReadFrame(file.header, body.subspan(at), used));
    at += used;
  }
  PayloadCost cost;
  cost.payload_bytes = payload.size();
  uint64_t sum = 0;
  for (const auto& [key, total] : reader.totals()) {
    const auto bytes = static_cast<uint64_t>(total.first);
    sum += bytes;
    if (bytes > 0 || total.second > 0) cost.files.push_back({key.first, key.second, bytes, total.second});
  }
  cost.files.push_back({kAround, Cause::kFrame, payload.size() - std::min(sum, uint64_t{payload.size()}), 0});
  std::stable_sort(cost.files.begin(), cost.files.end(),
                   [](const FileCost& a, const FileCost& b) { return a.bytes > b.bytes; });
  return cost;
}

}  // namespace till::packer
