#include "device/config.h"

#include <gtest/gtest.h>

namespace till::device {
namespace {

Config Read(const std::string& text, std::vector<ConfigProblem>& problems) {
  return ReadConfig({"tilld.conf", text, {}, {}}, problems);
}

TEST(Config, ReadsKeysCommentsAndSizes) {
  std::vector<ConfigProblem> problems;
  const Config config = Read(
      "# a terminal\r\n\n server = https://ota.example/ \nboard=acme,pos-100\narena = 4MiB\npoll_s = 5\n"
      "token = a = b\n",
      problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(config.server, "https://ota.example");
  EXPECT_EQ(config.board, "acme,pos-100");
  EXPECT_EQ(config.arena, 4u << 20);
  EXPECT_EQ(config.poll_s, 5u);
  EXPECT_EQ(config.token, "a = b");
  EXPECT_EQ(config.component, "rootfs");
}

struct BadLine {
  const char* name;
  const char* text;
  const char* where;
};

TEST(Config, NamesTheBadLine) {
  const BadLine kCases[] = {
      {"no equals sign", "server = x\nboard acme\n", "tilld.conf:2"},
      {"unknown key", "serwer = x\n", "tilld.conf:1"},
      {"set twice", "board = a\n\nboard = b\n", "tilld.conf:3"},
      {"no number", "poll_s = soon\n", "tilld.conf:1"},
      {"out of range", "tries = 16\n", "tilld.conf:1"},
      {"negative", "poll_s = -1\n", "tilld.conf:1"},
      {"size out of range", "arena = 1KiB\n", "tilld.conf:1"},
      {"control character", "board = a\x1b[31m\n", "tilld.conf:1"},
      {"empty key", "= x\n", "tilld.conf:1"},
  };
  for (const BadLine& bad : kCases) {
    std::vector<ConfigProblem> problems;
    Read(bad.text, problems);
    ASSERT_EQ(problems.size(), 1u) << bad.name;
    EXPECT_EQ(problems[0].where, bad.where) << bad.name;
    EXPECT_FALSE(problems[0].incomplete);
    EXPECT_EQ(problems[0].what.find('\x1b'), std::string::npos);
  }
}

TEST(Config, PrefersFlagToEnvironmentToFile) {
  std::vector<ConfigProblem> problems;
  const ConfigInput input{"f",
                          "board = file\nproduct = file\ncomponent = file\n",
                          {{"TILL_BOARD", "environment"}, {"TILL_PRODUCT", "environment"}, {"TILL_OTHER", "x"}},
                          {{"board", "flag"}}};
  const Config config = ReadConfig(input, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(config.board, "flag");
  EXPECT_EQ(config.product, "environment");
  EXPECT_EQ(config.component, "file");
  for (size_t i = 0; i < ConfigKeys().size(); i++) {
    if (std::string(ConfigKeys()[i]) == "board") {
      EXPECT_STREQ(OriginName(config.origins[i]), "flag");
    }
    if (std::string(ConfigKeys()[i]) == "tenant") {
      EXPECT_STREQ(OriginName(config.origins[i]), "default");
    }
  }
}

TEST(Config, SaysWhatIsMissingForRun) {
  std::vector<ConfigProblem> problems;
  const Config config = Read("slot_a = /x\nslot_b = /x\nserver = ota.example\n", problems);
  RequireForRun(config, problems);
  EXPECT_GE(problems.size(), 6u);
  for (const ConfigProblem& problem : problems) EXPECT_TRUE(problem.incomplete);
}

TEST(Config, NeverShowsTheToken) {
  std::vector<ConfigProblem> problems;
  const Config config = Read("token = secret\n", problems);
  for (size_t i = 0; i < ConfigKeys().size(); i++) EXPECT_NE(ConfigValue(config, i), "secret");
}

}  // namespace
}  // namespace till::device
