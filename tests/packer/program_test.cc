// tillpack as it is run: exit codes, the same bytes whatever surrounds it, proof under a limit of the kernel.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "core/crypto/hash.h"
#include "core/json/json.h"
#include "delta/format/slot_table.h"
#include "packer/bounded_apply.h"
#include "packer/payload_cost.h"
#include "packer/release_record.h"
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

json::Value LastEvent(const ToolRun& run) {
  const size_t end = run.out.find_last_of('\n');
  const size_t start = end == std::string::npos ? 0 : run.out.find_last_of('\n', end - 1) + 1;
  const Result<json::Value> event = json::Parse(run.out.substr(start, end - start));
  return event.ok() ? *event : json::Value();
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

TEST(TillpackProgram, RefusesImagesThatAreTooLongBeforeItReadsThem) {
  const Scratch scratch;
  scratch.Write("small", Noise(1, 5000));
  scratch.Write("huge", {});
  std::filesystem::resize_file(scratch.Path("huge"), uint64_t{5} << 30);  // holes alone
  for (const auto& [from, to] : {std::pair("small", "huge"), std::pair("huge", "small")}) {
    const ToolRun run =
        RunTillpack({"delta", "--from", scratch.Path(from), "--to", scratch.Path(to), "-o", scratch.Path("delta")});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_NE(run.errors.find("huge"), std::string::npos) << run.errors;
    EXPECT_FALSE(std::filesystem::exists(scratch.Path("delta")));
  }
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

TEST(TillpackProgram, WritesAFactorySlotWhoseTableFindsAFlippedBit) {
  const Scratch scratch;
  Furnish(scratch, "p");
  const std::string slot = scratch.Path("slot.bin");
  const std::vector<std::string> command = {"factory", scratch.Path("p/out/1.0.0"), "--slot-size", "512KiB", "-o",
                                            slot};
  const ToolRun run = RunTillpack(command);
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  Bytes bytes = ReadBinaryFile(slot, 1 << 20).value();
  ASSERT_EQ(bytes.size(), 512u << 10);
  const Result<delta::SlotTable> table = delta::SlotTable::Decode(ByteView(bytes).subspan(448 << 10));
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->image_bytes, 300'000u);
  EXPECT_EQ(json::Parse(table->entry).value()["sha256"].AsString(), ToHex(table->image_sha256));
  EXPECT_TRUE(table->Matches(1, ByteView(bytes).subspan(65536, 65536)));
  bytes[70'000] ^= std::byte{1};
  EXPECT_FALSE(table->Matches(1, ByteView(bytes).subspan(65536, 65536)));
  EXPECT_EQ(RunTillpack({"factory", scratch.Path("p/out/1.0.0"), "--slot-size", "320KiB", "-o", slot}).exit_code, 4);
  EXPECT_EQ(RunTillpack({"factory", scratch.Path("p/out/1.0.0"), "--slot-size", "500001", "-o", slot}).exit_code, 2);
}

TEST(SlotTable, IsRefusedWhenAnyByteOfItChanged) {
  const Bytes image = Noise(1, 200'000);
  MemorySource source(image);
  delta::SlotTable table = delta::SlotTable::Of(source, image.size()).value();
  table.entry = "{}";
  const Bytes good = table.Encode();
  ASSERT_TRUE(delta::SlotTable::Decode(good).ok());
  for (size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{1};
    EXPECT_FALSE(delta::SlotTable::Decode(bad).ok()) << at;
    EXPECT_FALSE(delta::SlotTable::Decode(ByteView(good).first(at)).ok()) << at;
  }
}

TEST(TillpackProgram, MakesAndSimulatesTheTierForUnknownBases) {
  const Scratch scratch;
  Furnish(scratch, "p");
  const std::string config =
      scratch.Write("p/tillrace.toml", AsBytes(std::string(kConfig) + "[delta]\nchunks = true\n"));
  ASSERT_EQ(RunTillpack({"release", "--config", config, "--version", "1.1.0"}).exit_code, 0);
  EXPECT_EQ(RunTillpack({"verify", scratch.Path("p/out/1.1.0"), "--apply-all"}).exit_code, 0);
  const ToolRun run = RunTillpack({"--json", "simulate", "--config", config, "--fleet", "1.0.0=10"});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  const json::Value event = LastEvent(run);
  ASSERT_EQ(event["groups"].items().size(), 1u);
  EXPECT_EQ(event["groups"].items()[0]["ways"].items().size(), 3u);
  const std::vector<json::Value>& policies = event["policies"].items();
  ASSERT_EQ(policies.size(), 4u);
  EXPECT_GT(policies[0]["bytes"].AsInteger(), 10 * 290'000);
  EXPECT_LT(policies[1]["bytes"].AsInteger(), policies[0]["bytes"].AsInteger()) << "chunks beat full";
  EXPECT_LT(policies[2]["bytes"].AsInteger(), policies[1]["bytes"].AsInteger()) << "a delta beats chunks";
  EXPECT_EQ(RunTillpack({"simulate", "--config", config, "--fleet", "1.0.0"}).exit_code, 2);
  EXPECT_EQ(RunTillpack({"simulate", "--config", config, "--fleet", "1.0.0=10,9=92"}).exit_code, 2);
  EXPECT_EQ(RunTillpack({"simulate", "--config", config, "--version", "9"}).exit_code, 1);

  const std::string object = scratch.Path("p/out/1.1.0/rootfs.chunks.till"), rebuilt = scratch.Path("rebuilt");
  const ToolRun applied = RunTillpack(
      {"--json", "chunks", "apply", "--from", scratch.Path("p/old.image"), "--chunks", object, "-o", rebuilt});
  ASSERT_EQ(applied.exit_code, 0) << applied.errors;
  EXPECT_LT(LastEvent(applied)["missing_bytes"].AsInteger(), 60'000);
  EXPECT_EQ(*ReadBinaryFile(rebuilt, 1 << 20), *ReadBinaryFile(scratch.Path("p/new.image"), 1 << 20));
}

TEST(TillpackProgram, ExplainsEveryByteOfADelta) {
  const Scratch scratch;
  Furnish(scratch, "p");
  ASSERT_EQ(RunTillpack({"release", "--config", scratch.Path("p/tillrace.toml"), "--version", "1.1.0"}).exit_code, 0);
  const ReleaseRecord release = ReadReleaseRecord(scratch.Path("p/out/1.1.0")).value();
  const PayloadRecord& delta = release.components[0].payloads.at(1);
  const std::string path = scratch.Path("p/out/1.1.0/" + delta.file), page = scratch.Path("cost.html");
  const ToolRun run = RunTillpack({"--json", "explain", path, "--html", page});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  int64_t sum = 0;
  const json::Value told = LastEvent(run);
  for (const auto& [cause, bytes] : told["causes"].members()) sum += bytes.AsInteger();
  EXPECT_EQ(sum, static_cast<int64_t>(delta.length));
  const std::string html = ReadTextFile(page).value();
  for (const char* outside : {"http:", "https:", "src=", "href=", "url("})
    EXPECT_EQ(html.find(outside), std::string::npos) << "the page needs no network: " << outside;
  EXPECT_EQ(RunTillpack({"explain", path, "--from", scratch.Path("p/new.image")}).exit_code, 3) << "another base";
  EXPECT_EQ(RunTillpack({"explain", scratch.Path("p/out/1.1.0/rootfs.full.till")}).exit_code, 2);
}

TEST(CostPage, KeepsAPathOutOfTheScript) {
  PayloadCost cost;
  cost.payload_bytes = 10;
  cost.files.push_back({"/</script><script>alert(1)", Cause::kCode, 10, 10});
  const std::string page = CostPage(cost, "<b>");
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<b>"), std::string::npos);
}

TEST(TillpackProgram, HoldsAChangeToItsBudget) {
  const Scratch scratch;
  Furnish(scratch, "p");
  const auto gate = [&](const std::string& max, const std::string& base, const std::string& image) {
    return RunTillpack({"--json", "diff-budget", "--config", scratch.Path("p/tillrace.toml"), "--max", max, "--base",
                        base, "--image", "rootfs=" + scratch.Path(image)});
  };
  scratch.Write("strange.image", Noise(9, 300'000));
  const ToolRun within = gate("20KiB", "1.0.0", "p/new.image");
  EXPECT_EQ(within.exit_code, 0) << within.errors;
  EXPECT_EQ(LastEvent(within)["verdict"].AsString(), "within");
  EXPECT_EQ(gate("20KiB", scratch.Path("p/old.image"), "p/new.image").exit_code, 0) << "a file as base";
  EXPECT_EQ(gate("100", "1.0.0", "p/new.image").exit_code, 4);
  EXPECT_EQ(gate("1MiB", "1.0.0", "strange.image").exit_code, 5);
  EXPECT_EQ(gate("1MiB", "0.0.1", "p/new.image").exit_code, 2);
  EXPECT_EQ(gate("1MiB", "1.0.0", "missing").exit_code, 1);
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
