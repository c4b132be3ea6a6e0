// Chunks: cutting that survives shifts, an index that refuses damage, assembly from any base in bounded memory.
//   covers S05 F01
#include <gtest/gtest.h>

#include <random>

#include "core/file.h"
#include "delta/chunks/chunk_assembler.h"
#include "delta/chunks/chunk_file.h"

namespace till::delta {
namespace {

Bytes Noise(uint32_t seed, size_t size) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// What was left in a slot, and what comes into it.
class MemoryTarget : public TargetWriter {
 public:
  explicit MemoryTarget(Bytes before = {}) : bytes_(std::move(before)) {}
  Status Write(ByteView bytes) override {
    if (bytes_.size() >= fail_at) return Error{ErrorCode::kIo, "no more"};
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return Ok();
  }
  uint64_t durable_bytes() const override { return bytes_.size(); }
  const Bytes& bytes() const { return bytes_; }
  size_t fail_at = SIZE_MAX;

 private:
  Bytes bytes_;
};

struct Played {
  Status status;
  Bytes image;
  uint64_t missing = 0;
  size_t ranges = 0;
};

struct Play {
  size_t cut = SIZE_MAX;      // of what Write() is given
  Bytes written{};            // from an attempt before
  size_t flip_at = SIZE_MAX;  // a byte of the pack that the network changes
};

Played Assemble(const ChunkIndex& index, ByteView base, ByteView pack, const Play& play = {}) {
  Played played;
  MemorySource base_source(base);
  MemorySource before(play.written);
  const auto run = [&]() -> Status {
    MemoryTarget probe;
    AssemblerOptions options{&index, &base_source, base.size(), &probe, 2048, ChunkAssembler::ArenaBytesFor(index)};
    // The slot takes bytes from where the chunks that stand in it end.
    uint64_t kept = 0;
    {
      const auto measure = TILL_TRY(ChunkAssembler::Create(options));
      kept = TILL_TRY(measure->SkipWritten(before, play.written.size()));
    }
    MemoryTarget target(Bytes(play.written.begin(), play.written.begin() + static_cast<ptrdiff_t>(kept)));
    options.target = &target;
    const auto assembler = TILL_TRY(ChunkAssembler::Create(options));
    TILL_TRY(assembler->SkipWritten(before, play.written.size()));
    TILL_TRY(assembler->Scan());
    played.missing = assembler->missing_bytes();
    played.ranges = assembler->range_count();
    size_t asked = 0;
    for (auto range = TILL_TRY(assembler->NextRange()); range; range = TILL_TRY(assembler->NextRange())) {
      ++asked;
      Bytes bytes(pack.begin() + static_cast<ptrdiff_t>(range->offset),
                  pack.begin() + static_cast<ptrdiff_t>(range->offset + range->length));
      if (play.flip_at >= range->offset && play.flip_at < range->offset + range->length)
        bytes[play.flip_at - range->offset] ^= std::byte{1};
      for (size_t at = 0; at < bytes.size(); at += std::min(play.cut, bytes.size())) {
        TILL_TRY(assembler->Write(ByteView(bytes).subspan(at, std::min(play.cut, bytes.size() - at))));
      }
    }
    EXPECT_EQ(asked, played.ranges);
    TILL_TRY(assembler->Finish());
    played.image = target.bytes();
    return Ok();
  };
  played.status = run();
  return played;
}

ChunkIndex IndexOf(ByteView image, unsigned average_log2 = 10) {
  MemorySource source(image);
  return ChunkIndex::Of(source, average_log2).value();
}

// An old and a new image: bytes put in, taken out, changed.
struct Images {
  Bytes old_image = Noise(1, 400'000);
  Bytes new_image = old_image;
  Images() {
    new_image.insert(new_image.begin() + 50'000, 777, std::byte{9});
    new_image.erase(new_image.begin() + 200'000, new_image.begin() + 203'000);
    for (size_t i = 300'000; i < 300'100; ++i) new_image[i] ^= std::byte{1};
  }
};

TEST(Chunks, AreFoundAgainWhereverTheyMoved) {
  const Images images;
  const Played played = Assemble(IndexOf(images.new_image), images.old_image, images.new_image);
  ASSERT_TRUE(played.status.ok()) << played.status.error().what;
  EXPECT_EQ(played.image, images.new_image);
  EXPECT_LT(played.missing, 20'000u);
  EXPECT_EQ(played.ranges, 3u);
}

TEST(Chunks, GiveTheSameImageForAnyCuttingAndAnyBase) {
  const Images images;
  const ChunkIndex index = IndexOf(images.new_image);
  for (const size_t cut : {size_t{1}, size_t{7}, size_t{63}, size_t{64}, size_t{4096}, SIZE_MAX}) {
    EXPECT_EQ(Assemble(index, images.old_image, images.new_image, {.cut = cut}).image, images.new_image) << cut;
  }
  EXPECT_EQ(Assemble(index, {}, images.new_image).image, images.new_image);
  EXPECT_EQ(Assemble(index, {}, images.new_image).missing, images.new_image.size());
  const Played same = Assemble(index, images.new_image, images.new_image);
  EXPECT_EQ(same.image, images.new_image);
  EXPECT_EQ(same.missing, 0u);
  EXPECT_EQ(Assemble(index, Noise(7, 100'000), images.new_image).image, images.new_image);
}

TEST(Chunks, GoOnAfterAnyCut) {
  const Images images;
  const ChunkIndex index = IndexOf(images.new_image);
  const uint64_t whole = Assemble(index, {}, images.new_image).missing;
  for (size_t written = 0; written <= images.new_image.size(); written += 39'119) {
    Bytes slot(images.new_image.begin(), images.new_image.begin() + static_cast<ptrdiff_t>(written));
    if (written > 100) slot[written - 50] ^= std::byte{1};  // torn at its end
    const Played played = Assemble(index, {}, images.new_image, {.written = slot});
    ASSERT_TRUE(played.status.ok()) << written;
    EXPECT_EQ(played.image, images.new_image);
    EXPECT_LE(played.missing, whole - std::min<uint64_t>(written, whole) + 8192) << written;
  }
}

TEST(Chunks, AreRefusedWhenTheNetworkChangesAByte) {
  const Images images;
  const ChunkIndex index = IndexOf(images.new_image);
  for (size_t at = 0; at < images.new_image.size(); at += 29'989) {
    const Played played = Assemble(index, {}, images.new_image, {.flip_at = at});
    EXPECT_EQ(played.status.error().code, ErrorCode::kCorrupt) << at;
    EXPECT_TRUE(played.image.empty());
  }
}

// Everything that the assembler asks for.
Status FetchAll(ChunkAssembler& assembler, ByteView pack) {
  for (auto range = TILL_TRY(assembler.NextRange()); range; range = TILL_TRY(assembler.NextRange()))
    TILL_TRY(assembler.Write(pack.subspan(range->offset, range->length)));
  return assembler.Finish();
}

TEST(ChunkAssembler, FetchesWhatTheBaseNoLongerHolds) {
  const Images images;
  const ChunkIndex index = IndexOf(images.new_image);
  Bytes base = images.old_image;
  MemorySource source(base);
  MemoryTarget target;
  const auto assembler =
      ChunkAssembler::Create({&index, &source, base.size(), &target, 2048, ChunkAssembler::ArenaBytesFor(index)});
  ASSERT_TRUE((*assembler)->Scan().ok());
  const uint64_t planned = (*assembler)->missing_bytes();
  base[10'000] ^= std::byte{1};
  EXPECT_TRUE(FetchAll(**assembler, images.new_image).ok());
  EXPECT_EQ(target.bytes(), images.new_image);
  EXPECT_GT((*assembler)->fetched_bytes(), planned);
  EXPECT_LE((*assembler)->fetched_bytes(), planned + 4096) << "one chunk";
}

TEST(ChunkAssembler, AsksAgainForAWrongChunkAndGoesOnWithTheRightOne) {
  const Images images;
  const ChunkIndex index = IndexOf(images.new_image);
  MemoryTarget target;
  const auto assembler =
      ChunkAssembler::Create({&index, nullptr, 0, &target, 2048, ChunkAssembler::ArenaBytesFor(index)});
  ASSERT_TRUE((*assembler)->Scan().ok());
  Bytes wrong = images.new_image;
  wrong[200'000] ^= std::byte{1};
  EXPECT_EQ((*assembler)->Write(wrong).error().code, ErrorCode::kCorrupt);
  const uint64_t written = target.bytes().size();
  EXPECT_LE(written, 200'000u);
  EXPECT_EQ((*assembler)->fetched_bytes(), written);
  const std::optional<PackRange> again = (*assembler)->NextRange().value();
  EXPECT_EQ(again->offset, written);
  EXPECT_TRUE(FetchAll(**assembler, images.new_image).ok());
  EXPECT_EQ(target.bytes(), images.new_image);
}

// What was fetched before a cut is known again from the base and the slot alone.
TEST(ChunkAssembler, CountsWhatWasFetchedThroughACut) {
  const Images images;
  const ChunkIndex index = IndexOf(images.new_image);
  MemorySource base(images.old_image);
  const auto create = [&](MemoryTarget& target) {
    return ChunkAssembler::Create(
               {&index, &base, images.old_image.size(), &target, 2048, ChunkAssembler::ArenaBytesFor(index)})
        .value();
  };
  MemoryTarget whole;
  const auto first = create(whole);
  ASSERT_TRUE(first->Scan().ok());
  const uint64_t planned = first->missing_bytes();
  for (size_t written = 0; written <= images.new_image.size(); written += 13'007) {
    const Bytes slot(images.new_image.begin(), images.new_image.begin() + static_cast<ptrdiff_t>(written));
    MemorySource before(slot);
    MemoryTarget rest;
    const auto again = create(rest);
    ASSERT_TRUE(again->SkipWritten(before, written).ok());
    ASSERT_TRUE(again->Scan().ok());
    EXPECT_EQ(again->fetched_bytes() + again->missing_bytes(), planned) << written;
    ASSERT_TRUE(FetchAll(*again, images.new_image).ok());
    EXPECT_EQ(again->fetched_bytes(), planned) << written;
  }
}

TEST(ChunkAssembler, WritesWhatIsHeldInPiecesAndRefusesMoreBytesThanARangeHas) {
  const Images images;
  const ChunkIndex index = IndexOf(images.new_image);
  MemorySource source(images.old_image);
  MemoryTarget target;
  const auto assembler = ChunkAssembler::Create(
      {&index, &source, images.old_image.size(), &target, 2048, ChunkAssembler::ArenaBytesFor(index)});
  ASSERT_TRUE((*assembler)->Scan().ok());
  size_t pieces = 0;
  for (; (*assembler)->WriteHeld(10'000).value(); ++pieces) {
    EXPECT_LE((*assembler)->written_bytes(), (pieces + 1) * 14'096);
  }
  EXPECT_GE(pieces, 3u);
  EXPECT_EQ(target.bytes().size(), (*assembler)->written_bytes());

  const auto other = ChunkAssembler::Create({&index, nullptr, 0, &target, 2048, ChunkAssembler::ArenaBytesFor(index)});
  ASSERT_TRUE((*other)->Scan().ok());
  ASSERT_TRUE((*other)->NextRange().ok());
  EXPECT_EQ((*other)->Write(Noise(1, images.new_image.size() + 1)).error().code, ErrorCode::kCorrupt);
}

TEST(ChunkAssembler, KeepsToItsMemory) {
  const Images images;
  const ChunkIndex index = IndexOf(images.new_image);
  MemoryTarget target;
  const uint64_t wanted = ChunkAssembler::ArenaBytesFor(index);
  EXPECT_EQ(ChunkAssembler::Create({&index, nullptr, 0, &target, 2048, wanted - 1}).error().code, ErrorCode::kLimit);
  EXPECT_TRUE(ChunkAssembler::Create({&index, nullptr, 0, &target, 2048, wanted}).ok());
}

TEST(ChunkIndex, ReadsItselfBackAndRefusesTruncationAndLies) {
  const Images images;
  const Bytes good = IndexOf(images.new_image).Encode();
  EXPECT_EQ(ChunkIndex::Decode(good)->Encode(), good);
  for (size_t length = 0; length < good.size(); length += length < 80 ? 1 : 61)
    EXPECT_FALSE(ChunkIndex::Decode(ByteView(good).first(length)).ok()) << length;
  const struct {
    const char* name;
    size_t at;
    uint8_t value;
  } lies[] = {{"magic", 0, 'X'},  {"version", 4, 9},   {"average", 6, 30},  {"zero", 7, 1},
              {"size", 15, 0xff}, {"count", 23, 0xff}, {"count", 16, 0x00}, {"first length", 56, 0x01}};
  for (const auto& lie : lies) {
    Bytes bad = good;
    bad[lie.at] = std::byte{lie.value};
    EXPECT_FALSE(ChunkIndex::Decode(bad).ok()) << lie.name;
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(ChunkIndex::Decode(longer).ok());
}

// Each bound by itself, and named: no check may lean on the next one.
TEST(ChunkIndex, NamesTheLieInIt) {
  const Images images;
  const ChunkIndex good = IndexOf(images.new_image);
  const struct {
    const char* name;
    void (*bend)(ChunkIndex&);
    const char* what;
  } lies[] = {{"small average", [](ChunkIndex& i) { i.average_log2 = 1; }, "a chunk size beyond its bounds"},
              {"large average", [](ChunkIndex& i) { i.average_log2 = 40; }, "a chunk size beyond its bounds"},
              {"no image", [](ChunkIndex& i) { i.target_bytes = 0; }, "a size of the chunk index is beyond its bounds"},
              {"large image", [](ChunkIndex& i) { i.target_bytes = ChunkIndex::kMaxImageBytes + 1; },
               "a size of the chunk index is beyond its bounds"},
              {"no chunks", [](ChunkIndex& i) { i.chunks.clear(); }, "a size of the chunk index is beyond its bounds"},
              {"many chunks", [](ChunkIndex& i) { i.chunks.resize(ChunkIndex::kMaxChunks + 1, i.chunks[0]); },
               "a size of the chunk index is beyond its bounds"},
              {"empty chunk", [](ChunkIndex& i) { i.chunks.back().length = 0; }, "a chunk of an impossible length"},
              {"small chunk", [](ChunkIndex& i) { i.chunks[0].length = 1; }, "a chunk of an impossible length"},
              {"large chunk", [](ChunkIndex& i) { i.chunks[0].length = 1 << 20; }, "a chunk of an impossible length"},
              {"longer image", [](ChunkIndex& i) { ++i.target_bytes; }, "the chunks are not as long as the image"}};
  for (const auto& lie : lies) {
    ChunkIndex bent = good;
    lie.bend(bent);
    const auto decoded = ChunkIndex::Decode(bent.Encode());
    ASSERT_FALSE(decoded.ok()) << lie.name;
    EXPECT_STREQ(decoded.error().what, lie.what) << lie.name;
  }
  Bytes short_of_chunks = good.Encode();
  short_of_chunks[17] = std::byte{0x40};  // 16,384 more of them
  EXPECT_STREQ(ChunkIndex::Decode(short_of_chunks).error().what, "the chunk index ends early");
}

TEST(ChunkIndex, HoldsNoEmptyImageAndNoneAboveItsBound) {
  class Endless : public Source {
   public:
    Result<size_t> ReadAt(uint64_t, MutableByteView) override { return Error{ErrorCode::kIo, "read all the same"}; }
    uint64_t size() const override { return ChunkIndex::kMaxImageBytes + 1; }
  } endless;
  EXPECT_EQ(ChunkIndex::Of(endless, 10).error().code, ErrorCode::kLimit);
  MemorySource empty{ByteView()};
  EXPECT_EQ(ChunkIndex::Of(empty, 10).error().code, ErrorCode::kLimit);
}

TEST(ChunkAssembler, IsNotFinishedBeforeItsImageIsWholeAndRight) {
  const Images images;
  ChunkIndex index = IndexOf(images.new_image);
  MemoryTarget none;
  const auto early =
      ChunkAssembler::Create({&index, nullptr, 0, &none, 2048, ChunkAssembler::ArenaBytesFor(index)}).value();
  ASSERT_TRUE(early->Scan().ok());
  EXPECT_STREQ(early->Finish().error().what, "the image is not whole");
  index.target_sha256[0] ^= std::byte{1};  // every chunk is right, the whole is not what was signed
  MemoryTarget target;
  const auto assembler =
      ChunkAssembler::Create({&index, nullptr, 0, &target, 2048, ChunkAssembler::ArenaBytesFor(index)}).value();
  ASSERT_TRUE(assembler->Scan().ok());
  ASSERT_TRUE(assembler->Write(images.new_image).ok());
  EXPECT_STREQ(assembler->Write(Bytes(1)).error().what, "more bytes than the range has");
  EXPECT_STREQ(assembler->Finish().error().what, "the image is not the one the index names");
}

// The cutting is part of the format: these numbers never change.
TEST(Chunker, CutsWhereVersion1Cuts) {
  const ChunkIndex index = IndexOf(Noise(1, 100'000), 12);
  ASSERT_GE(index.chunks.size(), 3u);
  EXPECT_EQ(ToHex(crypto::Sha256Of(index.Encode())),
            "b159e72cab46916b54d86fca8260d1acc5af2d5c8ed963ed136822a67bbf037e");
}

TEST(ChunkFile, HoldsListIndexAndImage) {
  const Images images;
  MemorySource image(images.new_image);
  MemorySink sink(1 << 20);
  const ChunkFile made = WriteChunkFile(image, 10, sink).value();
  MemorySource file(sink.bytes());
  const ChunkFile opened = OpenChunkFile(file).value();
  EXPECT_EQ(opened.index_sha256, made.index_sha256);
  EXPECT_EQ(opened.list_sha256, made.list_sha256);
  EXPECT_EQ(ByteView(sink.bytes()).subspan(opened.pack_offset()).size(), images.new_image.size());
  for (const size_t length : {size_t{0}, size_t{15}, size_t{100}, sink.bytes().size() - 1}) {
    MemorySource cut(ByteView(sink.bytes()).first(length));
    EXPECT_FALSE(OpenChunkFile(cut).ok()) << length;
  }
  MemorySource cut_list(ByteView(sink.bytes()).first(20));
  EXPECT_STREQ(OpenChunkFile(cut_list).error().what, "the file ends in its chunk list");
}

}  // namespace
}  // namespace till::delta
