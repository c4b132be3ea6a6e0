// Images that were damaged or made to hurt: opening them answers plain bytes, in little time and memory.
#include <gtest/gtest.h>

#include <random>

#include "delta/container/expanded_image.h"
#include "tests/delta/container/made_images.h"
#include "tests/delta/craft.h"

namespace till::delta {
namespace {

using namespace testing;

void PutU32(Bytes& image, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) image[at + i] = static_cast<std::byte>(value >> 8 * i);
}

void PutU64(Bytes& image, size_t at, uint64_t value) {
  PutU32(image, at, static_cast<uint32_t>(value));
  PutU32(image, at + 4, static_cast<uint32_t>(value >> 32));
}

// Opens it, decodes all of it, and checks what every reader of an ExpandedImage relies on.
void ExpectSound(const Bytes& bytes) {
  ExpandedImage image = ExpandedImage::Open(bytes);
  uint64_t end = 0;
  for (uint32_t i = 0; i < image.blocks().size(); ++i) {
    const CodedBlock& block = image.blocks()[i];
    ASSERT_GE(block.offset, end);
    ASSERT_GT(block.coded_bytes, 0u);
    end = block.offset + block.coded_bytes;
    ASSERT_LE(end, bytes.size());
    ASSERT_LE(image.Plain(i).size(), kMaxBlockPlainBytes);
    image.Forget(i);
  }
  for (const ContainedFile& file : image.files()) {
    for (const Extent& extent : file.extents) {
      if (extent.kind == Extent::Kind::kBlock) {
        ASSERT_LT(extent.block, image.blocks().size());
        ASSERT_LE(extent.offset + extent.length, kMaxBlockPlainBytes);
      } else if (extent.kind == Extent::Kind::kRaw) {
        ASSERT_LE(extent.offset, bytes.size());
        ASSERT_LE(extent.length, bytes.size() - extent.offset);
      }
    }
  }
}

const Bytes& Honest() {
  static const Bytes image = MakeSquashfs(RandomTree(1), "-comp gzip -b 65536");
  return image;
}

constexpr size_t kInodeTable = 64, kDirectoryTable = 72, kFragmentTable = 80, kIdTable = 48, kBytesUsed = 40;

TEST(HostileSquashfs, CutAnywhereIsPlainBytes) {
  std::mt19937 dice(1);
  for (unsigned i = 0; i < 60; ++i) {
    const size_t length = dice() % Honest().size();
    ExpectSound(Bytes(Honest().begin(), Honest().begin() + static_cast<ptrdiff_t>(length)));
    Bytes lying(Honest().begin(), Honest().begin() + static_cast<ptrdiff_t>(std::max<size_t>(length, 96)));
    PutU64(lying, kBytesUsed, lying.size());
    ExpectSound(lying);
  }
}

TEST(HostileSquashfs, WithTablesAnywhereStaysSound) {
  std::mt19937_64 dice(2);
  for (const size_t table : {kInodeTable, kDirectoryTable, kFragmentTable, kIdTable, size_t{56}, size_t{88}}) {
    for (const uint64_t place : {uint64_t{0}, uint64_t{95}, uint64_t{96}, Honest().size() - 3, ~uint64_t{0},
                                 ~uint64_t{0} - 7, dice() % Honest().size(), dice() % Honest().size()}) {
      Bytes image = Honest();
      PutU64(image, table, place);
      ExpectSound(image);
    }
  }
}

TEST(HostileSquashfs, WithFlippedBytesStaysSound) {
  std::mt19937 dice(3);
  const size_t tables = Honest().size() - 4000;
  for (unsigned i = 0; i < 200; ++i) {
    Bytes image = Honest();
    for (unsigned n = 0; n < 1 + i % 8; ++n) {
      const size_t at = i % 3 == 0 ? dice() % 96 : tables + dice() % (image.size() - tables);
      image[at] = static_cast<std::byte>(dice());
    }
    ExpectSound(image);
  }
}

// Tables that are not compressed, so that a flipped byte reaches the parser and not only the decoder.
TEST(HostileSquashfs, WithFlippedBytesInStoredTablesStaysSound) {
  const Bytes honest = MakeSquashfs(RandomTree(2), "-comp xz -noI -noId -b 65536 -noF");
  std::mt19937 dice(4);
  const size_t tables = honest.size() - 8192;
  for (unsigned i = 0; i < 150; ++i) {
    Bytes image = honest;
    for (unsigned n = 0; n < 1 + i % 20; ++n) image[tables + dice() % 8192] = static_cast<std::byte>(dice());
    ExpectSound(image);
  }
}

TEST(HostileSquashfs, WithAbsurdCountsStaysSound) {
  for (const size_t field : {size_t{4}, size_t{12}, size_t{16}}) {
    for (const uint32_t value : {0u, 1u, 0x7fffffffu, 0xffffffffu}) {
      Bytes image = Honest();
      PutU32(image, field, value);
      ExpectSound(image);
    }
  }
}

// Every directory lists what the root lists: itself, again and again.
TEST(HostileSquashfs, WithDirectoriesInARingIsWalkedOnce) {
  Bytes image = MakeSquashfs(RandomTree(3), "-comp gzip -noI");
  const auto u64_at = [&](size_t at) { return ByteReader(ByteView(image).subspan(at)).U64().value(); };
  constexpr size_t kRootInode = 32, kDirectoryInode = 1, kListingAt = 16, kListingBytes = 12, kInodeBytes = 32;
  const uint64_t root_inode = u64_at(kRootInode);
  const size_t table = u64_at(kInodeTable);
  const size_t root = table + (root_inode >> 16) + 2 + (root_inode & 0xffff);
  const size_t end = u64_at(kDirectoryTable);
  ASSERT_EQ(static_cast<size_t>(image[root]), kDirectoryInode);
  const Bytes listing(image.begin() + static_cast<ptrdiff_t>(root + kListingAt),
                      image.begin() + static_cast<ptrdiff_t>(root + kListingAt + kListingBytes));
  size_t rings = 0;
  for (size_t at = table + 2; at + kInodeBytes <= end; at += 4) {
    const bool looks_like_one =
        image[at] == std::byte{kDirectoryInode} && image[at + 1] == std::byte{0} &&
        std::equal(image.begin() + static_cast<ptrdiff_t>(at + 8), image.begin() + static_cast<ptrdiff_t>(at + 12),
                   image.begin() + static_cast<ptrdiff_t>(root + 8));  // the same time
    if (!looks_like_one || at == root) continue;
    std::copy(listing.begin(), listing.end(), image.begin() + static_cast<ptrdiff_t>(at + kListingAt));
    ++rings;
  }
  EXPECT_GT(rings, 0u);
  ExpectSound(image);
  EXPECT_FALSE(ExpandedImage::Open(image).blocks().empty()) << "data blocks need no directory";
}

TEST(HostileSquashfs, BombsDoNotInflateBeyondABlock) {
  // Zeros compress 1000 to 1; a block may still not be longer than the image says its blocks are.
  const Bytes image = MakeSquashfs({{"/zeros", Bytes(20 << 20, std::byte{1})}}, "-comp gzip -b 1048576");
  ExpectSound(image);
  Bytes smaller = image;
  PutU32(smaller, 12, 4096);
  smaller[22] = std::byte{12};
  ExpectSound(smaller);
}

TEST(HostileImages, WithoutAnyContainerAreOneGap) {
  for (const Bytes& bytes : {Bytes{}, Bytes{std::byte{'h'}}, Noise(1000, 1), Text("hsqs"), Bytes(5000, std::byte{0})}) {
    ExpandedImage image = ExpandedImage::Open(bytes);
    EXPECT_TRUE(image.blocks().empty());
    MemorySink out(1 << 20);
    EXPECT_TRUE(WriteExpanded(image, out).ok());
    EXPECT_EQ(out.bytes(), bytes);
  }
}

TEST(HostileImages, FullOfSignaturesAreSearchedInBoundedTime) {
  Bytes image;
  while (image.size() < 4 << 20) {
    const Bytes text = Text("hsqs\x1f\x8b\x08\xd0\x0d\xfe\xed");
    image.insert(image.end(), text.begin(), text.end());
  }
  ExpectSound(image);
}

}  // namespace
}  // namespace till::delta
