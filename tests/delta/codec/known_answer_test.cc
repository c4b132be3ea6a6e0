// The exact bytes every pinned encoder gives, on every machine: a payload's blocks depend on each of them. The answers
// were taken on amd64 and must hold on mipsel (this test runs there under qemu). A new codec version is a new minor
// version of the payload, never a new table here.
#include <gtest/gtest.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "core/crypto/hash.h"
#include "delta/codec/recode.h"
#include "tests/delta/craft.h"

namespace till::delta {
namespace {

// Text-like, table-like and noisy stretches in turn; made of integers only.
Bytes KnownPlain(size_t count) {
  Bytes bytes;
  uint64_t state = 88172645463325252ull;
  const auto next = [&state](uint64_t bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 20) % bound;
  };
  const std::string_view words[] = {"lui ", "addiu ", "jal ", "payload", "\n\t", "squash", "0x80", "nop;"};
  while (bytes.size() < count) {
    const uint64_t kind = next(3);
    const size_t run = 16 + next(400);
    const auto step = static_cast<uint8_t>(next(5) * 4);
    for (size_t i = 0; i < run; ++i) {
      if (kind == 0) {
        for (const char c : words[next(8)]) bytes.push_back(static_cast<std::byte>(c));
      } else {
        bytes.push_back(static_cast<std::byte>(kind == 1 ? i * step >> 2 : next(256)));
      }
    }
  }
  bytes.resize(count);
  return bytes;
}

struct Answer {
  const char* name;
  Recode recode;
  size_t plain_bytes;
  const char* sha256;  // of the coded bytes: the first 16 digits
};

XzParameters Preset6(uint8_t dictionary) { return {.dictionary = dictionary}; }
XzParameters OpenWrt(uint8_t dictionary) {
  return {.preset = 9, .extreme = true, .lc = 0, .lp = 2, .pb = 2, .dictionary = dictionary};
}

const Answer kAnswers[] = {
    {"xz 6", Recode::Xz(Preset6(13)), 8192, "5ab91f7457f5d6a1"},
    {"xz 9e lc0 lp2 pb2", Recode::Xz(OpenWrt(13)), 8192, "f68daf48733a71c4"},
    {"zlib 9", Recode::Zlib({}), 8192, "0862a26be6a2c369"},
    {"zstd 19", Recode::Zstd(19), 8192, "ebe0ff643847afa6"},
    {"xz 6", Recode::Xz(Preset6(17)), 131072, "24aa206baf8f7b47"},
    {"xz 9e lc0 lp2 pb2", Recode::Xz(OpenWrt(17)), 131072, "aa44e09e3feaaa13"},
    {"zlib 9", Recode::Zlib({}), 131072, "46a90153b4910b0b"},
    {"zstd 19", Recode::Zstd(19), 131072, "fc22920ef37c2ab7"},
    {"xz 6", Recode::Xz(Preset6(18)), 262144, "48594d9e790f022e"},
    {"xz 9e lc0 lp2 pb2", Recode::Xz(OpenWrt(18)), 262144, "cd18fcab8493086f"},
    {"zlib 9", Recode::Zlib({}), 262144, "3fcbc24d774ab58f"},
    {"zstd 19", Recode::Zstd(19), 262144, "43f62bdfe428214e"},
    {"zstd 1", Recode::Zstd(1), 100000, "850f615f5335f4a9"},
    {"zstd 3", Recode::Zstd(3), 100000, "94712a987dd7f8ab"},
    {"zstd 9", Recode::Zstd(9), 100000, "9c878784d58c2252"},
    {"zstd 15", Recode::Zstd(15), 100000, "423bdb84dd675a62"},
    {"zstd 22", Recode::Zstd(22), 100000, "b3a04fdb092d4ebc"},
    {"xz 6 arm", Recode::Xz({.dictionary = 17, .filter = XzFilter::kArm}), 100000, "05bd56f33ba383f3"},
    {"xz 0", Recode::Xz({.preset = 0, .dictionary = 16}), 100000, "4efe870d3a932381"},
    {"xz 3", Recode::Xz({.preset = 3, .dictionary = 0x80 + 16}), 100000, "82f50a76d231f81b"},
    {"lzma 9e", Recode::Lzma(OpenWrt(18)), 200000, "ae7ac00b115ef2f4"},
    {"deflate 6", Recode::Zlib({.level = 6, .raw_deflate = true}), 100000, "502184aee6d1545f"},
    {"zlib 1", Recode::Zlib({.level = 1, .window_bits = 12, .mem_level = 5}), 100000, "a9a49173041e3c09"},
    {"lz4", Recode::Lz4(false), 100000, "3ef31b7af8aefcb7"},
    {"lz4 hc", Recode::Lz4(true), 100000, "66f318cd2191eadf"},
};

TEST(PinnedCodecs, AreTheVersionsTheFormatNames) {
  EXPECT_EQ(lzma_version_number(), 50040012u);  // 5.4.1 stable
  EXPECT_STREQ(zlibVersion(), "1.2.13");
  EXPECT_EQ(ZSTD_versionNumber(), 10504u);
  EXPECT_EQ(LZ4_versionNumber(), 10904);
}

TEST(PinnedCodecs, GiveTheKnownBytes) {
  for (const Answer& answer : kAnswers) {
    const Bytes plain = KnownPlain(answer.plain_bytes);
    Bytes coded(CodedBound(plain.size()));
    Bytes memory(RecodeEncodeBytes(answer.recode, plain.size()));
    const auto used = RecodeEncode(answer.recode, plain, coded, memory);
    ASSERT_TRUE(used.ok()) << answer.name << " " << used.error().what;
    const std::string digest = ToHex(crypto::Sha256Of(ByteView(coded).first(*used))).substr(0, 16);
    EXPECT_EQ(digest, answer.sha256) << answer.name << " of " << answer.plain_bytes;
  }
}

}  // namespace
}  // namespace till::delta
