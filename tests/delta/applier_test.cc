#include "delta/apply/applier.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/delta/job.h"

namespace till::delta {
namespace {

using namespace testing;

TEST(Applier, RebuildsTheTargetForAnyCuttingOfItsInput) {
  Craft craft = ThreeFrames();
  const Bytes file = craft.File();
  for (const size_t piece : {1, 7, 63, 64, 65, 4096, 0}) {
    const Applied applied = ApplyFile(file, craft.base(), piece);
    ASSERT_TRUE(applied.status.ok()) << applied.status.error().what;
    EXPECT_EQ(applied.target, craft.target()) << piece;
  }
}

TEST(Applier, NeedsNoBaseForAFullPayload) {
  Craft craft = Craft::Full(Noise(5000, 3));
  craft.AddFrame({{OpKind::kData, 5000, 0}});
  const Applied applied = ApplyFile(craft.File(), {});
  ASSERT_TRUE(applied.status.ok());
  EXPECT_EQ(applied.target, craft.target());
}

TEST(Applier, MakesAnEmptyTarget) {
  Craft craft(Noise(10, 1), {});
  EXPECT_TRUE(ApplyFile(craft.File(), craft.base()).status.ok());
}

// covers S04
TEST(Applier, RefusesAPayloadCutAtAnyByte) {
  Craft craft(Text("the quick brown fox"), Text("the slow brown fox jumps"));
  craft.AddFrame({{OpKind::kCopy, 4, 0}, {OpKind::kData, 4, 0}, {OpKind::kCopy, 10, 9}, {OpKind::kData, 6, 0}});
  const Bytes file = craft.File();
  ASSERT_TRUE(ApplyFile(file, craft.base()).status.ok());
  for (size_t size = 0; size < file.size(); ++size) {
    const Bytes cut(file.data(), file.data() + size);
    EXPECT_FALSE(ApplyFile(cut, craft.base()).status.ok()) << size;
  }
  // The same with honest hashes: the parser itself must see it.
  const ByteView body = BodyOf(file);
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(ApplyFile(SignBody(body.first(size)), craft.base()).status.ok()) << size;
  }
}

// covers S04
TEST(Applier, RefusesAnExtendedPayload) {
  Craft craft = ThreeFrames();
  Bytes file = craft.File();
  const ByteView body = BodyOf(file);
  Bytes longer(body.begin(), body.end());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(ApplyFile(SignBody(longer), craft.base()).status.ok());
  file.push_back(std::byte{0});
  EXPECT_FALSE(ApplyFile(file, craft.base()).status.ok());
  Job job(ThreeFrames());
  MemoryTarget target;
  const auto applier = job.NewApplier(target);
  ASSERT_TRUE(applier->Start().ok());
  ASSERT_TRUE(applier->Write(BodyOf(job.file)).ok());
  EXPECT_EQ(applier->Write(Bytes(1)).error().code, ErrorCode::kCorrupt);
}

TEST(Applier, LetsNoByteOfABadChunkReachTheTarget) {
  Job job(ThreeFrames());
  const ByteView body = BodyOf(job.file);
  for (size_t chunk = 0; chunk < job.opened->chunks.chunk_count(); ++chunk) {
    Bytes bad(body.begin(), body.end());
    bad[chunk << kChunkLog2 | 300] ^= std::byte{1};
    MemoryTarget target;
    const auto applier = job.NewApplier(target);
    ASSERT_TRUE(applier->Start().ok());
    const Status status = applier->Write(bad);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(status.error().detail, chunk << kChunkLog2);
    EXPECT_TRUE(std::equal(target.bytes().begin(), target.bytes().end(), job.target.begin()));
    EXPECT_EQ(applier->Write({}).error().code, ErrorCode::kCorrupt) << "an error stays";
    EXPECT_FALSE(applier->Finish().ok());
  }
}

// Every bit of header and frame headers, with hashes made anew: hostile content reaches the parser. covers D09 S04
TEST(Applier, SurvivesEveryFlippedBitOfASmallPayload) {
  Craft craft(Text("the quick brown fox"), Text("the slow brown fox jumps"));
  craft.AddFrame({{OpKind::kCopy, 4, 0}, {OpKind::kDiff, 4, 4}});
  craft.AddFrame({{OpKind::kCopy, 10, 9}, {OpKind::kData, 6, 0}});
  const Bytes file = craft.File();
  ASSERT_TRUE(ApplyFile(file, craft.base()).status.ok());
  const ByteView body = BodyOf(file);
  for (size_t bit = 0; bit < body.size() * 8; ++bit) {
    Bytes bad(body.begin(), body.end());
    bad[bit / 8] ^= std::byte{1} << bit % 8;
    const Applied applied = ApplyFile(SignBody(bad), craft.base());
    EXPECT_LE(applied.target.size(), 1u << 20);
    // Only what changes nothing that counts may pass: a looser window or a larger arena.
    if (!applied.status.ok()) continue;
    EXPECT_TRUE(bit / 8 == 17 || (bit / 8 >= 20 && bit / 8 < 40)) << "byte " << bit / 8;
    EXPECT_EQ(applied.target, craft.target());
  }
}

// covers S17
TEST(Applier, RefusesABaseWithAnyBitChanged) {
  Craft craft = ThreeFrames();
  const Bytes file = craft.File();
  for (size_t at = 0; at < craft.base().size(); at += 4096) {
    Bytes bad = craft.base();
    bad[at] ^= std::byte{0x10};
    const Applied applied = ApplyFile(file, bad);
    EXPECT_EQ(applied.status.error().code, ErrorCode::kRefused);
    EXPECT_TRUE(applied.target.empty());
  }
  EXPECT_EQ(ApplyFile(file, Bytes(craft.base().begin(), craft.base().end() - 1)).status.error().code,
            ErrorCode::kRefused);
}

TEST(Applier, ReadsABaseThatLiesInALongerSlot) {
  Craft craft = ThreeFrames();
  Bytes slot = craft.base();
  slot.resize(slot.size() + 1000, std::byte{0xff});
  EXPECT_TRUE(ApplyFile(craft.File(), slot).status.ok());
}

// covers S17: a base that changes behind the check is found by the target's hash.
TEST(Applier, FindsABaseThatChangedAfterTheCheck) {
  Job job(ThreeFrames());
  MemoryTarget target;
  const auto applier = job.NewApplier(target);
  job.base[100] ^= std::byte{1};
  ASSERT_TRUE(applier->Start().ok());
  EXPECT_EQ(job.Pump(*applier).error().code, ErrorCode::kCorrupt);
}

TEST(Applier, RefusesALargerArenaThanAllowedBeforeTheFirstByte) {
  Job job(ThreeFrames());
  MemoryTarget target;
  ApplierOptions options{.chunks = &job.opened->chunks,
                         .header = &job.opened->header,
                         .base = job.verified.get(),
                         .target = &target,
                         .max_arena_bytes = job.opened->header.arena_bytes};
  EXPECT_TRUE(Applier::Create(options).ok());
  --options.max_arena_bytes;
  const auto refused = Applier::Create(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
  EXPECT_EQ(refused.error().detail, job.opened->header.arena_bytes);
  EXPECT_EQ(target.writes(), 0u);
}

ChunkList ListOver(ByteView body, unsigned chunk_log2 = kChunkLog2) {
  MemorySource source(body);
  return ChunkList::Of(source, chunk_log2).value();
}

// Who mixes up the parts of two payloads is told before anything is written. covers S17
TEST(Applier, RefusesPartsThatDoNotBelongTogether) {
  Craft whole = Craft::Full(Noise(5000, 3));
  whole.AddFrame({{OpKind::kData, 5000, 0}});
  Job full(std::move(whole));
  struct Case {
    const char* what;
    std::function<void(Job&)> bend;
  };
  const Case cases[] = {
      {"arena smaller than its frames need", [](Job& j) { j.opened->header.arena_bytes = 1; }},
      {"chunk size", [](Job& j) { j.opened->chunks = ListOver(BodyOf(j.file), 12); }},
      {"header and chunk list disagree on the length",
       [](Job& j) { j.opened->chunks = ListOver(BodyOf(j.file).subspan(1)); }},
      {"the base is another image", [](Job& j) { j.opened->header.base_sha256[0] ^= std::byte{1}; }},
      {"the base is another image",
       [&](Job& j) {
         j.verified = std::make_unique<VerifiedBase>(VerifiedBase::Check(nullptr, full.opened->header).value());
         j.opened->header.base_sha256 = j.verified->sha256();
       }},
  };
  for (const Case& c : cases) {
    Job job(ThreeFrames());
    c.bend(job);
    MemoryTarget target;
    const auto created = Applier::Create({.chunks = &job.opened->chunks,
                                          .header = &job.opened->header,
                                          .base = job.verified.get(),
                                          .target = &target,
                                          .max_arena_bytes = 64 << 20});
    ASSERT_FALSE(created.ok()) << c.what;
    EXPECT_STREQ(created.error().what, c.what);
  }
}

TEST(Applier, StartsOnce) {
  Job job(ThreeFrames());
  MemoryTarget target;
  const auto applier = job.NewApplier(target);
  ASSERT_TRUE(applier->Start().ok());
  EXPECT_EQ(applier->Start().error().code, ErrorCode::kInvalid);
  MemorySource written(job.target);
  EXPECT_EQ(applier->Resume({job.opened->header.first_frame_offset(), 0, 10, {}}, written).error().code,
            ErrorCode::kInvalid);
}

// Signed chunks, but the header in them is not the one that was looked at. covers S17
TEST(Applier, RefusesAHeaderThatIsNotTheOneGiven) {
  Job job(ThreeFrames());
  const ByteView body = BodyOf(job.file);
  Bytes other(body.begin(), body.end());
  other[36] ^= std::byte{1};  // a larger arena: nothing else would mind
  job.opened->chunks = ListOver(other);
  MemoryTarget target;
  const auto applier = job.NewApplier(target);
  ASSERT_TRUE(applier->Start().ok());
  const Status status = applier->Write(other);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kRefused);
}

TEST(PayloadFile, SaysWhatIsWrongWithIt) {
  Craft craft = ThreeFrames();
  const Bytes file = craft.File();
  const ByteView body = BodyOf(file);
  const size_t list_bytes = file.size() - body.size();
  const auto with_list = [&](const ChunkList& list, ByteView rest) {
    Bytes made = list.Encode();
    made.insert(made.end(), rest.begin(), rest.end());
    return made;
  };
  Bytes flipped = file;
  flipped[list_bytes + 36] ^= std::byte{1};
  Bytes longer(body.begin(), body.end());
  longer.push_back(std::byte{0});
  const struct {
    Bytes bytes;
    const char* what;
  } kBad[] = {{Bytes(file.begin(), file.begin() + 20), "the chunk list is cut off"},
              {with_list(ListOver(body, 12), body), "chunk size"},
              {flipped, "chunk hash differs"},
              {SignBody(longer), "header and chunk list disagree on the length"}};
  for (const auto& bad : kBad) {
    MemorySource source(bad.bytes);
    const auto opened = OpenPayload(source);
    ASSERT_FALSE(opened.ok()) << bad.what;
    EXPECT_STREQ(opened.error().what, bad.what);
  }
}

// A base of 64 MiB takes minutes to hash: what cannot be applied is refused before.
TEST(PayloadFile, RefusesALargerArenaThanAllowedBeforeItReadsTheBase) {
  class Unread : public Source {
   public:
    Result<size_t> ReadAt(uint64_t, MutableByteView) override { return Error{ErrorCode::kIo, "read all the same"}; }
    uint64_t size() const override { return 1 << 20; }
  } base;
  const Bytes file = ThreeFrames().File();
  MemorySource payload(file);
  MemorySink target(1 << 20);
  EXPECT_EQ(ApplyPayloadFile({&payload, &base, &target, 1}).error().code, ErrorCode::kLimit);
}

TEST(Applier, RefusesFramesOutOfOrder) {
  struct Case {
    const char* name;
    void (*spoil)(std::vector<CraftedFrame>&);
  };
  const Case cases[] = {
      {"swapped", [](std::vector<CraftedFrame>& f) { std::swap(f[0], f[1]); }},
      {"repeated", [](std::vector<CraftedFrame>& f) { f[1] = f[0]; }},
      {"index skips", [](std::vector<CraftedFrame>& f) { f[1].header.index = 2; }},
      {"gap in the target", [](std::vector<CraftedFrame>& f) { f[1].header.target_offset += 1; }},
      {"back in the target", [](std::vector<CraftedFrame>& f) { f[1].header.target_offset -= 1; }},
      {"op too many", [](std::vector<CraftedFrame>& f) { f[1].header.op_count += 1; }},
      {"target byte too many", [](std::vector<CraftedFrame>& f) { f[1].header.target_bytes += 1; }},
  };
  for (const Case& c : cases) {
    Craft craft = ThreeFrames();
    c.spoil(craft.frames());
    const Applied applied = ApplyFile(craft.File(), craft.base());
    EXPECT_FALSE(applied.status.ok()) << c.name;
    EXPECT_LE(applied.target.size(), craft.target().size()) << c.name;
  }
}

// At the first frame that has too many, not when all of it has been written. covers S04
TEST(Applier, RefusesMoreOpsThanTheHeaderSays) {
  Craft craft = ThreeFrames();
  craft.FillTotals();
  --craft.header().op_count;
  const Applied applied = ApplyFile(SignBody(craft.Body()), craft.base());
  ASSERT_FALSE(applied.status.ok());
  EXPECT_EQ(applied.status.error().code, ErrorCode::kCorrupt);
  EXPECT_STREQ(applied.status.error().what, "more ops than the header says");
  EXPECT_LT(applied.target.size(), craft.target().size());
}

// A checkpoint at every write; a kill there; another applier goes on from it. covers S04
TEST(Applier, ResumesAfterAKillAtEveryWrite) {
  for (const size_t durable_step : {1, 4096, 65536}) {
    Job job(ThreeFrames());
    bool fired = true;
    for (size_t fail_at = 1; fired; ++fail_at) {
      MemoryTarget first({}, fail_at, durable_step);
      const auto applier = job.NewApplier(first);
      ASSERT_TRUE(applier->Start().ok());
      fired = !job.Pump(*applier).ok();
      const Checkpoint checkpoint = applier->LastCheckpoint();
      ASSERT_LE(checkpoint.target_offset, first.durable_bytes());
      const Bytes kept(first.bytes().data(), first.bytes().data() + checkpoint.target_offset);
      MemoryTarget second(kept);
      MemorySource written(kept);
      const auto next = job.NewApplier(second);
      const Status resumed = next->Resume(checkpoint, written);
      ASSERT_TRUE(resumed.ok()) << resumed.error().what;
      const Status done = job.Pump(*next);
      ASSERT_TRUE(done.ok()) << done.error().what << " at write " << fail_at;
      ASSERT_EQ(second.bytes(), job.target);
    }
  }
}

TEST(Applier, ReadsAgainAtMostOneFrameAndOneChunkWhenItResumes) {
  Job job(ThreeFrames());
  MemoryTarget first;
  const auto applier = job.NewApplier(first);
  ASSERT_TRUE(applier->Start().ok());
  const ByteView body = BodyOf(job.file);
  for (size_t at = 0; at < body.size(); at += 100) {
    ASSERT_TRUE(applier->Write(body.subspan(at, std::min<size_t>(100, body.size() - at))).ok());
    const Checkpoint checkpoint = applier->LastCheckpoint();
    MemoryTarget second(Bytes(first.bytes().data(), first.bytes().data() + checkpoint.target_offset));
    MemorySource written(first.bytes());
    const auto next = job.NewApplier(second);
    ASSERT_TRUE(next->Resume(checkpoint, written).ok());
    // Its frame, and what of a chunk had come behind the frame.
    EXPECT_EQ(next->next_body_offset(), checkpoint.target_offset == 0 ? 0 : checkpoint.body_offset);
    EXPECT_LE(applier->next_body_offset() - next->next_body_offset(),
              kMaxFrameCodedBytes + kFrameHeaderBytes + (1u << kChunkLog2));
  }
}

// The chunk's hash is checked whole though its start does not come again. covers S04 D09
TEST(Applier, RefusesAWrongByteInTheRestOfTheChunkItResumesIn) {
  Job job(ThreeFrames());
  MemoryTarget first;
  const auto applier = job.NewApplier(first);
  ASSERT_TRUE(applier->Start().ok());
  ASSERT_TRUE(applier->Write(BodyOf(job.file).first(40'000)).ok());
  const Checkpoint checkpoint = applier->LastCheckpoint();
  const size_t from = checkpoint.body_offset;
  ASSERT_NE(from % (1u << kChunkLog2), 0u);
  for (size_t wrong = from; wrong < (1u << kChunkLog2); wrong += 97) {
    Bytes body(BodyOf(job.file).begin(), BodyOf(job.file).end());
    body[wrong] ^= std::byte{0x10};
    MemoryTarget second(Bytes(first.bytes().data(), first.bytes().data() + checkpoint.target_offset));
    MemorySource written(second.bytes());
    const auto next = job.NewApplier(second);
    ASSERT_TRUE(next->Resume(checkpoint, written).ok());
    const Status status = next->Write(ByteView(body).subspan(from));
    ASSERT_FALSE(status.ok()) << wrong;
    EXPECT_EQ(status.error().code, ErrorCode::kRefused);
    EXPECT_EQ(second.writes(), 0u) << "no byte reached a decoder";
  }
}

// A kill before the first frame's header came again costs nothing.
TEST(Applier, KeepsItsCheckpointUntilAFrameBegins) {
  Job job(ThreeFrames());
  MemoryTarget first({}, 4);
  const auto applier = job.NewApplier(first);
  ASSERT_TRUE(applier->Start().ok());
  ASSERT_FALSE(job.Pump(*applier).ok());
  const Checkpoint checkpoint = applier->LastCheckpoint();
  ASSERT_GT(checkpoint.target_offset, 0u);
  MemoryTarget second(first.bytes());
  MemorySource written(first.bytes());
  const auto next = job.NewApplier(second);
  ASSERT_TRUE(next->Resume(checkpoint, written).ok());
  EXPECT_EQ(next->LastCheckpoint(), checkpoint);
}

// covers S18
TEST(Applier, RefusesForgedCheckpoints) {
  Job job(ThreeFrames());
  MemoryTarget probe;
  const auto honest = job.NewApplier(probe);
  ASSERT_TRUE(honest->Start().ok());
  ASSERT_TRUE(honest->Write(BodyOf(job.file).first(40'000)).ok());
  const Checkpoint good = honest->LastCheckpoint();
  ASSERT_GT(good.frame_index, 0u);
  const auto with = [&good](auto change) {
    Checkpoint checkpoint = good;
    change(checkpoint);
    return checkpoint;
  };
  ASSERT_NE(good.body_offset % (1u << kChunkLog2), 0u) << "its chunk's hash plays no part";
  const Checkpoint forged[] = {
      with([](Checkpoint& c) { c.chunk.chain[3] ^= 1; }),
      with([](Checkpoint& c) { c.chunk.tail[0] ^= std::byte{1}; }),
      with([](Checkpoint& c) { c.chunk = {}; }),
      with([](Checkpoint& c) { c.body_offset += 1; }),
      with([](Checkpoint& c) { c.body_offset -= 1; }),
      with([](Checkpoint& c) { c.body_offset = 0; }),
      with([](Checkpoint& c) { c.body_offset = kHeaderBytes; }),
      with([](Checkpoint& c) { c.body_offset = UINT64_MAX; }),
      with([](Checkpoint& c) { c.frame_index = 0; }),
      with([](Checkpoint& c) { c.frame_index = 2; }),
      with([](Checkpoint& c) { c.frame_index = UINT32_MAX; }),
      with([](Checkpoint& c) { c.target_offset = 1; }),
      with([](Checkpoint& c) { c.target_offset = 100'000; }),
      with([](Checkpoint& c) { c.target_offset = UINT64_MAX; }),
  };
  for (const Checkpoint& checkpoint : forged) {
    MemoryTarget target(job.target);
    MemorySource written(job.target);
    const auto applier = job.NewApplier(target);
    Status status = applier->Resume(checkpoint, written);
    if (status.ok()) status = job.Pump(*applier);
    ASSERT_FALSE(status.ok()) << checkpoint.body_offset << " " << checkpoint.frame_index << " "
                              << checkpoint.target_offset;
    EXPECT_EQ(status.error().code, ErrorCode::kRefused) << status.error().what;
    EXPECT_EQ(target.writes(), 0u);
  }
}

TEST(Applier, FindsASlotThatLostWhatWasDurable) {
  Job job(ThreeFrames());
  MemoryTarget first({}, 4);
  const auto applier = job.NewApplier(first);
  ASSERT_TRUE(applier->Start().ok());
  ASSERT_FALSE(job.Pump(*applier).ok());
  Bytes torn = first.bytes();
  torn[10] ^= std::byte{1};
  MemoryTarget second(torn);
  MemorySource written(torn);
  const auto next = job.NewApplier(second);
  ASSERT_TRUE(next->Resume(applier->LastCheckpoint(), written).ok());
  EXPECT_EQ(job.Pump(*next).error().code, ErrorCode::kCorrupt);
}

TEST(Applier, DoesNotFinishTwiceOrEarly) {
  Job job(ThreeFrames());
  MemoryTarget target;
  const auto applier = job.NewApplier(target);
  EXPECT_FALSE(applier->Write(BodyOf(job.file)).ok()) << "not started";
  ASSERT_TRUE(applier->Start().ok());
  ASSERT_TRUE(job.Pump(*applier).ok());
  EXPECT_FALSE(applier->Finish().ok());
  MemoryTarget other;
  const auto early = job.NewApplier(other);
  ASSERT_TRUE(early->Start().ok());
  EXPECT_EQ(early->Finish().error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace till::delta
