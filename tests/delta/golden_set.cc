#include "tests/delta/golden_set.h"

#include "tests/delta/craft.h"

namespace till::delta::testing {
namespace {

Bytes Patched(Bytes body, size_t at, uint8_t value) {
  body[at] = std::byte{value};
  return SignBody(body);
}

Bytes GoldenTarget() {
  Bytes target = Text("a new beginning ");
  const Bytes base = GoldenBase();
  target.insert(target.end(), base.begin(), base.begin() + 1000);
  for (size_t i = 0; i < 500; ++i) target.push_back(base[1500 + i] ^ (i % 50 == 0 ? std::byte{1} : std::byte{0}));
  return target;
}

Craft SmallDelta() {
  Craft craft(GoldenBase(), GoldenTarget());
  craft.AddFrame({{OpKind::kData, 16, 0}, {OpKind::kCopy, 1000, 0}});
  craft.AddFrame({{OpKind::kDiff, 500, 1500}});
  return craft;
}

Bytes RawOps(const Bytes& control, uint32_t op_count) {
  Craft craft(GoldenBase(), GoldenTarget());
  CraftedFrame& frame = craft.AddFrame({{OpKind::kData, 16, 0}, {OpKind::kCopy, 1000, 0}, {OpKind::kDiff, 500, 1500}});
  frame.coded[kControl] = control;
  frame.header.op_count = op_count;
  const auto bytes = static_cast<uint32_t>(control.size());
  frame.header.streams[kControl] = {Codec::kStored, bytes, bytes};
  return craft.File();
}

Bytes Control(const std::vector<std::pair<uint64_t, int64_t>>& words) {
  ByteWriter out;
  for (const auto& [word, shift] : words) {
    out.Varint(word);
    if ((word & 3) < 2) out.SignedVarint(shift);
  }
  return std::move(out).Take();
}

Bytes WithFrame(void (*spoil)(CraftedFrame&)) {
  Craft craft = SmallDelta();
  spoil(craft.frames()[1]);
  return craft.File();
}

}  // namespace

Bytes GoldenBase() { return Noise(2000, 2026); }

std::vector<Golden> CraftedGoldens() {
  std::vector<Golden> goldens;
  goldens.push_back({"v1-delta-stored.bin", SmallDelta().File()});
  Craft full = Craft::Full(GoldenTarget());
  full.AddFrame({{OpKind::kData, GoldenTarget().size(), 0}});
  goldens.push_back({"v1-full-stored.bin", full.File()});
  goldens.push_back({"v1-empty-target.bin", Craft(GoldenBase(), {}).File()});
  Craft tiny(GoldenBase(), Text("x"));
  tiny.AddFrame({{OpKind::kData, 1, 0}});
  goldens.push_back({"v1-one-byte.bin", tiny.File()});
  return goldens;
}

std::vector<Golden> RefusedGoldens() {
  const Bytes good = SmallDelta().File();
  const Bytes body(BodyOf(good).begin(), BodyOf(good).end());
  std::vector<Golden> goldens;
  const auto add = [&goldens](std::string name, Bytes file) { goldens.push_back({std::move(name), std::move(file)}); };
  add("truncated.bin", Bytes(good.begin(), good.end() - 1));
  Bytes longer = good;
  longer.push_back(std::byte{0});
  add("extended.bin", longer);
  Bytes flipped = good;
  flipped.back() ^= std::byte{1};
  add("bit-flipped.bin", flipped);
  add("body-truncated.bin", SignBody(ByteView(body).first(body.size() - 1)));
  add("other-magic.bin", Patched(body, 0, 'X'));
  add("format-2.bin", Patched(body, 8, 2));
  add("minor-9.bin", Patched(body, 10, 9));
  add("reserved-set.bin", Patched(body, 150, 1));
  add("window-27.bin", Patched(body, 17, 27));
  add("frame-magic.bin", Patched(body, kHeaderBytes, 'X'));
  add("frame-kind-2.bin", Patched(body, kHeaderBytes + 4, 2));
  add("codec-9.bin", Patched(body, kHeaderBytes + 5, 9));
  add("target-hash.bin", Patched(body, 88, static_cast<uint8_t>(body[88]) ^ 1));
  add("op-unknown.bin", RawOps(Control({{16 << 2 | 3, 0}}), 1));
  add("op-of-nothing.bin", RawOps(Control({{16 << 2 | 2, 0}, {0, 0}, {1000 << 2, 0}, {500 << 2 | 1, 500}}), 4));
  add("op-before-base.bin", RawOps(Control({{16 << 2 | 2, 0}, {1000 << 2, -1}, {500 << 2 | 1, 501}}), 3));
  add("op-behind-base.bin", RawOps(Control({{16 << 2 | 2, 0}, {1000 << 2, 1001}, {500 << 2 | 1, -500}}), 3));
  add("op-shift-overflow.bin", RawOps(Control({{16 << 2 | 2, 0}, {1000 << 2, INT64_MAX}, {500 << 2 | 1, 1}}), 3));
  add("op-past-target.bin", RawOps(Control({{16 << 2 | 2, 0}, {1001 << 2, 0}, {500 << 2 | 1, 499}}), 3));
  add("op-past-diff.bin", RawOps(Control({{16 << 2 | 2, 0}, {999 << 2, 0}, {501 << 2 | 1, 500}}), 3));
  add("frame-index.bin", WithFrame([](CraftedFrame& f) { f.header.index = 0; }));
  add("frame-gap.bin", WithFrame([](CraftedFrame& f) { f.header.target_offset -= 1; }));
  add("zstd-garbage.bin", WithFrame([](CraftedFrame& f) {
        f.header.streams[kDiff] = {Codec::kZstd, 400, 500};
        f.coded[kDiff].resize(400);
      }));
  add("zstd-window-bomb.bin", WithFrame([](CraftedFrame& f) {
        // 17 bytes that ask for a window of 128 MiB (log 27) and stand for 500 times 'x'.
        ByteWriter out;
        out.U32(0xFD2FB528);
        out.U8(3 << 6);
        out.U8((27 - 10) << 3);
        out.U64(500);
        out.U8(static_cast<uint8_t>(500 << 3 | 3));
        out.U16(500 >> 5);
        out.U8('x');
        f.coded[kDiff] = std::move(out).Take();
        f.header.streams[kDiff] = {Codec::kZstd, static_cast<uint32_t>(f.coded[kDiff].size()), 500};
      }));
  return goldens;
}

}  // namespace till::delta::testing
