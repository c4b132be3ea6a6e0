// Deltas between real squashfs images: what the applier makes of them, what they cost, and that they are always the
// same. The inputs of issue 3's list that are whole images stand here too.
#include <gtest/gtest.h>

#include <cstdio>

#include "delta/diff/diff.h"
#include "tests/delta/container/made_images.h"
#include "tests/delta/craft.h"

namespace till::delta {
namespace {

using namespace testing;

DeltaResult Delta(const Bytes& base, const Bytes& target, unsigned threads = 2) {
  DiffOptions options;
  options.threads = threads;
  Result<DeltaResult> made = MakeDeltaWithCounts(base, target, options);
  EXPECT_TRUE(made.ok()) << made.error().what;
  return std::move(made).value();
}

void ExpectRebuilds(const Bytes& base, const Bytes& target) {
  const Applied applied = ApplyFile(Delta(base, target).payload, base, 997);
  ASSERT_TRUE(applied.status.ok()) << applied.status.error().what;
  ASSERT_EQ(applied.target, target);
}

// covers D10
TEST(SquashfsDelta, RebuildsTheNextReleaseWhateverTheCompressor) {
  uint64_t seed = 0;
  for (const char* flavour :
       {"-comp xz -b 262144", "-comp xz -b 65536 -Xbcj x86", "-comp gzip -b 131072", "-comp zstd -b 131072",
        "-comp lz4 -Xhc", "-comp gzip -noI", "-comp xz -no-fragments -nopad", "-comp gzip -always-use-fragments"}) {
    SCOPED_TRACE(flavour);
    const Tree old_tree = RandomTree(++seed);
    const Bytes base = MakeSquashfs(old_tree, flavour);
    const Bytes target = MakeSquashfs(NextRelease(old_tree, seed), flavour);
    const DeltaResult delta = Delta(base, target);
    EXPECT_GT(delta.counts.remade_blocks, 0u);
    EXPECT_LE(delta.counts.base_decodes, delta.counts.remade_blocks * 2);
    EXPECT_LE(delta.header.arena_bytes, 6'815'744u);
    const Applied applied = ApplyFile(delta.payload, base);
    ASSERT_TRUE(applied.status.ok()) << applied.status.error().what;
    ASSERT_EQ(applied.target, target);
  }
}

// delta.md, "Bars", under the default profile: every payload is proven by an applier that has the arena it declares.
TEST(SquashfsDelta, KeepsTheArenaOfItsKindOfImage) {
  struct Case {
    const char* flavour;
    uint64_t max_arena_bytes;
    bool can_remake;
  };
  constexpr uint64_t kMib = 1 << 20;
  uint64_t seed = 40;
  for (const Case& c : {Case{"-comp xz -b 262144", 6'815'744, true}, Case{"-comp xz -b 131072", 4 * kMib, true},
                        Case{"-comp xz -b 65536", 4 * kMib, true}, Case{"-comp gzip -b 131072", 4 * kMib, true},
                        Case{"-comp gzip -b 262144", 4 * kMib, true}, Case{"-comp zstd -b 131072", 6'815'744, true},
                        Case{"-comp gzip -b 1048576", 6'815'744, true}, Case{"-comp xz -b 1048576", 6'815'744, false},
                        Case{"-comp gzip -noD -noF -noI", 2 * kMib, false}}) {
    SCOPED_TRACE(c.flavour);
    const Tree old_tree = RandomTree(++seed);
    const Bytes base = MakeSquashfs(old_tree, c.flavour);
    const DeltaResult delta = Delta(base, MakeSquashfs(NextRelease(old_tree, seed), c.flavour));
    EXPECT_LE(delta.header.arena_bytes, c.max_arena_bytes);
    if (!c.can_remake) continue;
    EXPECT_GT(delta.counts.remade_blocks, 0u);
    EXPECT_LE(delta.counts.base_decodes, delta.counts.remade_blocks * 12 / 10 + 1);
  }
}

// An image of small blocks beside one long stream: the long one must not take the small ones' memory away.
TEST(SquashfsDelta, LeavesOutBlocksThatAreTooLongForTheTerminal) {
  const Tree old_tree = RandomTree(60);
  Bytes base = MakeSquashfs(old_tree, "-comp xz -b 262144");
  Bytes target = MakeSquashfs(NextRelease(old_tree, 60), "-comp xz -b 262144");
  const Bytes long_blocks = MakeSquashfs(RandomTree(61), "-comp xz -b 1048576");
  const Bytes long_blocks_next = MakeSquashfs(NextRelease(RandomTree(61), 61), "-comp xz -b 1048576");
  base.insert(base.end(), long_blocks.begin(), long_blocks.end());
  target.insert(target.end(), long_blocks_next.begin(), long_blocks_next.end());
  const DeltaResult delta = Delta(base, target);
  EXPECT_GT(delta.counts.remade_blocks, 0u);
  EXPECT_LE(delta.header.arena_bytes, 6'815'744u);
  ExpectRebuilds(base, target);
}

TEST(SquashfsDelta, IsTheSameAtAnyNumberOfThreads) {
  const Tree tree = RandomTree(20);
  const Bytes base = MakeSquashfs(tree, "-comp xz");
  const Bytes target = MakeSquashfs(NextRelease(tree, 21), "-comp xz");
  const Bytes payload = Delta(base, target, 1).payload;
  EXPECT_EQ(Delta(base, target, 2).payload, payload);
  EXPECT_EQ(Delta(base, target, 5).payload, payload);
}

TEST(SquashfsDelta, OfARenamedFileCostsNextToNothing) {
  Tree tree = RandomTree(22);
  const Bytes base = MakeSquashfs(tree, "-comp xz");
  auto library = tree.extract("/usr/lib/libbig.so.1.2.3");
  library.key() = "/usr/lib/libbig.so.1.2.10";
  library.mapped()[1000] ^= std::byte{1};
  tree.insert(std::move(library));
  EXPECT_LT(Delta(base, MakeSquashfs(tree, "-comp xz")).payload.size(), 3'000u);
}

TEST(SquashfsDelta, FindsContentThatMovedToAFileOfAnotherName) {
  Tree tree = RandomTree(23);
  const Bytes base = MakeSquashfs(tree, "-comp gzip -no-duplicates");
  tree["/completely/different"] = tree["/usr/lib/libbig.so.1.2.3"];
  tree["/completely/different"][0] ^= std::byte{1};
  const DeltaResult delta = Delta(base, MakeSquashfs(tree, "-comp gzip -no-duplicates"));
  EXPECT_LT(delta.payload.size(), 6'000u);
}

TEST(SquashfsDelta, BetweenTwoCompressorsStillRebuilds) {
  const Tree tree = RandomTree(24);
  ExpectRebuilds(MakeSquashfs(tree, "-comp gzip"), MakeSquashfs(NextRelease(tree, 1), "-comp xz"));
  ExpectRebuilds(MakeSquashfs(tree, "-comp zstd -b 65536"), MakeSquashfs(NextRelease(tree, 2), "-comp lz4"));
}

TEST(SquashfsDelta, OfOddPairsRebuilds) {
  const Bytes image = MakeSquashfs(RandomTree(25), "-comp gzip");
  const Bytes other = MakeSquashfs(NextRelease(RandomTree(25), 3), "-comp gzip");
  ExpectRebuilds(image, image);
  ExpectRebuilds(other, image);
  ExpectRebuilds(image, {});
  ExpectRebuilds({}, image);
  ExpectRebuilds(Noise(10'000, 1), image);
  ExpectRebuilds(Delta(image, other).payload, Delta(other, image).payload);  // a delta of deltas
  Bytes cut(other.begin(), other.begin() + static_cast<ptrdiff_t>(other.size() / 2));
  ExpectRebuilds(image, cut);
  ExpectRebuilds(cut, image);
}

// A base whose blocks do not decode, a target whose encoder nobody knows: bytes against bytes.
TEST(SquashfsDelta, OfDamagedImagesRebuilds) {
  const Bytes base = MakeSquashfs(RandomTree(26), "-comp gzip");
  const Bytes target = MakeSquashfs(NextRelease(RandomTree(26), 4), "-comp gzip");
  for (size_t i = 1; i < 5; ++i) {
    Bytes broken_base = base;
    Bytes broken_target = target;
    broken_base[broken_base.size() * i / 7] ^= std::byte{1};
    broken_target[broken_target.size() * i / 6] ^= std::byte{1};
    ExpectRebuilds(broken_base, target);
    ExpectRebuilds(base, broken_target);
  }
}

// Stretches that the base has, in another order and cut anywhere, inside blocks that no terminal makes again.
TEST(SquashfsDelta, TakesFromTheBasesPackedBytesWhatIsNotMadeAgain) {
  Tree tree = RandomTree(70);
  const std::string hex = ToHex(Noise(550'000, 70));  // more than a block, and it packs
  const ByteView text = AsBytes(hex);
  tree["/var/database"] = Bytes(text.begin(), text.end());
  const Bytes base = MakeSquashfs(tree, "-comp xz -b 1048576");
  Tree next = tree;
  next["/var/database"][1'000'000] ^= std::byte{1};  // near the end of the block
  const Bytes target = MakeSquashfs(next, "-comp xz -b 1048576");
  const DeltaResult delta = Delta(base, target);
  EXPECT_EQ(delta.counts.remade_blocks, 0u);
  const Bytes peer = MakePlainDelta(base, target).value();
  EXPECT_LE(delta.payload.size(), peer.size() + peer.size() / 50);
  ExpectRebuilds(base, target);
}

// A block of the base stands in the target inside something that is not opened.
TEST(SquashfsDelta, TakesBlocksOfTheBaseForBytesOfTheTarget) {
  const Bytes image = MakeSquashfs(RandomTree(71), "-comp xz");
  Bytes behind = Noise(5'000, 71);
  behind.insert(behind.end(), image.begin() + 200, image.begin() + static_cast<ptrdiff_t>(image.size() / 2));
  EXPECT_LT(Delta(image, behind).payload.size(), 6'000u);
  ExpectRebuilds(image, behind);
}

TEST(SquashfsDelta, IsAsSmallInATarAsAlone) {
  const Tree tree = RandomTree(72);
  const auto wrapped = [](const Bytes& image) {
    // A tar of one member: header, content, two blocks of zeros.
    Bytes tar(512);
    const auto put = [&](size_t at, const std::string& text) {
      for (size_t i = 0; i < text.size(); ++i) tar[at + i] = static_cast<std::byte>(text[i]);
    };
    char length[13];
    std::snprintf(length, sizeof length, "%011zo", image.size());
    put(0, "sysupgrade/root");
    put(100, "0000644");
    put(124, length);
    put(148, "        ");
    put(156, "0");
    put(257, "ustar  ");
    unsigned sum = 0;
    for (const std::byte byte : tar) sum += static_cast<uint8_t>(byte);
    std::snprintf(length, sizeof length, "%06o", sum);
    put(148, length);
    tar.insert(tar.end(), image.begin(), image.end());
    tar.resize((tar.size() + 511) / 512 * 512 + 1024);
    return tar;
  };
  const Bytes base = MakeSquashfs(tree, "-comp xz");
  const Bytes target = MakeSquashfs(NextRelease(tree, 72), "-comp xz");
  const DeltaResult in_tar = Delta(wrapped(base), wrapped(target));
  EXPECT_GT(in_tar.counts.remade_blocks, 0u);
  EXPECT_LE(in_tar.payload.size(), Delta(base, target).payload.size() + 100);
  ExpectRebuilds(wrapped(base), wrapped(target));
}

}  // namespace
}  // namespace till::delta
