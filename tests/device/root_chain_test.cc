// Whose repository is it? Roots that follow from each other, and those that only look so.
#include "device/root_chain.h"

#include <gtest/gtest.h>

#include "device/trust.h"
#include "tests/core/tuf/forge.h"

namespace till::device {
namespace {

using tuf::Forge;

struct StandingClock final : Clock {
  explicit StandingClock(int64_t now_unix_s) : unix_s(now_unix_s) {}
  int64_t UnixMs() const override { return unix_s * 1000; }
  int64_t MonotonicMs() const override { return 0; }
  void SleepMs(int64_t) override {}
  int64_t unix_s;
};

void ExchangeRootKey(Forge& forge) {
  forge.keys["root"] = {crypto::PrivateKey::Generate()};
  forge.PublishRoot();
}

TEST(RootChain, KnowsARepositoryByTheKeysOfTheOlderRoot) {
  Forge forge;
  forge.PublishRoot();  // 2: the same keys
  ExchangeRootKey(forge);
  ExchangeRootKey(forge);  // 4
  const auto root = [&](int version) -> const std::string& {
    return forge.files[std::to_string(version) + ".root.json"];
  };
  for (const auto& [one, other, same] :
       {std::tuple{1, 1, true}, {1, 2, true}, {1, 3, true}, {3, 4, true}, {1, 4, false}, {2, 4, false}}) {
    EXPECT_EQ(IsSameRepository(root(one), root(other)).value(), same) << one << " " << other;
    EXPECT_EQ(IsSameRepository(root(other), root(one)).value(), same) << other << " " << one;
  }
  Forge stranger;
  EXPECT_FALSE(IsSameRepository(root(1), stranger.files["1.root.json"]).value());
  EXPECT_FALSE(IsSameRepository(root(4), stranger.files["1.root.json"]).value()) << "an older one of others";
}

TEST(RootChain, TakesNothingForARootThatDoesNotSignItself) {
  Forge forge;
  const std::string& root = forge.files["1.root.json"];
  std::string bent = root;
  bent[bent.find("2027")] = '3';  // of `expires`
  EXPECT_FALSE(IsSameRepository(root, bent).ok());
  EXPECT_FALSE(IsSameRepository("{}", root).ok());
  EXPECT_FALSE(IsSameRepository(root, "").ok());
}

TEST(RootChain, IsWalkedToItsEndAndTheTimestampJudgedByIt) {
  Forge forge;
  const std::string first = forge.files["1.root.json"];
  ExchangeRootKey(forge);
  ExchangeRootKey(forge);
  const StandingClock clock(Forge::kNow);
  const auto look = LookAtRepository(first, "", forge.Fetcher(), clock);
  ASSERT_TRUE(look.ok()) << look.error().what;
  EXPECT_EQ(look->root_version, 3u);
  EXPECT_EQ(look->timestamp_version, 1u);
  EXPECT_EQ(look->expires_unix_s, Forge::kNow + 10 * Forge::kDay);

  Forge stranger;
  const auto strange = LookAtRepository(stranger.files["1.root.json"], "", forge.Fetcher(), clock);
  ASSERT_FALSE(strange.ok());
  EXPECT_EQ(strange.error().code, ErrorCode::kRefused);

  const auto late = LookAtRepository(first, "", forge.Fetcher(), StandingClock(Forge::kNow + 11 * Forge::kDay));
  ASSERT_FALSE(late.ok());
  EXPECT_TRUE(Trust::IsExpiry(late.error())) << late.error().what;
}

// A hub that was set back to an old copy of itself.
// covers S06
TEST(RootChain, RefusesATimestampOlderThanTheOneKept) {
  Forge forge;
  const std::string older = forge.files["timestamp.json"];
  forge.PublishOnline();
  const std::string kept = forge.files["timestamp.json"];
  const StandingClock clock(Forge::kNow);
  EXPECT_TRUE(LookAtRepository(forge.files["1.root.json"], kept, forge.Fetcher(), clock).ok());
  forge.files["timestamp.json"] = older;
  EXPECT_TRUE(LookAtRepository(forge.files["1.root.json"], "", forge.Fetcher(), clock).ok());
  const auto back = LookAtRepository(forge.files["1.root.json"], kept, forge.Fetcher(), clock);
  ASSERT_FALSE(back.ok());
  EXPECT_EQ(back.error().code, ErrorCode::kRefused);
}

TEST(RootChain, IsNotFollowedForEver) {
  Forge forge;
  const std::string first = forge.files["1.root.json"];
  for (int i = 0; i < 32; i++) forge.PublishRoot();
  const StandingClock clock(Forge::kNow);
  EXPECT_TRUE(LookAtRepository(first, "", forge.Fetcher(), clock).ok());
  forge.PublishRoot();
  const auto look = LookAtRepository(first, "", forge.Fetcher(), clock);
  ASSERT_FALSE(look.ok());
  EXPECT_EQ(look.error().code, ErrorCode::kLimit);
}

}  // namespace
}  // namespace till::device
