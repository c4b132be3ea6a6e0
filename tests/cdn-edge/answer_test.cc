#include "cdn-edge/answer.h"

#include <gtest/gtest.h>

#include "core/text.h"

namespace till::edge {
namespace {

std::string_view Header(const http::Response& response, std::string_view name) {
  for (const http::HeaderField& field : response.headers) {
    if (EqualsIgnoreCase(field.name, name)) return field.value;
  }
  return {};
}

TEST(Answer, SaysTheDigestAsRfc9530Wants) {
  EXPECT_EQ(ReprDigest(crypto::Sha256Of({})), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
}

TEST(Answer, SaysHowTheCacheCameToItAsRfc9211Wants) {
  EXPECT_EQ(CacheStatus(CacheVerdict::kHit, true), "tilledge; hit");
  EXPECT_EQ(CacheStatus(CacheVerdict::kMiss, false), "tilledge; fwd=uri-miss; stored");
  EXPECT_EQ(CacheStatus(CacheVerdict::kPartial, true), "tilledge; fwd=partial; stored; collapsed");
}

TEST(Answer, SpreadsRetryAfterAndLetsNobodyKeepARefusal) {
  bool differs = false;
  const std::string first(Header(TryLater(), "Retry-After"));
  for (int i = 0; i < 100; ++i) {
    const http::Response response = TryLater();
    const auto seconds = ParseUint(Header(response, "Retry-After"));
    ASSERT_TRUE(seconds.ok());
    EXPECT_GE(*seconds, 2U);
    EXPECT_LE(*seconds, 8U);
    EXPECT_EQ(Header(response, "Cache-Control"), "no-store");
    differs = differs || Header(response, "Retry-After") != first;
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace till::edge
