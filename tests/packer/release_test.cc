// A release from configuration to verification, on small images.
// covers S01 S04 W19
#include <gtest/gtest.h>

#include "packer/key_ring.h"
#include "packer/release_builder.h"
#include "packer/release_verifier.h"
#include "tests/packer/images.h"
#include "tests/packer/scratch.h"

namespace till::packer {
namespace {

constexpr int64_t kNow = 1'790'000'000;

tuf::RoleSet Keys(const std::string& folder) {
  std::string about;
  return LoadKeys(folder, kRolesOfReleases, about).value();
}

class Releases : public testing::Test {
 protected:
  void SetUp() override {
    config_.product = "pos";
    config_.boards = {"acme,pos-100"};
    config_.profile = delta::FindProfile("mt7688-64m");
    config_.keys_folder = scratch_.Path("keys");
    config_.out_folder = scratch_.Path("out");
    Bytes image = Noise(1, 300'000);
    config_.images = {{"rootfs", scratch_.Write("old.image", image), "rootfs"}};
    for (size_t i = 100'000; i < 101'000; ++i) image[i] = std::byte{7};
    scratch_.Write("new.image", image);
    scratch_.Write("strange.image", Noise(2, 300'000));
    ASSERT_TRUE(MakeKeys(config_.keys_folder).ok());
    ASSERT_TRUE(tuf::Repository::Create(config_.out_folder + "/tuf", Keys(config_.keys_folder), {}, kNow).ok());
  }

  Result<ReleaseRecord> Make(const std::string& version, const std::string& image, unsigned jobs = 2) {
    builder_ = std::make_unique<ReleaseBuilder>(config_, [](const BuildProgress&) {});
    return builder_->Build({version, {{"rootfs", scratch_.Path(image)}}, jobs, kNow, nullptr});
  }

  Status Verify(const ReleaseRecord& release, unsigned* applied = nullptr) {
    VerifyOptions options;
    options.out_folder = config_.out_folder;
    options.apply_all = true;
    options.now_unix_s = kNow;
    return VerifyRelease(
        options, release,
        [&](const VerifiedPayload& p) {
          if (applied != nullptr && p.applied) ++*applied;
        },
        context_);
  }

  const Scratch scratch_;
  ReleaseConfig config_;
  std::unique_ptr<ReleaseBuilder> builder_;
  std::string context_;
};

TEST_F(Releases, CarryAFullPayloadAndADeltaThatRebuildTheImage) {
  ASSERT_TRUE(Make("1.0.0", "old.image").ok());
  const Result<ReleaseRecord> release = Make("1.1.0", "new.image");
  ASSERT_TRUE(release.ok());
  ASSERT_EQ(release->components[0].payloads.size(), 2u);
  EXPECT_LT(release->components[0].payloads[1].length, 5'000u);
  unsigned applied = 0;
  EXPECT_TRUE(Verify(*release, &applied).ok()) << context_;
  EXPECT_EQ(applied, 2u);
}

TEST_F(Releases, AreMadeOnce) {
  ASSERT_TRUE(Make("1.0.0", "old.image").ok());
  EXPECT_EQ(Make("1.0.0", "new.image").error().code, ErrorCode::kConflict);
}

TEST_F(Releases, LeaveOutADeltaThatIsNotWorthIt) {
  ASSERT_TRUE(Make("1.0.0", "old.image").ok());
  const Result<ReleaseRecord> release = Make("2.0.0", "strange.image");
  ASSERT_TRUE(release.ok());
  EXPECT_EQ(release->components[0].payloads.size(), 1u);
  EXPECT_FALSE(builder_->reports()[1].kept);
  EXPECT_FALSE(builder_->reports()[1].why_not.empty());
}

TEST_F(Releases, AreTheSameBytesAtAnyNumberOfJobs) {
  ASSERT_TRUE(Make("1.0.0", "old.image", 1).ok());
  const Result<ReleaseRecord> one = Make("1.1.0", "new.image", 1);
  ASSERT_TRUE(one.ok());
  const ReleaseRecord& alone = *one;
  std::filesystem::remove_all(config_.out_folder + "/1.1.0");
  const Result<ReleaseRecord> eight = Make("1.1.0", "new.image", 8);
  ASSERT_TRUE(eight.ok());
  EXPECT_EQ(ToJson(alone), ToJson(*eight));
}

TEST_F(Releases, AreRefusedWhenAnyByteOfAPayloadChanged) {
  ASSERT_TRUE(Make("1.0.0", "old.image").ok());
  const Result<ReleaseRecord> release = Make("1.1.0", "new.image");
  const std::string path = config_.out_folder + "/1.1.0/" + release->components[0].payloads[1].file;
  const Bytes good = *ReadBinaryFile(path, 1 << 20);
  for (size_t at = 0; at < good.size(); at += good.size() / 23 + 1) {
    Bytes bad = good;
    bad[at] ^= std::byte{1};
    ASSERT_TRUE(WriteFileAtomically(path, bad).ok());
    EXPECT_EQ(Verify(*release).error().code, ErrorCode::kRefused) << at;
    EXPECT_EQ(context_, path);
  }
  ASSERT_TRUE(WriteFileAtomically(path, ByteView(good).first(good.size() - 1)).ok());
  EXPECT_EQ(Verify(*release).error().code, ErrorCode::kRefused);
}

TEST_F(Releases, AreRefusedWithoutASignedEntry) {
  const Result<ReleaseRecord> release = Make("1.0.0", "old.image");
  ReleaseRecord renamed = *release;
  renamed.boards = {"acme,pos-999"};  // release.json says another board than what was signed
  EXPECT_EQ(Verify(renamed).error().code, ErrorCode::kRefused);
  std::filesystem::rename(config_.out_folder + "/1.0.0", config_.out_folder + "/6.6.6");
  renamed = *release;
  renamed.version = "6.6.6";
  EXPECT_EQ(Verify(renamed).error().code, ErrorCode::kRefused);
}

TEST_F(Releases, AreRefusedUnderAnotherRoot) {
  const Result<ReleaseRecord> release = Make("1.0.0", "old.image");
  ASSERT_TRUE(MakeKeys(scratch_.Path("other")).ok());
  ASSERT_TRUE(tuf::Repository::Create(scratch_.Path("other/tuf"), Keys(scratch_.Path("other")), {}, kNow).ok());
  VerifyOptions options;
  options.out_folder = config_.out_folder;
  options.trusted_root = scratch_.Path("other/tuf/1.root.json");
  options.now_unix_s = kNow;
  EXPECT_EQ(VerifyRelease(
                options, *release, [](const VerifiedPayload&) {}, context_)
                .error()
                .code,
            ErrorCode::kRefused);
}

TEST_F(Releases, RefuseAnImageTheConfigurationDoesNotName) {
  builder_ = std::make_unique<ReleaseBuilder>(config_, [](const BuildProgress&) {});
  const auto made = builder_->Build({"1.0.0", {{"kernel", scratch_.Path("new.image")}}, 1, kNow, nullptr});
  EXPECT_EQ(made.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(builder_->error_context(), "--image kernel");
  EXPECT_FALSE(FileExists(config_.out_folder + "/1.0.0"));
}

TEST_F(Releases, NeedTheTargetsKey) {
  std::filesystem::remove(scratch_.Path("keys/targets-1.pem"));
  EXPECT_FALSE(Make("1.0.0", "old.image").ok());
  EXPECT_FALSE(FileExists(config_.out_folder + "/1.0.0"));
}

TEST_F(Releases, NameTheBaseThatIsMissing) {
  ASSERT_TRUE(Make("1.0.0", "old.image").ok());
  config_.bases.kind = BaseChoice::Kind::kVersions;
  config_.bases.versions = {"0.9.9"};
  EXPECT_EQ(Make("1.1.0", "new.image").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(builder_->error_context(), "0.9.9");
}

}  // namespace
}  // namespace till::packer
