#include <gtest/gtest.h>

#include <random>

#include "core/crypto/hash.h"
#include "delta/residual/decoder.h"
#include "delta/residual/encoder.h"
#include "tests/delta/residual/residual_material.h"

namespace till::delta {
namespace {

class Workspace {
 public:
  Workspace() : words_(ResidualDecoder::kBytes / 8) {}
  MutableByteView view() { return std::as_writable_bytes(std::span(words_)); }

 private:
  std::vector<uint64_t> words_;
};

struct Decoded {
  Status status;
  Bytes bytes;
};

// `piece`: at most so many bytes at a time, cut at words' ends as the decoder asks.
Decoded Decode(ByteView coded, const std::vector<ResidualRun>& runs, size_t piece) {
  Workspace workspace;
  auto decoder = ResidualDecoder::Create(workspace.view(), coded);
  Decoded result{Ok(), {}};
  for (const ResidualRun& run : runs) {
    if (!run.predicted.empty()) decoder->StartOp(run.address);
    for (size_t done = 0; done < run.actual.size();) {
      size_t count = std::min(piece, run.actual.size() - done);
      if (!run.predicted.empty() && count < run.actual.size() - done && count >= 4) {
        count -= (decoder->phase() + count) % 4;
      } else if (!run.predicted.empty()) {
        count = run.actual.size() - done;
      }
      Bytes out(count);
      const ByteView predicted = run.predicted.empty() ? ByteView() : ByteView(run.predicted).subspan(done, count);
      result.status = decoder->Read(predicted, out);
      if (!result.status.ok()) return result;
      result.bytes.insert(result.bytes.end(), out.begin(), out.end());
      done += count;
    }
  }
  result.status = decoder->Finish();
  return result;
}

TEST(ResidualCoder, GivesBackWhatItWasGivenForAnyCutting) {
  for (uint32_t seed = 1; seed <= 8; ++seed) {
    const auto runs = MakeResidualRuns(seed, 20000);
    const Bytes coded = EncodeResidualRuns(runs);
    for (const size_t piece : {size_t{4}, size_t{7}, size_t{63}, size_t{4096}, size_t{1} << 20}) {
      const Decoded decoded = Decode(coded, runs, piece);
      ASSERT_TRUE(decoded.status.ok()) << seed << " " << piece;
      EXPECT_EQ(decoded.bytes, ActualBytesOf(runs)) << seed << " " << piece;
    }
  }
}

TEST(ResidualCoder, TakesNextToNothingForWhatIsPredicted) {
  const ResidualRun run{.address = 0, .phase = 0, .predicted = Bytes(1 << 20, std::byte{7}), .actual = {}};
  ResidualRun same = run;
  same.actual = same.predicted;
  EXPECT_LT(EncodeResidualRuns({same}).size(), 200u);
}

TEST(ResidualCoder, CodesNothingInOneByte) {
  ResidualEncoder encoder;
  const Bytes coded = encoder.Finish();
  EXPECT_EQ(coded.size(), 1u);
  EXPECT_TRUE(Decode(coded, {}, 1).status.ok());
}

TEST(ResidualCoder, GoesBackToACopy) {
  const auto runs = MakeResidualRuns(5, 5000);
  ResidualEncoder encoder;
  WriteResidualRuns(runs, encoder);
  ResidualEncoder tried = encoder;
  tried.Write({}, Bytes(1000, std::byte{3}));
  EXPECT_GT(tried.coded_bytes_bound(), encoder.coded_bytes_bound());
  encoder.Write({}, AsBytes("end"));
  ResidualEncoder whole;
  WriteResidualRuns(runs, whole);
  whole.Write({}, AsBytes("end"));
  EXPECT_EQ(encoder.Finish(), whole.Finish());
}

// The same bytes on every machine, and from now on: minor version 2 was released with these.
TEST(ResidualCoder, WritesTheBytesOfMinorVersionTwo) {
  const char* const kExpected[] = {
      "fc6b483e067b097c22cbc73a54f4c338f584fc4672ff2889f96c2ee0487f9d09",
      "93a6abf281042463a6dc18a9f33b821ace8db0e13fba85967134eeb32beda3b4",
      "e279bc7f25198b9707ef447bba3636f1772a2a2ab593a8bf7ed6b4a581295396",
  };
  for (uint32_t seed = 0; seed < 3; ++seed) {
    const auto runs = MakeResidualRuns(seed + 100, 30000);
    const Bytes coded = EncodeResidualRuns(runs);
    EXPECT_EQ(ToHex(crypto::Sha256Of(coded)), kExpected[seed]) << seed << " " << coded.size();
    EXPECT_EQ(Decode(coded, runs, 4096).bytes, ActualBytesOf(runs));
  }
}

TEST(ResidualDecoder, RefusesLeftOverAndMissingBytes) {
  const auto runs = MakeResidualRuns(2, 4000);
  Bytes coded = EncodeResidualRuns(runs);
  coded.resize(coded.size() + 9, std::byte{1});
  const Decoded longer = Decode(coded, runs, 4096);
  ASSERT_FALSE(longer.status.ok());
  EXPECT_EQ(longer.status.error().code, ErrorCode::kCorrupt);
  for (const size_t missing : {6u, 20u, 200u}) {
    const Decoded shorter = Decode(ByteView(coded).first(coded.size() - 9 - missing), runs, 4096);
    ASSERT_FALSE(shorter.status.ok()) << missing;
    EXPECT_EQ(shorter.status.error().code, ErrorCode::kCorrupt);
  }
}

TEST(ResidualDecoder, StaysInsideItsMemoryForAnyBytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 20; ++round) {
    Bytes coded(random() % 3000);
    for (auto& byte : coded) byte = static_cast<std::byte>(random());
    (void)Decode(coded, MakeResidualRuns(static_cast<uint32_t>(round), 20000), 4096);
  }
}

TEST(ResidualDecoder, AsksForItsMemory) {
  Workspace workspace;
  EXPECT_FALSE(ResidualDecoder::Create(workspace.view().first(ResidualDecoder::kBytes - 1), {}).ok());
  EXPECT_FALSE(ResidualDecoder::Create(workspace.view().subspan(4), {}).ok());
}

}  // namespace
}  // namespace till::delta
