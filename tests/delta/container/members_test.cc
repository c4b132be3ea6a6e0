// Containers other than squashfs: single streams and archives, as the usual tools make them.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>

#include "core/file.h"
#include "delta/container/expanded_image.h"
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

}  // namespace
}  // namespace till::delta
