// tillpack as it is run: exit codes, the same bytes whatever surrounds it, proof under a limit of the kernel.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "core/crypto/hash.h"
#include "core/json/json.h"
#include "packer/bounded_apply.h"
#include "tests/packer/images.h"
#include "tests/packer/scratch.h"
#include "tests/packer/tool.h"

namespace till::packer {
namespace {

constexpr const char* kConfig = R"([product]
name = "pos"
board = ["acme,pos-100"]
[image.rootfs]
file = "new.image"
)";

// A product folder with keys, one release 1.0.0 and a new image; keys are the same for all of them.
void Furnish(const Scratch& scratch, const std::string& name) {
  const std::string folder = scratch.Path(name);
  std::filesystem::create_directories(folder);
  scratch.Write(name + "/tillrace.toml", AsBytes(kConfig));
  const Bytes old_image = Noise(1, 300'000);
  scratch.Write(name + "/old.image", old_image);
  scratch.Write(name + "/new.image", Changed(Changed(old_image, 100'000), 200'000));
  const std::string config = folder + "/tillrace.toml";
  ASSERT_EQ(RunTillpack({"keys", "init", "--config", config}).exit_code, 0);
  const ToolRun first =
      RunTillpack({"release", "--config", config, "--version", "1.0.0", "--image", "rootfs=" + folder + "/old.image"});
  ASSERT_EQ(first.exit_code, 0) << first.errors;
}

std::map<std::string, std::string> HashesUnder(const std::string& folder) {
  std::map<std::string, std::string> hashes;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const Bytes bytes = ReadBinaryFile(entry.path().string(), 1 << 26).value();
    hashes[entry.path().filename().string()] = ToHex(crypto::Sha256Of(bytes));
  }
  return hashes;
}

TEST(TillpackProgram, MakesTheSameBytesAtAnyJobsPathLocaleAndUmask) {
  const Scratch scratch;
  Furnish(scratch, "a");
  Furnish(scratch, "another place, further down");
  const std::string b = scratch.Path("another place, further down");
  const ToolRun one =
      RunTillpack({"release", "--config", scratch.Path("a/tillrace.toml"), "--version", "1.1.0", "-j", "1"},
                  {.environment = {{"LC_ALL", "C"}, {"TZ", "UTC"}}, .umask = 022, .folder = ""});
  ASSERT_EQ(one.exit_code, 0) << one.errors;
  const ToolRun other = RunTillpack(
      {"release", "--version", "1.1.0", "-j", "7"},
      {.environment = {{"LC_ALL", "tr_TR.UTF-8"}, {"TZ", "Asia/Tokyo"}, {"TMPDIR", b}}, .umask = 077, .folder = b});
  ASSERT_EQ(other.exit_code, 0) << other.errors;
  const auto hashes = HashesUnder(scratch.Path("a/out/1.1.0"));
  EXPECT_EQ(hashes.size(), 4u);  // image, full, delta, record
  EXPECT_EQ(hashes, HashesUnder(b + "/out/1.1.0"));
}

TEST(TillpackProgram, VerifiesInAProcessThatTheKernelLimits) {
  const Scratch scratch;
  Furnish(scratch, "p");
  ASSERT_EQ(RunTillpack({"release", "--config", scratch.Path("p/tillrace.toml"), "--version", "1.1.0"}).exit_code, 0);
  const ToolRun verified = RunTillpack({"--json", "verify", scratch.Path("p/out/1.1.0"), "--apply-all"});
  ASSERT_EQ(verified.exit_code, 0) << verified.errors;
  const json::Value event = json::Parse(verified.out.substr(0, verified.out.find('\n'))).value();
  EXPECT_TRUE(event["applied"].AsBool());
  EXPECT_GT(event["peak_rss_kib"].AsInteger(), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_TRUE(event["limit_enforced"].AsBool());
  EXPECT_LT(event["grown_rss_kib"].AsInteger() * 1024, event["arena_bytes"].AsInteger() + (1 << 20));
#endif
}

TEST(TillpackProgram, SaysWhenTheMetadataIsNotBesideTheRelease) {
  const Scratch scratch;
  Furnish(scratch, "p");
  std::filesystem::rename(scratch.Path("p/out/tuf"), scratch.Path("p/tuf"));
  const ToolRun verified = RunTillpack({"verify", scratch.Path("p/out/1.0.0")});
  EXPECT_EQ(verified.exit_code, 1);
  EXPECT_NE(verified.errors.find("T1009"), std::string::npos) << verified.errors;
}

TEST(TillpackProgram, KnowsItsVersionAndGivesUsageErrorsACode) {
  EXPECT_EQ(RunTillpack({"--version"}).exit_code, 0);
  EXPECT_FALSE(RunTillpack({"--version"}).out.empty());
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {}, {"release"}, {"nonsense"}, {"delta", "--from"}, {"apply", "--payload", "x"}}) {
    const ToolRun run = RunTillpack(arguments);
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_NE(run.errors.find("error T10"), std::string::npos) << run.errors;
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(LimitGrowth, LeavesNoMoreMemoryThanItSays) {
  const pid_t child = fork();
  if (child == 0) {
    if (!LimitGrowth(4 << 20)) _exit(2);
    const bool small_fits = malloc(1 << 20) != nullptr;
    const bool large_fits = malloc(8 << 20) != nullptr;
    _exit(small_fits && !large_fits ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}
#endif

}  // namespace
}  // namespace till::packer
