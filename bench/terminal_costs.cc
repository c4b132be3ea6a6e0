// What a terminal does with a plain byte, one operation after the other, each between two marks for
// tools/count_instructions.py: terminal_costs FILE BLOCK_BYTES. Runs under qemu-user, with the terminal's own build of
// the codecs. A line for each mark pair: its number, the operation, plain bytes, and the recode's codec and parameters.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/crypto/hash.h"
#include "delta/codec/recode.h"
#include "delta/residual/decoder.h"
#include "delta/residual/encoder.h"

namespace {

using namespace till;
using namespace till::delta;

constexpr long kMark = 0x7111ace;
unsigned marks = 0;

void Mark() { syscall(SYS_getppid, kMark, static_cast<long>(marks++)); }

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "terminal_costs: %s\n", what);
  std::exit(1);
}

template <typename Work>
void Count(const std::string& name, size_t plain_bytes, Work work) {
  const unsigned first = marks;
  Mark();
  work();
  Mark();
  std::printf("%u %s %zu\n", first, name.c_str(), plain_bytes);
  std::fflush(stdout);
}

Bytes ReadAll(const char* path) {
  std::FILE* const file = std::fopen(path, "rb");
  Require(file != nullptr, "cannot open the file");
  Bytes bytes;
  Bytes piece(64 << 10);
  for (size_t count = 1; count > 0;) {
    count = std::fread(piece.data(), 1, piece.size(), file);
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(count));
  }
  std::fclose(file);
  return bytes;
}

std::vector<ByteView> BlocksOf(ByteView bytes, size_t block_bytes) {
  std::vector<ByteView> blocks;
  for (size_t at = 0; at < bytes.size(); at += block_bytes) {
    blocks.push_back(bytes.subspan(at, std::min(block_bytes, bytes.size() - at)));
  }
  return blocks;
}

void CountRecode(const std::string& name, const Recode& recode, const std::vector<ByteView>& blocks, size_t total) {
  const size_t longest = blocks.front().size();
  Bytes memory(std::max(RecodeEncodeBytes(recode, longest), RecodeDecodeBytes(recode, longest)));
  std::vector<Bytes> coded(blocks.size(), Bytes(CodedBound(longest)));
  Count(name + " encode", total, [&] {
    for (size_t i = 0; i < blocks.size(); ++i) {
      const auto made = RecodeEncode(recode, blocks[i], coded[i], memory);
      Require(made.ok(), "an encoder refused");
      coded[i].resize(*made);
    }
  });
  Bytes plain(longest);
  Count(name + " decode", total, [&] {
    for (size_t i = 0; i < blocks.size(); ++i) {
      const MutableByteView room = MutableByteView(plain).first(blocks[i].size());
      Require(RecodeDecode(recode, coded[i], room, memory).ok(), "a decoder refused");
    }
  });
}

// `every`: one word in so many differs from what is predicted; 0: none. Literal: nothing is predicted.
void CountModel(const std::string& name, ByteView plain, uint32_t every, bool literal) {
  Bytes predicted(plain.begin(), plain.end());
  for (size_t word = 0; every != 0 && word * 4 < predicted.size(); word += every) predicted[word * 4] ^= std::byte{8};
  ResidualEncoder encoder;
  if (!literal) encoder.StartOp(0, 0);
  encoder.Write(literal ? ByteView() : ByteView(predicted), plain);
  const Bytes coded = encoder.Finish();
  std::vector<uint64_t> workspace(ResidualDecoder::kBytes / 8);
  Bytes out(plain.size());
  Count(name + " decode", plain.size(), [&] {
    auto decoder = ResidualDecoder::Create(std::as_writable_bytes(std::span(workspace)), coded);
    if (!literal) decoder->StartOp(0);
    Require(decoder->Read(literal ? ByteView() : ByteView(predicted), out).ok(), "the model refused");
  });
}

}  // namespace

int main(int argc, char** argv) {
  Require(argc == 3, "usage: terminal_costs FILE BLOCK_BYTES");
  const Bytes bytes = ReadAll(argv[1]);
  const auto block_bytes = static_cast<size_t>(std::strtoul(argv[2], nullptr, 10));
  Require(!bytes.empty() && block_bytes >= 4096 && block_bytes <= kMaxBlockPlainBytes, "nothing to count");
  const std::vector<ByteView> blocks = BlocksOf(bytes, block_bytes);
  Bytes copied(bytes.size());
  Count("sha256 -", bytes.size(), [&] { crypto::Sha256Of(bytes); });
  Count("copy -", bytes.size(), [&] { std::copy(bytes.begin(), bytes.end(), copied.begin()); });
  CountModel("model-equal", bytes, 0, false);
  CountModel("model-word-in-64", bytes, 64, false);
  CountModel("model-word-in-8", bytes, 8, false);
  CountModel("model-literal", blocks.front(), 0, true);
  for (const bool high : {false, true}) CountRecode(high ? "lz4hc" : "lz4", Recode::Lz4(high), blocks, bytes.size());
  for (uint8_t level = 1; level <= 9; ++level) {
    CountRecode("zlib-" + std::to_string(level), Recode::Zlib({.level = level}), blocks, bytes.size());
  }
  for (const uint8_t level : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15, 16, 18, 19, 22}) {
    CountRecode("zstd-" + std::to_string(level), Recode::Zstd(level), blocks, bytes.size());
  }
  const auto dictionary = static_cast<uint8_t>(31 - __builtin_clz(static_cast<unsigned>(block_bytes)));
  for (uint8_t preset = 0; preset <= 6; ++preset) {
    const Recode recode = Recode::Xz({.preset = preset, .dictionary = dictionary});
    CountRecode("xz-" + std::to_string(preset), recode, blocks, bytes.size());
  }
  CountRecode("xz-9e", Recode::Xz({.preset = 9, .extreme = true, .dictionary = dictionary}), blocks, bytes.size());
  return 0;
}
