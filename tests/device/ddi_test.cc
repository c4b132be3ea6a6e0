#include "device/ddi.h"

#include <gtest/gtest.h>

#include "core/json/json.h"
#include "device/ddi_client.h"

namespace till::device {
namespace {

constexpr const char* kHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

std::string DeploymentText(const std::string& artifact_more = "", const std::string& deployment_more = "") {
  return std::string(R"({"id":"81","deployment":{"download":"forced","update":"attempt",)") + deployment_more +
         R"("chunks":[{"part":"os","version":"2.4.1","name":"pos-rootfs","artifacts":[{"filename":"rootfs.delta",)" +
         R"("hashes":{"sha1":"x","md5":"y","sha256":")" + kHash + R"("},"size":918273,)" + artifact_more +
         R"("_links":{"download-http":{"href":"http://u/a"},"md5sum-http":{"href":"http://u/m"}}}],)" +
         R"("metadata":[{"key":"till.kind","value":"delta"},{"key":"till.mirrors","value":"http://e1  http://e2"},)" +
         R"({"key":"other","value":"1"}]}]},"actionHistory":{"status":"RUNNING"}})";
}

TEST(Ddi, ReadsABaseAnswer) {
  const auto answer = ParseBase(
      R"({"config":{"polling":{"sleep":"00:04:37"}},"_links":{"deploymentBase":{"href":"http://u/d/81?c=-5"},)"
      R"("configData":{"href":"http://u/c"}}})");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->sleep_s, 277);
  EXPECT_EQ(answer->deployment_url, "http://u/d/81?c=-5");
  EXPECT_EQ(answer->config_url, "http://u/c");
  EXPECT_EQ(answer->cancel_url, "");
  EXPECT_TRUE(ParseBase(R"({"config":{"polling":{"sleep":"00:05:00"}}})").ok()) << "_links is left out when empty";
}

TEST(Ddi, ReadsADeployment) {
  const auto deployment = ParseDeployment(DeploymentText());
  ASSERT_TRUE(deployment.ok());
  EXPECT_EQ(deployment->action, "81");
  ASSERT_EQ(deployment->chunks.size(), 1u);
  const DdiChunk& chunk = deployment->chunks[0];
  EXPECT_EQ(chunk.kind, "delta");
  EXPECT_EQ(chunk.mirrors, (std::vector<std::string>{"http://e1", "http://e2"}));
  ASSERT_EQ(chunk.artifacts.size(), 1u);
  EXPECT_EQ(chunk.artifacts[0].size_bytes, 918'273u);
  EXPECT_EQ(chunk.artifacts[0].url, "http://u/a");
}

TEST(Ddi, SeesAClosedWindowAndASkippedDownload) {
  EXPECT_FALSE(
      ParseDeployment(R"({"id":1,"deployment":{"download":"skip","update":"skip","chunks":[]}})")->may_download);
  EXPECT_FALSE(
      ParseDeployment(R"({"id":1,"deployment":{"download":"attempt","update":"skip","chunks":[]}})")->may_update);
}

TEST(Ddi, RefusesWhatItCannotUse) {
  for (const char* text :
       {"", "[]", "{}", R"({"id":""})", R"({"id":"1","deployment":{"chunks":[{"artifacts":[{"size":1}]}]}})",
        R"({"id":"1","deployment":{"chunks":[{"artifacts":[{"hashes":{"sha256":"12"},"size":1}]}]}})",
        R"({"id":"1","deployment":{"chunks":[{},{},{},{},{},{},{},{},{}]}})"}) {
    EXPECT_FALSE(ParseDeployment(text).ok()) << text;
  }
  EXPECT_FALSE(ParseCancel("{}").ok());
  EXPECT_FALSE(ParseBase("7").ok());
  EXPECT_FALSE(ParseBase(std::string(300 << 10, ' ') + "{}").ok()) << "above the cap";
}

TEST(Ddi, ReadsIdsAsTextOrNumber) {
  EXPECT_EQ(*ParseCancel(R"({"id":"81","cancelAction":{"stopId":"81"}})"), "81");
  EXPECT_EQ(*ParseCancel(R"({"id":81,"cancelAction":{"stopId":81}})"), "81");
  EXPECT_EQ(ActionOfUrl("https://u/DEFAULT/controller/v1/pos/deploymentBase/81?c=-1403998"), "81");
  EXPECT_EQ(ActionOfUrl("https://u/../%41"), "");
}

TEST(DdiClient, SendsTheTokenToItsOwnServerOnly) {
  Config config;
  config.server = "https://hub.example";
  const DdiClient client(config, "secret", nullptr);
  EXPECT_EQ(client.HeadersFor("https://hub.example/DEFAULT/x").size(), 1u);
  EXPECT_EQ(client.HeadersFor("https://hub.example?x").size(), 1u);
  for (const char* url : {"http://hub.example/x", "https://hub.example.evil/x", "https://hub.example@evil/x",
                          "https://hub.example:8443/x", "https://edge.example/a/1", "hub.example", ""}) {
    EXPECT_TRUE(client.HeadersFor(url).empty()) << url;
  }
}

TEST(Ddi, ReadsSleepInBothForms) {
  EXPECT_EQ(ParseSleepSeconds("00:00:30"), 30);
  EXPECT_EQ(ParseSleepSeconds("23:59:59"), 86'399);
  EXPECT_EQ(ParseSleepSeconds("PT30H"), 108'000);
  EXPECT_EQ(ParseSleepSeconds("PT1H30M5S"), 5'405);
  for (const char* bad : {"", "30", "a:b:c", "-1:00:00", "PT", "PTH", "PT99999999H", "1:2:3:4"}) {
    EXPECT_EQ(ParseSleepSeconds(bad), 0) << bad;
  }
}

TEST(Ddi, WritesFeedbackAsHawkbitExpectsIt) {
  const Feedback feedback{false, "81", 3, 4711, "closed", "failure", 0, {"health: x exit 1: \"no\"\n"}};
  const auto value = json::Parse(FeedbackBody(feedback, 1'767'225'600'000));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ((*value)["status"]["execution"].AsString(), "closed");
  EXPECT_EQ((*value)["status"]["result"]["finished"].AsString(), "failure");
  EXPECT_FALSE((*value)["status"].Has("code"));
  EXPECT_EQ((*value)["status"]["details"].items()[0].AsString(), "health: x exit 1: \"no\"\n");
  EXPECT_EQ((*value)["till"]["seq"].AsInteger(), 3);
  EXPECT_EQ((*value)["till"]["bytes"].AsInteger(), 4711);
  EXPECT_EQ((*value)["timestamp"].AsInteger(), 1'767'225'600'000);
}

}  // namespace
}  // namespace till::device
