#include "delta/container/expanded_image.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "delta/container/decode.h"
#include "delta/container/scan.h"

namespace till::delta {
namespace {

Bytes DecodeWhole(const CodedBlock& block, ByteView coded) {
  Bytes plain(std::min<uint64_t>(block.plain_bytes, kMaxBlockPlainBytes));
  const Result<size_t> length = DecodeBlock(block, coded, plain);
  plain.resize(length.ok() ? *length : 0);
  plain.shrink_to_fit();
  return plain;
}

}  // namespace

ExpandedImage ExpandedImage::Open(ByteView image) {
  ExpandedImage opened;
  opened.image_ = image;
  ScanResult found = ScanForContainers(image);
  opened.blocks_ = std::move(found.blocks);
  opened.files_ = std::move(found.files);
  opened.containers_ = std::move(found.containers);
  opened.plains_.resize(opened.blocks_.size());
  return opened;
}

ByteView ExpandedImage::Plain(uint32_t block) {
  if (!plains_[block].tried) DecodeBlocks({block}, 1);
  return plains_[block].bytes;
}

void ExpandedImage::DecodeBlocks(const std::vector<uint32_t>& wanted, unsigned threads) {
  std::vector<uint32_t> work;
  for (const uint32_t block : wanted) {
    if (plains_[block].tried) continue;
    plains_[block].tried = true;
    // By the bound, not by what comes out: which blocks are held must not depend on the number of threads.
    if (held_bytes_ + blocks_[block].plain_bytes > kMaxHeldBytes) continue;
    held_bytes_ += blocks_[block].plain_bytes;
    work.push_back(block);
  }
  std::atomic<size_t> next = 0;
  const auto decode = [&] {
    for (size_t i = next++; i < work.size(); i = next++) {
      plains_[work[i]].bytes = DecodeWhole(blocks_[work[i]], Coded(work[i]));
    }
  };
  std::vector<std::jthread> others;
  for (unsigned i = 1; i < std::min<size_t>(threads, work.size()); ++i) others.emplace_back(decode);
  decode();
  others.clear();
  for (const uint32_t block : work) {
    held_bytes_ -= blocks_[block].plain_bytes;
    if (!plains_[block].bytes.empty()) blocks_[block].plain_bytes = static_cast<uint32_t>(plains_[block].bytes.size());
    held_bytes_ += plains_[block].bytes.size();
  }
}

void ExpandedImage::Forget(uint32_t block) {
  held_bytes_ -= plains_[block].bytes.size();
  plains_[block] = {};
}

Result<uint64_t> WriteExpanded(ExpandedImage& image, Sink& out) {
  uint64_t at = 0;
  uint64_t written = 0;
  const auto write = [&](ByteView bytes) {
    written += bytes.size();
    return out.Write(bytes);
  };
  for (uint32_t i = 0; i < image.blocks().size(); ++i) {
    const CodedBlock& block = image.blocks()[i];
    TILL_TRY(write(image.image().subspan(at, block.offset - at)));
    const ByteView plain = image.Plain(i);
    TILL_TRY(write(plain.empty() ? image.Coded(i) : plain));
    image.Forget(i);
    at = block.offset + block.coded_bytes;
  }
  TILL_TRY(write(image.image().subspan(at)));
  return written;
}

}  // namespace till::delta
