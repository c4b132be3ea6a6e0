#include "core/crypto/sha256_state.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace till::crypto {
namespace {

std::string HashHex(HashKind kind, std::string_view text) {
  Hasher hasher(kind);
  hasher.Update(AsBytes(text));
  return ToHex(hasher.Finish());
}

TEST(Hasher, GivesTheKnownDigests) {
  // FIPS 180-2 and RFC 1321.
  EXPECT_EQ(HashHex(HashKind::kSha256, ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HashHex(HashKind::kSha256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HashHex(HashKind::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(HashHex(HashKind::kMd5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
}

TEST(Hasher, GivesTheSameForAnyCuttingOfItsInput) {
  const std::string text(10000, 'x');
  const std::string whole = HashHex(HashKind::kSha256, text);
  for (const size_t cut : {size_t{1}, size_t{7}, size_t{63}, size_t{64}, size_t{65}, size_t{4096}}) {
    Hasher hasher(HashKind::kSha256);
    for (size_t at = 0; at < text.size(); at += cut) hasher.Update(AsBytes(std::string_view(text).substr(at, cut)));
    EXPECT_EQ(ToHex(hasher.Finish()), whole) << cut;
  }
}

TEST(Sha256State, GoesOnAnywhereToTheSameDigest) {
  Bytes text(1000);
  for (size_t i = 0; i < text.size(); i++) text[i] = static_cast<std::byte>(i * 7);
  const Sha256Digest whole = Sha256Of(text);
  for (size_t cut = 0; cut <= text.size(); cut++) {
    const size_t first = cut / 3;
    Sha256State state = Sha256Continue({}, 0, ByteView(text).first(first));
    state = Sha256Continue(state, first, ByteView(text).subspan(first, cut - first));
    for (size_t i = cut % Sha256State::kBlockBytes; i < Sha256State::kBlockBytes; i++) {
      ASSERT_EQ(state.tail[i], std::byte{0}) << "one state for one input: " << cut;
    }
    ASSERT_EQ(Sha256Complete(state, cut, ByteView(text).subspan(cut)), whole) << cut;
    if (cut > 0) {
      state.chain[0] ^= 1;
      ASSERT_NE(Sha256Complete(state, cut, ByteView(text).subspan(cut)), whole) << cut;
    }
  }
}

TEST(Hasher, StartsAfreshAfterFinishAndMoves) {
  Hasher first(HashKind::kSha256);
  first.Update(AsBytes("junk"));
  first.Finish();
  first.Update(AsBytes("abc"));
  Hasher second(std::move(first));
  EXPECT_EQ(ToHex(second.Finish()), HashHex(HashKind::kSha256, "abc"));
  Hasher third(HashKind::kMd5);
  third = std::move(second);
  third.Update(AsBytes("abc"));
  EXPECT_EQ(ToHex(third.Finish()), HashHex(HashKind::kSha256, "abc"));
}

TEST(Sha256, ReadsAWholeSourceInPieces) {
  const std::string text(3 * 64 * 1024 + 17, 'y');
  MemorySource source{AsBytes(text)};
  const Result<Sha256Digest> digest = Sha256OfSource(source);
  ASSERT_TRUE(digest.ok());
  EXPECT_EQ(*digest, Sha256Of(AsBytes(text)));
}

TEST(Sha256, ParsesOnlySixtyFourDigits) {
  const std::string good = HashHex(HashKind::kSha256, "abc");
  ASSERT_TRUE(ParseSha256(good).ok());
  EXPECT_EQ(ToHex(*ParseSha256(good)), good);
  std::string upper = good;
  for (char& c : upper) c = static_cast<char>(toupper(c));
  EXPECT_EQ(*ParseSha256(upper), *ParseSha256(good));
  for (const std::string& bad :
       {std::string(), good.substr(1), good + "0", "g" + good.substr(1), " " + good.substr(1)}) {
    EXPECT_EQ(ParseSha256(bad).error().code, ErrorCode::kInvalid) << bad;
  }
}

TEST(HashingSink, HashesWhatItPassesOnAndNotWhatWasRefused) {
  HashingSink sink(std::make_unique<MemorySink>(4));
  ASSERT_TRUE(sink.Write(AsBytes("abc")).ok());
  EXPECT_EQ(sink.Write(AsBytes("de")).error().code, ErrorCode::kLimit);
  ASSERT_TRUE(sink.Finish().ok());
  EXPECT_EQ(sink.digest(), Sha256Of(AsBytes("abc")));
}

TEST(HmacSha256, GivesTheValuesOfRfc4231) {
  EXPECT_EQ(ToHex(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // An empty key is a key, not "the key of last time".
  EXPECT_EQ(ToHex(HmacSha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(EqualSecret, ComparesContentAndSize) {
  EXPECT_TRUE(EqualSecret({}, {}));
  EXPECT_TRUE(EqualSecret(AsBytes("abc"), AsBytes("abc")));
  EXPECT_FALSE(EqualSecret(AsBytes("abc"), AsBytes("abd")));
  EXPECT_FALSE(EqualSecret(AsBytes("abc"), AsBytes("ab")));
  EXPECT_FALSE(EqualSecret(AsBytes("abc"), {}));
}

TEST(RandomBytes, DiffersFromCallToCall) {
  EXPECT_TRUE(RandomBytes(0).empty());
  EXPECT_EQ(RandomBytes(16).size(), 16U);
  EXPECT_NE(RandomBytes(16), RandomBytes(16));
}

}  // namespace
}  // namespace till::crypto
