#include <algorithm>

#include "tests/delta/assembler.h"

namespace till::delta::testing {
namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 2862933555777941757ull + 3037000493ull) {}
  uint64_t Below(uint64_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return bound == 0 ? 0 : (state_ >> 11) % bound;
  }

 private:
  uint64_t state_;
};

void PutWord(Bytes& bytes, size_t at, uint64_t word) {
  for (size_t b = 0; b < 4; ++b) bytes[at + b] = static_cast<std::byte>(word >> 8 * b);
}

// Two MIPS words that say addresses near 0x80000000.
void AddCode(Dice& dice, Bytes& bytes, size_t at) {
  const uint64_t offset = dice.Below(40'000);
  const uint64_t reg = dice.Below(32);
  switch (dice.Below(3)) {
    case 0:
      PutWord(bytes, at, 3u << 26 | offset);                             // jal
      PutWord(bytes, at + 4, reg << 21 | reg << 16 | reg << 11 | 0x21);  // addu
      break;
    case 1:
      PutWord(bytes, at, 15u << 26 | reg << 16 | (0x8000 + (offset >> 15)));  // lui
      PutWord(bytes, at + 4, (dice.Below(2) == 0 ? 9u : 35u) << 26 | reg << 21 | reg << 16 | (offset & 0xffff));
      break;
    default:
      PutWord(bytes, at, 0x80000000u + offset);  // a pointer
      PutWord(bytes, at + 4, 0);
  }
}

// Half words of a small set, half noise: it compresses, but not away.
Bytes Content(Dice& dice, size_t count) {
  Bytes bytes(count);
  for (size_t i = 0; i < count;) {
    if (dice.Below(6) == 0 && i % 4 == 0 && count - i >= 8) {
      AddCode(dice, bytes, i);
      i += 8;
      continue;
    }
    const size_t run = std::min<size_t>(count - i, 1 + dice.Below(24));
    const bool noise = dice.Below(3) == 0;
    const auto word = static_cast<uint8_t>(dice.Below(9) * 17);
    for (size_t k = 0; k < run; ++k) bytes[i++] = static_cast<std::byte>(noise ? dice.Below(256) : word + k % 4);
  }
  return bytes;
}

Recode AnyRecode(Dice& dice) {
  const auto dictionary = static_cast<uint8_t>(12 + dice.Below(4));
  const auto preset = static_cast<uint8_t>(dice.Below(10));
  switch (dice.Below(6)) {
    case 0:
      return Recode::Xz({.preset = preset, .extreme = dice.Below(2) == 1, .dictionary = dictionary});
    case 1:
      return Recode::Xz({.preset = 9, .extreme = true, .lc = 0, .lp = 2, .pb = 2, .dictionary = dictionary});
    case 2:
      return Recode::Zlib({.level = static_cast<uint8_t>(1 + dice.Below(9)), .raw_deflate = dice.Below(2) == 1});
    case 3:
      return Recode::Zstd(static_cast<uint8_t>(1 + dice.Below(19)));
    case 4:
      return Recode::Lz4(dice.Below(2) == 1);
    default:
      return Recode::Lzma({.preset = preset, .dictionary = dictionary});
  }
}

class RandomPayload {
 public:
  RandomPayload(uint64_t seed, size_t about_bytes, uint8_t codecs) : dice_(seed), about_bytes_(about_bytes) {
    const size_t recodes = 1 + dice_.Below(kMaxRecodes);
    for (size_t i = 0; i < recodes; ++i) recodes_.push_back(AnyRecode(dice_));
    block_bytes_ = static_cast<uint32_t>(1000 + dice_.Below(std::max<size_t>(about_bytes / 4, 2000)));
    Assembler assembler(MakeBase());
    for (const Recode& recode : recodes_) assembler.AddRecode(recode);
    assembler.header().block_plain_bytes_max = block_bytes_;
    assembler.header().cache_blocks = static_cast<uint8_t>(1 + dice_.Below(4));
    for (const StreamIndex stream : {kControl, kDiff, kLiteral}) {
      Codec codec = Codec::kStored;
      do codec = static_cast<Codec>(dice_.Below(4));
      while ((codecs & CodecBit(codec)) == 0);
      if (stream == kLiteral && codec == Codec::kModel) codec = Codec::kStored;
      assembler.SetCodec(stream, codec, 12 + dice_.Below(9));
    }
    if (dice_.Below(2) == 0) AddMap(assembler, codecs);
    const size_t frames = 1 + dice_.Below(3);
    for (size_t i = 0; i < frames; ++i) AddFrame(assembler, about_bytes_ / frames);
    result_.base = assembler.base();
    result_.target = assembler.target();
    result_.file = assembler.File();
  }
  Assembled Take() && { return std::move(result_); }

 private:
  Bytes MakeBase() {
    Bytes base;
    while (base.size() < about_bytes_ / 2) {
      const Bytes raw = Content(dice_, dice_.Below(2000));
      base.insert(base.end(), raw.begin(), raw.end());
      const auto recode = static_cast<uint8_t>(dice_.Below(recodes_.size()));
      const auto plain_bytes =
          static_cast<uint32_t>(dice_.Below(3) == 0 ? block_bytes_ : 1 + dice_.Below(block_bytes_));
      const Bytes coded = EncodeBlock(recodes_[recode], Content(dice_, plain_bytes));
      blocks_.push_back({base.size(), static_cast<uint32_t>(coded.size()), plain_bytes, recode, 0});
      base.insert(base.end(), coded.begin(), coded.end());
    }
    return base;
  }

  // One region from 0x80000000 on, in which things moved; it is as long as everything may be.
  void AddMap(Assembler& to, uint8_t codecs) {
    region_bytes_ = static_cast<uint32_t>(10 * about_bytes_);
    std::vector<uint32_t> fields = {0x80000000u, region_bytes_, 0, 0};
    std::vector<uint32_t> shifts;
    for (uint64_t start = dice_.Below(500); start < region_bytes_; start += 1 + dice_.Below(5000)) {
      fields.push_back(static_cast<uint32_t>(start));
      shifts.push_back(static_cast<uint32_t>(dice_.Below(2000) * 4 - 4000));
    }
    fields[2] = static_cast<uint32_t>(shifts.size());
    fields.insert(fields.end(), shifts.begin(), shifts.end());
    ByteWriter plain;
    for (const uint32_t field : fields) plain.U32(field);
    Codec codec = static_cast<Codec>(dice_.Below(4));
    if ((codecs & CodecBit(codec)) == 0) codec = Codec::kStored;
    to.SetMap(plain.bytes(), codec);
  }

  void AddFrame(Assembler& to, size_t bytes) {
    std::vector<Segment> segments;
    const size_t count = dice_.Below(std::min<size_t>(blocks_.size(), 5) + 1);
    for (size_t i = 0; i < count; ++i) segments.push_back(blocks_[dice_.Below(blocks_.size())]);
    segment_bytes_ = 0;
    for (const Segment& s : segments) segment_bytes_ += s.plain_bytes;
    to.BeginFrame(segments);
    const size_t start = to.target().size();
    do {
      if (dice_.Below(3) == 0) {
        AddBlock(to);
      } else {
        AddOp(to, 1 + dice_.Below(bytes / 4 + 1));
      }
      if (dice_.Below(8) == 0) to.Predict(0);
      if (region_bytes_ > 0 && dice_.Below(3) == 0) to.Predict(1, 0, static_cast<int64_t>(dice_.Below(100)));
    } while (to.target().size() - start < bytes);
    to.EndFrame();
  }

  void AddBlock(Assembler& to) {
    const auto recode = static_cast<uint32_t>(dice_.Below(recodes_.size()));
    const auto plain_bytes = static_cast<uint32_t>(dice_.Below(2) == 0 ? block_bytes_ : 1 + dice_.Below(block_bytes_));
    to.BeginBlock(recode, plain_bytes);
    Bytes plain;
    for (uint64_t left = plain_bytes; left > 0;) left -= AddOp(to, 1 + dice_.Below(left), &plain);
    Bytes wanted = EncodeBlock(recodes_[recode], plain);
    for (size_t fixes = dice_.Below(4); fixes > 0; --fixes) {
      const size_t at = dice_.Below(wanted.size());
      const size_t end = std::min<size_t>(wanted.size(), at + 1 + dice_.Below(5));
      for (size_t i = at; i < end; ++i) wanted[i] = static_cast<std::byte>(dice_.Below(256));
    }
    to.EndBlock(wanted);
  }

  // Makes up to `length` bytes; how many. `plain` collects them.
  uint64_t AddOp(Assembler& to, uint64_t length, Bytes* plain = nullptr) {
    Bytes made;
    const uint64_t kind = dice_.Below(3);
    if (kind == 2) {
      made = Content(dice_, length);
      to.Data(made);
    } else {
      const bool opened = segment_bytes_ > 0 && dice_.Below(3) > 0;
      const uint64_t space = opened ? segment_bytes_ : to.base().size();
      length = std::min(length, space);
      const uint64_t address = dice_.Below(space - length + 1) + (opened ? to.base().size() : 0);
      made = kind == 0 ? to.Read(address, length) : to.Predicted(address, length);
      if (kind == 0) {
        to.Copy(address, length);
      } else {
        for (size_t i = dice_.Below(40); i < made.size(); i += 1 + dice_.Below(200)) made[i] ^= std::byte{0x41};
        to.Diff(address, made);
      }
    }
    if (plain != nullptr) plain->insert(plain->end(), made.begin(), made.end());
    return made.size();
  }

  Dice dice_;
  size_t about_bytes_;
  std::vector<Recode> recodes_;
  uint32_t block_bytes_ = 0;
  std::vector<Segment> blocks_;
  uint64_t segment_bytes_ = 0;
  uint32_t region_bytes_ = 0;
  Assembled result_;
};

}  // namespace

