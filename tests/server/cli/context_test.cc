#include "server/cli/context.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

namespace till::cli {
namespace {

class Contexts : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = testing::TempDir() + "/contexts-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    path_ = folder + "/tillctl/contexts.json";
    setenv("TILLCTL_CONFIG", path_.c_str(), 1);
    unsetenv("TILL_URL");
  }
  void TearDown() override { unsetenv("TILLCTL_CONFIG"); }
  std::string path_;
};

TEST_F(Contexts, AreKeptAndTheFirstIsCurrent) {
  Result<ContextFile> file = ContextFile::Load();
  ASSERT_TRUE(file.ok());
  file->Put({"prod", "https://ota.example", "secret", ""});
  file->Put({"lab", "http://127.0.0.1:1", "other", ""});
  ASSERT_TRUE(file->Save().ok());
  EXPECT_EQ(ChooseContext("")->url, "https://ota.example");
  EXPECT_EQ(ChooseContext("lab")->token, "other");
  EXPECT_EQ(ChooseContext("nowhere").error().code, ErrorCode::kNotFound);
}

TEST_F(Contexts, HoldTokensWhereOnlyTheOwnerReads) {
  Result<ContextFile> file = ContextFile::Load();
  file->Put({"prod", "https://ota.example", "secret", ""});
  ASSERT_TRUE(file->Save().ok());
  struct stat facts {};
  ASSERT_EQ(stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(Contexts, GiveWayToTheEnvironment) {
  setenv("TILL_URL", "https://ci.example", 1);
  setenv("TILL_TOKEN", "t", 1);
  EXPECT_EQ(ChooseContext("")->url, "https://ci.example");
  unsetenv("TILL_URL");
  unsetenv("TILL_TOKEN");
}

TEST_F(Contexts, AreForgottenAndNoneIsUsedThen) {
  Result<ContextFile> file = ContextFile::Load();
  file->Put({"prod", "https://ota.example", "secret", ""});
  file->Put({"lab", "http://127.0.0.1:1", "other", ""});
  EXPECT_EQ(file->Remove("none").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(file->Remove("prod").ok());
  EXPECT_EQ(file->current(), "");
  ASSERT_TRUE(file->Save().ok());
  EXPECT_EQ(ChooseContext("").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ChooseContext("lab")->token, "other");
}

TEST_F(Contexts, AreNotSaidToBeKeptWhereNothingIs) {
  Result<ContextFile> file = ContextFile::Load();
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(MakeFolders(path_.substr(0, path_.rfind('/'))).ok());
  ASSERT_EQ(symlink("/dev/null", path_.c_str()), 0);
  file->Put({"prod", "https://ota.example", "secret", ""});
  EXPECT_EQ(file->Save().error().code, ErrorCode::kInvalid);
}

TEST_F(Contexts, AreAbsentUntilOneIsAdded) { EXPECT_EQ(ChooseContext("").error().code, ErrorCode::kNotFound); }

}  // namespace
}  // namespace till::cli
