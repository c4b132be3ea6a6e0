// Payloads of minor version 2 through the applier: opened segments, made blocks, fixes, stream codecs.
#include <gtest/gtest.h>

#include "delta/apply/applier.h"
#include "delta/format/arena.h"
#include "tests/delta/assembler.h"
#include "tests/delta/job.h"

namespace till::delta {
namespace {

using namespace testing;

Job JobOf(Assembled all) { return {std::move(all.file), std::move(all.base), std::move(all.target)}; }

Assembled Small() {
  Assembler a = SmallAssembler();
  Bytes file = a.File();
  return {a.base(), a.target(), file};
}

TEST(BlockApplier, RebuildsRandomTargets) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Assembled all = RandomAssembled(seed, 40'000);
    const Applied applied = ApplyFile(all.file, all.base, seed % 3 == 0 ? 777 : 0);
    ASSERT_TRUE(applied.status.ok()) << "seed " << seed << ": " << applied.status.error().what << " "
                                     << applied.status.error().detail;
    ASSERT_EQ(applied.target, all.target) << seed;
  }
}

TEST(BlockApplier, MakesBlocksForAFullPayloadToo) {
  Assembler a = Assembler::Full();
  a.AddRecode(Recode::Zstd(9));
  a.BeginFrame();
  a.BeginBlock(0, 5000);
  a.Data(Bytes(5000, std::byte{'x'}));
  a.EndBlock();
  a.EndFrame();
  const Bytes file = a.File();
  const Applied applied = ApplyFile(file, {});
  ASSERT_TRUE(applied.status.ok()) << applied.status.error().what;
  EXPECT_EQ(applied.target, a.target());
}

// The arena the header declares is all there is: canaries around it, and not a byte more than ArenaBytesFor() says.
TEST(BlockApplier, WorksInExactlyTheArenaItDeclares) {
  for (uint64_t seed = 100; seed < 130; ++seed) {
    Job job = JobOf(RandomAssembled(seed, 30'000));
    const uint64_t arena_bytes = job.opened->header.arena_bytes;
    ASSERT_EQ(arena_bytes, ArenaBytesFor(job.opened->header));
    for (const size_t skew : {0, 1, 15}) {
      Bytes memory(arena_bytes + 64, std::byte{0xa5});
      MemoryTarget target;
      const auto applier = job.NewApplier(target, MutableByteView(memory).subspan(16 + skew, arena_bytes));
      ASSERT_TRUE(applier->Start().ok());
      const Status status = job.Pump(*applier);
      ASSERT_TRUE(status.ok()) << seed << " " << status.error().what;
      ASSERT_EQ(target.bytes(), job.target);
      for (size_t i = 0; i < 16 + skew; ++i) ASSERT_EQ(memory[i], std::byte{0xa5});
      for (size_t i = 16 + skew + arena_bytes; i < memory.size(); ++i) ASSERT_EQ(memory[i], std::byte{0xa5});
    }
  }
}

TEST(BlockApplier, RefusesAnArenaSmallerThanDeclared) {
  Job job = JobOf(Small());
  Bytes memory(job.opened->header.arena_bytes - 1);
  MemoryTarget target;
  const auto refused = Applier::Create({.chunks = &job.opened->chunks,
                                        .header = &job.opened->header,
                                        .base = job.verified.get(),
                                        .target = &target,
                                        .max_arena_bytes = 64 << 20,
                                        .arena = memory});
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
}

// covers S04
TEST(BlockApplier, ResumesAfterAKillAtEveryWrite) {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    for (const size_t durable_step : {1, 4096}) {
      Job job = JobOf(RandomAssembled(seed, 25'000));
      bool fired = true;
      for (size_t fail_at = 1; fired; ++fail_at) {
        MemoryTarget first({}, fail_at, durable_step);
        const auto applier = job.NewApplier(first);
        ASSERT_TRUE(applier->Start().ok());
        fired = !job.Pump(*applier).ok();
        const Checkpoint checkpoint = applier->LastCheckpoint();
        const ByteView all = ByteView(first.bytes()).first(checkpoint.target_offset);
        const Bytes kept(all.begin(), all.end());
        MemoryTarget second(kept);
        MemorySource written(kept);
        const auto next = job.NewApplier(second);
        ASSERT_TRUE(next->Resume(checkpoint, written).ok());
        const Status done = job.Pump(*next);
        ASSERT_TRUE(done.ok()) << done.error().what << " at write " << fail_at << " seed " << seed;
        ASSERT_EQ(second.bytes(), job.target);
      }
    }
  }
}

// The map is fetched again, what lies between is not.
TEST(BlockApplier, JumpsFromTheMapToItsCheckpoint) {
  const Bytes base = Noise(400'000, 9);
  Assembler a(base);
  ByteWriter map;
  for (const uint32_t field : {0x80000000u, 400'000u, 1u, 0u, 100u, 8u}) map.U32(field);
  a.SetMap(map.bytes(), Codec::kStored);
  for (uint64_t i = 0; i < 5; ++i) {
    a.BeginFrame();
    a.Data(Noise(50'000, i));
    a.Predict(1);
    a.Diff(i * 1000, a.Predicted(i * 1000, 40'000));
    a.EndFrame();
  }
  const Bytes file = a.File();
  Job job = JobOf({a.base(), a.target(), file});
  MemoryTarget first({}, 35);
  const auto applier = job.NewApplier(first);
  ASSERT_TRUE(applier->Start().ok());
  ASSERT_FALSE(job.Pump(*applier).ok());
  const Checkpoint checkpoint = applier->LastCheckpoint();
  ASSERT_GT(checkpoint.body_offset, 100'000u);
  MemoryTarget second(first.bytes());
  MemorySource written(first.bytes());
  const auto next = job.NewApplier(second);
  ASSERT_TRUE(next->Resume(checkpoint, written).ok());
  EXPECT_EQ(next->next_body_offset(), 0u);
  ASSERT_TRUE(next->Write(BodyOf(file).first(100'000)).ok()) << "the rest behind the map's chunk is dropped";
  EXPECT_EQ(next->next_body_offset(), checkpoint.body_offset);
  const Status done = job.Pump(*next);
  ASSERT_TRUE(done.ok()) << done.error().what;
  EXPECT_EQ(second.bytes(), job.target);
}

Bytes MapOfOneRegion(uint32_t size) {
  ByteWriter map;
  for (const uint32_t field : {0x80000000u, size, 1u, 0u, 100u, 8u}) map.U32(field);
  return std::move(map).Take();
}

// The predictor translates what it is told to: its region's end is the applier's to keep. covers S04
TEST(BlockApplier, RefusesAPredictionOutsideItsRegion) {
  struct Case {
    const char* name;
    uint32_t region_bytes;
    bool fits;
  };
  const Case cases[] = {{"ends with the region", 1100, true},
                        {"ends a byte later", 1099, false},
                        {"begins at its end", 1000, false},
                        {"begins behind it", 999, false}};
  for (const Case& c : cases) {
    Assembler a(Bytes(4000, std::byte{0x11}));
    a.SetMap(MapOfOneRegion(4000), Codec::kStored);
    a.BeginFrame();
    a.Predict(1, 0, 200);
    a.Diff(800, a.Predicted(800, 100));
    a.EndFrame();
    a.SetMap(MapOfOneRegion(c.region_bytes), Codec::kStored);
    const Applied applied = ApplyFile(a.File(), a.base());
    ASSERT_EQ(applied.status.ok(), c.fits) << c.name;
    if (c.fits) continue;
    EXPECT_EQ(applied.status.error().code, ErrorCode::kCorrupt) << c.name;
    EXPECT_STREQ(applied.status.error().what, "a prediction outside its region") << c.name;
    EXPECT_TRUE(applied.target.empty()) << c.name;
  }
}

TEST(BlockApplier, RefusesARegionTheMapHasNot) {
  Assembler a(Bytes(4000, std::byte{0x11}));
  ByteWriter map;
  for (int region = 0; region < 2; ++region) {
    for (const uint32_t field : {0x80000000u, 4000u, 0u, 0u}) map.U32(field);
  }
  a.SetMap(map.bytes(), Codec::kStored);
  a.BeginFrame();
  a.Predict(1, 1, 0);
  a.Diff(800, a.Predicted(800, 100));
  a.EndFrame();
  ASSERT_TRUE(ApplyFile(a.File(), a.base()).status.ok());
  a.SetMap(MapOfOneRegion(4000), Codec::kStored);
  const Applied applied = ApplyFile(a.File(), a.base());
  ASSERT_FALSE(applied.status.ok());
  EXPECT_STREQ(applied.status.error().what, "a region the map has not");
}

// Every byte of a small payload, with hashes made anew. covers D09 S04
TEST(BlockApplier, SurvivesEveryFlippedBitOfASmallPayload) {
  const Assembled all = Small();
  const Applied good = ApplyFile(all.file, all.base);
  ASSERT_TRUE(good.status.ok()) << good.status.error().what;
  ASSERT_EQ(good.target, all.target);
  const ByteView body = BodyOf(all.file);
  size_t passed = 0;
  for (size_t bit = 0; bit < body.size() * 8; ++bit) {
    Bytes bad(body.begin(), body.end());
    bad[bit / 8] ^= std::byte{1} << bit % 8;
    const Applied applied = ApplyFile(SignBody(bad), all.base);
    ASSERT_LE(applied.target.size(), all.target.size() + (128u << 10));
    if (!applied.status.ok()) continue;
    ++passed;
    EXPECT_EQ(applied.target, all.target) << "byte " << bit / 8;
  }
  EXPECT_GT(passed, 8u) << "the instruction estimate and looser bounds change nothing";
}

TEST(BlockApplier, RefusesAPayloadCutAtAnyByte) {
  const Assembled all = Small();
  const ByteView body = BodyOf(all.file);
  for (size_t size = 0; size < body.size(); ++size) {
    ASSERT_FALSE(ApplyFile(SignBody(body.first(size)), all.base).status.ok()) << size;
  }
}

// covers S17: what a segment opens to is checked by the target's hash; that it opens at all, at once.
TEST(BlockApplier, RefusesSegmentsThatDoNotOpen) {
  for (const auto spoil : {+[](Segment& s) { s.offset -= 1; }, +[](Segment& s) { s.coded_bytes -= 1; },
                           +[](Segment& s) { s.plain_bytes -= 1; }, +[](Segment& s) { s.recode = 1; }}) {
    Assembler a = SmallAssembler();
    const Bytes good = a.File();
    Segment segment{500, static_cast<uint32_t>(a.base().size() - 500), 3000, 0, 0};
    spoil(segment);
    ByteWriter control;
    EncodeSegments(std::span(&segment, 1), a.header(), control);
    uint64_t position = 0;
    EncodeOp({.kind = OpKind::kCopy, .length = 10, .base_offset = a.base().size()}, position, control);
    CraftedFrame& frame = a.frames()[0];
    frame.coded = {control.bytes(), Bytes(), Bytes()};
    frame.header.op_count = 1;
    frame.header.streams = {};
    frame.header.streams[kControl] = {Codec::kStored, static_cast<uint32_t>(control.size()),
                                      static_cast<uint32_t>(control.size())};
    const Applied applied = ApplyFile(a.File(), a.base());
    ASSERT_FALSE(applied.status.ok());
    EXPECT_EQ(applied.status.error().code, ErrorCode::kCorrupt);
    EXPECT_TRUE(applied.target.empty());
  }
}

// A block of another length than promised writes nothing at all.
TEST(BlockApplier, RefusesABlockThatEncodesToAnotherLength) {
  Assembler a = SmallAssembler();
  a.File();
  a.header().block_coded_bytes_max += 1;
  ByteWriter control;
  EncodeSegments({}, a.header(), control);
  uint64_t position = 0;
  const Bytes plain(100, std::byte{1});
  const auto coded = static_cast<uint64_t>(EncodeBlock(a.header().recodes[1], plain).size());
  EncodeOp({.kind = OpKind::kBlock, .length = coded + 1, .plain_bytes = 100, .recode = 1}, position, control);
  EncodeOp({.kind = OpKind::kData, .length = 100}, position, control);
  EncodeFixes({}, {}, control);
  CraftedFrame& frame = a.frames()[0];
  frame.coded = {control.bytes(), Bytes(), plain};
  frame.header.op_count = 2;
  const auto bytes = static_cast<uint32_t>(control.size());
  frame.header.streams = {StreamInfo{Codec::kStored, bytes, bytes}, StreamInfo{}, StreamInfo{Codec::kStored, 100, 100}};
  frame.header.target_bytes = coded + 1;
  const Applied applied = ApplyFile(a.File(), a.base());
  ASSERT_FALSE(applied.status.ok());
  EXPECT_STREQ(applied.status.error().what, "an encoded block of another length");
  EXPECT_TRUE(applied.target.empty());
}

}  // namespace
}  // namespace till::delta