Assembled RandomAssembled(uint64_t seed, size_t about_bytes, uint8_t codecs) {
  return RandomPayload(seed, about_bytes, codecs).Take();
}

Assembler SmallAssembler() {
  Dice dice(99);
  const Recode xz = Recode::Xz({.dictionary = 12});
  const Recode zlib = Recode::Zlib({});
  const Bytes old_plain = Content(dice, 3000);
  Bytes base = Content(dice, 500);
  const Bytes coded = EncodeBlock(xz, old_plain);
  const Segment segment{base.size(), static_cast<uint32_t>(coded.size()), 3000, 0, 0};
  base.insert(base.end(), coded.begin(), coded.end());
  Assembler a(base);
  a.AddRecode(xz);
  a.AddRecode(zlib);
  a.header().block_plain_bytes_max = 3000;
  a.header().cache_blocks = 2;
  a.SetCodec(kControl, Codec::kLzma, 12);
  a.SetCodec(kDiff, Codec::kZstd, 12);
  a.BeginFrame({segment});
  a.Copy(0, 300);
  a.BeginBlock(0, 2500);
  a.Copy(a.SegmentAddress(0), 1000);
  Bytes changed = a.Read(a.SegmentAddress(0) + 1000, 1200);
  changed[7] ^= std::byte{1};
  a.Diff(a.SegmentAddress(0) + 1000, changed);
  a.Data(Content(dice, 300));
  a.EndBlock();
  a.Data(Content(dice, 50));
  a.EndFrame();
  a.BeginFrame({segment});
  a.BeginBlock(1, 400);
  a.Diff(a.SegmentAddress(0), Content(dice, 400));
  a.EndBlock();
  a.Copy(100, 400);
  a.EndFrame();
  return a;
}

}  // namespace till::delta::testing
