// Containers other than squashfs: single streams and archives, as the usual tools make them.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>

#include "core/file.h"
#include "delta/container/expanded_image.h"
#include "delta/container/scan.h"
#include "tests/delta/craft.h"

namespace till::delta {
namespace {

using namespace testing;

Bytes Words(size_t count) {
  Bytes bytes;
  for (size_t i = 0; bytes.size() < count; ++i) {
    const Bytes word = Noise(5, i % 177);
    bytes.insert(bytes.end(), word.begin(), word.end());
  }
  return bytes;
}

// What `command` (run in a folder that holds the file "in") writes to "out".
Bytes Made(const Bytes& in, const std::string& command) {
  std::string folder = std::filesystem::temp_directory_path() / "till-members-XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  EXPECT_TRUE(WriteFileAtomically(folder + "/in", in).ok());
  FILE* pipe = popen(("cd " + folder + " && (" + command + ") 2>&1").c_str(), "r");
  char buffer[256];
  while (fread(buffer, 1, sizeof buffer, pipe) > 0) {
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  Result<Bytes> out = ReadBinaryFile(folder + "/out", 16 << 20);
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(out.ok()) << command;
  return std::move(out).value();
}

TEST(Members, GzipIsOpenedWhereverItLies) {
  const Bytes plain = Words(100'000);
  const Bytes gzip = Made(plain, "gzip -9 < in > out");
  Bytes image = Noise(1003, 1);
  image.insert(image.end(), gzip.begin(), gzip.end());
  ExpandedImage opened = ExpandedImage::Open(image);
  ASSERT_EQ(opened.blocks().size(), 1u);
  const ByteView seen = opened.Plain(0);
  EXPECT_EQ(Bytes(seen.begin(), seen.end()), plain);
}

TEST(Members, LongStreamsStayPlain) {
  const Bytes gzip = Made(Words((1 << 20) + 1), "gzip < in > out");
  EXPECT_TRUE(ExpandedImage::Open(gzip).blocks().empty());
}

TEST(Members, XzWithoutSizesStaysPlain) {
  EXPECT_TRUE(ExpandedImage::Open(Made(Words(50'000), "xz -T1 < in > out")).blocks().empty());
}

TEST(Members, TarAndCpioTellTheirFiles) {
  const Bytes plain = Words(30'000);
  for (const char* command : {"mkdir d && cp in d/app && tar --format=ustar -cf out d",
                              "mkdir d && cp in d/app && tar --format=gnu -cf out d",
                              "mkdir d && cp in d/app && find d | cpio -o -H newc > out"}) {
    SCOPED_TRACE(command);
    const Bytes archive = Made(plain, command);
    const ExpandedImage opened = ExpandedImage::Open(archive);
    ASSERT_EQ(opened.files().size(), 1u);
    const ContainedFile& file = opened.files()[0];
    EXPECT_EQ(file.path, "/d/app");
    ASSERT_EQ(file.extents.size(), 1u);
    const ByteView content = opened.image().subspan(file.extents[0].offset, file.extents[0].length);
    EXPECT_EQ(Bytes(content.begin(), content.end()), plain);
  }
}

const ContainedFile* FileAt(const ExpandedImage& image, const std::string& path) {
  for (const ContainedFile& file : image.files()) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

Bytes ContentOf(ExpandedImage& image, const ContainedFile& file) {
  Bytes content;
  for (const Extent& extent : file.extents) {
    const ByteView from = extent.kind == Extent::Kind::kBlock ? image.Plain(extent.block) : image.image();
    const ByteView part = from.subspan(extent.offset, extent.length);
    content.insert(content.end(), part.begin(), part.end());
  }
  return content;
}

// Each row: how "in" gets into a container in a container, and under which path it is then.
TEST(Members, ContainersInContainersAreOpened) {
  const Bytes plain = Words(30'000);
  const struct {
    const char* what;
    const char* command;
    const char* path;
  } rows[] = {
      {"squashfs in tar", "mkdir s d && cp in s/app && mksquashfs s d/root -quiet -no-progress && tar -cf out d",
       "/d/root!/app"},
      {"squashfs in cpio in tar",
       "mkdir s c d && cp in s/app && mksquashfs s c/root -quiet -no-progress && (cd c && echo root | cpio -o -H newc "
       "> "
       "../d/archive) && tar -cf out d",
       "/d/archive!/root!/app"},
      {"tar in gzip", "mkdir d && cp in d/app && tar -cf - d | gzip > out", "/gzip!/d/app"},
      {"cpio in uImage",
       "echo in | cpio -o -H newc | gzip > c && mkimage -A mips -T ramdisk -C gzip -d c out > /dev/null",
       "/uimage!/in"},
      {"gzip stored in squashfs",
       "mkdir s && cp in s/app && gzip -9 s/app && mksquashfs s out -quiet -no-progress -noD -noF", ":gzip in /app.gz"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    const Bytes made = Made(plain, row.command);
    ExpandedImage opened = ExpandedImage::Open(made);
    const ContainedFile* file = FileAt(opened, row.path);
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(ContentOf(opened, *file), plain);
  }
}

// Seven tars, one in the other: the innermost ones are bytes of the fourth.
TEST(Members, ContainersAreOpenedToABoundedDepth) {
  const Bytes made = Made(Words(3'000), "cp in f0; for i in 1 2 3 4 5 6 7; do tar -cf f$i f$((i-1)); done; cp f7 out");
  const ExpandedImage opened = ExpandedImage::Open(made);
  EXPECT_EQ(opened.containers().size(), kMaxContainerDepth);
}

}  // namespace
}  // namespace till::delta
