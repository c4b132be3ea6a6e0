// till-apply as a process: what a script sees, and what it takes of memory.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/file.h"
#include "core/text.h"
#include "tests/delta/craft.h"

namespace till::delta {
namespace {

using namespace testing;

struct Outcome {
  int status;
  std::string output;
};

class ApplyProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/till-apply-test-XXXXXX";
    folder_ = mkdtemp(pattern);
    Craft craft = ThreeFrames();
    payload_ = craft.File();
    Put("base", craft.base());
    Put("payload", payload_);
    target_ = craft.target();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Put(const std::string& name, const Bytes& bytes) {
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/" + name, bytes).ok());
  }
  // Arguments come from this file only; `first` is put before the program.
  Outcome Run(const std::string& arguments, const std::string& first = "") const {
    const std::string command =
        "cd " + folder_ + " && " + first + "exec " TILL_BIN_DIR "/till-apply " + arguments + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    Outcome outcome{-1, ""};
    char buffer[512];
    while (const size_t got = fread(buffer, 1, sizeof buffer, pipe)) outcome.output.append(buffer, got);
    outcome.status = WEXITSTATUS(pclose(pipe));
    return outcome;
  }
  void ExpectRefused(const Outcome& outcome, int status, const char* code) const {
    EXPECT_EQ(outcome.status, status) << outcome.output;
    EXPECT_NE(outcome.output.find(code), std::string::npos) << outcome.output;
    EXPECT_FALSE(FileExists(folder_ + "/out"));
    EXPECT_FALSE(FileExists(folder_ + "/out.unfinished"));
  }

  std::string folder_;
  Bytes payload_;
  Bytes target_;
};

constexpr char kGood[] = "--base base --payload payload --out out";

TEST_F(ApplyProgram, RebuildsTheImageAndSaysItsHash) {
  const Outcome outcome = Run(std::string(kGood) + " --json");
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(ReadBinaryFile(folder_ + "/out", 1 << 20).value(), target_);
  EXPECT_NE(outcome.output.find(ToHex(crypto::Sha256Of(target_))), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("\"peak_rss_kib\":"), std::string::npos);
}

TEST_F(ApplyProgram, LeavesNothingBehindWhenItRefuses) {
  Bytes bad = payload_;
  bad[bad.size() / 2] ^= std::byte{1};
  Put("flipped", bad);
  Put("cut", Bytes(payload_.begin(), payload_.end() - 1));
  bad = payload_;
  bad.push_back(std::byte{0});
  Put("longer", bad);
  Bytes body(BodyOf(payload_).begin(), BodyOf(payload_).end());
  body[10] = std::byte{9};
  Put("newer", SignBody(body));
  body[10] = std::byte{1};
  body[88] ^= std::byte{1};
  Put("other-target", SignBody(body));
  ExpectRefused(Run("--base payload --payload payload --out out"), 3, "T1021");
  ExpectRefused(Run("--payload payload --out out"), 3, "T1021");
  ExpectRefused(Run("--base base --payload flipped --out out"), 3, "T1022");
  ExpectRefused(Run("--base base --payload cut --out out"), 3, "T1022");
  ExpectRefused(Run("--base base --payload longer --out out"), 3, "T1022");
  ExpectRefused(Run("--base base --payload other-target --out out"), 3, "T1022");
  ExpectRefused(Run("--base base --payload base --out out"), 3, "T1022");
  ExpectRefused(Run("--base base --payload newer --out out"), 3, "T1023");
  ExpectRefused(Run(std::string(kGood) + " --max-memory 100KiB"), 4, "T1024");
  ExpectRefused(Run("--base base --payload payload --out missing/out"), 1, "T1025");
  ExpectRefused(Run("--base missing --payload payload --out out"), 1, "T1026");
}

TEST_F(ApplyProgram, AsksForWhatIsMissing) {
  EXPECT_EQ(Run("--payload payload").status, 2);
  EXPECT_EQ(Run("--bogus").status, 2);
  EXPECT_EQ(Run(std::string(kGood) + " --max-memory lots").status, 2);
  EXPECT_EQ(Run(std::string(kGood) + " surplus").status, 2);
  EXPECT_EQ(Run("--help").status, 0);
}

TEST_F(ApplyProgram, KeepsAnOlderImageWhenItFails) {
  Put("out", Text("older"));
  EXPECT_EQ(Run("--base payload --payload payload --out out").status, 3);
  EXPECT_EQ(ReadBinaryFile(folder_ + "/out", 100).value(), Text("older"));
}

// The whole process lives in less address space than the image is long, and its heap is the arena.
TEST_F(ApplyProgram, TakesNoMoreMemoryForAnImageOf48MiB) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__mips__)
  GTEST_SKIP() << "the sanitizer's or emulator's own memory would be counted";
#endif
  constexpr size_t kBytes = 48 << 20;
  const Bytes base = Noise(kBytes, 9);
  Bytes target(base.begin() + kBytes / 2, base.end());
  target.insert(target.end(), base.begin(), base.begin() + kBytes / 2);
  Craft craft(base, target);
  craft.AddFrame({{OpKind::kCopy, kBytes / 2, kBytes / 2}});
  craft.AddFrame({{OpKind::kDiff, 1 << 16, 0}, {OpKind::kCopy, kBytes / 2 - (1 << 16), 1 << 16}});
  Put("large-base", base);
  Put("large-payload", craft.File());
  const std::string arguments = "--base large-base --payload large-payload --out large --json";
  const Outcome outcome = Run(arguments, "ulimit -v 32768 && ");
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(ReadBinaryFile(folder_ + "/large", kBytes).value(), target);
  const size_t at = outcome.output.find("\"peak_rss_kib\":");
  ASSERT_NE(at, std::string::npos);
  const std::string number = outcome.output.substr(at + 15, outcome.output.find('}') - at - 15);
  const uint64_t peak_kib = ParseUint(number).value();
  EXPECT_GT(peak_kib, 500u) << outcome.output;
  EXPECT_LT(peak_kib, 10'000u) << outcome.output;
}

}  // namespace
}  // namespace till::delta
