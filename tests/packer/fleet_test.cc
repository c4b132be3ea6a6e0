// Deltas from what a fleet runs, as a real hub tells it.
#include <gtest/gtest.h>

#include "packer/fleet_census.h"
#include "packer/release_builder.h"
#include "tests/packer/hub_for_tests.h"
#include "tests/packer/images.h"
#include "tests/packer/tool.h"

namespace till::packer {
namespace {

std::string HashOf(const std::string& file) { return ToHex(crypto::Sha256Of(ReadBinaryFile(file, 1 << 26).value())); }

std::string ConfigText(const std::string& hub_url) {
  return "[product]\nname=\"pos\"\nboard=[\"acme,pos-100\"]\n[image.rootfs]\nfile=\"3.image\"\n"
         "[delta]\nfrom=\"deployed\"\n[server]\nurl=\"" +
         hub_url + "\"\n";
}

TEST(DeployedBases, AreThoseThatTheHubCountsTerminalsOn) {
  HubForTests hub;
  const Scratch scratch;
  const std::string config = scratch.Write("tillrace.toml", AsBytes(ConfigText(hub.url())));
  const Bytes first = Noise(1, 200'000);
  scratch.Write("1.image", first);
  scratch.Write("2.image", Changed(first, 50'000));
  scratch.Write("3.image", Changed(first, 90'000));
  ASSERT_EQ(RunTillpack({"keys", "init", "--config", config}).exit_code, 0);
  const auto release = [&](const std::string& version, const std::string& image) {
    return RunTillpack({"--json", "release", "--config", config, "--version", version, "--image",
                        "rootfs=" + scratch.Path(image), "--token-file", hub.token_file()});
  };
  ASSERT_EQ(release("1.0.0", "1.image").exit_code, 0);
  ASSERT_EQ(release("2.0.0", "2.image").exit_code, 0);
  hub.AddTerminal("pos-1", HashOf(scratch.Path("2.image")));
  hub.AddTerminal("pos-2", HashOf(scratch.Path("2.image")));
  hub.AddTerminal("pos-3", std::string(64, 'a'));
  const ToolRun third = release("3.0.0", "3.image");
  ASSERT_EQ(third.exit_code, 0) << third.errors;
  const ReleaseRecord record = ReadReleaseRecord(scratch.Path("out/3.0.0")).value();
  ASSERT_EQ(record.components[0].payloads.size(), 2u) << "nobody runs 1.0.0";
  EXPECT_EQ(record.components[0].payloads[1].base_version, "2.0.0");

  HubConnection connection = hub.Connect();
  const FleetCensus census = AskFleet(connection, ReadReleases(scratch.Path("out")).value()).value();
  EXPECT_EQ(census.Running(ReadReleaseRecord(scratch.Path("out/2.0.0"))->components[0]), 2u);
  EXPECT_EQ(census.Running(ReadReleaseRecord(scratch.Path("out/1.0.0"))->components[0]), 0u);
  EXPECT_EQ(census.elsewhere.at("rootfs"), 1u);
}

TEST(DeployedBases, NeedAHubATokenAndItsYes) {
  HubForTests hub;
  const Scratch scratch;
  scratch.Write("3.image", Noise(1, 1000));
  const std::string no_hub = scratch.Write("a/tillrace.toml", AsBytes(ConfigText("")));
  const std::string config = scratch.Write("tillrace.toml", AsBytes(ConfigText(hub.url())));
  ASSERT_EQ(RunTillpack({"keys", "init", "--config", config}).exit_code, 0);
  ASSERT_EQ(RunTillpack({"keys", "init", "--config", no_hub}).exit_code, 0);
  EXPECT_EQ(RunTillpack({"release", "--config", no_hub, "--version", "1"}).exit_code, 2);
  EXPECT_EQ(RunTillpack({"release", "--config", config, "--version", "1"}).exit_code, 2);
  ASSERT_EQ(RunTillpack({"release", "--config", config, "--version", "0", "--token-file", hub.token_file()}).exit_code,
            0);
  const std::string wrong = scratch.Write("wrong.token", AsBytes("till_nobody"));
  const ToolRun refused = RunTillpack({"release", "--config", config, "--version", "1", "--token-file", wrong});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.errors.find("T1013"), std::string::npos) << refused.errors;
}

}  // namespace
}  // namespace till::packer
