// Images of the real mksquashfs, opened: every file as unsquashfs unpacks it, every byte of the image accounted for.
#include <gtest/gtest.h>

#include "delta/container/expanded_image.h"
#include "delta/container/recode_search.h"
#include "tests/delta/container/made_images.h"
#include "tests/delta/craft.h"

namespace till::delta {
namespace {

using namespace testing;

constexpr uint64_t kPlenty = 256 << 20;

Bytes ContentOf(ExpandedImage& image, const ContainedFile& file) {
  Bytes content;
  for (const Extent& extent : file.extents) {
    if (extent.kind == Extent::Kind::kHole) {
      content.resize(content.size() + extent.length);
      continue;
    }
    const ByteView from = extent.kind == Extent::Kind::kRaw ? image.image() : image.Plain(extent.block);
    const ByteView bytes = from.subspan(extent.offset, extent.length);
    content.insert(content.end(), bytes.begin(), bytes.end());
  }
  return content;
}

void ExpectFilesAsUnsquashed(const Bytes& bytes) {
  ExpandedImage image = ExpandedImage::Open(bytes);
  Tree seen;
  for (const ContainedFile& file : image.files()) {
    if (file.path.starts_with(':')) continue;
    seen[file.path] = ContentOf(image, file);
    for (const std::string& alias : file.aliases) seen[alias] = seen[file.path];
  }
  Tree expected = Unsquash(bytes);
  std::erase_if(expected, [](const auto& file) { return file.second.empty(); });
  EXPECT_EQ(seen.size(), expected.size());
  for (const auto& [path, content] : expected) EXPECT_EQ(seen[path], content) << path;
}

constexpr const char* kFlavours[] = {
    "-comp xz -b 262144",   "-comp xz -b 65536 -Xbcj x86",
    "-comp gzip -b 131072", "-comp zstd -b 131072",
    "-comp lz4 -b 65536",   "-comp lz4 -Xhc",
    "-comp gzip -noI -noD", "-comp xz -no-fragments -nopad",
    "-comp xz -noF",        "-comp gzip -always-use-fragments -no-exports -no-duplicates"};

TEST(Squashfs, HoldsTheFilesThatUnsquashfsUnpacks) {
  for (const char* flavour : kFlavours) {
    SCOPED_TRACE(flavour);
    ExpectFilesAsUnsquashed(MakeSquashfs(RandomTree(1), flavour));
  }
}

TEST(Squashfs, OpensEveryBlockAndEveryTable) {
  for (const char* flavour : {"-comp xz -b 262144", "-comp gzip", "-comp zstd", "-comp lz4"}) {
    SCOPED_TRACE(flavour);
    const Bytes bytes = MakeSquashfs(RandomTree(2), flavour);
    ExpandedImage image = ExpandedImage::Open(bytes);
    uint64_t coded_bytes = 0;
    for (uint32_t i = 0; i < image.blocks().size(); ++i) {
      EXPECT_FALSE(image.Plain(i).empty()) << i;
      coded_bytes += image.blocks()[i].coded_bytes;
    }
    // What stays raw: superblock, lengths of metadata blocks, indexes, noise, padding to 4 KiB.
    EXPECT_GT(coded_bytes + 30'000 + 4096 + 1000, bytes.size());
  }
}

TEST(Squashfs, ExpandedIsTheImageWithPlainBytesInPlaceOfBlocks) {
  const Bytes bytes = MakeSquashfs(RandomTree(3), "-comp xz");
  ExpandedImage image = ExpandedImage::Open(bytes);
  MemorySink out(kPlenty);
  const Result<uint64_t> length = WriteExpanded(image, out);
  ASSERT_TRUE(length.ok());
  EXPECT_EQ(*length, out.bytes().size());
  uint64_t expected = bytes.size();
  for (uint32_t i = 0; i < image.blocks().size(); ++i) {
    expected += image.Plain(i).size();
    expected -= image.blocks()[i].coded_bytes;
  }
  EXPECT_EQ(*length, expected);
  // Fragments, data blocks and tables all lie in it whole.
  const std::string_view text = AsText(out.bytes());
  for (const auto& [path, content] : Unsquash(bytes)) {
    const ByteView start = ByteView(content).first(std::min<size_t>(content.size(), 4096));
    if (path == "/zeros") continue;  // a hole
    EXPECT_NE(text.find(AsText(start)), std::string_view::npos) << path;
    EXPECT_NE(text.find(path.substr(path.rfind('/') + 1)), std::string_view::npos) << path;
  }
}

TEST(Squashfs, LyingBehindOtherBytesIsFound) {
  const Bytes squashfs = MakeSquashfs(RandomTree(4), "-comp gzip");
  Bytes bytes = Noise(70'001, 5);
  bytes.insert(bytes.end(), squashfs.begin(), squashfs.end());
  ExpandedImage inner = ExpandedImage::Open(squashfs);
  ExpandedImage outer = ExpandedImage::Open(bytes);
  ASSERT_EQ(outer.blocks().size(), inner.blocks().size());
  ASSERT_EQ(outer.files().size(), inner.files().size());
  for (size_t i = 0; i < inner.files().size(); ++i) {
    EXPECT_EQ(ContentOf(outer, outer.files()[i]), ContentOf(inner, inner.files()[i]));
  }
}

TEST(RecodeSearch, MakesTheBlocksOfMksquashfsAgain) {
  for (const char* flavour : {"-comp xz -b 262144", "-comp xz -b 65536 -Xdict-size 100% -Xbcj arm", "-comp gzip",
                              "-comp gzip -Xcompression-level 6 -Xwindow-size 12", "-comp zstd",
                              "-comp zstd -Xcompression-level 19", "-comp lz4", "-comp lz4 -Xhc"}) {
    SCOPED_TRACE(flavour);
    const Bytes bytes = MakeSquashfs(RandomTree(6), flavour);
    ExpandedImage image = ExpandedImage::Open(bytes);
    size_t made = 0;
    for (uint32_t i = 0; i < image.blocks().size(); ++i) {
      const std::vector<Recode> candidates = RecodeCandidates(image.blocks()[i], image.Coded(i));
      made += std::any_of(candidates.begin(), candidates.end(), [&](const Recode& candidate) {
        return TryRecode(candidate, image.Plain(i), image.Coded(i)).has_value();
      });
    }
    EXPECT_EQ(made, image.blocks().size());
  }
}

}  // namespace
}  // namespace till::delta
