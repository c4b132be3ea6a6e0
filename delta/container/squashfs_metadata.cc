#include "delta/container/squashfs_metadata.h"

#include <algorithm>

#include "delta/container/decode.h"

namespace till::delta {
namespace {

constexpr uint16_t kStoredBit = 0x8000;

}  // namespace

MetadataRun ReadMetadata(ByteView image, RecodeCodec codec, uint64_t start, uint64_t end, uint64_t max_plain_bytes) {
  MetadataRun run;
  end = std::min<uint64_t>(end, image.size());
  Bytes block(kSquashfsMetadataBytes);
  for (uint64_t at = start; at + 2 < end && run.plain.size() < max_plain_bytes;) {
    const auto word = static_cast<uint16_t>(static_cast<uint8_t>(image[at]) | static_cast<uint8_t>(image[at + 1]) << 8);
    const bool stored = (word & kStoredBit) != 0;
    const uint32_t coded_bytes = word & (kStoredBit - 1);
    const uint64_t data = at + 2;
    if (coded_bytes == 0 || coded_bytes > kSquashfsMetadataBytes || coded_bytes > end - data) break;
    const ByteView coded = image.subspan(data, coded_bytes);
    run.plain_offset_of[at] = run.plain.size();
    if (stored) {
      run.extents.push_back({Extent::Kind::kRaw, 0, data, coded_bytes});
      run.plain.insert(run.plain.end(), coded.begin(), coded.end());
    } else {
      const Result<size_t> plain = DecodeBlock({data, coded_bytes, kSquashfsMetadataBytes, codec}, coded, block);
      if (!plain.ok() || *plain == 0) break;
      run.extents.push_back({Extent::Kind::kBlock, static_cast<uint32_t>(run.blocks.size()), 0, *plain});
      run.blocks.push_back({data, coded_bytes, static_cast<uint32_t>(*plain), codec});
      run.plain.insert(run.plain.end(), block.begin(), block.begin() + static_cast<ptrdiff_t>(*plain));
    }
    at = data + coded_bytes;
  }
  return run;
}

}  // namespace till::delta
