#include "tests/delta/container/made_images.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>

#include "core/file.h"
#include "tests/delta/craft.h"

namespace till::delta::testing {
namespace {

namespace fs = std::filesystem;
using Dice = std::mt19937_64;

constexpr uint64_t kMaxImageBytes = 64 << 20;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / "till-images-XXXXXX") { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void Run(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  char buffer[512];
  while (const size_t got = fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, got);
  ASSERT_EQ(pclose(pipe), 0) << command << "\n" << output;
}

// Words from a small vocabulary: as compressible as programs are.
Bytes Content(Dice& dice, size_t bytes) {
  Bytes content;
  const uint64_t vocabulary = dice() % 1000;
  while (content.size() < bytes) {
    const Bytes word = Noise(4 + dice() % 12, vocabulary + dice() % 300);
    content.insert(content.end(), word.begin(), word.end());
  }
  content.resize(bytes);
  return content;
}

void Edit(Dice& dice, Bytes& bytes) {
  if (bytes.empty()) return;
  const size_t at = dice() % bytes.size();
  const Bytes more = Content(dice, dice() % 200);
  switch (dice() % 3) {
    case 0:
      bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), more.begin(), more.end());
      break;
    case 1:
      bytes.erase(bytes.begin() + static_cast<ptrdiff_t>(at),
                  bytes.begin() + static_cast<ptrdiff_t>(std::min(bytes.size(), at + dice() % 300)));
      break;
    default:
      for (size_t i = at; i < std::min(bytes.size(), at + 4000); i += 1 + dice() % 97) bytes[i] ^= std::byte{4};
  }
}

}  // namespace

Tree RandomTree(uint64_t seed) {
  Dice dice(seed);
  Tree tree;
  tree["/empty"] = {};
  tree["/noise"] = Noise(30'000, seed + 1);
  tree["/zeros"] = Bytes(400'000, std::byte{0});
  tree["/usr/lib/libbig.so.1.2.3"] = Content(dice, 280'000 + dice() % 100'000);
  tree["/usr/lib/copy-of-big"] = tree["/usr/lib/libbig.so.1.2.3"];
  for (unsigned i = 0; i < 36; ++i) {
    const size_t bytes = i % 9 == 0 ? 50'000 + dice() % 60'000 : dice() % 20'000;
    tree["/opt/d" + std::to_string(i % 5) + "/file" + std::to_string(i)] = Content(dice, bytes);
  }
  return tree;
}

Tree NextRelease(const Tree& tree, uint64_t seed) {
  Dice dice(seed ^ 0x5eed);
  Tree next = tree;
  std::vector<std::string> paths;
  for (const auto& [path, bytes] : tree) paths.push_back(path);
  for (unsigned i = 0; i < 6; ++i) Edit(dice, next[paths[dice() % paths.size()]]);
  next.erase(paths[dice() % paths.size()]);
  next["/opt/new"] = Content(dice, dice() % 50'000);
  next["/opt/moved/there"] = tree.at(paths[dice() % paths.size()]);
  if (dice() % 2 == 0) {
    auto library = next.extract("/usr/lib/libbig.so.1.2.3");
    if (!library.empty()) {
      library.key() = "/usr/lib/libbig.so.1.2.10";
      Edit(dice, library.mapped());
      next.insert(std::move(library));
    }
  }
  return next;
}

Bytes MakeSquashfs(const Tree& tree, const std::string& options) {
  const Folder folder;
  for (const auto& [path, bytes] : tree) {
    const std::string place = folder.path() + "/tree" + path;
    fs::create_directories(fs::path(place).parent_path());
    EXPECT_TRUE(WriteFileAtomically(place, bytes).ok());
  }
  Run("mksquashfs " + folder.path() + "/tree " + folder.path() +
      "/image -noappend -all-root -no-progress -processors 1 -mkfs-time 1700000000 -all-time 1700000000 " + options);
  Result<Bytes> image = ReadBinaryFile(folder.path() + "/image", kMaxImageBytes);
  EXPECT_TRUE(image.ok());
  return std::move(image).value();
}

Tree Unsquash(ByteView image) {
  const Folder folder;
  EXPECT_TRUE(WriteFileAtomically(folder.path() + "/image", image).ok());
  const std::string root = folder.path() + "/tree";
  Run("unsquashfs -no-xattrs -no-progress -d " + root + " " + folder.path() + "/image");
  Tree tree;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    tree[entry.path().string().substr(root.size())] = ReadBinaryFile(entry.path(), kMaxImageBytes).value();
  }
  return tree;
}

}  // namespace till::delta::testing
