#include "delta/diff/diff.h"

#include <gtest/gtest.h>

#include "tests/delta/craft.h"
#include "tests/delta/random_pairs.h"

namespace till::delta {
namespace {

using namespace testing;

DiffOptions Fast() {
  DiffOptions options;
  options.zstd_level = 3;
  return options;
}

PayloadHeader HeaderOf(const Bytes& file) { return DecodeHeader(BodyOf(file)).value(); }

TEST(MakeDelta, RoundTripsStructuredRandomImages) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Pair pair = RandomPair(seed, seed % 10 == 0 ? 300'000 : 20'000);
    DiffOptions options;
    options.zstd_level = seed % 10 == 0 ? 3 : 12;
    options.min_copy_bytes = seed % 3 == 0 ? 16 : 512;
    const auto file = MakeDelta(pair.base, pair.target, options);
    ASSERT_TRUE(file.ok()) << seed;
    const Applied applied = ApplyFile(*file, pair.base);
    ASSERT_TRUE(applied.status.ok()) << seed << ": " << applied.status.error().what;
    ASSERT_EQ(applied.target, pair.target) << seed;
  }
}

TEST(MakeFull, RoundTripsStructuredRandomImages) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Pair pair = RandomPair(seed, 100'000);
    const auto file = MakeFull(pair.target, Fast());
    ASSERT_TRUE(file.ok());
    const Applied applied = ApplyFile(*file, {});
    ASSERT_TRUE(applied.status.ok()) << seed << ": " << applied.status.error().what;
    ASSERT_EQ(applied.target, pair.target);
  }
}

TEST(MakeDelta, GivesTheSameBytesTwice) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Pair pair = RandomPair(seed, 100'000);
    EXPECT_EQ(MakeDelta(pair.base, pair.target).value(), MakeDelta(pair.base, pair.target).value());
    EXPECT_EQ(MakeFull(pair.target).value(), MakeFull(pair.target).value());
  }
}

TEST(MakeDelta, OfIdenticalImagesIsTiny) {
  const Bytes image = Noise(3 << 20, 1);
  EXPECT_LT(MakeDelta(image, image).value().size(), 400u);
}

// Code linked to run at 0x80000000: functions of 13 words, and calls to them. `inserted` words go in at a quarter.
Bytes Kernel(uint32_t inserted) {
  constexpr uint32_t kWords = 100'000;
  ByteWriter out;
  for (uint32_t i = 0; i < kWords; ++i) {
    if (i == kWords / 4 / 13 * 13) {
      for (uint32_t k = 0; k < inserted; ++k) out.U32(0x24040000 + k * k);
    }
    const uint32_t target = i * 7919 % (kWords / 13) * 13;
    const uint32_t moved = target + (target >= kWords / 4 / 13 * 13 ? inserted : 0);
    out.U32(i % 13 == 0 ? 0x27bd0000 | (0xffe0 - i % 7 * 8) : i % 3 == 0 ? 0x0c000000 | moved : 0x8c420000 | i % 4099);
  }
  return std::move(out).Take();
}

TEST(MakeDelta, PredictsWhereCallsOfAKernelWent) {
  const Bytes base = Kernel(0);
  const Bytes target = Kernel(26);
  const Bytes file = MakeDelta(base, target).value();
  EXPECT_GT(HeaderOf(file).map_coded_bytes, 0u);
  EXPECT_LT(file.size(), 3000u);
  EXPECT_EQ(ApplyFile(file, base).target, target);
}

