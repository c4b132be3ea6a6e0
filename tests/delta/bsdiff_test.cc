// The trade's own patches: ours through Debian's bspatch, Debian's bsdiff through ours, hostile ones through neither.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>

#include "core/file.h"
#include "delta/bsdiff/bsdiff40.h"
#include "delta/bsdiff/bzip2.h"
#include "tests/delta/craft.h"
#include "tests/delta/random_pairs.h"

namespace till::delta {
namespace {

using namespace testing;

constexpr uint64_t kMaxTarget = 8 << 20;

class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "till-bsdiff-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  void Put(const char* name, ByteView bytes) const { ASSERT_TRUE(WriteFileAtomically(path_ + "/" + name, bytes).ok()); }
  Bytes Get(const char* name) const { return ReadBinaryFile(path_ + "/" + name, 64 << 20).value(); }
  int Run(const std::string& command) const {
    // tidy: allow(system) the real bsdiff and bspatch
    return std::system(("cd " + path_ + " && " + command + " 2>/dev/null").c_str());
  }

 private:
  std::string path_;
};

struct Patched {
  Status status;
  Bytes target;
};

Patched Patch(ByteView base, ByteView patch, uint64_t max_target_bytes = kMaxTarget) {
  MemorySource base_source(base);
  MemorySource patch_source(patch);
  MemorySink sink(max_target_bytes);
  Patched patched{ApplyBsdiff40(base_source, patch_source, max_target_bytes, sink), {}};
  patched.target = sink.bytes();
  return patched;
}

std::vector<Pair> Pairs() {
  std::vector<Pair> pairs;
  for (uint64_t seed = 0; seed < 12; ++seed) pairs.push_back(RandomPair(seed, seed % 4 == 0 ? 300'000 : 20'000));
  pairs.push_back({Noise(5'000, 1), {}});
  pairs.push_back({{}, Noise(5'000, 2)});
  pairs.push_back({Noise(5'000, 3), Noise(5'000, 3)});
  pairs.push_back({Noise(90'000, 4), Noise(90'000, 5)});
  // The end of the base at the start of the target, and back.
  Pair turned{Noise(200'000, 6), {}};
  turned.target.assign(turned.base.begin() + 150'000, turned.base.end());
  turned.target.insert(turned.target.end(), turned.base.begin(), turned.base.begin() + 150'000);
  pairs.push_back(turned);
  return pairs;
}

TEST(Bsdiff40, OursIsAppliedByDebiansBspatch) {
  const Folder folder;
  int number = 0;
  for (const Pair& pair : Pairs()) {
    SCOPED_TRACE(number++);
    const Bytes patch = MakeBsdiff40(pair.base, pair.target, {}).value();
    folder.Put("old", pair.base);
    folder.Put("patch", patch);
    ASSERT_EQ(folder.Run("rm -f new; bspatch old new patch"), 0);
    EXPECT_EQ(folder.Get("new"), pair.target);
    const Patched ours = Patch(pair.base, patch);
    ASSERT_TRUE(ours.status.ok()) << ours.status.error().what;
    EXPECT_EQ(ours.target, pair.target);
  }
}

TEST(Bsdiff40, DebiansBsdiffIsAppliedByUs) {
  const Folder folder;
  int number = 0;
  for (const Pair& pair : Pairs()) {
    SCOPED_TRACE(number++);
    if (pair.base.empty() || pair.target.empty()) continue;  // Debian's bsdiff takes neither
    folder.Put("old", pair.base);
    folder.Put("new", pair.target);
    ASSERT_EQ(folder.Run("bsdiff old new patch"), 0);
    const Bytes theirs = folder.Get("patch");
    const Patched patched = Patch(pair.base, theirs);
    ASSERT_TRUE(patched.status.ok()) << patched.status.error().what;
    EXPECT_EQ(patched.target, pair.target);
    EXPECT_LE(MakeBsdiff40(pair.base, pair.target, {}).value().size(), theirs.size() * 11 / 10 + 200);
  }
}

TEST(Bsdiff40, RefusesTruncationAndDamageWithoutACrash) {
  const Pair pair = RandomPair(3, 20'000);
  const Bytes patch = MakeBsdiff40(pair.base, pair.target, {}).value();
  for (size_t length = 0; length < patch.size(); length += length < 64 ? 1 : 37) {
    const Patched cut = Patch(pair.base, ByteView(patch).first(length));
    EXPECT_FALSE(cut.status.ok() && cut.target == pair.target) << length;
  }
  size_t refused = 0;
  for (size_t at = 0; at < patch.size(); at += at < 64 ? 1 : 11) {
    Bytes damaged = patch;
    damaged[at] ^= std::byte{0x20};
    const Patched bad = Patch(pair.base, damaged);
    // Bits behind a stream's end mean nothing; every other is told by its checksum.
    EXPECT_TRUE(!bad.status.ok() || bad.target == pair.target) << at;
    refused += bad.status.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 64u);
}

Bytes Crafted(const std::vector<int64_t>& numbers, uint64_t target_bytes, ByteView diff = {}, ByteView extra = {}) {
  ByteWriter control;
  for (const int64_t number : numbers) {
    control.U64(number < 0 ? uint64_t{1} << 63 | static_cast<uint64_t>(-number) : static_cast<uint64_t>(number));
  }
  ByteWriter patch;
  patch.Append(AsBytes("BSDIFF40"));
  const Bytes parts[] = {EncodeBzip2(control.bytes()).value(), EncodeBzip2(diff).value(), EncodeBzip2(extra).value()};
  for (const uint64_t value : {uint64_t{parts[0].size()}, uint64_t{parts[1].size()}, target_bytes}) patch.U64(value);
  for (const Bytes& part : parts) patch.Append(part);
  return std::move(patch).Take();
}

TEST(Bsdiff40, RefusesHostilePatches) {
  const Bytes base = Noise(1'000, 9);
  const Bytes ten(10, std::byte{1});
  constexpr int64_t kMost = INT64_MAX;
  const struct {
    const char* what;
    Bytes patch;
    ErrorCode code;
  } rows[] = {
      {"a target without end", Crafted({10, 0, 0}, uint64_t{1} << 50, ten), ErrorCode::kLimit},
      {"a negative target", Crafted({10, 0, 0}, ~uint64_t{0}, ten), ErrorCode::kCorrupt},
      {"a negative diff", Crafted({-10, 20, 0}, 10, ten, ten), ErrorCode::kCorrupt},
      {"a negative extra", Crafted({10, -5, 0}, 10, ten), ErrorCode::kCorrupt},
      {"a diff beyond the target", Crafted({11, 0, 0}, 10, Bytes(11)), ErrorCode::kCorrupt},
      {"an extra beyond the target", Crafted({5, 6, 0}, 10, ten, ten), ErrorCode::kCorrupt},
      {"a diff that is too short", Crafted({20, 0, 0}, 20, ten), ErrorCode::kCorrupt},
      {"no control at all", Crafted({}, 10, ten), ErrorCode::kCorrupt},
      {"a position past all numbers", Crafted({1, 0, kMost, 1, 0, kMost, 8, 0, 0}, 10, ten), ErrorCode::kCorrupt},
      {"entries that make nothing", Crafted(std::vector<int64_t>(3'000'000), 10, ten), ErrorCode::kCorrupt},
      {"more diff than is taken", Crafted({5, 0, 0}, 5, ten), ErrorCode::kCorrupt},
      {"another file", Noise(500, 3), ErrorCode::kUnsupported},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    const Patched refused = Patch(base, row.patch);
    ASSERT_FALSE(refused.status.ok());
    EXPECT_EQ(refused.status.error().code, row.code) << refused.status.error().what;
  }
  // Outside the base nothing is added: the rule of bspatch, which its patches rely on.
  const Patched outside = Patch(base, Crafted({0, 0, -5, 10, 0, 0}, 10, ten));
  ASSERT_TRUE(outside.status.ok());
  EXPECT_EQ(outside.target[4], std::byte{1});
  EXPECT_EQ(outside.target[5], static_cast<std::byte>(static_cast<uint8_t>(base[0]) + 1));
}

}  // namespace
}  // namespace till::delta
