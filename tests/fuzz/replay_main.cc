// Runs a fuzz target over the files of its seed folder, without libFuzzer: a plain test in every normal build.
//   usage   TARGET FOLDER|FILE...      exit 1 when there is no seed at all: an empty corpus proves nothing
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

void AddSeeds(const std::filesystem::path& path, std::vector<std::filesystem::path>* seeds) {
  if (!std::filesystem::is_directory(path)) {
    seeds->push_back(path);
    return;
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) seeds->push_back(entry.path());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  std::vector<std::filesystem::path> seeds;
  for (int i = 1; i < argc; ++i) AddSeeds(argv[i], &seeds);
  if (seeds.empty()) {
    std::fprintf(stderr, "%s: no seeds\n", argv[0]);
    return 1;
  }
  std::sort(seeds.begin(), seeds.end());  // the same order everywhere
  for (const auto& seed : seeds) {
    std::ifstream in(seed, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "cannot read %s\n", seed.c_str());
      return 1;
    }
    // An exact heap block, so that AddressSanitizer sees a read past the end.
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    std::fprintf(stderr, "%s (%zu bytes)\n", seed.filename().c_str(), bytes.size());
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  std::fprintf(stderr, "%zu seeds replayed\n", seeds.size());
  return 0;
}
