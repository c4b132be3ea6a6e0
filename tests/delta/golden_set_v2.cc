// Goldens of minor version 2: every recode, every stream codec, fixes; and what must be refused.
#include "delta/format/arena.h"
#include "tests/delta/assembler.h"
#include "tests/delta/golden_set.h"

namespace till::delta::testing {
namespace {

constexpr uint32_t kPlainBytes = 3000;

Bytes Prose(size_t count, uint64_t seed) {
  Bytes bytes = Noise(count, seed);
  for (size_t i = 0; i < count; ++i) {
    if (i % 7 != 0) bytes[i] = static_cast<std::byte>("the till runs "[(i + seed) % 14]);
  }
  return bytes;
}

std::vector<Recode> GoldenRecodes() {
  return {Recode::Xz({.dictionary = 13}),
          Recode::Zlib({}),
          Recode::Zstd(15),
          Recode::Lz4(true),
          Recode::Lzma({.preset = 9, .extreme = true, .lc = 1, .lp = 2, .dictionary = 13}),
          Recode::Lz4(false)};
}

struct GoldenSegments {
  Bytes base;
  std::vector<Segment> segments;  // one for each of GoldenRecodes(); `recode` is the index there
};

GoldenSegments MakeGoldenBase() {
  GoldenSegments made;
  made.base = Noise(600, 7);
  const auto recodes = GoldenRecodes();
  for (size_t i = 0; i < recodes.size(); ++i) {
    const Bytes coded = EncodeBlock(recodes[i], Prose(kPlainBytes, i));
    made.segments.push_back(
        {made.base.size(), static_cast<uint32_t>(coded.size()), kPlainBytes, static_cast<uint8_t>(i), 0});
    made.base.insert(made.base.end(), coded.begin(), coded.end());
  }
  return made;
}

Assembler Begin(const std::vector<size_t>& recodes) {
  Assembler a(MakeGoldenBase().base);
  for (const size_t i : recodes) a.AddRecode(GoldenRecodes()[i]);
  a.header().block_plain_bytes_max = kPlainBytes;
  a.header().cache_blocks = 2;
  return a;
}

// A frame that opens one block of the base, changes a few bytes and makes it again; with `fix`, not quite.
void RemakeBlock(Assembler& a, size_t golden_recode, uint8_t index, bool fix) {
  Segment segment = MakeGoldenBase().segments[golden_recode];
  segment.recode = index;
  a.BeginFrame({segment});
  a.Copy(0, 100);
  a.BeginBlock(index, kPlainBytes);
  const uint64_t from = a.SegmentAddress(0);
  a.Copy(from, 1000);
  Bytes changed = a.Read(from + 1000, 1500);
  for (size_t i = 3; i < changed.size(); i += 111) changed[i] ^= std::byte{2};
  a.Diff(from + 1000, changed);
  a.Data(Prose(500, 77));
  Bytes plain = a.Read(from, 1000);
  plain.insert(plain.end(), changed.begin(), changed.end());
  const Bytes tail = Prose(500, 77);
  plain.insert(plain.end(), tail.begin(), tail.end());
  Bytes wanted = EncodeBlock(GoldenRecodes()[golden_recode], plain);
  if (fix) wanted[5] ^= std::byte{1}, wanted[20] ^= std::byte{1}, wanted[21] ^= std::byte{1};
  a.EndBlock(wanted);
  a.Data(Prose(60, 3));
  a.EndFrame();
}

// One frame whose control stream is `control`, literal bytes at its disposal.
Bytes OneFrame(const ByteWriter& control, uint32_t op_count, uint64_t target_bytes, size_t literal_bytes = 0) {
  Assembler a = Begin({0, 1});
  a.header().block_coded_bytes_max = 4000;
  a.BeginFrame();
  a.Data(Prose(target_bytes, 1));
  a.EndFrame();
  CraftedFrame& frame = a.frames()[0];
  frame.coded = {control.bytes(), Bytes(), Prose(literal_bytes, 1)};
  frame.header.op_count = op_count;
  for (const StreamIndex stream : {kControl, kDiff, kLiteral}) {
    const auto bytes = static_cast<uint32_t>(frame.coded[stream].size());
    frame.header.streams[stream] = {Codec::kStored, bytes, bytes};
  }
  return a.File();
}

ByteWriter Words(std::initializer_list<uint64_t> words) {
  ByteWriter out;
  for (const uint64_t word : words) out.Varint(word);
  return out;
}

Bytes WithHeader(void (*spoil)(PayloadHeader&)) {
  Assembler a = Begin({0, 1});
  RemakeBlock(a, 0, 0, false);
  const Bytes good = a.File();
  spoil(a.header());
  Bytes body = EncodeHeader(a.header());
  const ByteView rest = BodyOf(good).subspan(kHeaderBytes);
  body.insert(body.end(), rest.begin(), rest.end());
  return SignBody(body);
}

Bytes WithStream(Codec codec, void (*spoil)(CraftedFrame&)) {
  Assembler a = Begin({0, 1});
  a.SetCodec(kControl, codec, 12);
  a.SetCodec(kDiff, codec, 12);
  RemakeBlock(a, 0, 0, false);
  spoil(a.frames()[0]);
  return a.File();
}

void AddBlockRefusals(std::vector<Golden>& to) {
  const auto add = [&to](const char* name, const ByteWriter& control, uint32_t ops, uint64_t target, size_t literal) {
    to.push_back({name, OneFrame(control, ops, target, literal)});
  };
  constexpr uint64_t kBlock = 0 << 2 | 3;
  constexpr uint64_t kPredictOp = 1 << 2 | 3;
  const auto data = [](uint64_t length) { return length << 2 | 2; };
  // (segments,) BLOCK recode plain coded, ops, fixes
  add("v2-block-in-block.bin", Words({0, kBlock, 1, 50, 40, kBlock, 1, 50, 40, data(50), 0, 0}), 3, 40, 50);
  add("v2-op-past-block.bin", Words({0, kBlock, 1, 50, 40, data(51), 0}), 2, 40, 51);
  add("v2-block-not-filled.bin", Words({0, kBlock, 1, 50, 40, data(49), 0}), 2, 40, 49);
  add("v2-block-other-length.bin", Words({0, kBlock, 1, 50, 7, data(50), 0}), 2, 7, 50);
  add("v2-block-unknown-recode.bin", Words({0, kBlock, 2, 50, 40, data(50), 0}), 2, 40, 50);
  add("v2-block-too-long.bin", Words({0, kBlock, 1, kPlainBytes + 1, 40, data(50), 0}), 2, 40, 50);
  add("v2-block-of-nothing.bin", Words({0, kBlock, 1, 0, 0, data(40), 0}), 2, 40, 40);
  add("v2-block-past-target.bin", Words({0, kBlock, 1, 50, 41, data(50), 0}), 2, 40, 50);
  add("v2-op-number-9.bin", Words({0, 9 << 2 | 3, data(40)}), 2, 40, 40);
  add("v2-predictor-9.bin", Words({0, kPredictOp, 9, 0, 0, data(40)}), 2, 40, 40);
  add("v2-segments-1025.bin", Words({1025, data(40)}), 1, 40, 40);
  add("v2-segment-before-base.bin", Words({1, 1, 100, 1, data(40)}), 1, 40, 40);
  add("v2-segment-behind-base.bin", Words({1, 2 * 100, 1 << 20, 1, data(40)}), 1, 40, 40);
  add("v2-segment-unknown-recode.bin", Words({1, 0, 100, 2 << 1 | 1, data(40)}), 1, 40, 40);
  add("v2-segment-not-coded.bin", Words({1, 0, 100, 1, 10 << 2, 2 * MakeGoldenBase().base.size(), data(30)}), 2, 40,
      30);
  // Ten bytes, five of them in the base.
  add("v2-op-across.bin", Words({0, 10 << 2, 2 * (MakeGoldenBase().base.size() - 5), data(30)}), 2, 40, 30);
}

}  // namespace

Bytes GoldenBaseV2() { return MakeGoldenBase().base; }

std::vector<Golden> CraftedGoldensV2() {
  std::vector<Golden> goldens;
  Assembler four = Begin({0, 1, 2, 3});
  for (uint8_t i = 0; i < 4; ++i) RemakeBlock(four, i, i, i == 1);
  goldens.push_back({"v2-four-recodes.bin", four.File()});
  Assembler two = Begin({4, 5});
  two.SetCodec(kControl, Codec::kLzma, 12);
  two.SetCodec(kDiff, Codec::kZstd, 12);
  two.SetCodec(kLiteral, Codec::kLzma, 13);
  RemakeBlock(two, 4, 0, true);
  RemakeBlock(two, 5, 1, false);
  goldens.push_back({"v2-lzma-and-zstd-streams.bin", two.File()});
  Assembler model = Begin({0});
  model.SetCodec(kControl, Codec::kModel);
  model.SetCodec(kDiff, Codec::kModel);
  RemakeBlock(model, 0, 0, false);
  goldens.push_back({"v2-model-streams.bin", model.File()});
  return goldens;
}

std::vector<Golden> RefusedGoldensV2() {
  std::vector<Golden> goldens;
  const auto header = [&goldens](const char* name, void (*spoil)(PayloadHeader&)) {
    goldens.push_back({name, WithHeader(spoil)});
  };
  header("v2-recodes-5.bin", [](PayloadHeader& h) { h.recode_count = 5; });
  header("v2-recode-parameter.bin", [](PayloadHeader& h) { h.recodes[0].parameters[0] = 10; });
  header("v2-recode-behind-last.bin", [](PayloadHeader& h) { h.recodes[2] = h.recodes[0]; });
  header("v2-recode-unknown.bin", [](PayloadHeader& h) { h.recodes[1] = {static_cast<RecodeCodec>(9), {}}; });
  header("v2-cache-9.bin", [](PayloadHeader& h) { h.cache_blocks = 9; });
  header("v2-block-2-mib.bin", [](PayloadHeader& h) { h.block_plain_bytes_max = 2 << 20; });
  header("v2-arena-short.bin", [](PayloadHeader& h) { h.arena_bytes = static_cast<uint32_t>(ArenaBytesFor(h)) - 1; });
  header("v2-window-of-stored.bin", [](PayloadHeader& h) { h.window_logs[kDiff] = 12; });
  header("v2-map-too-long.bin", [](PayloadHeader& h) { h.map_coded_bytes = h.map_plain_bytes = (512 << 10) + 1; });
  header("v2-map-codec-9.bin", [](PayloadHeader& h) { h.map_codec = static_cast<Codec>(9); });
  header("v2-codec-not-named.bin", [](PayloadHeader& h) { h.stream_codecs[kLiteral] = CodecBit(Codec::kModel); });
  const auto stream = [&goldens](const char* name, Codec codec, void (*spoil)(CraftedFrame&)) {
    goldens.push_back({name, WithStream(codec, spoil)});
  };
  stream("v2-lzma-properties.bin", Codec::kLzma, [](CraftedFrame& f) { f.coded[kDiff][0] = std::byte{225}; });
  stream("v2-lzma-left-over.bin", Codec::kLzma, [](CraftedFrame& f) {
    f.coded[kDiff].push_back(std::byte{0});
    ++f.header.streams[kDiff].coded_bytes;
  });
  stream("v2-lzma-ends-early.bin", Codec::kLzma, [](CraftedFrame& f) {
    Bytes& diff = f.coded[kDiff];
    diff.erase(diff.end() - 4, diff.end());
    f.header.streams[kDiff].coded_bytes -= 4;
  });
  stream("v2-model-left-over.bin", Codec::kModel, [](CraftedFrame& f) {
    f.coded[kDiff].push_back(std::byte{1});
    ++f.header.streams[kDiff].coded_bytes;
  });
  stream("v2-model-half.bin", Codec::kModel, [](CraftedFrame& f) {
    f.header.streams[kLiteral] = {Codec::kStored, 560, 560};
    f.coded[kLiteral].resize(560);
  });
  AddBlockRefusals(goldens);
  return goldens;
}

}  // namespace till::delta::testing