TEST(MakeDelta, FindsMovedAndEditedStretches) {
  const Bytes base = Noise(1 << 20, 1);
  Bytes target(base.begin() + 500'000, base.end());
  target.insert(target.end(), base.begin(), base.begin() + 500'000);
  for (size_t i = 0; i < target.size(); i += 5'000) target[i] ^= std::byte{1};
  EXPECT_LT(MakeDelta(base, target).value().size(), 4'000u);
}

TEST(MakeDelta, StaysWithinTheFormatsBoundsForHardImages) {
  const Bytes base = Noise(4 << 20, 1);
  Bytes target = Noise(1 << 20, 2);  // incompressible: frames are bounded by their coded length
  for (size_t i = 0; i < base.size() / 2; ++i) target.push_back(i % 2 == 0 ? base[i] : base[i] ^ std::byte{1});
  target.insert(target.end(), 3 << 20, std::byte{'x'});  // very compressible: bounded by what a frame makes
  const Bytes file = MakeDelta(base, target, Fast()).value();
  const PayloadHeader header = HeaderOf(file);
  EXPECT_LE(header.frame_coded_bytes_max, kMaxFrameCodedBytes);
  EXPECT_LE(header.frame_plain_bytes_max, kMaxFrameMadeBytes + kMaxFrameControlBytes);
  EXPECT_LE(header.arena_bytes, 2u << 20);
  EXPECT_GT(header.frame_count, 8u);
  EXPECT_EQ(ApplyFile(file, base).target, target);
}

// bsdiff's quadratic cases: periods, zeros, periods out of step. A minute would be a hang; a second is enough.
TEST(MakeDelta, IsNotSlowOnPeriodicImages) {
  Bytes base, target;
  for (size_t i = 0; i < 1 << 20; ++i) base.push_back(static_cast<std::byte>(i % 251));
  for (size_t i = 0; i < 1 << 20; ++i) target.push_back(static_cast<std::byte>(i % 251 + (i % 1009 == 0 ? 1 : 0)));
  const Bytes zeros(1 << 20, std::byte{0});
  Bytes spotted = zeros;
  for (size_t i = 0; i < spotted.size(); i += 777) spotted[i] = std::byte{1};
  const std::pair<const Bytes*, const Bytes*> cases[] = {
      {&base, &target}, {&target, &base}, {&zeros, &spotted}, {&spotted, &zeros}};
  for (const auto& [from, to] : cases) {
    const Bytes file = MakeDelta(*from, *to, Fast()).value();
    EXPECT_EQ(ApplyFile(file, *from).target, *to);
    EXPECT_LT(file.size(), 20'000u);
  }
}

TEST(MakeDelta, StopsWhenToldTo) {
  const Pair pair = RandomPair(3, 300'000);
  unsigned calls = 0;
  DiffOptions options;
  options.progress = [&calls](const DiffProgress& at) {
    EXPECT_LE(at.done_bytes, at.total_bytes);
    return ++calls < 2;
  };
  EXPECT_EQ(MakeDelta(pair.base, pair.target, options).error().code, ErrorCode::kCanceled);
}

TEST(Applier, ResumesFromEveryFrameOfARealDelta) {
  const Bytes base = Noise(2 << 20, 1);
  Bytes target = Noise(700'000, 2);
  target.insert(target.end(), base.begin(), base.begin() + 1'000'000);
  for (size_t i = 0; i < 900'000; ++i) target.push_back(i % 7 == 0 ? std::byte{1} : base[1'000'000 + i]);
  const Bytes file = MakeDelta(base, target, Fast()).value();
  MemorySource payload(file);
  const PayloadFile opened = OpenPayload(payload).value();
  MemorySource base_source(base);
  const VerifiedBase verified = VerifiedBase::Check(&base_source, opened.header).value();
  const ByteView body = BodyOf(file);
  unsigned resumed_frames = 0;
  for (size_t stop = 1 << kChunkLog2; stop < body.size(); stop += 7 << kChunkLog2) {
    const auto start = [&](TargetWriter& writer) {
      return Applier::Create({&opened.chunks, &opened.header, &verified, &writer, 8 << 20}).value();
    };
    MemoryTarget first;
    const auto applier = start(first);
    ASSERT_TRUE(applier->Start().ok());
    ASSERT_TRUE(applier->Write(body.first(stop)).ok());
    const Checkpoint checkpoint = applier->LastCheckpoint();
    resumed_frames += checkpoint.frame_index > 0 ? 1 : 0;
    MemoryTarget second(Bytes(first.bytes().data(), first.bytes().data() + checkpoint.target_offset));
    MemorySource written(first.bytes());
    const auto next = start(second);
    ASSERT_TRUE(next->Resume(checkpoint, written).ok());
    ASSERT_TRUE(next->Write(body.subspan(next->next_body_offset())).ok());
    ASSERT_TRUE(next->Finish().ok());
    ASSERT_EQ(second.bytes(), target);
  }
  EXPECT_GT(resumed_frames, 1u);
}

}  // namespace
}  // namespace till::delta
